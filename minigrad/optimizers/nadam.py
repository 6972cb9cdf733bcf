"""Nadam: Adam with Nesterov's look ahead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad._validate import number
from minigrad.optimizers.base import Optimizer, Schedule, registry, towards
from minigrad.optimizers.options import Array, State

DECAY = 0.96  # of the momentum schedule, from the paper


class Nadam(Optimizer):
    """Adam whose step uses the momentum that the next step will have.

    With the running means m and v, ``u(t) = beta_1 * (1 - 0.96**t / 2)`` and U(t) the product of
    u(1) to u(t), step t is::

        m_hat = u(t + 1) * m / (1 - U(t + 1)) + (1 - u(t)) * g / (1 - U(t))
        learning_rate * m_hat / (sqrt(v / (1 - beta_2**t)) + epsilon)

    Source: Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ;
    https://keras.io/api/optimizers/Nadam/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    beta_1, beta_2 : float
        How much of the running means is kept in each step, in [0, 1).
    epsilon : float
        Positive; keeps the division finite.
    **options
        See `Optimizer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> mg.optimizers.Nadam(0.25, beta_1=0.0).apply_gradients([(mg.tensor([8.0]), w)])
    >>> round(w.item(), 6)
    0.75
    """

    elementwise = True
    slots = ("first_moment", "second_moment")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = number(beta_1, "beta_1", minimum=0, below=1)
        self.beta_2 = number(beta_2, "beta_2", minimum=0, below=1)
        self.epsilon = number(epsilon, "epsilon", above=0)
        self._product = 0, 1.0  # (t, U(t)) of the last step asked for

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and running means; see `Optimizer.update`."""
        now, ahead = self._momentum(step), self._momentum(step + 1)
        product = self._momentum_product(step)
        mean = towards(state["first_moment"], gradient, 1 - self.beta_1)
        square = towards(state["second_moment"], np.square(gradient), 1 - self.beta_2)
        change = mean * (ahead / (1 - product * ahead))
        change += gradient * ((1 - now) / (1 - product))
        change *= learning_rate
        change /= np.sqrt(square) / math.sqrt(1 - self.beta_2**step) + self.epsilon
        return value - change, {"first_moment": mean, "second_moment": square}

    def _momentum(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * DECAY**step)

    def _momentum_product(self, step: int) -> float:
        known, product = self._product
        if known > step:  # an older state was loaded
            known, product = 0, 1.0
        for each in range(known + 1, step + 1):
            product *= self._momentum(each)
        self._product = step, product
        return product


registry.register(Nadam)

"""Lion: steps of one size, in the direction of a running mean's sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._validate import number
from minigrad.optimizers.base import Optimizer, Schedule, registry, towards
from minigrad.optimizers.options import Array, State


class Lion(Optimizer):
    """Move every number by `learning_rate`, against the sign of a mean of past gradients.

    With the running mean m, the step is ``learning_rate * sign(beta_1 * m + (1 - beta_1) * g)``;
    then m moves towards g with `beta_2`. Learning rates should be 3 to 10 times smaller than
    Adam's.

    Source: Chen et al. 2023, https://arxiv.org/abs/2302.06675;
    https://keras.io/api/optimizers/lion/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    beta_1, beta_2 : float
        How much of the running mean counts in the step and is kept for the next, in [0, 1).
    **options
        See `Optimizer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0, 1.0], requires_grad=True)
    >>> mg.optimizers.Lion(0.25).apply_gradients([(mg.tensor([8.0, -0.1]), w)])
    >>> w.numpy()
    array([0.75, 1.25], dtype=float32)
    """

    elementwise = True
    slots = ("momentum",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = number(beta_1, "beta_1", minimum=0, below=1)
        self.beta_2 = number(beta_2, "beta_2", minimum=0, below=1)

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and running mean; see `Optimizer.update`."""
        mean = state["momentum"]
        direction = np.sign(towards(mean, gradient, 1 - self.beta_1))
        return (
            value - learning_rate * direction,
            {"momentum": towards(mean, gradient, 1 - self.beta_2)},
        )


registry.register(Lion)

"""RMSprop: steps divided by a running root mean square of the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._validate import number
from minigrad.optimizers.base import Optimizer, Schedule, registry, towards
from minigrad.optimizers.options import Array, State


class RMSprop(Optimizer):
    """Divide each gradient by a running root mean square of its past.

    With the running mean square v, the step is ``learning_rate * g / sqrt(v + epsilon)``;
    `centered` takes the square of the running mean off v, which makes it a variance. The epsilon
    stands inside the root, as in Keras 3.

    Source: Hinton, lecture 6e of "Neural networks for machine learning";
    https://keras.io/api/optimizers/rmsprop/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    rho : float
        How much of the running averages is kept in each step, in [0, 1).
    momentum : float
        In [0, 1].
    epsilon : float
        Positive; keeps the division finite.
    centered : bool
        Divide by the standard deviation.
    **options
        See `Optimizer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> mg.optimizers.RMSprop(0.1, rho=0.75).apply_gradients([(mg.tensor([8.0]), w)])
    >>> round(w.item(), 6)
    0.8
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = number(rho, "rho", minimum=0, below=1)
        self.momentum = number(momentum, "momentum", minimum=0, maximum=1)
        self.epsilon = number(epsilon, "epsilon", above=0)
        self.centered = bool(centered)
        kept = {"velocity": True, "momentum": bool(self.momentum), "average": self.centered}
        self.slots = tuple(slot for slot, needed in kept.items() if needed)

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and running averages; see `Optimizer.update`."""
        new = {"velocity": towards(state["velocity"], np.square(gradient), 1 - self.rho)}
        denominator = new["velocity"]
        if self.centered:
            new["average"] = towards(state["average"], gradient, 1 - self.rho)
            denominator = denominator - np.square(new["average"])
        change = learning_rate * gradient / np.sqrt(denominator + self.epsilon)
        if self.momentum:
            change = change + self.momentum * state["momentum"]
            new["momentum"] = change
        return value - change, new


registry.register(RMSprop, "rmsprop")

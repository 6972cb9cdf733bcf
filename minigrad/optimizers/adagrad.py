"""Adagrad: steps divided by the root of the sum of all squared gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._validate import number
from minigrad.autograd import Tensor
from minigrad.optimizers.base import Optimizer, Schedule, registry
from minigrad.optimizers.options import Array, State


class Adagrad(Optimizer):
    """Numbers that have moved much move less.

    With the sum a of all squared gradients, the step is ``learning_rate * g / sqrt(a + epsilon)``.

    Source: Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html;
    https://keras.io/api/optimizers/adagrad/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    initial_accumulator_value : float
        Where the sum begins, not negative.
    epsilon : float
        Positive; keeps the division finite.
    **options
        See `Optimizer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> adagrad = mg.optimizers.Adagrad(0.5, initial_accumulator_value=9.0)
    >>> adagrad.apply_gradients([(mg.tensor([4.0]), w)])
    >>> round(w.item(), 6)
    0.6
    """

    elementwise = True
    slots = ("accumulator",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = number(
            initial_accumulator_value, "initial_accumulator_value", minimum=0
        )
        self.epsilon = number(epsilon, "epsilon", above=0)

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and sum; see `Optimizer.update`."""
        total = state["accumulator"] + np.square(gradient)
        change = learning_rate * gradient / np.sqrt(total + self.epsilon)
        return value - change, {"accumulator": total}

    def _fresh_state(self, parameter: Tensor) -> State:
        return {"accumulator": np.full_like(parameter.data, self.initial_accumulator_value)}


registry.register(Adagrad)

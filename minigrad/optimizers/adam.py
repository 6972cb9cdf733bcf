"""Adam and AdamW: running means of the gradient and of its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad._validate import number
from minigrad.kernels.choice import compiled
from minigrad.optimizers.base import Optimizer, Schedule, registry, towards
from minigrad.optimizers.options import Array, State


class Adam(Optimizer):
    """Step along a running mean of the gradient, divided by that of its square.

    With the running means m and v, and t steps made, this one included::

        w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)

    The epsilon is the paper's "epsilon hat", as in Keras.

    Source: Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; amsgrad: Reddi et al. 2018;
    https://keras.io/api/optimizers/adam/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    beta_1, beta_2 : float
        How much of the running means is kept in each step, in [0, 1).
    epsilon : float
        Positive; keeps the division finite.
    amsgrad : bool
        Divide by the largest v so far.
    **options
        See `Optimizer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> mg.optimizers.Adam(0.25).apply_gradients([(mg.tensor([8.0]), w)])
    >>> round(w.item(), 6)
    0.75
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = number(beta_1, "beta_1", minimum=0, below=1)
        self.beta_2 = number(beta_2, "beta_2", minimum=0, below=1)
        self.epsilon = number(epsilon, "epsilon", above=0)
        self.amsgrad = bool(amsgrad)
        largest = ("largest_second_moment",) if self.amsgrad else ()
        self.slots = ("first_moment", "second_moment", *largest)

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and running means; see `Optimizer.update`."""
        bias = math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        first, second = state["first_moment"], state["second_moment"]
        if not self.amsgrad and compiled(value, gradient, first, second):
            from minigrad.kernels.cpu import updates  # imported when it is needed

            rates = (1 - self.beta_1, 1 - self.beta_2, learning_rate * bias, self.epsilon)
            value, first, second = updates.adam(value, gradient, first, second, rates)
            return value, {"first_moment": first, "second_moment": second}
        mean = towards(first, gradient, 1 - self.beta_1)
        square = towards(second, np.square(gradient), 1 - self.beta_2)
        new = {"first_moment": mean, "second_moment": square}
        if self.amsgrad:
            square = np.maximum(state["largest_second_moment"], square)
            new["largest_second_moment"] = square
        denominator = np.sqrt(square)
        denominator += self.epsilon
        change = mean * (learning_rate * bias)
        change /= denominator
        return value - change, new


class AdamW(Adam):
    """Adam with weight decay that is not mixed into the gradient.

    Before each update, parameters shrink by ``weight_decay * learning_rate`` of their value.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101;
    https://keras.io/api/optimizers/adamw/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    weight_decay : float
        Not negative.
    beta_1, beta_2, epsilon, amsgrad, **options
        See `Adam`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> mg.optimizers.AdamW(0.5, weight_decay=0.5).apply_gradients([(mg.tensor([0.0]), w)])
    >>> w.item()
    0.75
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        number(weight_decay, "weight_decay", minimum=0)  # here it may not be None
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options
        )


registry.register(Adam)
registry.register(AdamW, "adamw")

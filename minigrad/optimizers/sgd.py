"""Stochastic gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import Any

from minigrad._validate import number
from minigrad.optimizers.base import Optimizer, Schedule, registry
from minigrad.optimizers.options import Array, State


class SGD(Optimizer):
    """Gradient descent: ``w - learning_rate * g``.

    With momentum m, a velocity v is kept: ``v = m * v - learning_rate * g``, and the parameter
    becomes ``w + v`` or, with Nesterov's look-ahead, ``w + m * v - learning_rate * g``.

    Source: https://keras.io/api/optimizers/sgd/

    Parameters
    ----------
    learning_rate : float or callable
        See `Optimizer`.
    momentum : float
        In [0, 1].
    nesterov : bool
        Look ahead.
    **options
        ``weight_decay``, ``clipnorm``, ``clipvalue``, ``global_clipnorm``, ``name``; see
        `Optimizer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> sgd = mg.optimizers.SGD(0.5, momentum=0.5)
    >>> for _ in range(2):
    ...     sgd.apply_gradients([(mg.tensor([1.0]), w)])
    >>> w.item()
    -0.25
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = number(momentum, "momentum", minimum=0, maximum=1)
        self.nesterov = bool(nesterov)
        self.slots = ("momentum",) if self.momentum else ()

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and velocity; see `Optimizer.update`."""
        descent = -learning_rate * gradient
        if not self.momentum:
            return value + descent, state
        velocity = self.momentum * state["momentum"]
        velocity += descent
        if self.nesterov:
            return value + (self.momentum * velocity + descent), {"momentum": velocity}
        return value + velocity, {"momentum": velocity}


registry.register(SGD)

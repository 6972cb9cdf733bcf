"""Learning rate schedules: functions from the number of steps made to the rate of the next one.

Optimizers take any function for that; these have names and configurations, and Keras' formulas
(https://keras.io/api/optimizers/learning_rate_schedules/).

Examples
--------
>>> import minigrad as mg
>>> rate = mg.optimizers.schedules.CosineDecay(0.1, decay_steps=100)
>>> [round(rate(step), 3) for step in (0, 50, 100, 1000)]
[0.1, 0.05, 0.0, 0.0]
>>> mg.optimizers.Adam(rate).learning_rate
0.1
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable

from minigrad._configurable import Configurable
from minigrad._registry import Registry
from minigrad._validate import number, positive_int

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "deserialize",
    "get",
    "register",
    "serialize",
]

registry = Registry("learning rate schedule")
register = registry.register
get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize


class LearningRateSchedule(Configurable):
    """The base of schedules: define ``__call__(step)``."""

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(step).")


class ExponentialDecay(LearningRateSchedule):
    """Multiply by `decay_rate` once in `decay_steps` steps, evenly or all at once.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
    staircase : bool
        Only at multiples of `decay_steps`.
    name : str, optional

    Examples
    --------
    >>> rate = ExponentialDecay(1.0, decay_steps=2, decay_rate=0.25)
    >>> [rate(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate, "initial_learning_rate")
        self.decay_steps = positive_int(decay_steps, "decay_steps")
        self.decay_rate = number(decay_rate, "decay_rate", above=0)
        self.staircase = bool(staircase)
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        periods = step / self.decay_steps
        if self.staircase:
            periods = math.floor(periods)
        return float(self.initial_learning_rate * self.decay_rate**periods)


class PiecewiseConstantDecay(LearningRateSchedule):
    """One value up to and including the first boundary, another up to the next, and so on.

    Parameters
    ----------
    boundaries : list of int
        Numbers of steps, increasing.
    values : list of float
        One more than boundaries.
    name : str, optional

    Raises
    ------
    ValueError
        If the lengths do not fit, or the boundaries do not increase.

    Examples
    --------
    >>> rate = PiecewiseConstantDecay([2, 3], [1.0, 0.5, 0.125])
    >>> [rate(step) for step in range(5)]
    [1.0, 1.0, 1.0, 0.5, 0.125]
    """

    def __init__(
        self,
        boundaries: Iterable[float],
        values: Iterable[float],
        name: str = "PiecewiseConstantDecay",
    ) -> None:
        self.boundaries = [number(boundary, "boundaries") for boundary in boundaries]
        self.values = [number(value, "values", minimum=0) for value in values]
        self.name = name
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                "There must be one value more than boundaries. Received: "
                f"{len(self.boundaries)} boundaries and {len(self.values)} values"
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(f"The boundaries must increase. Received: {self.boundaries}")

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        return float(self.values[bisect.bisect_left(self.boundaries, step)])


class CosineDecay(LearningRateSchedule):
    """Fall along half a cosine, after a linear rise (the warm-up).

    Source: Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983

    Parameters
    ----------
    initial_learning_rate : float
        Where it begins.
    decay_steps : int
        The length of the fall.
    alpha : float
        The part of the highest rate that is left in the end.
    warmup_target : float, optional
        The rate that the warm-up rises to; the fall begins there.
    warmup_steps : int
        The length of the rise. Without `warmup_target` there is none.
    name : str, optional

    Examples
    --------
    >>> rate = CosineDecay(0.0, decay_steps=4, warmup_target=1.0, warmup_steps=2)
    >>> [round(rate(step), 3) for step in range(7)]
    [0.0, 0.5, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = number(
            initial_learning_rate, "initial_learning_rate", minimum=0
        )
        self.decay_steps = positive_int(decay_steps, "decay_steps")
        self.alpha = number(alpha, "alpha", minimum=0)
        self.name = name
        self.warmup_target = (
            None if warmup_target is None else number(warmup_target, "warmup_target", minimum=0)
        )
        self.warmup_steps = int(number(warmup_steps, "warmup_steps", minimum=0))

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        top, start = self.initial_learning_rate, 0
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(top + (self.warmup_target - top) * step / self.warmup_steps)
            top, start = self.warmup_target, self.warmup_steps
        part = min((step - start) / self.decay_steps, 1.0)
        return float(top * (self.alpha + (1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * part))))


for _schedule in (CosineDecay, ExponentialDecay, PiecewiseConstantDecay):
    register(_schedule)

"""One input's gradient against measured slopes: where to look, and how close is close."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.gradcheck.differences import BEST_STEP, Differences, Direction, Slope, scales
from minigrad.gradcheck.report import Mode

Array = NDArray[Any]

DEFAULT_RTOL = 1e-6
DIRECTIONS = 4  # random directions per input in fast mode
_MOST_DOUBT = 1e-3  # of the largest slope: the most that disagreement between steps may excuse


@dataclass(frozen=True)
class Options:
    """The options of `gradcheck`, checked; its docstring says what they mean."""

    mode: Mode = "full"
    step: float | None = None
    rtol: float | None = None
    atol: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("full", "fast"):
            raise ValueError(f"mode must be 'full' or 'fast'. Received: mode={self.mode!r}")
        for name in ("step", "rtol", "atol"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be a finite number >= 0. Received: {name}={value!r}")
        if self.step == 0.0:
            raise ValueError(f"step must be positive. Received: step={self.step!r}")

    def tolerance(self, analytic: float, slope: Slope) -> float:
        """Return how far the gradient may be from the measured slope."""
        rtol = DEFAULT_RTOL if self.rtol is None else self.rtol
        size = max(abs(analytic), abs(slope.value))
        return (self.atol or 0.0) + rtol * size + slope.uncertainty


@dataclass(frozen=True)
class Comparison:
    """The gradient along one direction beside the measured slope."""

    direction: Direction
    analytic: float
    slope: Slope
    tolerance: float

    @property
    def error(self) -> float:
        """How far they are apart."""
        return abs(self.analytic - self.slope.value)

    @property
    def passed(self) -> bool:
        """Whether they agree; never if one of them is infinite or NaN."""
        return math.isfinite(self.error) and self.error <= self.tolerance

    @property
    def badness(self) -> float:
        """The error in units of the tolerance; infinite if it is not a number."""
        if self.error == 0.0:
            return 0.0
        if not math.isfinite(self.error) or self.tolerance == 0.0:
            return math.inf
        return self.error / self.tolerance

    def complaint(self) -> str:
        """Return what is wrong, in words."""
        place = "along a random direction"
        if self.direction.index is not None:
            place = f"at [{', '.join(map(str, self.direction.index))}]"
        if not math.isfinite(self.slope.value):
            return f"{place} the function has no finite values nearby, so no slope can be measured"
        return (
            f"{place} the gradient is {self.analytic:.9g}, central differences say "
            f"{self.slope.value:.9g} (error {self.error:.1e}, tolerance {self.tolerance:.1e})"
        )


def directions(x: Array, mode: Mode, rng: np.random.Generator) -> list[Direction]:
    """Return the directions to compare along: each element, or a few random vectors."""
    scale = scales(x)
    if mode == "full":
        return [
            Direction(
                where, 1.0, float(scale.flat[where]), abs(float(x[index])), tuple(map(int, index))
            )
            for where, index in enumerate(np.ndindex(x.shape))
        ]
    if x.size == 0:
        return []
    everything = slice(None)
    return [
        Direction(everything, _away_from_zero(rng, x.size) * scale.ravel(), 1.0, 1.0, None)
        for _ in range(DIRECTIONS)
    ]


def compare(
    gradient: Array, differences: Differences, where: list[Direction], options: Options
) -> list[Comparison]:
    """Compare ``gradient`` with the slope along each direction.

    Slopes that disagree are measured again, with more care and the worst first, until one still
    disagrees then: that settles it, and the other doubtful ones keep their first measurement.
    """

    def beside(direction: Direction, slope: Slope) -> Comparison:
        part = gradient.ravel()[direction.where]
        analytic = float(np.sum(part * direction.vector))
        return Comparison(direction, analytic, slope, options.tolerance(analytic, slope))

    found = []
    for direction in where:
        step = BEST_STEP * direction.scale if options.step is None else options.step
        found.append(beside(direction, differences.measure(direction, step)))
    if options.step is not None:
        return found
    sizes = [abs(one.slope.value) for one in found if math.isfinite(one.slope.value)]
    most_doubt = _MOST_DOUBT * max(sizes, default=0.0)
    doubtful = [k for k, one in enumerate(found) if not one.passed]
    for k in sorted(doubtful, key=lambda k: -found[k].badness):
        settled = differences.settle(where[k], most_doubt)
        found[k] = beside(where[k], settled)
        if not found[k].passed:
            break
    return found


def random_like(array: Array, rng: np.random.Generator) -> Array:
    """Return a random upstream gradient in the shape and dtype of ``array``."""
    return _away_from_zero(rng, array.size).reshape(array.shape).astype(array.dtype)


def _away_from_zero(rng: np.random.Generator, size: int) -> Array:
    """Return numbers from 0.5 to 1.5 with random signs: none so small that it hides an error."""
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)

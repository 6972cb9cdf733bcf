"""One input's gradient against measured slopes: where to look, and how close is close."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from minigrad.gradcheck.differences import (
    Differences,
    Direction,
    Slope,
    best_step,
    elements,
    scales,
)
from minigrad.gradcheck.findings import Array, Mode, Precision, StepCurve, Verdict
from minigrad.gradcheck.kinks import BEND, Kink, find_kink

DIRECTIONS = 4  # random directions per input in fast mode
_CLOSE = 1e-8  # float64: a relative error above this is looked at twice ...
_LOOKED_AT_TWICE = 3  # ... for the worst elements of an input
_DECADES, _PER_DECADE = 13, 3  # of steps in a curve


@dataclass(frozen=True)
class Options:
    """The options of `gradcheck`, checked; its docstring says what they mean."""

    mode: Mode = "full"
    step: float | None = None
    rtol: float | None = None
    atol: float | None = None
    seed: int = 0
    nondet_tol: float = 0.0
    precision: Precision = "float64"

    def __post_init__(self) -> None:
        for name, known in (("mode", get_args(Mode)), ("precision", get_args(Precision))):
            if (value := getattr(self, name)) not in known:
                expected = " or ".join(map(repr, known))
                raise ValueError(f"{name} must be {expected}. Received: {name}={value!r}")
        for name in ("step", "rtol", "atol", "nondet_tol"):
            value = getattr(self, name)
            number = isinstance(value, (int, float, np.number))
            if value is not None and not (number and 0.0 <= value < math.inf):
                raise ValueError(f"{name} must be a finite number >= 0. Received: {name}={value!r}")
        if not isinstance(self.seed, (int, np.integer)) or self.seed < 0:
            raise ValueError(f"seed must be an integer >= 0. Received: seed={self.seed!r}")
        if self.step == 0.0:
            raise ValueError(f"step must be positive. Received: step={self.step!r}")

    def tolerance(self, analytic: float, slope: Slope, rtol: float) -> float:
        """Return how far the gradient may be from the measured slope."""
        size = max(abs(analytic), abs(slope.value))
        return (self.atol or 0.0) + rtol * size + slope.uncertainty


def default_rtol(epsilon: float) -> float:
    """Return the relative tolerance for a precision: 1e-6 for float64, 1e-3 for float32."""
    return 1e-6 if epsilon < 1e-10 else 1e-3


@dataclass(frozen=True)
class Comparison:
    """The gradient along one direction beside the measured slope."""

    direction: Direction
    analytic: float
    slope: Slope
    tolerance: float
    kink: Kink | None = None

    @property
    def error(self) -> float:
        """How far they are apart."""
        return abs(self.analytic - self.slope.value)

    @property
    def agrees(self) -> bool:
        """Whether gradient and slope agree; never if one of them is infinite or NaN."""
        return math.isfinite(self.error) and self.error <= self.tolerance

    @property
    def verdict(self) -> Verdict:
        """The verdict on this element or direction."""
        if self.kink is not None:
            return "kink" if self.kink.allows(self.analytic, self.tolerance) else "fail"
        return "pass" if self.agrees else "fail"

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
        place = self.direction.place
        if self.kink is not None:
            return f"{place} the gradient is {self.analytic:.9g}, but {self.kink}"
        if not math.isfinite(self.slope.value):
            return f"{place} the function has no finite values nearby, so no slope can be measured"
        return (
            f"{place} the gradient is {self.analytic:.9g}, central differences say "
            f"{self.slope.value:.9g} (error {self.error:.1e}, tolerance {self.tolerance:.1e})"
        )


def directions(x: Array, mode: Mode, rng: np.random.Generator) -> list[Direction]:
    """Return the directions to compare along: each element, or a few random vectors."""
    if mode == "full":
        return elements(x)
    scale, count = scales(x).ravel(), DIRECTIONS if x.size else 0
    return [Direction(slice(None), _away_from_zero(rng, x.size) * scale) for _ in range(count)]


class Judge:
    """Compares a gradient with slopes along many directions, and looks twice where they disagree.

    ``noise`` is what rounding does to each element of the gradient itself, which is no mistake.
    """

    def __init__(
        self,
        gradient: Array,
        differences: Differences,
        options: Options,
        noise: Array | None = None,
    ) -> None:
        self._noise = None if noise is None else noise.ravel()
        self._gradient = np.asarray(gradient, np.float64).ravel()
        self._differences, self._options = differences, options
        epsilon = differences.epsilon
        self._rtol = default_rtol(epsilon) if options.rtol is None else options.rtol
        careful = options.rtol is None and epsilon < 1e-10
        self._strict_rtol = _CLOSE if careful else self._rtol

    def compare(self, where: list[Direction]) -> list[Comparison]:
        """Return one comparison for each direction."""
        options, differences = self._options, self._differences
        found = []
        for direction in where:
            step = options.step or best_step(differences.epsilon) * direction.scale
            slope = differences.measure(direction, step)
            if direction.index is None:  # each x + h v was rounded to a number
                share = np.linalg.norm(self._gradient * differences.x.ravel()) / step
                slip = slope.uncertainty + differences.epsilon * float(share)
                slope = replace(slope, uncertainty=slip)
            found.append(self._beside(direction, slope, self._rtol))
        if options.step is None:
            self._look_twice(found)
        for k, one in enumerate(found):
            if one.slope.bends(BEND):
                found[k] = self._with_kink(one)
        return found

    def together(self, found: list[Comparison]) -> Comparison | None:
        """Return what is wrong with the kinks as a whole, or None.

        At a tie of max, each of two gradients may lie between its slopes, and their sum may not:
        both moved together, the function is smooth.
        """
        kinks = [one.direction for one in found if one.kink is not None and not one.kink.jumps]
        if len(kinks) < 2 or any(direction.index is None for direction in kinks):
            return None
        where = np.array([direction.where for direction in kinks])
        scale = min(direction.scale for direction in kinks)
        joint = Direction(where, np.ones(len(where)), scale, scale)
        step = best_step(self._differences.epsilon) * scale
        one = self._beside(joint, self._differences.measure(joint, step), self._rtol)
        one = self._with_kink(one) if one.slope.bends(BEND) else one
        return one if one.verdict == "fail" else None

    def _beside(self, direction: Direction, slope: Slope, rtol: float) -> Comparison:
        analytic = float(np.sum(self._gradient[direction.where] * direction.vector))
        tolerance = self._options.tolerance(analytic, slope, rtol)
        if self._noise is not None:
            tolerance += float(np.sum(np.abs(self._noise[direction.where] * direction.vector)))
        return Comparison(direction, analytic, slope, tolerance)

    def _look_twice(self, found: list[Comparison]) -> None:
        """Measure doubtful slopes again, with more care and the worst first.

        What disagrees is measured until one still disagrees then: that settles it, and the other
        doubtful ones keep their first measurement. Of what agrees, the worst are held to a smaller
        tolerance, which shows a gradient that lost its last digits on the way.
        """
        sizes = [abs(one.slope.value) for one in found if math.isfinite(one.slope.value)]
        most = max(sizes, default=0.0)

        def again(k: int, rtol: float) -> Comparison:
            direction = found[k].direction
            opinions = [
                self._beside(direction, slope, rtol)
                for slope in self._differences.settle(direction, most)
            ]
            return next((one for one in opinions if one.agrees), opinions[0])

        doubtful = [k for k, one in enumerate(found) if not one.agrees]
        for k in sorted(doubtful, key=lambda k: -found[k].badness):
            if found[k].slope.bends(BEND):
                found[k] = with_kink = self._with_kink(found[k])
                if with_kink.kink is not None and with_kink.kink.jumps:
                    continue
            settled = again(k, self._rtol)
            found[k] = settled if settled.agrees else self._with_kink(settled)
            if found[k].verdict == "fail":
                return
        if self._strict_rtol == self._rtol:
            return
        close = {}  # the error of each in units of the smaller tolerance
        for k, one in enumerate(found):
            strict = self._options.tolerance(one.analytic, one.slope, self._strict_rtol)
            close[k] = one.error / strict if strict else 0.0
        for k in sorted(close, key=lambda k: close[k])[-_LOOKED_AT_TWICE:]:
            if found[k].kink is None and close[k] > 1.0 and not found[k].slope.bends(BEND):
                settled = again(k, self._strict_rtol)
                if not settled.agrees:
                    found[k] = settled

    def _with_kink(self, one: Comparison) -> Comparison:
        if one.kink is not None:
            return one
        return replace(one, kink=find_kink(self._differences, one.direction))


def step_curve(differences: Differences, one: Comparison, step: float | None) -> StepCurve:
    """Measure one comparison again with steps from its scale down to where rounding rules.

    Examples
    --------
    >>> import minigrad as mg
    >>> curve = mg.gradcheck(mg.ops.exp, np.array([1.0])).inputs[0].curve()
    >>> 1e-7 < curve.steps[int(np.argmin(curve.errors))] < 1e-3
    True
    """
    direction = one.direction
    steps = (direction.scale * np.logspace(0.0, -_DECADES, _DECADES * _PER_DECADE + 1)).tolist()
    slopes = [differences.measure(direction, h) for h in steps]
    best = differences.settle(direction, math.inf)[0].value
    kept = [(h, s) for h, s in zip(steps, slopes, strict=True) if math.isfinite(s.value)]
    return StepCurve(
        index=direction.index,
        steps=tuple(h for h, _ in kept),
        errors=tuple(abs(s.value - best) for _, s in kept),
        rounding=tuple(s.uncertainty for _, s in kept),
        best=best,
        analytic=one.analytic,
        chosen=step or best_step(differences.epsilon) * direction.scale,
    )


def random_like(array: Array, rng: np.random.Generator) -> Array:
    """Return a random upstream gradient in the shape and dtype of ``array``."""
    return _away_from_zero(rng, array.size).reshape(array.shape).astype(array.dtype)


def _away_from_zero(rng: np.random.Generator, size: int) -> Array:
    """Return numbers from 0.5 to 1.5 with random signs: none so small that it hides an error."""
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)

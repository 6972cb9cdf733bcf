"""Central differences, and how far they can be trusted.

The slope of p(x) = <upstream, f(x)> along a direction v is (p(x + h v) - p(x - h v)) / 2h. Two
errors spoil it: truncation, which grows with h^2, and rounding, which grows with 1/h. Where both
are equally small depends on the function, so a doubtful slope is measured again with many steps
and the steps that agree best are believed (after C. Ridders, "Accurate computation of F'(x) and
F'(x) F''(x)", Advances in Engineering Software 4, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

EPSILON = float(np.finfo(np.float64).eps)
BEST_STEP = EPSILON ** (1 / 3)  # relative to the scale of x: balances truncation and rounding
_ROUNDING = 8.0  # a result of size F is taken to be wrong by at most this many units of F * epsilon
_SMALLEST = 4.0**-17  # the ladder goes down to this step, relative to the scale of x


@dataclass(frozen=True)
class Direction:
    """One way to move an input: along an element (full mode) or along a random vector (fast mode).

    Attributes
    ----------
    where : int or slice
        The elements of the flattened input that move.
    vector : float or array
        How far each of them moves for a step of 1.
    scale : float
        The step over which the function may change considerably.
    size : float
        The magnitude of the element itself, which may be far below the scale of its input.
    index : tuple of int or None
        The position of the element; None for a vector.
    """

    where: int | slice
    vector: Any
    scale: float
    size: float
    index: tuple[int, ...] | None


@dataclass(frozen=True)
class Slope:
    """A measured slope, and how far rounding and truncation may have moved it."""

    value: float
    uncertainty: float


def scales(x: Array) -> Array:
    """Return for each element of ``x`` the distance over which a function is taken to change.

    Its own magnitude, or a hundredth of the largest one if that is more; 1 if all are zero.
    """
    size = np.abs(x)
    largest = float(size.max(initial=0.0))
    if largest == 0.0:
        return np.ones_like(x)
    return np.maximum(size, 0.01 * largest)


class Differences:
    """Measures slopes of <upstream, f> as one input of f moves.

    Parameters
    ----------
    evaluate : callable
        Takes the moved input, returns the list of outputs of f.
    x : float64 array
        Where the slopes are wanted.
    upstream : sequence of arrays
        One for each output, in its shape.
    outputs : sequence of arrays
        f at ``x``; their magnitude tells how large rounding errors are.
    """

    def __init__(
        self,
        evaluate: Callable[[Array], list[Array]],
        x: Array,
        upstream: Sequence[Array],
        outputs: Sequence[Array],
    ) -> None:
        self._evaluate = evaluate
        self._x = x
        self._upstream = upstream
        sizes = [float(np.abs(out).max(initial=0.0)) for out in outputs]
        self._rounding = [_ROUNDING * EPSILON * size for size in sizes]

    def measure(self, direction: Direction, step: float) -> Slope:
        """Return the central difference along ``direction``; uncertain by rounding alone."""
        plus = self._x.ravel().copy()
        minus = plus.copy()
        plus[direction.where] += step * direction.vector
        minus[direction.where] -= step * direction.vector
        if isinstance(direction.where, int):  # the step that was really taken, after rounding
            width = float(plus[direction.where] - minus[direction.where])
        else:
            width = 2.0 * step
        with np.errstate(all="ignore"):  # a step may leave the domain; the ladder will find out
            highs = self._evaluate(plus.reshape(self._x.shape))
            lows = self._evaluate(minus.reshape(self._x.shape))
            total, noise, most = 0.0, 0.0, 0.0
            parts = zip(highs, lows, self._upstream, self._rounding, strict=True)
            for high, low, upstream, rounding in parts:
                change = high - low  # subtracted first: outputs that stay the same cancel exactly
                total += float(np.sum(upstream * change))
                noise += float(np.sum((upstream[change != 0] * rounding) ** 2))
                most = max(most, float(np.abs(upstream).max(initial=0.0)) * rounding)
        noise = math.sqrt(noise + most * most)
        if width == 0.0:
            return Slope(math.nan, math.inf)
        return Slope(total / width, noise / abs(width))

    def settle(self, direction: Direction, most_doubt: float) -> Slope:
        """Measure with a ladder of steps; return the slope on which neighbours agree best.

        Neighbours are combined so that the h^2 term of their truncation errors cancels. Their
        disagreement counts as uncertainty, but as no more than ``most_doubt``.
        """
        steps = _ladder(direction.scale, direction.size)
        found = [self.measure(direction, step) for step in steps]
        best, least, chosen = Slope(math.nan, 0.0), math.inf, 0
        for k in range(len(steps) - 2):
            wide, narrow, narrower = found[k], found[k + 1], found[k + 2]
            spread = max(abs(wide.value - narrow.value), abs(narrow.value - narrower.value))
            doubt = spread + narrow.uncertainty
            if doubt < least:  # false for NaN
                ratio = (steps[k] / steps[k + 1]) ** 2
                value = narrow.value + (narrow.value - wide.value) / (ratio - 1.0)
                best = Slope(value, min(spread, most_doubt) + narrow.uncertainty)
                least, chosen = doubt, k
        # Smaller steps scatter because of rounding errors: those of the function's values, and of
        # all that cancels inside it. The gradient under test is computed from the same numbers.
        scatter = [
            abs(slope.value - best.value) * step
            for slope, step in zip(found[chosen:], steps[chosen:], strict=True)
        ]
        rounding = _ROUNDING * max((s for s in scatter if math.isfinite(s)), default=0.0)
        return Slope(best.value, best.uncertainty + rounding / direction.scale)


def _ladder(scale: float, size: float) -> list[float]:
    """Return steps from a quarter of the scale (or of 1, if that is more) downwards."""
    steps = []
    if scale < 0.25:  # tiny inputs: the function may still change over distances of 1
        steps = [float(step) for step in np.geomspace(0.25, scale, 8)[:-1]]
    step = scale / 4
    smallest = min(scale * _SMALLEST, size * BEST_STEP or scale)
    while step >= smallest:
        steps.append(step)
        step /= 4
    return steps

"""Central differences, and how far they can be trusted.

The slope of p(x) = <upstream, f(x)> along a direction v is (p(x + h v) - p(x - h v)) / 2h. Two
errors spoil it: truncation, which grows with h^2, and rounding, which grows with 1/h. Where both
are equally small depends on the function, so a doubtful slope is measured again with many steps
and the steps that agree best are believed (after C. Ridders, "Accurate computation of F'(x) and
F'(x) F''(x)", Advances in Engineering Software 4, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.gradcheck.findings import Array

_ROUNDING = 8.0  # a result of size F is taken to be wrong by at most this many units of F * epsilon
_BENT = (0.1, 1e-4)  # shares by which one-sided slopes differ where a function bends
_NOTHING = 64.0  # in rounding units: slopes below that may be what is left of terms that cancel
_TINY = 2.0**-1022  # the smallest number with all its digits: steps below that mean nothing
_TAIL = 5  # the smallest steps of a ladder, which show rounding and nothing else
_MOST_DOUBT = 1e-3  # of the largest slope: the most that disagreement between steps may excuse


def best_step(epsilon: float) -> float:
    """Return the step, relative to the scale of x, that balances truncation and rounding.

    Examples
    --------
    >>> round(best_step(2.0**-52), 8), round(best_step(2.0**-23), 4)
    (6.06e-06, 0.0049)
    """
    return float(epsilon ** (1 / 3))


@dataclass(frozen=True)
class Direction:
    """One way to move an input: along an element (full mode) or a random vector (fast mode)."""

    where: int | slice | Array  # the elements of the flattened input that move
    vector: Any = 1.0  # how far each of them moves for a step of 1
    scale: float = 1.0  # the step over which the function may change considerably
    size: float = 1.0  # the magnitude of the element itself, which may be far below the scale
    index: tuple[int, ...] | None = None  # the position of the element; None for a vector

    @property
    def place(self) -> str:
        """Where this is, in words."""
        if isinstance(self.where, np.ndarray):
            return "where kinks are, all of them moved together,"
        if self.index is None:
            return "along a random direction"
        return f"at [{', '.join(map(str, self.index))}]"


def scales(x: Array) -> Array:
    """Return for each element of ``x`` the distance over which a function is taken to change.

    Its own magnitude, or a hundredth of the largest one if that is more; 1 if all are zero.
    """
    size = np.abs(x).astype(np.float64)
    largest = float(size.max(initial=0.0))
    return np.maximum(size, 0.01 * largest) if largest else np.ones_like(size)


def elements(x: Array, some: Sequence[int] | None = None) -> list[Direction]:
    """Return one direction for each element of ``x``, or for those at some flat positions."""
    scale, size = scales(x).ravel(), np.abs(x).ravel()
    if some is None:
        places: Iterable[tuple[int, ...]] = np.ndindex(x.shape)
    else:
        places = (tuple(map(int, np.unravel_index(k, x.shape))) for k in some)
    return [
        Direction(k, 1.0, float(scale[k]), float(size[k]), place)
        for k, place in zip(range(x.size) if some is None else some, places, strict=True)
    ]


def flat(arrays: Sequence[Array]) -> Array:
    """Return all numbers of some arrays as one float64 vector."""
    if len(arrays) == 1:
        return np.asarray(arrays[0], np.float64).ravel()
    return np.concatenate([np.ravel(a) for a in arrays]).astype(np.float64, copy=False)


def largest(*arrays: Any) -> float:
    """Return the largest magnitude in some arrays; 0 if they are empty or None."""
    sizes = [np.abs(a).max(initial=0.0) for a in arrays if a is not None]
    return float(max(sizes, default=0.0))


@dataclass(frozen=True)
class Slope:
    """A measured slope, and how far rounding and truncation may have moved it.

    ``low`` and ``high`` are the least and the largest slope that the two one-sided differences
    allow, output by output; they differ by more than rounding where a function bends.
    """

    value: float
    uncertainty: float
    low: float = math.nan
    high: float = math.nan
    noise: float = math.nan  # how far apart rounding alone may bring low and high
    rise: float = math.nan  # |f(x + h) - f(x)| + |f(x) - f(x - h)|, weighted with |upstream|

    def bends(self, share: float) -> bool:
        """Whether the one-sided slopes differ by more than a share of themselves, and rounding."""
        return self.high - self.low > self.noise + share * max(abs(self.high), abs(self.low))


class Differences:
    """Measures slopes of <upstream, f> at some inputs, as input ``k`` moves.

    ``evaluate`` takes a list of inputs and returns that of the outputs; ``epsilon`` is the rounding
    unit of the computation, and the magnitude of the ``outputs`` tells how large its errors are.
    """

    def __init__(
        self,
        evaluate: Callable[[Sequence[Array]], list[Array]],
        arrays: Sequence[Array],
        k: int,
        upstream: Sequence[Array],
        outputs: Sequence[Array],
        epsilon: float,
    ) -> None:
        self.evaluate, self.arrays, self.k, self.x = evaluate, list(arrays), k, arrays[k]
        self.upstream, self.outputs, self.epsilon = list(upstream), list(outputs), epsilon
        self.size = largest(*outputs)
        self._base, self._weights = flat(outputs), flat(upstream)
        rounding = [np.full(out.size, _ROUNDING * epsilon * largest(out)) for out in outputs]
        self._noise = np.abs(self._weights) * flat(rounding)
        self._most = largest(self._noise)

    def moved(self, direction: Direction, step: float) -> tuple[Array, float]:
        """Return f as a vector where the input moved by ``step``, and the step really taken."""
        x, taken = self.x.ravel().copy(), step
        x[direction.where] += np.asarray(step * direction.vector, x.dtype)
        if isinstance(direction.where, int):  # after rounding
            taken = float(x[direction.where]) - float(self.x.flat[direction.where])
        arrays = [*self.arrays[: self.k], x.reshape(self.x.shape), *self.arrays[self.k + 1 :]]
        with np.errstate(all="ignore"):  # a step may leave the domain; the ladder will find out
            return flat(self.evaluate(arrays)), taken

    def measure(self, direction: Direction, step: float) -> Slope:
        """Return the central difference along ``direction``; uncertain by rounding alone."""
        high, forth = self.moved(direction, step)
        low, back = self.moved(direction, -step)
        width = forth - back
        if forth <= 0.0 or back >= 0.0:
            return Slope(math.nan, math.inf)
        with np.errstate(all="ignore"):
            change = high - low  # subtracted first: outputs that stay the same cancel exactly
            moving = self._noise[change != 0]
            right = self._weights * (high - self._base)
            left = self._weights * (self._base - low)
            rise = float(np.sum(np.abs(right)) + np.sum(np.abs(left)))
            right /= forth
            left /= -back
            return Slope(
                value=float(np.sum(self._weights * change)) / width,
                uncertainty=math.sqrt(float(moving @ moving) + self._most**2) / width,
                low=float(np.sum(np.minimum(left, right))),
                high=float(np.sum(np.maximum(left, right))),
                noise=4.0 * (float(np.sum(moving)) + self._most) / width,
                rise=rise,
            )

    def slopes(self, step: float | None = None, factor: float = 1.0) -> Array:
        """Return the slopes along all elements, with one step or ``factor`` best steps for each."""
        best = factor * best_step(self.epsilon)
        found = [self.measure(d, step or best * d.scale).value for d in elements(self.x)]
        return np.array(found).reshape(self.x.shape)

    def settle(self, direction: Direction, most: float) -> list[Slope]:
        """Measure with a ladder of steps; return the slope on which neighbours agree best.

        If the function bends between x and the ends of the longer steps, the slope that the
        shorter ones agree on follows as another opinion. ``most`` is the largest slope known.
        """
        steps = _ladder(direction.scale, direction.size, self.epsilon)
        found = [self.measure(direction, step) for step in steps]
        opinions = [_agreement(steps, found, direction.scale, most, self.epsilon)]
        for share in _BENT:
            bent = [k for k, slope in enumerate(found) if slope.bends(share)]
            if bent and bent[-1] < len(steps) - 3:
                rest = slice(bent[-1] + 1, None)
                near = _agreement(steps[rest], found[rest], direction.scale, most, self.epsilon)
                if near.uncertainty <= _MOST_DOUBT * most:
                    opinions.append(near)
        return opinions


def _agreement(
    steps: Sequence[float], found: Sequence[Slope], scale: float, most: float, epsilon: float
) -> Slope:
    """Return the slope that neighbouring steps agree on best.

    Neighbours are combined so that the h^2 term of their truncation errors cancels. What they
    disagree by counts as uncertainty, but as no more than a thousandth of the largest slope, unless
    rounding makes the function so coarse that no step can do better: log(1 + 1e-12 x) is known to
    1e-16, not to 1e-28.
    """
    best, least, chosen = Slope(math.nan, 0.0), math.inf, 0
    grain = max(_grain(steps[-_TAIL:], found[-_TAIL:]), _quantum(found))
    rounded = grain <= _NOTHING * epsilon  # else it may be a true jump
    for k in range(len(steps) - 2):
        wide, narrow, narrower = found[k], found[k + 1], found[k + 2]
        spread = max(abs(wide.value - narrow.value), abs(narrow.value - narrower.value))
        coarse = grain / steps[k + 1]
        if spread + coarse + narrow.uncertainty < least:  # false for NaN
            least, chosen = spread + coarse + narrow.uncertainty, k
            ratio = (steps[k] / steps[k + 1]) ** 2
            value = narrow.value + (narrow.value - wide.value) / (ratio - 1.0)
            # At the best step truncation, 16 times as much for the wide one, equals rounding.
            allowed = _MOST_DOUBT * max(most, abs(value)) + 16.0 * coarse * rounded
            best = Slope(value, min(spread + coarse, allowed) + narrow.uncertainty)
    # Smaller steps scatter because of rounding errors: those of the function's values, and of
    # all that cancels inside it. The gradient under test is computed from the same numbers.
    scatter = [
        abs(slope.value - best.value) * step
        for slope, step in zip(found[chosen:], steps[chosen:], strict=True)
    ]
    rounding = _ROUNDING * max((s for s in scatter if math.isfinite(s)), default=0.0)
    values = np.array([slope.value for slope in found if math.isfinite(slope.value)])
    size = largest(values)
    if size <= _NOTHING * epsilon and (size == 0.0 or np.ptp(values) > 1e-3 * size):
        # What is left where terms of ordinary size cancel (x y - y x), or round to a constant.
        rounding += scale * _NOTHING * epsilon
    return Slope(best.value, best.uncertainty + rounding / scale)


def _grain(steps: Sequence[float], found: Sequence[Slope]) -> float:
    """Return how coarse the function's values are: what the smallest steps differ by, times 2h.

    Rounding inside a function moves its values in jumps that may be far above their own rounding
    unit, as in log(1 + 1e-12 x). Two of the smallest steps then agree by chance, and mean nothing.
    """
    pairs = zip(found, found[1:], steps[1:], strict=False)
    jumps = [abs(wide.value - narrow.value) * step for wide, narrow, step in pairs]
    return max((jump for jump in jumps if math.isfinite(jump)), default=0.0)


def _quantum(found: Sequence[Slope]) -> float:
    """Return the least change of the function that was seen, if smaller steps change nothing."""
    rises = [slope.rise for slope in found if math.isfinite(slope.rise)]
    if not rises or rises[-1] > 0.0:
        return 0.0
    return min((rise for rise in rises if rise > 0.0), default=0.0)


def _ladder(scale: float, size: float, epsilon: float) -> list[float]:
    """Return steps from a quarter of the scale (or of 1, if that is more) downwards."""
    steps = []
    if scale < 0.25:  # tiny inputs: the function may still change over distances of 1
        steps = [float(step) for step in np.geomspace(0.25, scale, 8)[:-1]]
    step = scale / 4
    smallest = min(scale * 2.0**18 * epsilon, size * best_step(epsilon) or scale)
    while step >= max(smallest, _TINY):
        steps.append(step)
        step /= 4
    return steps

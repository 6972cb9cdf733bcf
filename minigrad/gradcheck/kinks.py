"""Points where a function has no derivative: kinks and jumps.

At the kink of ReLU or at a tie of max, the slope to the right differs from that to the left however
small the step, and every number between the two is a subgradient. No central difference can judge
it, so a gradient between the two slopes is neither right nor wrong: the verdict is "kink".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from minigrad.gradcheck.differences import Differences, Direction, best_step

_STEPS = 7  # each a quarter of the one before
BEND = 1e-3  # one-sided slopes that differ by less are taken for curvature
_JUMP = 1e-5  # a smaller step of the function, relative to its values, is taken for rounding


@dataclass(frozen=True)
class Kink:
    """The least and the largest slope at a point without derivative; infinite where f jumps.

    If the gradient is ``composed`` of those of several operations, each of them may choose a slope
    at its own kink, and what comes of that need not lie between the slopes of the whole.
    """

    low: float
    high: float
    composed: bool = False

    @property
    def jumps(self) -> bool:
        """Whether the function itself, not only its slope, is discontinuous."""
        return math.isinf(self.high)

    def allows(self, gradient: float, tolerance: float) -> bool:
        """Whether a gradient lies between the slopes on both sides."""
        return self.composed or self.low - tolerance <= gradient <= self.high + tolerance

    def __str__(self) -> str:
        if self.jumps:
            return "the function jumps here, so it has no derivative"
        return f"the function has a kink here, with slopes from {self.low:.6g} to {self.high:.6g}"


def find_kink(differences: Differences, direction: Direction) -> Kink | None:
    """Return the kink at the point itself, or None where the function looks smooth.

    The slopes of a smooth function come together as the step shrinks. Those at a kink stay apart;
    at a jump they grow without bounds.
    """
    step = best_step(differences.epsilon) * direction.scale
    found = []
    for k in range(_STEPS):
        slope = differences.measure(direction, step / 4**k)
        if not math.isfinite(slope.value) or slope.high - slope.low < 2.0 * slope.noise:
            break  # smooth, or below what rounding lets us see
        found.append(slope)
    if len(found) < 3:
        return None
    last = found[-3:]
    gaps = [slope.high - slope.low for slope in last]
    rises = [slope.rise for slope in last]
    if min(rises) > 0.9 * max(rises) and min(rises) > _JUMP * differences.size:
        return Kink(-math.inf, math.inf)
    if min(gaps) > 0.9 * max(gaps):
        return Kink(last[-1].low, last[-1].high)
    return None

"""Error against step: the V that shows truncation on one side and rounding on the other."""

from __future__ import annotations

import math

import numpy as np

from minigrad.gradcheck.compare import Comparison
from minigrad.gradcheck.differences import Differences, best_step
from minigrad.gradcheck.findings import StepCurve

_DECADES = 13
_PER_DECADE = 3


def step_curve(differences: Differences, one: Comparison, step: float | None) -> StepCurve:
    """Measure one comparison again with steps from its scale down to where rounding rules.

    Parameters
    ----------
    differences : Differences
    one : Comparison
    step : float, optional
        The step that was asked for.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> report = mg.gradcheck(mg.ops.exp, np.array([1.0]))
    >>> curve = report.inputs[0].curve()
    >>> least = curve.steps[int(np.argmin(curve.errors))]
    >>> 1e-7 < least < 1e-3
    True
    """
    direction = one.direction
    steps = direction.scale * np.logspace(0.0, -_DECADES, _DECADES * _PER_DECADE + 1)
    slopes = [differences.measure(direction, float(h)) for h in steps]
    best = differences.settle(direction, math.inf)[0].value
    kept = [(h, s) for h, s in zip(steps, slopes, strict=True) if math.isfinite(s.value)]
    return StepCurve(
        index=direction.index,
        steps=tuple(float(h) for h, _ in kept),
        errors=tuple(abs(s.value - best) for _, s in kept),
        rounding=tuple(s.uncertainty for _, s in kept),
        best=best,
        analytic=one.analytic,
        chosen=step or best_step(differences.epsilon) * direction.scale,
    )

"""The gradient in the precision that the inputs came in, against that in float64.

The comparison with slopes is made in float64, which says nothing about the code that runs in
float32. It computes the same gradient with rounding errors, whose size follows from how much the
gradient changes when its inputs are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minigrad.gradcheck.differences import largest, scales
from minigrad.gradcheck.findings import Array, Diagnosis
from minigrad.gradcheck.properties import Fault, Faults, form_fault

if TYPE_CHECKING:
    from minigrad.gradcheck.trial import Trial

_SAFETY = 200.0  # times what rounding the inputs changes
_LEAST = 1e-2  # relative to the largest element: rounding may accumulate that much
_ROUNDINGS = 4


def faults(trial: Trial, given: Sequence[Array]) -> Faults:
    """Return the inputs whose gradient at ``given`` does not fit that in float64."""
    names, arrays, gradients = trial.names, trial.arrays, trial.gradients
    outputs = trial.function.values(given)
    ups = [up.astype(out.dtype) for up, out in zip(trial.upstream, outputs, strict=True)]
    narrow = trial.function.gradients(given, ups)
    found: Faults = {}
    suspects = []
    for k, array in enumerate(given):
        if array.dtype.kind != "f":
            continue
        fault = form_fault(names[k], narrow[k], array)
        if fault is not None:
            found[k] = fault
        elif array.size and form_fault(names[k], gradients[k], arrays[k]) is None:
            error = largest(narrow[k].astype(np.float64) - gradients[k])
            if error > _LEAST * largest(gradients[k]):
                suspects.append((k, error))
    if not suspects:
        return found
    exact = trial.function.values(arrays)
    floats = [k for k, a in enumerate(given) if a.dtype.kind == "f" and gradients[k] is not None]
    reach = {k: largest(scales(arrays[k])) or 1.0 for k in floats}
    # What is left where large contributions cancel, as in the gradient of a mean. How large they
    # are can only be guessed: about as large as the function itself, or as the gradient of some
    # other input, each for a move over the scale of its input.
    influence = max(largest(gradients[k]) * reach[k] for k in floats)
    influence += largest(*(out * up for out, up in zip(exact, trial.upstream, strict=True)))
    lost = _lost(exact, outputs)
    change = _sensitivity(trial, given, reach)
    for k, error in suspects:
        limits = np.finfo(given[k].dtype)
        smallest = float(scales(arrays[k]).min(initial=reach[k]))
        rounding = change[k] + float(limits.eps) * influence / smallest + float(limits.tiny)
        if error > _SAFETY * rounding + lost * largest(gradients[k]):
            problem = f"in {given[k].dtype} its gradient is off by {error:.1e} from that in float64"
            text = f"the gradient of {names[k]} is another one in {given[k].dtype}"
            found[k] = Fault(problem, Diagnosis("precision", text))
    return found


def _lost(exact: Sequence[Array], rounded: Sequence[Array]) -> float:
    """Return how much of the function itself is lost in its given precision, at most 8 times it.

    A loss of 1e-9 is 0 in float32 after log(1 + 1e-9), and its gradient as far off.
    """
    size = largest(*exact)
    error = largest(*(out - low for out, low in zip(exact, rounded, strict=True)))
    return 8.0 * min(1.0, error / size) if size else 8.0 * (error > 0.0)


def _sensitivity(trial: Trial, given: Sequence[Array], reach: dict[int, float]) -> dict[int, float]:
    """Return how much each gradient changes as all inputs are rounded to their given precision.

    Half of the roundings are those of the largest input: a small one may be added to it.
    """
    rng = np.random.default_rng(0)
    most = dict.fromkeys(reach, 0.0)
    for turn in range(_ROUNDINGS):
        moved = list(trial.arrays)
        for k in reach:
            size = moved[k] if turn % 2 else max(reach.values())
            noise = rng.uniform(-1, 1, moved[k].shape)
            moved[k] = moved[k] + np.finfo(given[k].dtype).eps * noise * size
        again = trial.gradients_at(moved) or trial.gradients
        for k in reach:
            change = largest(again[k] - trial.gradients[k])
            most[k] = max(most[k], change) if np.isfinite(change) else np.inf
    # Where the changes cancel exactly, as in x - mean(x), rounding leaves something of them.
    total = max(most[k] * reach[k] for k in reach)
    return {k: max(most[k], total / reach[k]) for k in reach}

"""Gradients in the precision that the inputs came in, against those in float64.

The comparison with slopes is made in float64, which says nothing about the code that runs in
float32. It computes the same gradient with rounding errors, whose size follows from how much the
gradient changes when its inputs are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.gradcheck.differences import scales
from minigrad.gradcheck.findings import Diagnosis
from minigrad.gradcheck.functions import Checkable
from minigrad.gradcheck.properties import Fault, Faults, attempt, form_fault

Array = NDArray[Any]

_SAFETY = 200.0  # times what rounding the inputs changes
_LEAST = 1e-2  # relative to the largest element: rounding may accumulate that much
_ROUNDINGS = 4


def faults(
    function: Checkable,
    given: Sequence[Array],
    arrays: Sequence[Array],
    upstream: Sequence[Array],
    gradients: Sequence[Any],
    names: Sequence[str],
) -> Faults:
    """Return the inputs whose gradient at ``given`` does not fit that at ``arrays`` (float64)."""
    outputs = function.values(given)
    ups = [up.astype(out.dtype) for up, out in zip(upstream, outputs, strict=True)]
    narrow = function.gradients(given, ups)
    found: Faults = {}
    suspects = []
    for k, array in enumerate(given):
        if array.dtype.kind != "f":
            continue
        fault = form_fault(names[k], narrow[k], array)
        if fault is not None:
            found[k] = fault
        elif array.size and form_fault(names[k], gradients[k], arrays[k]) is None:
            error = float(np.abs(narrow[k].astype(np.float64) - gradients[k]).max())
            if error > _LEAST * float(np.abs(gradients[k]).max()):
                suspects.append((k, error))
    if suspects:
        exact = function.values(arrays)
        rounding = _cancelled(exact, arrays, given, upstream, gradients)
        rounding += _lost(exact, outputs) * np.array([_largest(g) for g in gradients])
        rounding += _SAFETY * _sensitivity(function, arrays, given, upstream, gradients)
        for k, error in suspects:
            if error > rounding[k] + _SAFETY * np.finfo(given[k].dtype).tiny:
                problem = (
                    f"in {given[k].dtype} its gradient is off by {error:.1e} from that in float64"
                )
                text = f"the gradient of {names[k]} is another one in {given[k].dtype}"
                found[k] = Fault(problem, Diagnosis("precision", text))
    return found


def _largest(gradient: Any) -> float:
    return 0.0 if gradient is None else float(np.abs(gradient).max(initial=0.0))


def _lost(exact: Sequence[Array], rounded: Sequence[Array]) -> float:
    """Return how much of the function itself is lost in its given precision, at most 8 times it.

    A loss of 1e-9 is 0 in float32 after log(1 + 1e-9), and its gradient as far off.
    """
    size = max(_largest(out) for out in exact)
    error = max(_largest(out - low) for out, low in zip(exact, rounded, strict=True))
    return 8.0 if error > size else 8.0 * error / size if size else 0.0


def _cancelled(
    outputs: Sequence[Array],
    arrays: Sequence[Array],
    given: Sequence[Array],
    upstream: Sequence[Array],
    gradients: Sequence[Any],
) -> Array:
    """Return what may be left where large contributions cancel, as in the gradient of a mean.

    How large they are can only be guessed: about as large as the function itself, or as the
    gradient of some other input, each for a move over the scale of its input.
    """
    floats = [k for k, a in enumerate(given) if a.dtype.kind == "f" and gradients[k] is not None]
    reach = {k: float(scales(arrays[k]).max(initial=0.0)) or 1.0 for k in floats}
    influence = max(float(np.abs(gradients[k]).max(initial=0.0)) * reach[k] for k in floats)
    pairs = zip(outputs, upstream, strict=True)
    influence += max(float(np.abs(out * up).max(initial=0.0)) for out, up in pairs)
    left = np.zeros(len(arrays))
    for k in floats:
        smallest = float(scales(arrays[k]).min(initial=reach[k]))
        left[k] = _SAFETY * float(np.finfo(given[k].dtype).eps) * influence / smallest
    return left


def _sensitivity(
    function: Checkable,
    arrays: Sequence[Array],
    given: Sequence[Array],
    upstream: Sequence[Array],
    gradients: Sequence[Any],
) -> Array:
    """Return how much each gradient changes as all inputs are rounded to their given precision.

    Half of the roundings are those of the largest input: a small one may be added to it.
    """
    rng = np.random.default_rng(0)
    most = np.zeros(len(arrays))
    floats = [x for x in arrays if x.dtype.kind == "f"]
    largest = max(float(scales(x).max(initial=0.0)) for x in floats)
    for turn in range(_ROUNDINGS):
        moved = [
            x + np.finfo(a.dtype).eps * rng.uniform(-1, 1, x.shape) * (x if turn % 2 else largest)
            if a.dtype.kind == "f"
            else x
            for x, a in zip(arrays, given, strict=True)
        ]
        again = attempt(lambda moved=moved: function.gradients(moved, upstream))  # type: ignore[misc]
        for k, gradient in enumerate(again or []):
            if gradient is not None and gradients[k] is not None:
                change = np.abs(gradient - gradients[k]).max(initial=0.0)
                most[k] = max(most[k], change) if np.isfinite(change) else np.inf
    # Where the changes cancel exactly, as in x - mean(x), rounding leaves something of them.
    reach = np.array([float(scales(x).max(initial=0.0)) or 1.0 for x in arrays])
    return np.asarray(np.maximum(most, (most * reach).max() / reach))

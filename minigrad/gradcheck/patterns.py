"""When no entry of the catalogue fits: what the error looks like."""

from __future__ import annotations

import itertools
from typing import TypeAlias

import numpy as np

from minigrad.gradcheck.differences import largest
from minigrad.gradcheck.findings import Array, Diagnosis
from minigrad.gradcheck.suspect import Suspect

_Found: TypeAlias = tuple[str, str] | None  # the diagnosis: its name, "the gradient of x ..."


def describe(suspect: Suspect, close: float) -> Diagnosis | None:
    """Return what can be said about the error: where it is, what it is proportional to."""
    error = suspect.wrong - suspect.right
    size = largest(suspect.right)
    bad = np.abs(error) > close * max(size, largest(suspect.wrong))
    found: _Found = None
    if not bad.any():
        relative = largest(error) / size if size else 0.0
        found = ("precision", f"loses digits: it is off by {relative:.0e} of itself")
    for look in (_half_precision, _added, _permuted, _place):
        found = found or look(suspect, error, bad, close)
    return found and Diagnosis(found[0], f"the gradient of {suspect.name} {found[1]}")


def _half_precision(suspect: Suspect, error: Array, bad: Array, close: float) -> _Found:
    near = largest(error) < 1e-2 * largest(suspect.right)
    for dtype in ("float16", "float32") if near and error.size > 2 else ():
        with np.errstate(over="ignore"):
            rounded = suspect.wrong.astype(dtype).astype(np.float64)
        if np.array_equal(rounded, suspect.wrong):
            return "precision", f"was rounded to {dtype} on the way"
    return None


def _added(suspect: Suspect, error: Array, bad: Array, close: float) -> _Found:
    """Recognize a term too many or too few: weight decay, or a mean that is not subtracted."""
    size, x = largest(error), np.asarray(suspect.x, np.float64)
    if error.size < 3:
        return None
    factor = float(np.sum(x * error)) / (float(np.sum(x * x)) or 1.0)
    if largest(error - factor * x) < min(10.0 * close * largest(suspect.wrong), 0.01 * size):
        text = f"is the right one plus {factor:.3g} {suspect.name}, as weight decay would add"
        return "weight decay", text
    for count in range(1, x.ndim + 1):
        for axes in itertools.combinations(range(x.ndim), count):
            length = np.prod([x.shape[axis] for axis in axes])
            level = error.mean(axis=axes, keepdims=True)
            along = f"along axes {', '.join(map(str, axes))}"
            if length >= 3 and largest(error - level) < 0.001 * size:
                text = f"is off by a term that is constant {along}, as of a mean that was forgotten"
                return "missing mean term", text
            centred = x - x.mean(axis=axes, keepdims=True)
            square = (centred * centred).sum(axis=axes, keepdims=True)
            slope = (centred * error).sum(axis=axes, keepdims=True) / np.where(square, square, 1.0)
            if length >= 4 and largest(error - level - slope * centred) < 0.001 * size:
                both = largest(level) > 0.001 * size
                through = "the variance and the mean" if both else "the variance"
                text = f"lacks, or has wrong, what comes through {through} {along}"
                return "statistics terms" if both else "variance term", text
    return None


def _permuted(suspect: Suspect, error: Array, bad: Array, close: float) -> _Found:
    a, b = np.sort(suspect.wrong, axis=None), np.sort(suspect.right, axis=None)
    if bad.sum() > 1 and largest(a - b) < close * largest(b):
        return "permuted", "holds the right numbers in the wrong places"
    return None


def _place(suspect: Suspect, error: Array, bad: Array, close: float) -> _Found:
    """Say where the error is, if it is not everywhere."""
    if bad.all() or bad.size < 3:
        return None
    zero = " (it is zero there)" if not np.any(suspect.wrong[bad]) else ""
    where = np.nonzero(bad)
    if bad.sum() == 1:
        index = ", ".join(str(int(n[0])) for n in where)
        return "one element", f"is right but for the element [{index}]{zero}"
    for axis, hit in enumerate(map(np.unique, where)):
        if len(hit) == 1 and bad.shape[axis] > 1:
            return "one slice", f"is right but for index {int(hit[0])} of axis {axis}{zero}"
    wide = [axis for axis in range(bad.ndim) if bad.shape[axis] > 2]
    for axes in (*itertools.combinations(wide, 1), *itertools.combinations(wide, 2)):
        inner = bad[
            tuple(slice(1, -1) if axis in axes else slice(None) for axis in range(bad.ndim))
        ]
        if not inner.any() and bad.sum() == bad.size - inner.size:
            return (
                "border",
                f"is right but for the border of axis {' and '.join(map(str, axes))}{zero}",
            )
    return "some elements", f"is wrong in {int(bad.sum())} of {bad.size} elements{zero}"

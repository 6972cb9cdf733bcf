"""When no entry of the catalogue fits: what the error looks like."""

from __future__ import annotations

import itertools

import numpy as np

from minigrad.gradcheck.findings import Array, Diagnosis
from minigrad.gradcheck.suspect import Suspect


def describe(suspect: Suspect, close: float) -> Diagnosis | None:
    """Return what can be said about the error: where it is, what it is proportional to."""
    error = suspect.wrong - suspect.right
    size = float(np.abs(suspect.right).max(initial=0.0))
    bad = np.abs(error) > close * max(size, float(np.abs(suspect.wrong).max(initial=0.0)))
    if not bad.any():
        relative = float(np.abs(error).max()) / size if size else 0.0
        text = f"the gradient of {suspect.name} loses digits: it is off by {relative:.0e} of itself"
        return Diagnosis("precision", text)
    for found in (_half_precision, _added, _permuted, _place):
        diagnosis = found(suspect, error, bad, close)
        if diagnosis is not None:
            return diagnosis
    return None


def _half_precision(suspect: Suspect, error: Array, bad: Array, close: float) -> Diagnosis | None:
    for dtype in ("float16", "float32"):
        with np.errstate(over="ignore"):
            rounded = suspect.wrong.astype(dtype).astype(np.float64)
        near = np.abs(error).max() < 1e-2 * np.abs(suspect.right).max()
        if near and suspect.wrong.size > 2 and np.array_equal(rounded, suspect.wrong):
            text = f"the gradient of {suspect.name} was rounded to {dtype} on the way"
            return Diagnosis("precision", text)
    return None


def _added(suspect: Suspect, error: Array, bad: Array, close: float) -> Diagnosis | None:
    """Recognize a term too many or too few: weight decay, or a mean that is not subtracted."""
    size = float(np.abs(error).max())
    loose = close * float(np.abs(suspect.wrong).max()) * 10.0
    x = np.asarray(suspect.x, np.float64)
    if error.size < 3:
        return None
    factor = float(np.sum(x * error)) / (float(np.sum(x * x)) or 1.0)
    if np.abs(error - factor * x).max() < min(loose, 0.01 * size):
        text = f"the gradient of {suspect.name} is the right one plus {factor:.3g} {suspect.name}"
        return Diagnosis("weight decay", f"{text}, as weight decay would add")
    for count in range(1, x.ndim + 1):
        for axes in itertools.combinations(range(x.ndim), count):
            if np.prod([x.shape[axis] for axis in axes]) < 3:
                continue
            level = error.mean(axis=axes, keepdims=True)
            along = f"along axes {', '.join(map(str, axes))}"
            if np.abs(error - level).max() < 0.001 * size:
                text = f"the gradient of {suspect.name} is off by a term that is constant {along}"
                return Diagnosis("missing mean term", f"{text}, as of a mean that was forgotten")
            if np.prod([x.shape[axis] for axis in axes]) < 4:
                continue
            centred = x - x.mean(axis=axes, keepdims=True)
            square = (centred * centred).sum(axis=axes, keepdims=True)
            slope = (centred * error).sum(axis=axes, keepdims=True) / np.where(square, square, 1.0)
            if np.abs(error - level - slope * centred).max() < 0.001 * size:
                text = f"the gradient of {suspect.name} lacks, or has wrong, "
                text += "what comes through the variance"
                both = np.abs(level).max() > 0.001 * size
                text += " and the mean" if both else ""
                name = "statistics terms" if both else "variance term"
                return Diagnosis(name, f"{text} {along}")
    return None


def _permuted(suspect: Suspect, error: Array, bad: Array, close: float) -> Diagnosis | None:
    a, b = np.sort(suspect.wrong, axis=None), np.sort(suspect.right, axis=None)
    if bad.sum() > 1 and np.abs(a - b).max() < close * np.abs(b).max():
        text = f"the gradient of {suspect.name} holds the right numbers in the wrong places"
        return Diagnosis("permuted", text)
    return None


def _place(suspect: Suspect, error: Array, bad: Array, close: float) -> Diagnosis | None:
    """Say where the error is, if it is not everywhere."""
    if bad.all() or bad.size < 3:
        return None
    zero = " (it is zero there)" if not np.any(suspect.wrong[bad]) else ""
    wrong = int(bad.sum())
    begin = f"the gradient of {suspect.name} is right but for"
    if wrong == 1:
        index = ", ".join(str(int(n[0])) for n in np.nonzero(bad))
        return Diagnosis("one element", f"{begin} the element [{index}]{zero}")
    for axis in range(bad.ndim):
        hit = np.unique(np.nonzero(bad)[axis])
        if len(hit) == 1 and bad.shape[axis] > 1:
            where = f"index {int(hit[0])} of axis {axis}"
            return Diagnosis("one slice", f"{begin} {where}{zero}")
    wide = [axis for axis in range(bad.ndim) if bad.shape[axis] > 2]
    for count in (1, 2):
        for axes in itertools.combinations(wide, count):
            rest = [slice(1, -1) if axis in axes else slice(None) for axis in range(bad.ndim)]
            if not bad[tuple(rest)].any() and bad.sum() == bad.size - bad[tuple(rest)].size:
                where = " and ".join(map(str, axes))
                return Diagnosis("border", f"{begin} the border of axis {where}{zero}")
    text = f"the gradient of {suspect.name} is wrong in {wrong} of {bad.size} elements{zero}"
    return Diagnosis("some elements", text)

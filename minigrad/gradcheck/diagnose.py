"""From a wrong gradient to the mistake: which transform of the right one it is.

Each entry of the catalogue is a gradient that a known mistake would give, made from the numbers of
the right one. The entries are compared with the wrong gradient; a free factor is fitted by least
squares, and accepted only if it has a meaning (-1, 2, 1 / N, ...). The simplest entry that explains
every element is the diagnosis. Entries that explain them as well are named along with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minigrad.gradcheck import catalogue, mistakes, patterns
from minigrad.gradcheck.catalogue import Entry, Factor
from minigrad.gradcheck.findings import Diagnosis
from minigrad.gradcheck.geometry import geometries
from minigrad.gradcheck.suspect import Suspect

_CLOSE = 3e-6  # the largest difference that counts as a match, relative to the largest element
_LOOSE = 2e-3  # the same for float32
_FEW = 3  # with fewer elements too many entries match


class _Match(NamedTuple):
    cost: int
    name: str
    text: str


def diagnose(suspect: Suspect) -> Diagnosis | None:
    """Return what is wrong with a gradient, or None if nothing in the catalogue explains it.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> a, b = np.random.default_rng(0).standard_normal((2, 3, 3))
    >>> wrong = lambda upstream, a, b: (upstream @ b.T, upstream.T @ a)
    >>> report = mg.gradcheck(lambda a, b: a @ b, (a, b), gradient=wrong)
    >>> print(report["b"].diagnosis)
    the gradient of b equals the right one transposed
    """
    wrong, right = suspect.wrong, suspect.right
    if not np.any(wrong):
        return Diagnosis("missing", f"the gradient of {suspect.name} is zero everywhere")
    if not np.isfinite(right).all():
        return None
    close = _CLOSE if suspect.epsilon < 1e-10 else _LOOSE
    if np.abs(wrong - right).max() <= close * np.abs(right).max():
        return None  # whatever explains the right gradient would seem to explain this one
    for tier in (catalogue.plain, _places, catalogue.upstreams, mistakes.entries, catalogue.scaled):
        if matches := _matches(tier(suspect), suspect, close):
            return _told(suspect, matches)
    return patterns.describe(suspect, close)


def _places(suspect: Suspect) -> Iterator[Entry]:
    yield from catalogue.places(suspect)
    yield from geometries(suspect)


def _matches(entries: Iterator[Entry], suspect: Suspect, close: float) -> list[_Match]:
    found = []
    for entry in entries:
        if entry.values.shape != suspect.wrong.shape:
            continue
        there = np.s_[...] if entry.where is None else entry.where
        candidate, wrong = entry.values[there].ravel(), suspect.wrong[there].ravel()
        if not np.isfinite(candidate).all() or not np.any(candidate):
            continue
        largest = float(np.abs(wrong).max(initial=0.0))
        factor = float(candidate @ wrong) / float(candidate @ candidate)
        if np.abs(wrong - factor * candidate).max() > close * largest:
            continue
        text = f"is {factor:.6g} times the right one"
        measured = (Factor(factor, "scaled", text, 9),)  # a number without a meaning
        for meaning in measured if entry.any_factor else entry.factors:
            if abs(factor / meaning.value - 1.0) < 10.0 * close:
                cost, text = entry.cost + meaning.cost, meaning.told(entry.text)
                found.append(_Match(cost, meaning.name or entry.name, text))
    return found


def _told(suspect: Suspect, matches: list[_Match]) -> Diagnosis:
    """Return the cheapest match in words, with the names of the others that are as cheap."""
    matches.sort(key=lambda match: match.cost)
    cost, name, text = matches[0]
    others = {m.name: m.text for m in matches[1:] if m.cost <= cost + 1 and m.name != name}
    text = f"the gradient of {suspect.name} {text}"
    if others:
        text += f" (or: it {'; it '.join([*others.values()][:2])})"
    if suspect.wrong.size < _FEW:
        text += "; so few numbers fit many explanations"
    return Diagnosis(name, text, tuple(others))

"""Gradients that common mistakes give: scaled, moved, and from a spoiled upstream gradient.

Each function yields entries for one suspect; `diagnose` compares them with the wrong gradient.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigrad.gradcheck.differences import largest
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.suspect import Suspect


@dataclass(frozen=True)
class Factor:
    """A number with a meaning, by which a gradient may be off.

    ``name`` is that of the diagnosis; "" if the number is 1, and the entry's own name counts.
    """

    value: float
    name: str
    text: str
    cost: int

    def told(self, entry: str) -> str:
        """Return the entry's text with this factor."""
        return ", and ".join(part for part in (entry, self.text) if part) or "is the right one"


ONE = (Factor(1.0, "", "", 0),)


@dataclass(frozen=True)
class Entry:
    """What the gradient would be after one mistake."""

    name: str  # of the diagnosis
    text: str  # completes "the gradient of x ..."; empty for the right gradient itself
    values: Array  # in the shape of the input
    cost: int = 0  # how far-fetched this is: the cheapest match is the diagnosis
    where: Array | None = None  # the elements to compare; the others may hold anything
    factors: tuple[Factor, ...] = ONE  # by which the mistake may also be scaled
    any_factor: bool = False  # whether every other factor is an explanation as well


def factors(suspect: Suspect) -> tuple[Factor, ...]:
    """Return the numbers that turn up when a sum is a mean, a factor is lost, a sign is wrong."""
    found = [
        Factor(-1.0, "negated", "has the wrong sign", 0),
        Factor(2.0, "scaled by 2", "is twice the right one", 1),
        Factor(0.5, "scaled by 1/2", "is half the right one", 1),
    ]
    shape = suspect.out_shape
    image = next((a.shape[1:3] for a in suspect.arrays if a.ndim == 4), ())
    window = suspect.x.size / max(1, math.prod(shape)) if len(shape) == suspect.x.ndim else 0
    counts: tuple[tuple[str, str, float], ...] = (
        ("the batch size", "the batch size", suspect.batch),
        ("the pixels", "the number of pixels", math.prod(shape[1:-1])),
        ("the positions", "the number of positions", math.prod(shape[:-1])),
        ("the pixels", "the number of pixels of the input", math.prod(image)),
        ("the output", "the size of the output", math.prod(shape)),
        ("the input", "the size of the input", suspect.x.size),
        ("the window", "the size of a window", window),
    )
    for cost, (name, text, count) in enumerate(counts):
        if count > 1:
            much, little = f"multiplied by {text}, {count:g}", f"divided by {text}, {count:g}"
            found.append(Factor(1.0 / count, f"divided by {name}", f"is {little}", cost))
            found.append(Factor(float(count), f"scaled by {name}", f"is {much}", cost + 2))
    return tuple(found)


def plain(suspect: Suspect) -> Iterator[Entry]:
    """Yield the right gradient, which may be scaled by a number with a meaning."""
    yield Entry("scaled", "", suspect.right, factors=factors(suspect))


def scaled(suspect: Suspect) -> Iterator[Entry]:
    """Yield the right gradient, which may be scaled by a number without a meaning."""
    if suspect.wrong.size > 1:
        yield Entry("scaled", "", suspect.right, any_factor=True)


# ------------------------------------------------------------------ right numbers, wrong places


def places(suspect: Suspect) -> Iterator[Entry]:
    """Yield the right numbers in wrong places: turned, flipped, transposed, shifted, mixed."""
    sign = (*ONE, factors(suspect)[0])
    for name, text, values in moved(suspect.right):
        if not _close(values, suspect.right):
            yield Entry(name, f"equals the right one {text}", values, 1, factors=sign)
    for axes, by, values, where in shifts(suspect.right):
        seen = np.round(suspect.right[where], 9)
        if len(np.unique(seen)) >= 4 and not _close(values, suspect.right):
            along = " and ".join(map(str, axes))
            text = f"equals the right one shifted by one along axis {along}"
            yield Entry("shifted by one", f"{text} ({by:+d})", values, 1 + len(axes), where)
    for axis in _long_axes(suspect.x):
        for what, reduce in (("summed", np.sum), ("averaged", np.mean)):
            text = f"is the right one {what} over axis {axis}, where it should not be"
            values = reduce(suspect.right, axis=axis, keepdims=True)
            yield Entry("wrong axes", text, np.broadcast_to(values, suspect.x.shape), 4)


def moved(a: Array) -> Iterator[tuple[str, str, Array]]:
    """Yield (name, text, array) for an array with its elements in other places.

    Examples
    --------
    >>> [name for name, _, _ in moved(np.ones((2, 2)))]
    ['rotated', 'flipped', 'flipped', 'transposed', 'rotated']
    """
    for pair in _pairs(a.ndim) if a.ndim > 1 else ():
        if min(a.shape[axis] for axis in pair) > 1:
            what = "" if pair == (0, 1) else f" in axes {pair[0]} and {pair[1]}"
            yield "rotated", f"rotated by 180 degrees{what}", np.flip(a, pair)
    for axis in _long_axes(a):
        what = f" along axis {axis}" if a.ndim > 1 else ""
        yield "flipped", f"flipped{what}", np.flip(a, axis)
    for i, j in itertools.combinations(_long_axes(a), 2):
        text = "transposed" if (i, j) == (0, 1) else f"transposed in axes {i} and {j}"
        if a.shape[i] != a.shape[j]:
            text += ", and its numbers read in the old order"
        yield "transposed", text, np.swapaxes(a, i, j).reshape(a.shape)
    if a.ndim >= 2 and a.shape[0] == a.shape[1] > 1:
        yield "rotated", "rotated by 90 degrees", np.rot90(a)
        if a.ndim > 2 or a.shape[0] > 2:
            yield "rotated", "rotated by 270 degrees", np.rot90(a, 3)


def shifts(a: Array) -> Iterator[tuple[tuple[int, ...], int, Array, Array]]:
    """Yield (axes, by, shifted array, where it is known) for shifts by one along axes."""
    options = [(axis,) for axis in range(a.ndim)] + _pairs(a.ndim)
    for axes in options:
        if min((a.shape[axis] for axis in axes), default=0) < 3:
            continue
        for by in (1, -1):
            where = np.ones(a.shape, bool)
            for axis in axes:
                rim = [slice(None)] * a.ndim
                rim[axis] = slice(0, 1) if by == 1 else slice(-1, None)
                where[tuple(rim)] = False
            yield axes, by, np.roll(a, by, axes), where


def _long_axes(a: Array) -> list[int]:
    return [axis for axis in range(a.ndim) if a.shape[axis] > 1]


def _pairs(ndim: int) -> list[tuple[int, ...]]:
    """Return the pairs of axes that may be height and width."""
    return [(axis, axis + 1) for axis in range(ndim - 1)] if ndim <= 4 else []


# ------------------------------------------------------------------ a spoiled upstream gradient


def upstreams(suspect: Suspect) -> Iterator[Entry]:
    """Yield the gradients that follow from an upstream gradient with something done to it."""
    jacobian = suspect.jacobian()
    if jacobian is None:
        return
    u = suspect.upstream
    extra = (*ONE, *factors(suspect))
    for name, text, other, cost in _spoiled(u):
        if name == "upstream transposed" and suspect.x.ndim < u.ndim:
            name = "wrong axes"  # of a sum
        values, scaled = suspect.pull(jacobian, other), extra if cost < 3 else ONE
        if not _close(values, suspect.right):
            yield Entry(name, f"is that of {text}", values, cost, factors=scaled)


def _spoiled(u: Array) -> Iterator[tuple[str, str, Array, int]]:
    ones = np.ones_like(u)
    yield "upstream ignored", "an upstream gradient of ones: the real one is ignored", ones, 0
    for name, text, other in (
        ("without sign", "the magnitude of the upstream gradient", np.abs(u)),
        ("squared", "the upstream gradient squared", u * u),
        ("clipped", "the upstream gradient clipped to ±1", np.clip(u, -1.0, 1.0)),
        ("clipped", "the positive part of the upstream gradient", np.maximum(u, 0.0)),
        ("scaled", "the upstream gradient over its largest", u / np.abs(u).max()),
        ("scaled", "the upstream gradient over its norm", u / np.linalg.norm(u)),
    ):
        yield f"upstream {name}", text, other, 1
    for name, text, other in moved(u):
        verb = "upstream transposed" if name == "transposed" else "upstream flipped"
        yield verb, f"the upstream gradient {text}", other, 2
    for axes, _, other, where in shifts(u):
        along = " and ".join(map(str, axes))
        text = f"the upstream gradient shifted by one along axis {along}"
        yield "upstream shifted", text, np.where(where, other, 0.0), 4
    yield from _kept(u)
    yield from _channels(u)


def _kept(u: Array) -> Iterator[tuple[str, str, Array, int]]:
    """Yield upstream gradients of which only one part is left, or one part stands for all."""
    axes: list[tuple[tuple[int, ...], str]] = [((0,), "batch")] if u.ndim else []
    if u.ndim == 4:
        axes += [((1, 2), "spatial"), ((2, 3), "spatial")]
    axes += [((axis,), "") for axis in range(1, u.ndim)]
    for which, kind in axes:
        if math.prod(u.shape[axis] for axis in which) < 2:
            continue
        name = f"missing {kind} sum" if kind else "missing sum"
        of = {"batch": "example", "spatial": "pixel"}.get(kind, f"entry along axis {which[0]}")
        inner = _only(u, which, slice(1, -1))
        if inner.any():
            yield "border missing", f"all but the border along axes {which}", inner, 3
        for end, position in (("first", 0), ("last", -1)):
            text = f"the {end} {of} alone: the sum over the others is missing"
            yield name, text, _only(u, which, position), 2
        mean = np.broadcast_to(u.mean(axis=which, keepdims=True), u.shape)
        yield "wrong axes", f"the upstream gradient averaged over axes {which}", mean, 4


def _only(u: Array, axes: tuple[int, ...], where: int | slice) -> Array:
    """Return an array with zeros but for one place along some axes."""
    at = tuple(where if axis in axes else slice(None) for axis in range(u.ndim))
    kept = np.zeros_like(u)
    kept[at] = u[at]
    return kept


def _channels(u: Array) -> Iterator[tuple[str, str, Array, int]]:
    """Yield upstream gradients with channels in another order, or some of them left out."""
    channels = u.shape[-1] if u.ndim else 0
    for m in range(2, channels):
        if channels % m:
            continue
        shape = (*u.shape[:-1], channels // m, m)
        mixed = u.reshape(*u.shape[:-1], m, channels // m).swapaxes(-1, -2).reshape(u.shape)
        text = f"the upstream gradient with its channels in another order (M = {m})"
        yield "channels permuted", text, mixed, 3
        for end, position in (("first", 0), ("last", -1)):
            kept = _only(u.reshape(shape), (u.ndim,), position).reshape(u.shape)
            text = f"the {end} of every {m} channels alone: the sum over the others is missing"
            yield "missing sum", text, kept, 3


def _close(a: Array, b: Array) -> bool:
    return a.shape == b.shape and largest(a - b) <= 1e-5 * largest(b)

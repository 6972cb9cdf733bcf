"""Gradients that common mistakes give: at other inputs, not accumulated, by another formula."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigrad.gradcheck.catalogue import ONE, Entry, factors, moved, shifts
from minigrad.gradcheck.differences import largest
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.suspect import Suspect

_FEW = 4  # of the transforms of another input that are tried


def entries(suspect: Suspect) -> Iterator[Entry]:
    """Yield the entries, the quick ones first."""
    jacobian = suspect.jacobian()
    if jacobian is not None:
        yield from _overwritten(suspect, jacobian)
        yield from _summed_otherwise(suspect, jacobian)
        yield from _displaced(suspect, jacobian)
        yield from _formulas(suspect, jacobian)
    yield from _other_argument(suspect)
    if jacobian is not None:
        yield from _other_inputs(suspect)


def _overwritten(suspect: Suspect, jacobian: Array) -> Iterator[Entry]:
    """Yield gradients in which a contribution replaces the one before, where it should be added."""
    if not suspect.upstream.ndim:
        return
    shape = suspect.out_shape
    parts = (jacobian * suspect.upstream.reshape(-1, 1)).reshape(*shape, -1)
    groups = {(axis,) for axis in range(len(shape))} | {tuple(range(len(shape)))}
    if len(shape) == 4:
        groups |= {(1, 2), (2, 3), (0, 1, 2)}
    tiny = 1e-9 * np.abs(parts).max(initial=0.0)
    for axes in sorted(groups):
        rest = tuple(axis for axis in range(len(shape)) if axis not in axes)
        lined = parts.sum(axis=rest).reshape(-1, suspect.x.size)
        for which, order in (("last", lined[::-1]), ("first", lined)):
            there = np.abs(order) > tiny
            chosen = order[there.argmax(axis=0), np.arange(order.shape[1])]
            text = f"holds the {which} contribution alone: it is overwritten, not accumulated"
            yield Entry("not accumulated", text, chosen.reshape(suspect.x.shape), 2)


def _summed_otherwise(suspect: Suspect, jacobian: Array) -> Iterator[Entry]:
    """Yield what the Jacobian gives when it is read the wrong way: other axes, other side."""
    u, shape = suspect.upstream.ravel(), suspect.out_shape
    if jacobian.shape[0] == jacobian.shape[1]:
        for name, text, values in (
            ("jacobian transposed", "is that of the transposed Jacobian", jacobian @ u),
            ("diagonal only", "knows only the diagonal of the Jacobian", np.diag(jacobian) * u),
        ):
            yield Entry(name, text, values.reshape(suspect.x.shape), 2)
    parts = (jacobian.sum(axis=1) * u).reshape(shape)
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            summed = parts.sum(axis=axes)
            if summed.size == suspect.x.size:
                text = f"is a sum over the axes {axes} of the output, which are not the right ones"
                yield Entry("wrong axes", text, summed.reshape(suspect.x.shape), 3)


def _displaced(suspect: Suspect, jacobian: Array) -> Iterator[Entry]:
    """Yield gradients whose parts are laid down with another stride (images, no padding)."""
    shape = (*suspect.out_shape, *suspect.x.shape)
    if len(suspect.out_shape) != 4 or suspect.x.ndim != 4:
        return
    parts = (jacobian * suspect.upstream.reshape(-1, 1)).reshape(shape)
    for rows, columns in ((1, 2), (2, 3)):
        lined = np.moveaxis(parts, (rows, columns), (0, 1)).sum(axis=(2, 3))
        for change in (-1, 1, -2, 2):
            found = np.zeros(suspect.x.shape)
            for i, j in np.ndindex(*lined.shape[:2]):
                found += _slid(lined[i, j], {rows: i * change, columns: j * change})
            text = f"belongs to strides {'smaller' if change < 0 else 'larger'} by {abs(change)}"
            yield Entry("stride ignored", text, found, 4)


def _slid(a: Array, by: dict[int, int]) -> Array:
    """Return an array moved along axes, with zeros where nothing comes from."""
    room = [(max(0, by.get(k, 0)), max(0, -by.get(k, 0))) for k in range(a.ndim)]
    kept = tuple(slice(room[k][1], room[k][1] + a.shape[k]) for k in range(a.ndim))
    return np.pad(a, room)[kept]


def _formulas(suspect: Suspect, jacobian: Array) -> Iterator[Entry]:
    """Yield rules for elementwise functions, given the input where they want the output."""
    x, y, u = suspect.x, suspect.outputs[0], suspect.upstream
    if y.shape != x.shape or largest(jacobian - np.diag(np.diag(jacobian))) > 1e-9:
        return
    arrays = [*suspect.arrays[: suspect.k], y, *suspect.arrays[suspect.k + 1 :]]
    at_output = suspect.jacobian(arrays)
    if at_output is not None:
        text = "is the derivative taken at the output in place of the input"
        yield Entry("input and output swapped", text, suspect.pull(at_output, u), 2)
    rules = {"1 - y^2 (tanh)": 1.0 - x * x, "y (1 - y) (sigmoid)": x * (1.0 - x), "y (exp)": x}
    for rule, slope in rules.items():
        text = f"follows the rule {rule}, which is for the output, with the input in its place"
        yield Entry("input and output swapped", text, u * slope, 2)
    for rule, slope in {"1 - y (the square is missing)": 1.0 - y, "1 + y": 1.0 + y, "y": y}.items():
        yield Entry("wrong formula", f"follows the rule {rule}, with y the output", u * slope, 4)
    yield Entry("upstream alone", "is the upstream gradient as it came", u, 2)


def _other_argument(suspect: Suspect) -> Iterator[Entry]:
    """Yield the right gradients of other inputs of the same size."""
    for k, other in enumerate(suspect.arrays):
        if k == suspect.k or other.dtype.kind != "f" or other.size != suspect.x.size:
            continue
        jacobian = suspect.jacobian(k=k)
        if jacobian is not None:
            values = suspect.pull(jacobian, suspect.upstream)
            text = f"is that of {suspect.names[k]}"
            yield Entry("arguments swapped", text, values, 1, factors=(*ONE, *factors(suspect)))


def _other_inputs(suspect: Suspect) -> Iterator[Entry]:
    """Yield gradients at other inputs: a kernel that is turned, a bias that is forgotten, ..."""
    for k, array in enumerate(suspect.arrays):
        if array.dtype.kind != "f":
            continue
        name = suspect.names[k]
        options = [
            ("input forgotten", f"with {name} set to zero", np.zeros_like(array)),
            ("input forgotten", f"with {name} set to one", np.ones_like(array)),
        ]
        if k != suspect.k:
            turned = list(moved(array))[: 2 * _FEW]
            options += [(f"{name} {what}", f"with {name} {text}", v) for what, text, v in turned]
            options += [
                ("shifted by one", f"with {name} shifted along axes {axes}", np.where(at, v, 0.0))
                for axes, _, v, at in shifts(array)
                if array.ndim < 4 or axes in ((1,), (2,), (1, 2), (2, 3))
            ]
        for what, text, values in options:
            arrays = [*suspect.arrays[:k], values, *suspect.arrays[k + 1 :]]
            jacobian = suspect.jacobian(arrays)
            if jacobian is not None:
                found = suspect.pull(jacobian, suspect.upstream)
                if largest(found - suspect.right) > 1e-5 * largest(suspect.right):
                    yield Entry(what, f"is the right one {text}", found, 3)

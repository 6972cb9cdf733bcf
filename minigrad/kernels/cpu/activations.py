"""ReLU on the CPU, forward and backward, in one pass over memory."""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.runs import flat, repeated, row_runs, runs

__all__ = ["relu", "where_positive"]

WORK = 1  # of one element, in multiply-adds


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays NaN.

    Examples
    --------
    >>> relu(np.array([1.0, -1.0, np.nan]))
    array([ 1.,  0., nan])
    """
    y = empty(x.shape, x.dtype)
    tasks, sizes = runs(x.size)
    _relu(tasks, WORK * x.size, *flat((x,), (y,)), sizes)
    return y


def where_positive(g: Array, y: Array, in_place: bool = False) -> Array:
    """Return g where y > 0, and 0 elsewhere: the gradient of ReLU from its result.

    Parameters
    ----------
    g, y : ndarray
        Of one shape and dtype; y is C-contiguous. Rows of g that are repeated by broadcasting (the
        gradient of a mean) are not written out before.
    in_place : bool
        Overwrite g if it is C-contiguous.

    Examples
    --------
    >>> where_positive(np.array([5.0, 6.0]), np.array([0.0, 1.0]))
    array([0., 6.])
    """
    if (found := repeated(g)) is not None:
        array, rows = found
        dx = empty(y.shape, y.dtype)
        tasks, sizes = row_runs(rows)
        _repeated_where_positive(tasks, WORK * y.size, *flat((array, y), (dx,)), sizes)
        return dx
    g = np.ascontiguousarray(g)
    dx = g if in_place and g.flags.writeable else empty(g.shape, g.dtype)
    tasks, sizes = runs(g.size)
    _where_positive(tasks, WORK * g.size, *flat((g, y), (dx,)), sizes)
    return dx


@kernel(parallel=True)
def _repeated_where_positive(
    task: int, g: Array, y: Array, _c: Array, _d: Array,
    dx: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    per_run, repeats, inner, outer = sizes[0], sizes[1], sizes[2], sizes[3]
    zero = g.dtype.type(0)
    for n in range(task * per_run, min((task + 1) * per_run, outer)):
        block = n * repeats * inner
        if inner == 1:
            choice, out = y[block : block + repeats], dx[block : block + repeats]
            for p in range(repeats):
                out[p] = g[n] if choice[p] > zero else zero
            continue
        row = g[n * inner : (n + 1) * inner]
        for p in range(repeats):
            first = block + p * inner
            choice, out = y[first : first + inner], dx[first : first + inner]
            for c in range(inner):
                value = row[c]
                out[c] = value if choice[c] > zero else zero


@kernel(parallel=True)
def _relu(
    task: int, x: Array, _b: Array, _c: Array, _d: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    start, end = task * sizes[0], min((task + 1) * sizes[0], x.size)
    run, out, zero = x[start:end], y[start:end], x.dtype.type(0)
    for i in range(len(run)):
        out[i] = zero if run[i] <= zero else run[i]


@kernel(parallel=True)
def _where_positive(
    task: int, g: Array, y: Array, _c: Array, _d: Array,
    dx: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    start, end = task * sizes[0], min((task + 1) * sizes[0], g.size)
    run, choice, out, zero = g[start:end], y[start:end], dx[start:end], g.dtype.type(0)
    for i in range(len(run)):
        value = run[i]
        out[i] = value if choice[i] > zero else zero

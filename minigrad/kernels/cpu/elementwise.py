"""Functions of single numbers that NumPy lacks, and sums of large arrays on all threads."""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, read_only
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.runs import flat, runs

__all__ = ["add", "add_to", "erf"]


def add(a: Array, b: Array) -> Array:
    """Return a + b, in memory that was used before: `minigrad.kernels.cpu.memory` says why.

    Parameters
    ----------
    a, b : ndarray of float32 or float64
        Of one shape and dtype, C-contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> add(np.array([1.0, 2.0]), np.array([10.0, 20.0]))
    array([11., 22.])
    """
    y = empty(a.shape, a.dtype)
    tasks, sizes = runs(a.size)
    _add(tasks, a.size, *flat((a, b), (y,)), sizes)
    return y


def add_to(total: Array, part: Array) -> None:
    """Add `part` to `total`, in its place.

    Parameters
    ----------
    total, part : ndarray of float32 or float64
        Of one shape and dtype, C-contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> total = np.array([1.0, 2.0])
    >>> add_to(total, np.array([10.0, 20.0]))
    >>> total
    array([11., 22.])
    """
    tasks, sizes = runs(total.size)
    _add_to(tasks, total.size, *flat((part,), (total,)), sizes)


def erf(x: Array) -> Array:
    """Return the error function of each element, to the last bits of its dtype.

    Parameters
    ----------
    x : ndarray of float32 or float64

    Returns
    -------
    ndarray
        C-contiguous, in the shape and dtype of x.

    Examples
    --------
    >>> import numpy as np
    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    run = np.ascontiguousarray(x).reshape(-1)
    y = np.empty_like(run)
    _erf(read_only(run), y)
    return y.reshape(x.shape)


@kernel
def _erf(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = math.erf(x[i])


@kernel(parallel=True)
def _add(
    task: int, a: Array, b: Array, _c: Array, _d: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    start, end = task * sizes[0], min((task + 1) * sizes[0], a.size)
    left, right, out = a[start:end], b[start:end], y[start:end]
    for i in range(len(out)):
        out[i] = left[i] + right[i]


@kernel(parallel=True)
def _add_to(
    task: int, part: Array, _b: Array, _c: Array, _d: Array,
    total: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    # The sum is an argument only once: of two, the compiler could not know that they are the same.
    start, end = task * sizes[0], min((task + 1) * sizes[0], total.size)
    run, out = part[start:end], total[start:end]
    for i in range(len(out)):
        out[i] += run[i]

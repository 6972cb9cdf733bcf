"""Memory for large arrays, used again when the last array on it is gone.

The operating system hands out memory page by page, as it is first written to, and clears each page:
a kernel whose output is large can spend as much time on that as on its work. So large blocks are
kept when the arrays on them die, and given to the next array of about their size.

An array from `empty` is a view of a `_Lease`, which is a view of a block. So is every view of it,
however it was made, and as long as one of them lives, or anything that holds one, the lease does.
When Python frees the lease, nobody knows its block any more, and it comes back: two living arrays
cannot share memory. (NumPy lets a view of a view know the memory itself, but it does not look past
an array of another class: hence the two classes.)

Python may free a lease at any moment, in any thread, also while the functions below are at work.
They take no locks: a block belongs to whoever removes it from the dict, which only one can.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["empty", "zeroed"]

LARGE = 1 << 18
"""Bytes from which blocks are kept: the C library itself does as well with smaller ones."""
MOST_IDLE = 1 << 28
"""Bytes that are kept without being used: the blocks that came back first go first."""
LINE = 64
"""Blocks start where a cache line does, so that vectors do not lie on two."""


class _Block(np.ndarray[Any, Any]):
    """The bytes of a piece of memory."""

    __slots__ = ()


_idle: dict[int, _Block] = {}  # by their ids: arrays are compared element by element


class _Lease(np.ndarray[Any, Any]):
    """An array on a block, its `base`, that nobody else uses meanwhile."""

    __slots__ = ()

    def __del__(self, idle: dict[int, _Block] = _idle, most: int = MOST_IDLE) -> None:
        # What it needs comes as arguments: when Python ends, a module's names go before its leases.
        idle[id(self.base)] = self.base  # type: ignore[assignment]
        total = sum(map(len, list(idle.values())))
        if total > most:
            for key in list(idle):
                total -= len(idle.pop(key, ()))
                if total <= most:
                    break


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return a C-contiguous array with any contents, like `numpy.empty`.

    Examples
    --------
    >>> empty((2, 3), np.float32).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    size = dtype.itemsize * (math.prod(shape) if isinstance(shape, tuple) else shape)
    if size < LARGE:
        return np.empty(shape, dtype)
    return _Lease(shape, dtype, _take(size)).view(np.ndarray)


def zeroed(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return a C-contiguous array of zeros, like `numpy.zeros`.

    Examples
    --------
    >>> zeroed(2, np.float32)
    array([0., 0.], dtype=float32)
    """
    array = empty(shape, dtype)
    array.fill(0)
    return array


def _take(size: int) -> _Block:
    """Return a block of `size` bytes or a little more: the one that was used last, or a new one."""
    for key, block in reversed(list(_idle.items())):
        if size <= len(block) <= size + size // 8 and _idle.pop(key, None) is not None:
            return block
    memory = np.empty(size + LINE, np.uint8)
    return _Block(size, np.uint8, memory, -memory.ctypes.data % LINE)

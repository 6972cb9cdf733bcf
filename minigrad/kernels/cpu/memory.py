"""Memory for large arrays, used again when the last array on it is gone.

The operating system hands out memory page by page, as it is first written to, and clears each page:
a kernel whose output is large can spend as much time on that as on its work. So large blocks are
kept when the arrays on them die, and given to the next array of about their size.

An array from `empty` is a view of a `_Lease`. So is every view of it, however it was made, and as
long as one of them lives, or anything that holds one, the lease does. When Python frees the lease,
nobody knows its block any more, and it comes back: two living arrays cannot share memory.

Python may free a lease at any moment, in any thread, also while the functions below are at work.
They take no locks: a block belongs to whoever removes it from the list, which only one can.
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


class _Block:
    """A piece of memory, compared by identity."""

    __slots__ = ("address", "memory", "size")

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size + LINE, np.uint8)
        self.address = -(-self.memory.ctypes.data // LINE) * LINE
        self.size = size


_idle: list[_Block] = []


class _Lease:
    """A block on loan. NumPy makes an array of it, and keeps it as the `base` of that array."""

    __slots__ = ("__array_interface__", "_block")

    def __init__(self, block: _Block, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._block = block
        self.__array_interface__ = {
            "data": (block.address, False), "shape": shape, "typestr": dtype.str, "version": 3,
        }  # fmt: skip

    def __del__(self, idle: list[_Block] = _idle, most: int = MOST_IDLE) -> None:
        # What it needs comes as arguments: when Python ends, a module's names go before its leases.
        idle.append(self._block)
        total = sum([block.size for block in idle])
        while total > most:
            try:
                total -= idle.pop(0).size
            except IndexError:  # another thread took them
                break


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return a C-contiguous array with any contents, like `numpy.empty`.

    Examples
    --------
    >>> empty((2, 3), np.float32).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    shape = shape if isinstance(shape, tuple) else (shape,)
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    return np.asarray(_Lease(_take(size), shape, dtype))


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
    for block in reversed(_idle):
        if size <= block.size <= size + size // 8:
            try:
                _idle.remove(block)
            except ValueError:  # another thread was faster
                continue
            return block
    return _Block(size)

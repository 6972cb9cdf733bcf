"""How arrays enter and leave the compiled kernels.

Kernels see C-contiguous arrays with the channels last, and their inputs are read-only. So each
kernel is compiled once per dtype, cannot write to its inputs (the compiler refuses), and its
innermost loop runs over neighbouring channels, which processors like. Arrays with channels first
are transposed on the way in and out, at the speed of a copy (`_transpose_run`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad._validate import DataFormat
from minigrad.kernels.cpu.jit import DISABLE_JIT, kernel
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.simd import Pointer, at, lanes, load_square, pointer, store_tile

__all__ = [
    "Array",
    "Numbers",
    "add_chunks",
    "chunking",
    "flat",
    "from_last",
    "read_only",
    "repeat_channels",
    "sum_repeated",
    "to_last",
]

Array: TypeAlias = NDArray[Any]
Numbers: TypeAlias = NDArray[np.int64]
"""`ConvGeometry.numbers`: H, W, H', W', kh, kw, sh, sw, dh, dw, top, left."""

MOST_CHUNKS = 64
MOST_PARTIAL_SUMS = 1 << 20
TRANSPOSE_RUN = 1 << 15
"""Elements of a matrix that one task transposes."""


def to_last(x: Array, data_format: DataFormat) -> Array:
    """Return images with the channels last, C-contiguous; a copy only where they are first."""
    if data_format == "channels_last":
        return x
    n, channels, height, width = x.shape
    return _transposed(x, n, channels, height * width).reshape(n, height, width, channels)


def from_last(x: Array, data_format: DataFormat, out: Array | None = None) -> Array:
    """Return channels_last images in `data_format`, C-contiguous: the inverse of `to_last`.

    They are written to `out`, if it is given.
    """
    n, height, width, channels = x.shape
    if data_format == "channels_last":
        return x if out is None else _copied(x, out)
    matrices = _transposed(x, n, height * width, channels, out)
    return matrices.reshape(n, channels, height, width)


def _copied(x: Array, out: Array) -> Array:
    """Copy what is in memory; shapes may differ."""
    out.reshape(-1)[...] = x.reshape(-1)
    return out


def _transposed(x: Array, count: int, rows: int, columns: int, out: Array | None = None) -> Array:
    """Return `count` C-contiguous matrices, (rows, columns) -> (columns, rows)."""
    if rows == 1 or columns == 1:  # in memory, they look the same
        return x if out is None else _copied(x, out)
    y = empty(x.size, x.dtype) if out is None else out.reshape(-1)
    if DISABLE_JIT or x.dtype.kind != "f":  # the latter are positions of maxima
        matrices = x.reshape(count, rows, columns)
        y.reshape(count, columns, rows)[...] = matrices.transpose(0, 2, 1)
        return y
    x, sizes = flat(x), _transpose_sizes(count, rows, columns)
    _transpose_run(count * int(sizes[2]), 4 * x.size, x, x, x, x, y, y, y, sizes)
    return y


@lru_cache(maxsize=1024)
def _transpose_sizes(count: int, rows: int, columns: int) -> Numbers:
    """Return rows, columns and runs per matrix: a run of columns has about 128 kB."""
    runs = -(-columns // max(64, TRANSPOSE_RUN // rows // 64 * 64))
    sizes = np.array([rows, columns, runs], np.int64)
    sizes.setflags(write=False)
    return sizes


@kernel(parallel=True)
def _transpose_run(
    number: int, x: Array, _b: Array, _c: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Transpose a run of a matrix' columns, in squares that stay in registers.

    Four squares side by side use whole cache lines, of what is read and of what is written: the
    lines of neighbouring rows lie far apart, and would be gone before they are needed again.
    """
    rows, columns, runs = sizes[0], sizes[1], sizes[2]
    matrix, run = number // runs, number % runs
    source = at(pointer(x), matrix * rows * columns)
    target = at(pointer(y), matrix * rows * columns)
    side = 4 * lanes(source)
    squares = (columns + side - 1) // side
    first, last = run * squares // runs * side, min(columns, (run + 1) * squares // runs * side)
    for column in range(first, last, side):
        end = min(last, column + side)
        for row in range(0, rows, lanes(source)):
            _transpose_block(source, target, rows, columns, row, column, end)


@kernel(inner=True)
def _transpose_block(
    x: Pointer, y: Pointer, rows: int, columns: int, row: int, column: int, end: int
) -> None:
    """Transpose some columns of as many rows as a vector has lanes."""
    one = lanes(x)
    if row + one <= rows:
        while column + one <= end:
            square = load_square(x, row * columns + column, columns)
            store_tile(square, y, column * rows + row, rows, None)
            column += one
    for c in range(column, end):
        for r in range(row, min(rows, row + one)):
            y[c * rows + r] = x[r * columns + c]


def read_only(x: Array) -> Array:
    """Return a read-only view of a C-contiguous array: the form of a kernel's inputs."""
    view = x.view()
    view.setflags(write=False)
    return view


def flat(x: Array) -> Array:
    """Return a flat read-only view of a C-contiguous array."""
    view = x.reshape(-1)
    view.flags.writeable = False
    return view


def repeat_channels(x: Array, times: int) -> Array:
    """Return (N, H, W, C) images with each channel `times` times: (N, H, W, C times).

    So a depthwise convolution with several kernels per channel becomes one with one kernel. That
    pays where channels are fewer than a vector has lanes.
    """
    shape = (*x.shape, times)
    repeated = np.ascontiguousarray(np.broadcast_to(x[..., np.newaxis], shape))
    return repeated.reshape(*x.shape[:3], x.shape[3] * times)


def sum_repeated(dx: Array, times: int) -> Array:
    """Return the sum over each channel's repetitions: the gradient of `repeat_channels`."""
    n, h, w, channels = dx.shape
    return np.asarray(dx.reshape(n, h, w, channels // times, times).sum(axis=-1))


def add_chunks(partial: Array) -> Array:
    """Return the sum of the chunks' partial sums, (chunks, ...) -> (...), always in one order."""
    return np.asarray(partial.sum(axis=0))


def chunking(tasks: int, size: int) -> tuple[int, int]:
    """Return (chunks, tasks per chunk) for a sum over tasks whose result has `size` elements.

    Each chunk adds up its tasks in order, on one thread; the chunks' partial sums are added in
    order afterwards. The chunks depend on the shapes only, never on the number of threads, so the
    rounding does not either. Many chunks occupy many threads and round less; but their partial sums
    must fit in memory.
    """
    most = max(1, min(MOST_CHUNKS, MOST_PARTIAL_SUMS // max(size, 1)))
    per_chunk = max(1, -(-tasks // most))
    return -(-tasks // per_chunk), per_chunk

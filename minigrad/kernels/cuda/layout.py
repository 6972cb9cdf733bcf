"""What launches share: flat arrays, sizes that fit an index, alignment, and transposition.

Kernels see every array as one flat row of elements and compute positions in uint32, which a GPU
does about three times as fast as in int64. So an array has fewer than 2**31 elements, and a
coordinate that falls off the left or upper edge wraps around to a huge number: ``if r < height``
asks about both borders at once.

Kernels work on images with the channels last. Those with the channels first are transposed on the
way in and out, by a kernel that moves tiles through shared memory.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np
from numba import uint32, uint64

from minigrad._validate import DataFormat
from minigrad.kernels.cuda.intrinsics import VECTOR_BYTES
from minigrad.kernels.cuda.runtime import blocks, cuda, empty, jit, launch
from minigrad.kernels.geometry import ConvGeometry

__all__ = [
    "LIMIT",
    "VECTOR_BYTES",
    "Array",
    "check_geometry",
    "divisor",
    "flat",
    "from_last",
    "numbers",
    "quotient",
    "run",
    "to_last",
    "transposed",
    "vector_width",
]

Array: TypeAlias = Any
"""A device array: CuPy's, or the simulator's."""

LIMIT = 2**31 - 1
"""Elements of the largest array, and the largest coordinate."""
TILE, LINES = 32, 8
"""A block transposes a tile of TILE x TILE elements, with TILE x LINES threads."""


def flat(array: Array) -> Array:
    """Return a contiguous array as a flat one.

    Raises
    ------
    ValueError
        When it has more elements than an index can count.
    """
    if array.size > LIMIT:
        raise ValueError(
            f"A CUDA kernel takes arrays of at most {LIMIT} elements; use smaller batches. "
            f"Received: shape={array.shape}"
        )
    return array.reshape(-1)


def check_geometry(geometry: ConvGeometry) -> None:
    """Raise ValueError where a coordinate in the padded image would not fit an index."""
    padded = (n + sum(pads) for n, pads in zip(geometry.input_size, geometry.pads, strict=True))
    if max(*padded, *geometry.strides, *geometry.dilation_rate) > LIMIT:
        raise ValueError(
            f"A CUDA kernel takes padded images, strides and dilation rates of at most {LIMIT}. "
            f"Received: {geometry}"
        )


def numbers(*values: int) -> tuple[Any, ...]:
    """Return numbers as what kernels take them as: uint32."""
    return tuple(map(np.uint32, values))


def run(kernel: Any, threads: int, block: int, *arguments: Any) -> None:
    """Launch at least this many threads in blocks; nothing where there is nothing to do."""
    if threads:
        launch(kernel, blocks(threads, block), block, *arguments)


def vector_width(sizes: tuple[int, ...], *arrays: Array) -> int:
    """Return how many elements a 128-bit load of these arrays takes: 4, 2, or 1 where it may not.

    It may where all vectors start on a multiple of 16 bytes: the sizes (the lengths of the rows
    that vectors lie in) are multiples of a vector, and the arrays start on such an address.
    """
    width: int = VECTOR_BYTES // arrays[0].dtype.itemsize
    if any(size % width for size in sizes) or any(map(_address, arrays)):
        return 1
    return width


def _address(array: Array) -> int:
    """Return where an array starts, within a vector."""
    memory: Any = getattr(array, "host", array)  # NumPy's, in the simulator
    name = "__array_interface__" if isinstance(memory, np.ndarray) else "__cuda_array_interface__"
    return int(getattr(memory, name)["data"][0]) % VECTOR_BYTES


# --- division by a number that is known at launch ---------------------------------------------


def divisor(number: int) -> Any:
    """Return what `quotient` divides by: a factor and a shift, packed into 64 bits.

    t // d == (t m) >> s for all t < 2**31, with s = 31 + ceil(log2 d) and m = ceil(2**s / d), which
    fits in 32 bits. Two instructions instead of about twenty. Source: Granlund and Montgomery,
    "Division by invariant integers using multiplication", 1994.

    Examples
    --------
    >>> 1000000 // 7 == int(quotient.py_func(np.uint32(1000000), divisor(7)))
    True
    """
    shift = 31 + (number - 1).bit_length()
    return np.uint64(-(-(1 << shift) // number) | shift << 32)


@jit(device=True)
def quotient(t: Any, by: Any) -> Any:
    """Return t // d, where ``by`` is `divisor(d)`."""
    return uint32((uint64(t) * (by & uint64(0xFFFFFFFF))) >> (by >> uint64(32)))


# --- transposition ----------------------------------------------------------------------------


@functools.cache
def transpose_kernel(tile: int, lines: int) -> Any:
    """Return a kernel that transposes each matrix of a batch.

    A block moves one tile of tile x tile elements through shared memory, whose rows are one element
    longer than the tile, so that its columns are spread over the banks. Neighbouring threads read
    neighbouring elements of a row, and after the barrier write neighbouring elements of a row of
    the result: both accesses are coalesced.

    Occupancy: at most 32 registers and 8448 bytes of shared memory per block of 256 threads.
    """
    stride, size = tile + 1, tile * (tile + 1)
    steps = tile // lines

    @jit
    def transpose(x: Any, y: Any, rows: Any, columns: Any, down: Any, across: Any) -> None:
        held = cuda.shared.array(size, x.dtype)
        lane = uint32(uint32(cuda.threadIdx.x) % uint32(tile))
        line = uint32(uint32(cuda.threadIdx.x) // uint32(tile))
        block = uint32(cuda.blockIdx.x)
        column = uint32(uint32(block % across) * uint32(tile))
        block = uint32(block // across)
        row = uint32(uint32(block % down) * uint32(tile))
        base = uint32(uint32(block // down) * uint32(rows * columns))
        for step in range(steps):
            k = uint32(line + uint32(step * lines))
            r, c = uint32(row + k), uint32(column + lane)
            if r < rows and c < columns:
                held[uint32(k * uint32(stride) + lane)] = x[uint32(base + uint32(r * columns + c))]
        cuda.syncthreads()
        for step in range(steps):
            k = uint32(line + uint32(step * lines))
            r, c = uint32(row + lane), uint32(column + k)
            if r < rows and c < columns:
                y[uint32(base + uint32(c * rows + r))] = held[uint32(lane * uint32(stride) + k)]

    return transpose


def transposed(x: Array, count: int, rows: int, columns: int) -> Array:
    """Return a flat array: x as ``count`` matrices (rows, columns), each transposed."""
    y = empty(x.size, x.dtype)
    down, across = blocks(rows, TILE), blocks(columns, TILE)
    arguments = numbers(rows, columns, down, across)
    if x.size:
        grid = count * down * across
        launch(transpose_kernel(TILE, LINES), grid, TILE * LINES, flat(x), y, *arguments)
    return y


def to_last(x: Array, data_format: DataFormat) -> Array:
    """Return images with the channels last: as they are, or a transposed copy."""
    if data_format == "channels_last":
        return x
    n, c, h, w = x.shape
    return transposed(x, n, c, h * w).reshape(n, h, w, c)


def from_last(x: Array, data_format: DataFormat) -> Array:
    """Return images that have the channels last in `data_format`: the inverse of `to_last`."""
    if data_format == "channels_last":
        return x
    n, h, w, c = x.shape
    return transposed(x, n, h * w, c).reshape(n, c, h, w)

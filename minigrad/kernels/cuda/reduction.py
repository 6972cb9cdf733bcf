"""Sums over the rows of a matrix, in a fixed order: the bias gradient, and every second stage.

A sum that many threads share is usually done with atomic additions, whose order changes from run to
run, and with it the last bits. Here each slice of rows has its own place for its partial sum, and a
second launch adds the partial sums up. The slices depend on nothing but the sizes (and on whether
the arrays can be read in vectors), so the same input gives the same bits on every run.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import uint32

from minigrad._validate import DataFormat
from minigrad.kernels.cuda.intrinsics import align_shared, vectors
from minigrad.kernels.cuda.layout import Array, flat, numbers, to_last, vector_width
from minigrad.kernels.cuda.runtime import blocks, cuda, empty, jit, launch, zeros

__all__ = ["bias_grad", "slices_of", "sum_rows"]

DOWN, ACROSS = 8, 32
"""Threads of a block, along the rows and along the columns."""
BLOCKS = 512
"""Enough blocks to keep a GPU busy; more slices than that are not made."""
SLICE = 256
"""The fewest rows that are worth a slice."""


@functools.cache
def sums_kernel(width: int, down: int, across: int) -> Any:
    """Return a kernel for part[slice, c] = Σ_r x[r, c], over the rows r of a slice.

    A block has one slice of the rows and ``across`` vectors of columns. Neighbouring threads read
    neighbouring vectors of a row; thread (line, lane) adds up every ``down``-th row. Then the lines
    are added pairwise in shared memory, in a tree whose shape never changes.

    Occupancy: at most 40 registers and 4096 bytes of shared memory per block of 256 threads.
    """
    load, store = vectors(width)
    size, row = width * down * across, width * across

    @jit
    def sums(x: Any, part: Any, rows: Any, columns: Any, length: Any, tiles: Any) -> None:
        held = cuda.shared.array(size, x.dtype)
        align_shared()
        total = cuda.local.array(width, x.dtype)
        value = cuda.local.array(width, x.dtype)
        t = uint32(cuda.threadIdx.x)
        line = uint32(t // uint32(across))
        lane = uint32(uint32(t % uint32(across)) * uint32(width))
        block = uint32(cuda.blockIdx.x)
        number = uint32(block // tiles)
        c = uint32(uint32(uint32(block - uint32(number * tiles)) * uint32(row)) + lane)
        start = uint32(number * length)
        stop = uint32(start + length)
        if stop > rows:
            stop = rows
        for v in range(width):
            total[v] = 0
        if c < columns:
            r = uint32(start + line)
            while r < stop:
                load(value, uint32(0), x, uint32(uint32(r * columns) + c))
                for v in range(width):
                    total[v] += value[v]
                r = uint32(r + uint32(down))
        own = uint32(uint32(line * uint32(row)) + lane)
        store(held, own, total, uint32(0))
        half = uint32(down // 2)
        while half > uint32(0):
            cuda.syncthreads()
            if line < half:
                load(value, uint32(0), held, uint32(own + uint32(half * uint32(row))))
                for v in range(width):
                    total[v] += value[v]
                store(held, own, total, uint32(0))
            half = uint32(half // uint32(2))
        if line == uint32(0) and c < columns:
            store(part, uint32(uint32(number * columns) + c), total, uint32(0))

    return sums


def slices_of(rows: int, tiles: int, multiple: int = 1) -> tuple[int, int]:
    """Return how many slices to cut ``rows`` into, and how many rows each has.

    Parameters
    ----------
    rows : int
    tiles : int
        Blocks that one slice keeps busy.
    multiple : int
        The rows of a slice are a multiple of this.

    Examples
    --------
    >>> slices_of(100_000, 4), slices_of(100, 4)
    ((128, 782), (1, 100))
    """
    wanted = min(blocks(BLOCKS, tiles), max(rows // SLICE, 1))
    length = blocks(rows, wanted * multiple) * multiple
    return blocks(rows, length), length


def sum_rows(x: Array, rows: int, columns: int) -> Array:
    """Return the sums over the rows of a matrix: a flat array of ``columns`` numbers."""
    if not rows:
        return zeros(columns, x.dtype)
    width = vector_width((columns,), x)
    tiles = blocks(columns, width * ACROSS)
    slices, length = slices_of(rows, tiles)
    part = empty(slices * columns, x.dtype)
    if columns:
        launch(
            sums_kernel(width, DOWN, ACROSS),
            slices * tiles,
            DOWN * ACROSS,
            *map(flat, (x, part)),
            *numbers(rows, columns, length, tiles),
        )
    return part if slices == 1 else sum_rows(part, slices, columns)


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return the sum over images and pixels; see `minigrad.kernels.bias_grad`."""
    dy = to_last(dy, data_format)
    filters = dy.shape[3]
    return sum_rows(dy, len(dy) * dy.shape[1] * dy.shape[2], filters)

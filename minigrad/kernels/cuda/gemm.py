"""A matrix product on a GPU: tiles in shared memory, parts of tiles in registers.

Three levels of memory, three levels of tiles. A block computes a tile of the result. It walks along
the inner axis: a slab of both factors goes from global to shared memory while the slab before is
multiplied. Each thread holds 8 x 8 elements of the result in registers (4 x 4 in float64), and for
each step along the inner axis loads 8 + 8 elements from shared memory, with 4 instructions of 128
bits, for 64 multiply-adds.

`Tile` says how large all that is; `product_kernel` is the product itself; where its left factor
comes from is a pair of functions, so that `minigrad.kernels.cuda.separable` can compute it on the
way.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from numba import uint32

from minigrad.kernels.cuda.intrinsics import align_shared, vectors
from minigrad.kernels.cuda.runtime import cuda, jit

__all__ = ["Tile", "columns_source", "product_kernel", "rows_source", "turned_put"]


Source = tuple[Any, Any, int]
"""Where a left factor comes from: fetch (to registers), put (from there to shared memory), and how
many elements of scratch registers `fetch` needs."""
RESIDENT = 512
"""Threads that must fit on a multiprocessor together: leaves each of them 128 registers.

The slow path, for rows that are no whole vectors, may have more: its addresses take registers."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The sizes of a block's tile.

    Attributes
    ----------
    width : int
        Elements of a vector: 4 for float32, 2 for float64.
    down, across : int
        Threads of a block. Each has 2 x 2 squares of width x width elements, one from each quarter
        of the tile: so neighbouring threads touch neighbouring vectors, and no two of them the same
        bank of shared memory.
    depth : int
        Steps along the inner axis in one slab; a multiple of width.
    """

    width: int = 4
    down: int = 16
    across: int = 16
    depth: int = 8

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.down * self.across

    @property
    def rows(self) -> int:
        """Rows of the result that a block computes."""
        return 2 * self.width * self.down

    @property
    def columns(self) -> int:
        """Columns of the result that a block computes."""
        return 2 * self.width * self.across

    @property
    def left_stride(self) -> int:
        """Elements between rows of the left slab in shared memory: one vector more than rows.

        Four more words move a transposed column of 4-byte words 4 banks on, so that the threads
        which write neighbouring steps of the inner axis do not meet in a bank.
        """
        return self.rows + self.width

    def share(self, size: int) -> int:
        """Return how many elements each thread carries of a slab that is ``size`` wide."""
        return self.width * -(-size * self.depth // (self.width * self.threads))


@functools.cache
def slab_functions(tile: Tile, size: int, stride: int, aligned: bool) -> tuple[Any, Any]:
    """Return (fetch, put), which carry a slab of a matrix, its rows along the inner axis.

    fetch(part, x, k, stop, first, length, t): rows k to k + depth, columns first to first + size of
    the matrix x with rows of ``length`` elements, go to the registers of the block's threads, zeros
    from row ``stop`` and column ``length`` on. put(slab, at, part, t): from there to shared memory.
    """
    width, threads = tile.width, tile.threads
    _, store = vectors(width)
    step = width if aligned else 1
    copy, _ = vectors(step)
    across = size // width
    total = across * tile.depth
    share = tile.share(size) // width

    @jit(device=True)
    def fetch(part: Any, x: Any, k: Any, stop: Any, first: Any, length: Any, t: Any) -> None:
        for q in range(share):
            at = uint32(t + uint32(q * threads))
            line = uint32(k + uint32(at // uint32(across)))
            column = uint32(first + uint32(uint32(at % uint32(across)) * uint32(width)))
            for v in range(width):
                part[q * width + v] = 0
            if line < stop and at < uint32(total):
                for v in range(0, width, step):
                    if uint32(column + uint32(v)) < length:
                        i = uint32(uint32(line * length) + uint32(column + uint32(v)))
                        copy(part, uint32(q * width + v), x, i)

    @jit(device=True)
    def put(slab: Any, start: Any, part: Any, t: Any) -> None:
        for q in range(share):
            at = uint32(t + uint32(q * threads))
            if at < uint32(total):
                line = uint32(uint32(at // uint32(across)) * uint32(stride))
                column = uint32(uint32(at % uint32(across)) * uint32(width))
                store(slab, uint32(start + uint32(line + column)), part, uint32(q * width))

    return fetch, put


@functools.cache
def turned_put(tile: Tile) -> Any:
    """Return put(slab, at, part, t) for a slab whose vectors lie along the inner axis.

    It is transposed on the way: vector q of thread t is row (t + q threads) // (depth / width) of
    the matrix, and becomes a part of a column of the slab.
    """
    width, threads, stride = tile.width, tile.threads, tile.left_stride
    along = tile.depth // width
    total = tile.rows * along
    share = tile.share(tile.rows) // width

    @jit(device=True)
    def put(slab: Any, start: Any, part: Any, t: Any) -> None:
        for q in range(share):
            at = uint32(t + uint32(q * threads))
            if at < uint32(total):
                row, k = (
                    uint32(at // uint32(along)),
                    uint32(uint32(at % uint32(along)) * uint32(width)),
                )
                for v in range(width):
                    line = uint32(uint32(k + uint32(v)) * uint32(stride))
                    slab[uint32(start + uint32(line + row))] = part[q * width + v]

    return put


@functools.cache
def rows_source(tile: Tile, aligned: bool) -> Source:
    """Return what `Source` says for a left factor (rows, inner), transposed into its slab."""
    width, threads = tile.width, tile.threads
    step = width if aligned else 1
    copy, _ = vectors(step)
    along = tile.depth // width
    total = tile.rows * along
    share = tile.share(tile.rows) // width

    @jit(device=True)
    def fetch(
        part: Any, x: Any, extra: Any, shape: Any, k: Any, stop: Any, first: Any, rows: Any,
        t: Any, scratch: Any,
    ) -> None:  # fmt: skip
        for q in range(share):
            at = uint32(t + uint32(q * threads))
            row = uint32(first + uint32(at // uint32(along)))
            column = uint32(k + uint32(uint32(at % uint32(along)) * uint32(width)))
            for v in range(width):
                part[q * width + v] = 0
            if row < rows and at < uint32(total):
                for v in range(0, width, step):
                    if uint32(column + uint32(v)) < stop:
                        i = uint32(uint32(row * stop) + uint32(column + uint32(v)))
                        copy(part, uint32(q * width + v), x, i)

    return fetch, turned_put(tile), 1


@functools.cache
def columns_source(tile: Tile, aligned: bool) -> Source:
    """Return what `Source` says for a left factor (inner, rows): a slab is a part of it."""
    carry, put = slab_functions(tile, tile.rows, tile.left_stride, aligned)

    @jit(device=True)
    def fetch(
        part: Any, x: Any, extra: Any, shape: Any, k: Any, stop: Any, first: Any, rows: Any,
        t: Any, scratch: Any,
    ) -> None:  # fmt: skip
        carry(part, x, k, stop, first, rows, t)

    return fetch, put, 1


@functools.cache
def inner_functions(tile: Tile, aligned: bool) -> tuple[Any, Any, Any, Any]:
    """Return (place, start, multiply, finish), which compute on what is in shared memory.

    place(t): the (row, column) of thread t among the block's. 32 neighbouring threads, which run as
    one, form a patch of 4 x 8, so that together they read 4 + 8 different vectors of shared memory.
    multiply(result, left, at_a, right, at_b, a, b): the products of one slab.
    finish(y, result, bias, biased, base, row, column, rows, columns): add the bias, and write what
    lies inside the result.
    """
    width, depth, across = tile.width, tile.depth, tile.across
    load, _ = vectors(width)
    step = width if aligned else 1
    _, copy = vectors(step)
    stride_a, stride_b = tile.left_stride, tile.columns
    half_a, half_b = tile.rows // 2, tile.columns // 2
    patch = min(8, across)
    patches, lines = across // patch, 32 // patch
    side = 2 * width

    @jit(device=True)
    def place(t: Any) -> Any:
        warp, lane = uint32(t // uint32(32)), uint32(t % uint32(32))
        down, over = uint32(warp // uint32(patches)), uint32(warp % uint32(patches))
        row = uint32(uint32(down * uint32(lines)) + uint32(lane // uint32(patch)))
        return row, uint32(uint32(over * uint32(patch)) + uint32(lane % uint32(patch)))

    @jit(device=True)
    def multiply(result: Any, left: Any, at_a: Any, right: Any, at_b: Any, a: Any, b: Any) -> None:
        end = uint32(at_a + uint32(depth * stride_a))
        while at_a < end:
            for h in range(2):
                i, j = at_a + uint32(h * stride_a), at_b + uint32(h * stride_b)
                load(a, uint32(0), left, i)
                load(a, uint32(width), left, i + uint32(half_a))
                load(b, uint32(0), right, j)
                load(b, uint32(width), right, j + uint32(half_b))
                for p in range(side):
                    for q in range(side):
                        result[p * side + q] += a[p] * b[q]
            at_a, at_b = uint32(at_a + uint32(2 * stride_a)), uint32(at_b + uint32(2 * stride_b))

    @jit(device=True)
    def start(result: Any, bias: Any, biased: Any, column: Any, columns: Any, b: Any) -> None:
        for q in range(side):
            c = uint32(column + uint32(q // width * half_b + q % width))
            b[q] = 0
            if biased and c < columns:
                b[q] = bias[c]
        for p in range(side):
            for q in range(side):
                result[p * side + q] = b[q]

    @jit(device=True)
    def finish(
        y: Any, base: Any, result: Any, row: Any, column: Any, rows: Any, columns: Any
    ) -> None:
        for p in range(side):
            r = uint32(row + uint32(p // width * half_a + p % width))
            if r < rows:
                at = uint32(base + uint32(r * columns))
                for q in range(0, side, step):
                    c = uint32(column + uint32(q // width * half_b + q % width))
                    if c < columns:
                        copy(y, uint32(at + c), result, uint32(p * side + q))

    return place, start, multiply, finish


@functools.cache
def product_kernel(tile: Tile, source: Source, aligned: bool) -> Any:
    """Return a kernel for y[slice, r, c] = Σ_k left[r, k] kernel[k, c] + bias[c].

    A block computes one tile of the result, for one slice of the inner axis (blocks that share
    rows of the left factor are neighbours, so that they find it in the L2 cache). Its threads fetch
    a slab of both factors into registers, ``source`` says how that of the left one; then they
    multiply the slab before, which is in shared memory; then they put the new one beside it. There
    is room for two, so one barrier for each slab is enough.

    A step along the inner axis takes 64 multiply-adds and 4 loads of 128 bits from shared memory in
    float32, 16 and 4 in float64.

    The twins are `minigrad.kernels.reference.pointwise_forward` and its gradients.

    Occupancy: at most 128 registers (168 on the slow path) and 16640 bytes of shared memory per
    block of 256 threads. 512 threads fit on a multiprocessor, a quarter of what it holds at most.
    """
    fetch_left, put_left, scratch_size = source
    fetch, put = slab_functions(tile, tile.columns, tile.columns, aligned)
    place, start, multiply, finish = inner_functions(tile, aligned)
    width, side = tile.width, 2 * tile.width
    slab_a, slab_b = tile.depth * tile.left_stride, tile.depth * tile.columns
    both_a, both_b = 2 * slab_a, 2 * slab_b
    share_a, share_b = tile.share(tile.rows), tile.share(tile.columns)
    squares = side * side
    resident = max(RESIDENT // tile.threads, 1) if aligned else 1
    depth, tile_rows, tile_columns = tile.depth, tile.rows, tile.columns

    @jit(launch_bounds=(tile.threads, resident))
    def product(
        x: Any, extra: Any, shape: Any, kernel: Any, bias: Any, y: Any, rows: Any, columns: Any,
        inner: Any, length: Any, down: Any, across: Any, biased: Any,
    ) -> None:  # fmt: skip
        left = cuda.shared.array(both_a, x.dtype)
        right = cuda.shared.array(both_b, x.dtype)
        align_shared()
        result = cuda.local.array(squares, x.dtype)
        part_a = cuda.local.array(share_a, x.dtype)
        part_b = cuda.local.array(share_b, x.dtype)
        scratch = cuda.local.array(scratch_size, x.dtype)
        a = cuda.local.array(side, x.dtype)
        b = cuda.local.array(side, x.dtype)
        t = uint32(cuda.threadIdx.x)
        block = uint32(cuda.blockIdx.x)
        rest = uint32(block // across)
        first_column = uint32(uint32(block - uint32(rest * across)) * uint32(tile_columns))
        part = uint32(rest // down)
        first_row = uint32(uint32(rest - uint32(part * down)) * uint32(tile_rows))
        k = uint32(part * length)
        stop = uint32(k + length)
        if stop > inner:
            stop = inner
        row, column = place(t)
        row, column = uint32(row * uint32(width)), uint32(column * uint32(width))
        start(result, bias, biased, uint32(first_column + column), columns, b)
        fetch_left(part_a, x, extra, shape, k, stop, first_row, rows, t, scratch)
        fetch(part_b, kernel, k, stop, first_column, columns, t)
        put_left(left, uint32(0), part_a, t)
        put(right, uint32(0), part_b, t)
        cuda.syncthreads()
        now = uint32(0)
        while k < stop:
            k = uint32(k + uint32(depth))
            if k < stop:
                fetch_left(part_a, x, extra, shape, k, stop, first_row, rows, t, scratch)
                fetch(part_b, kernel, k, stop, first_column, columns, t)
            at_a = uint32(uint32(now * uint32(slab_a)) + row)
            at_b = uint32(uint32(now * uint32(slab_b)) + column)
            multiply(result, left, at_a, right, at_b, a, b)
            now = uint32(uint32(1) - now)
            if k < stop:
                put_left(left, uint32(now * uint32(slab_a)), part_a, t)
                put(right, uint32(now * uint32(slab_b)), part_b, t)
            cuda.syncthreads()
        base = uint32(part * uint32(rows * columns))
        row, column = uint32(first_row + row), uint32(first_column + column)
        finish(y, base, result, row, column, rows, columns)

    return product

"""Winograd's convolution: 3 x 3 kernels without strides, with 16 instead of 36 multiplications.

Two by two pixels of the output see four by four pixels d of the input. With matrices of a few 0, 1
and 1/2 (`winograd_tiles.MATRICES`), a 3 x 3 kernel g, and products element by element,

    y = Aᵀ [(G g Gᵀ) * (Bᵀ d B)] A

With channels the products are sums over channels: a matrix product for each of the 16 points. The
gradient of the kernel is the transposed map, Gᵀ [Σ (A dy Aᵀ) * (Bᵀ d B)] G: 16 products again.

Errors are no larger than those of 9 C additions, since there are only C. Infinities would turn
into NaN, large numbers into infinities, and NaN at a border would reach taps that do not see it:
where a result is not finite, nothing is returned, and the caller convolves directly.

A. Lavin, S. Gray, 2016, https://arxiv.org/abs/1509.09308
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.cpu.bands import band_of, line_of
from minigrad.kernels.cpu.gemm import add_transposed_product, clear, multiply
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, flat
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.plan import (
    MANY_PIXELS,
    PIXELS_PER_CHUNK,
    SHORT,
    WORK_PER_RUN,
    balanced,
    chunks_of,
)
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Static,
    add_tile,
    at,
    keep,
    lanes,
    load_tile,
    pointer,
    positive,
    repeat_row,
    store_tile,
    zero_tile,
)
from minigrad.kernels.cpu.winograd_tiles import (
    OF_INPUT,
    OF_KERNEL,
    OF_KERNEL_GRAD,
    OF_OUTPUT,
    OF_OUTPUT_GRAD,
    load_patch,
    marked,
    sandwich,
    store_pixels,
    total,
    transform,
)

__all__ = ["pays", "winograd_forward", "winograd_kernel_grad"]


POINTS = Static(16, 1)
FOUR, NINE = Static(4, 1), Static(9, 1)

FEWEST_CHANNELS = 16
FEWEST_TILES = 32
"""Below, the transform of the kernel takes longer than it saves."""
FEWEST_ROWS = 28
"""Of tiles, for the kernel's gradient: in sums of fewer, the rounding of the transforms shows."""
BYTES = 384 * 1024
"""Of the points of a run of tiles: most of the second-level cache."""
BLOCK = 128
MOST_SUMS = 1 << 20


def pays(
    window: tuple[int, ...], batch: int, channels: int, filters: int, fewest_rows: int = 1
) -> bool:
    """Return whether to convolve in this way: also, with at least so many rows of tiles."""
    _, _, height, width, *kernel = window
    return (
        kernel[:6] == [3, 3, 1, 1, 1, 1]
        and min(channels, filters) >= FEWEST_CHANNELS
        and batch * _even(height) >= 2 * fewest_rows
        and batch * _even(height) * _even(width) >= 4 * FEWEST_TILES
        and 2 * _even(height) * _even(width) <= 3 * height * width
    )


def winograd_forward(
    x: Array, kernel: Array, bias: Array | None, window: tuple[int, ...], turned: bool, relu: bool
) -> Array | None:
    """Return the convolution of channels_last images, or None where it is not finite.

    With kernel[::-1, ::-1] where `turned`.
    """
    channels, filters = kernel.shape[2:]
    plan = _plan(window, len(x), channels, filters, x.dtype, turned, relu)
    packed, zeros = empty(plan.packed, x.dtype), plan.zeros
    _pack(plan.panels, plan.packed, flat(kernel), zeros, zeros, zeros, packed, packed, packed,
          plan.sizes)  # fmt: skip
    y, marks = empty((len(x), *window[2:4], filters), x.dtype), empty(plan.runs, x.dtype)
    out = y.reshape(-1)
    _forward_run(
        plan.runs, plan.work, flat(x), flat(packed), zeros if bias is None else flat(bias), zeros,
        out, marks, out, plan.sizes,
    )  # fmt: skip
    return y if marks.sum() == 0 else None


def winograd_kernel_grad(x: Array, dy: Array, window: tuple[int, ...]) -> Array | None:
    """Return the gradient of the kernel, from channels_last images; None where not finite."""
    channels, filters = x.shape[3], dy.shape[3]
    plan = _plan(window, len(x), channels, filters, x.dtype, False, False)
    sums, zeros = empty(plan.chunks * 16 * channels * filters, x.dtype), plan.zeros
    _kernel_grad_part(
        plan.parts, plan.work, flat(x), flat(dy), zeros, zeros, sums, sums, sums, plan.sizes
    )
    dk, marks = empty((3, 3, channels, filters), x.dtype), empty(channels, x.dtype)
    out = dk.reshape(-1)
    _kernel_grad_end(
        channels, 16 * plan.chunks * dk.size, flat(sums), zeros, zeros, zeros, out, marks, out,
        plan.sizes,
    )  # fmt: skip
    return dk if marks.sum() == 0 else None


class Plan(NamedTuple):
    """How the work is cut into tasks: decided by the shape alone, and so is its rounding."""

    work: int
    """Multiply-adds."""
    panels: int
    packed: int
    runs: int
    parts: int
    chunks: int
    zeros: Array
    sizes: Numbers
    """Two windows of 12 numbers, of x and of dy, then those that tasks unpack."""


@lru_cache(maxsize=1024)
def _plan(
    window: tuple[int, ...],
    batch: int,
    channels: int,
    filters: int,
    dtype: np.dtype[Any],
    turned: bool,
    relu: bool,
) -> Plan:
    height, width, out_height, out_width = window[:4]
    size, lane = dtype.itemsize, VECTOR_BYTES // dtype.itemsize
    even = _even(out_height), _even(out_width)
    rows, across = batch * even[0] // 2, even[1] // 2  # of tiles
    tiles, work = rows * across, rows * across * 16 * channels * filters
    most = max(64, min(192, BYTES // (16 * size * (channels + filters))))
    # Each run reads the whole kernel: a large one should not be read often.
    runs = min(rows, balanced(tiles, most, min(work, 2 * WORK_PER_RUN)))
    share = max(48, min(96, BYTES // (16 * size * (min(channels, BLOCK) + min(filters, BLOCK)))))
    sums = MOST_SUMS // (16 * channels * filters) * PIXELS_PER_CHUNK
    chunks = chunks_of(work, min(4 * tiles, sums), PIXELS_PER_CHUNK)
    blocks = -(-channels // BLOCK), -(-filters // BLOCK)
    panels = -(-filters // (2 * lane))
    sizes = np.array(
        [height, width, *even, *window[4:], out_height, out_width, *even, 1, 1, 1, 1, 1, 1, 0, 0,
         channels, filters, rows, runs, out_height, out_width, turned, relu,
         panels * 2 * lane * channels, chunks, max(1, share // across), *blocks],
        np.int64,
    )  # fmt: skip
    zeros = np.zeros(max(channels, filters), dtype)
    sizes.setflags(write=False)
    zeros.setflags(write=False)
    return Plan(
        work=work,
        panels=panels,
        packed=16 * panels * 2 * lane * channels,
        runs=runs,
        parts=chunks * blocks[0] * blocks[1],
        chunks=chunks,
        zeros=zeros,
        sizes=sizes,
    )


def _even(size: int) -> int:
    return size + size % 2


@kernel(parallel=True)
def _pack(
    panel: int, matrix: Array, _b: Array, _c: Array, _d: Array,
    packed: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Transform one panel of the kernel."""
    channels, filters, turned, size = sizes[24], sizes[25], sizes[30], sizes[32]
    one, tap = lanes(pointer(packed)), channels * filters
    source = pointer(matrix)
    if turned:
        source, tap = at(source, 8 * tap), -tap
    for c in range(channels):
        for half in range(2):
            j = (2 * panel + half) * one
            if j < filters:
                square = load_patch(
                    OF_KERNEL, at(source, c * filters + j), 3 * tap, tap, min(one, filters - j)
                )
                target = at(pointer(packed), (panel * channels + c) * 2 * one + half * one)
                store_tile(sandwich(square, OF_KERNEL), target, 0, size, one)


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, packed: Array, bias: Array, _d: Array,
    y: Array, marks: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute the pixels of some rows of tiles; mark the run with 0, or NaN if not finite."""
    channels, filters, rows, runs, out_height, out_width = sizes[24:30]
    relu, size, across = sizes[31], sizes[32], sizes[3] // 2
    first, last = number * rows // runs, (number + 1) * rows // runs
    tiles, line = (last - first) * across, line_of(sizes, channels, 0)
    images = (2 * last - 1) // sizes[2] - 2 * first // sizes[2] + 1
    starts = np.empty(2 * (last - first), np.int64)
    scratch = np.empty((2 * (last - first) + 2 * images) * line, x.dtype)
    points = np.empty(16 * tiles * (channels + filters), x.dtype)
    u, m = pointer(points), at(pointer(points), 16 * tiles * channels)
    zeros = np.zeros(filters, x.dtype)
    band_of(pointer(x), 2 * first, 2 * last, sizes, channels, 0, pointer(starts), pointer(scratch))
    transform(pointer(scratch), pointer(starts), last - first, across, line, channels, 0, channels,
               OF_INPUT, u)  # fmt: skip
    for point in range(16):
        multiply(
            at(u, point * tiles * channels), channels, tiles, channels,
            at(pointer(packed), point * size), filters, pointer(zeros),
            at(m, point * tiles * filters), filters, False, False, u, 0,
        )  # fmt: skip
    one, marks_here = lanes(m), zero_tile(FOUR, m)
    for r in range(first, last):
        image, i = 2 * r // sizes[2], 2 * r % sizes[2]
        for t in range(across):
            source = at(m, ((r - first) * across + t) * filters)
            target = at(pointer(y), ((image * out_height + i) * out_width + 2 * t) * filters)
            for f in range(0, filters, one):
                n = min(one, filters - f)
                tile = sandwich(load_tile(POINTS, source, f, tiles * filters, n), OF_OUTPUT)
                marks_here = marked(marks_here, tile)
                tile = add_tile(tile, repeat_row(FOUR, pointer(bias), f, n))
                if relu:
                    tile = positive(tile)
                store_pixels(tile, at(target, f), filters, out_width * filters,
                       i + 1 < out_height, 2 * t + 1 < out_width, n)  # fmt: skip
    marks[number] = total(marks_here)
    keep(starts)
    keep(scratch)
    keep(points)
    keep(zeros)


@kernel(parallel=True)
def _kernel_grad_part(
    number: int, x: Array, dy: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up the points of a block of the kernel's gradient over one chunk of rows of tiles."""
    channels, filters, rows = sizes[24:27]
    chunks, most, down, sideways = sizes[33:37]
    chunk, block, across = number % chunks, number // chunks, sizes[3] // 2
    low, high = block // sideways * channels // down, (block // sideways + 1) * channels // down
    begin, end = (
        block % sideways * filters // sideways,
        (block % sideways + 1) * filters // sideways,
    )
    out = at(pointer(sums), chunk * 16 * channels * filters + low * filters + begin)
    for point in range(16):
        clear(at(out, point * channels * filters), high - low, end - begin, filters)
    line, out_line, window = line_of(sizes, channels, 0), sizes[3] * filters, sizes[12:24]
    starts, out_starts = np.empty(2 * most, np.int64), np.empty(2 * most, np.int64)
    scratch = np.empty(4 * most * line, x.dtype)
    out_scratch = np.empty(2 * most * out_line, x.dtype)
    points = np.empty(16 * most * across * (high - low + end - begin), x.dtype)
    row, last = chunk * rows // chunks, (chunk + 1) * rows // chunks
    piece = SHORT if rows * across < MANY_PIXELS // 4 else most * across
    while row < last:
        stop = min(last, row + most)
        tiles = (stop - row) * across
        u, d = pointer(points), at(pointer(points), 16 * tiles * (high - low))
        band_of(
            pointer(x), 2 * row, 2 * stop, sizes, channels, 0, pointer(starts), pointer(scratch)
        )
        transform(pointer(scratch), pointer(starts), stop - row, across, line, channels,
                   low, high - low, OF_INPUT, u)  # fmt: skip
        band_of(
            pointer(dy), 2 * row, 2 * stop, window, filters, 0, pointer(out_starts),
            pointer(out_scratch),
        )  # fmt: skip
        transform(pointer(out_scratch), pointer(out_starts), stop - row, across, out_line, filters,
                   begin, end - begin, OF_OUTPUT_GRAD, d)  # fmt: skip
        for point in range(16):
            for tile in range(point * tiles, (point + 1) * tiles, piece):
                add_transposed_product(
                    at(u, tile * (high - low)), high - low, at(d, tile * (end - begin)),
                    end - begin, min(piece, (point + 1) * tiles - tile), high - low, end - begin,
                    at(out, point * channels * filters), filters,
                )  # fmt: skip
        row = stop
    keep(starts)
    keep(out_starts)
    keep(scratch)
    keep(out_scratch)
    keep(points)


@kernel(parallel=True)
def _kernel_grad_end(
    c: int, sums: Array, _b: Array, _c: Array, _d: Array,
    dk: Array, marks: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up the chunks, and leave the points: the gradient of one channel's kernels."""
    channels, filters, chunks = sizes[24], sizes[25], sizes[33]
    one, tap, marks_here = lanes(pointer(dk)), channels * filters, zero_tile(NINE, pointer(dk))
    for f in range(0, filters, one):
        n, source = min(one, filters - f), at(pointer(sums), c * filters + f)
        tile = load_tile(POINTS, source, 0, tap, n)
        for chunk in range(1, chunks):
            tile = add_tile(tile, load_tile(POINTS, source, chunk * 16 * tap, tap, n))
        square = sandwich(tile, OF_KERNEL_GRAD)
        marks_here = marked(marks_here, square)
        store_tile(square, pointer(dk), c * filters + f, tap, n)
    marks[c] = total(marks_here)

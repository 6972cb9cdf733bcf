"""Winograd's convolution: 3 x 3 kernels without strides, with 16 instead of 36 multiplications.

Two by two pixels of the output see four by four pixels d of the input. With matrices of a few 0, 1
and 1/2 (`MATRICES`), a 3 x 3 kernel g, and products element by element,

    y = Aᵀ [(G g Gᵀ) * (Bᵀ d B)] A

With channels the products are sums over channels: a matrix product for each of the 16 points. The
gradient of the kernel is the transposed map, Gᵀ [Σ (A dy Aᵀ) * (Bᵀ d B)] G: 16 products again.

Errors are no larger than those of 9 C additions, since there are only C. What a pixel's
neighbours in its tile see reaches it as rounding, and as NaN.

A. Lavin, S. Gray, 2016, https://arxiv.org/abs/1509.09308
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from minigrad.kernels.cpu.bands import band_of, line_of
from minigrad.kernels.cpu.emit import Code, tile_type, types
from minigrad.kernels.cpu.gemm import add_transposed_product, clear, multiply
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, flat
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.plan import PIXELS_PER_CHUNK, WORK_PER_RUN, _balanced, _chunks
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    _operation,
    add_tile,
    at,
    keep,
    lanes,
    load_tile,
    pointer,
    positive,
    repeat_row,
    store_tile,
)

__all__ = ["pays", "winograd_forward", "winograd_kernel_grad"]


def _turned(matrix: Any) -> Any:
    return tuple(zip(*matrix, strict=True))


A = ((1, 0), (1, 1), (1, -1), (0, -1))
B = ((1, 0, 0, 0), (0, 1, -1, 1), (-1, 1, 1, 0), (0, 0, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
OF_INPUT, OF_OUTPUT, OF_OUTPUT_GRAD = Static(0, 4), Static(1, 4), Static(2, 2)
OF_KERNEL, OF_KERNEL_GRAD = Static(3, 3), Static(4, 4)
"""Number of a matrix, and the side of the square that it is applied to."""
MATRICES: Any = (_turned(B), _turned(A), A, G, _turned(G))
POINTS = Static(16, 1)
FOUR = Static(4, 1)
FIRST, SECOND, THIRD, LAST = Static(0, 0), Static(1, 0), Static(2, 0), Static(3, 0)

FEWEST_CHANNELS = 16
FEWEST_PIXELS = 128
"""Below, the transform of the kernel takes longer than it saves."""
BYTES = 384 * 1024
"""Of the points of a run of tiles: most of the second-level cache."""
BLOCK = 128
MOST_SUMS = 1 << 20


def pays(window: tuple[int, ...], batch: int, channels: int, filters: int) -> bool:
    """Return whether to convolve in this way."""
    _, _, height, width, *kernel = window
    pixels = batch * height * width
    return (
        kernel[:6] == [3, 3, 1, 1, 1, 1]
        and min(channels, filters) >= FEWEST_CHANNELS
        and pixels >= FEWEST_PIXELS
        and 2 * _even(height) * _even(width) <= 3 * height * width
    )


def winograd_forward(
    x: Array, kernel: Array, bias: Array | None, window: tuple[int, ...], turned: bool, relu: bool
) -> Array:
    """Return the convolution of channels_last images; with kernel[::-1, ::-1] where `turned`."""
    channels, filters = kernel.shape[2:]
    plan = _plan(window, len(x), channels, filters, x.dtype, turned, relu)
    packed, zeros = empty(plan.packed, x.dtype), plan.zeros
    _pack(plan.panels, plan.packed, flat(kernel), zeros, zeros, zeros, packed, packed, packed,
          plan.sizes)  # fmt: skip
    y = empty((len(x), *window[2:4], filters), x.dtype)
    out = y.reshape(-1)
    _forward_run(
        plan.runs, plan.work, flat(x), flat(packed), zeros if bias is None else flat(bias), zeros,
        out, out, out, plan.sizes,
    )  # fmt: skip
    return y


def winograd_kernel_grad(x: Array, dy: Array, window: tuple[int, ...]) -> Array:
    """Return the gradient of the kernel, from images with the channels last."""
    channels, filters = x.shape[3], dy.shape[3]
    plan = _plan(window, len(x), channels, filters, x.dtype, False, False)
    sums, zeros = empty(plan.chunks * 16 * channels * filters, x.dtype), plan.zeros
    _kernel_grad_part(
        plan.parts, plan.work, flat(x), flat(dy), zeros, zeros, sums, sums, sums, plan.sizes
    )
    dk = empty((3, 3, channels, filters), x.dtype)
    out = dk.reshape(-1)
    _kernel_grad_end(
        channels, 16 * plan.chunks * dk.size, flat(sums), zeros, zeros, zeros, out, out, out,
        plan.sizes,
    )  # fmt: skip
    return dk


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
    runs = min(rows, _balanced(tiles, most, min(work, 2 * WORK_PER_RUN)))
    share = max(48, min(96, BYTES // (16 * size * (min(channels, BLOCK) + min(filters, BLOCK)))))
    sums = MOST_SUMS // (16 * channels * filters) * PIXELS_PER_CHUNK
    chunks = _chunks(work, min(4 * tiles, sums), PIXELS_PER_CHUNK)
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


# --- transforms of tiles ----------------------------------------------------------------------


@_operation
def _sandwich(typing: Any, tile: Any, which: Any) -> Any:
    """Return M X Mᵀ for a square X of vectors, row by row, and a matrix of `MATRICES`."""
    matrix, side = MATRICES[which.a], which.b
    result = tile_type(tile.dtype, len(matrix) ** 2, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)

        def combined(factors: Any, values: Any) -> Any:
            total = None
            for factor, value in zip(factors, values, strict=True):
                if abs(factor) not in (0, 1):
                    value = builder.fmul(
                        value, ir.Constant(code.vector, [abs(factor)] * code.lanes)
                    )
                if factor > 0:
                    total = value if total is None else builder.fadd(total, value)
                elif factor < 0:
                    zeros = ir.Constant(code.vector, [0.0] * code.lanes)
                    total = builder.fsub(zeros if total is None else total, value)
            return total

        values = code.unpack(arguments[0])
        columns = [[combined(row, values[j::side]) for row in matrix] for j in range(side)]
        lines = zip(*columns, strict=True)
        return code.pack([combined(row, line) for line in lines for row in matrix])

    return result(tile, which), generate


@_operation
def _load_square(typing: Any, which: Any, source: Any, down: Any, across: Any, n: Any) -> Any:
    """Return a square of vectors whose (i, j) starts at source[i * down + j * across]."""
    side = which.b
    result = tile_type(source.dtype, side * side, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, row, column, count = arguments
        code = Code(context, builder, source.dtype, count)
        starts = [code.offset(code.constant(0), (i, row), (j, column))
                  for i in range(side) for j in range(side)]  # fmt: skip
        return code.pack([code.load(data, start, 0) for start in starts])

    return result(which, source, types.intp, types.intp, types.intp), generate


@kernel(inner=True)
def _transform(
    x: Pointer,
    starts: Pointer,
    rows: int,
    across: int,
    line: int,
    channels: int,
    first: int,
    count: int,
    side: Static,
    points: Pointer,
) -> None:
    """Write the points of all tiles, (16, tiles, count), of `count` channels from `first` on."""
    one, step = lanes(x), rows * across * count
    for r in range(rows):
        for u in range(across):
            source = at(x, starts[2 * r] + 2 * u * channels + first)
            target = at(points, (r * across + u) * count)
            for c in range(0, count, one):
                n = min(one, count - c)
                tile = _sandwich(_load_square(side, at(source, c), line, channels, n), side)
                store_tile(tile, target, c, step, n)


# --- tasks ------------------------------------------------------------------------------------


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
                square = _load_square(
                    OF_KERNEL, at(source, c * filters + j), 3 * tap, tap, min(one, filters - j)
                )
                target = at(pointer(packed), (panel * channels + c) * 2 * one + half * one)
                store_tile(_sandwich(square, OF_KERNEL), target, 0, size, one)


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, packed: Array, bias: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute the pixels of some rows of tiles."""
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
    _transform(pointer(scratch), pointer(starts), last - first, across, line, channels, 0, channels,
               OF_INPUT, u)  # fmt: skip
    for point in range(16):
        multiply(
            at(u, point * tiles * channels), channels, tiles, channels,
            at(pointer(packed), point * size), filters, pointer(zeros),
            at(m, point * tiles * filters), filters,
        )  # fmt: skip
    one = lanes(m)
    for r in range(first, last):
        image, i = 2 * r // sizes[2], 2 * r % sizes[2]
        for t in range(across):
            source = at(m, ((r - first) * across + t) * filters)
            target = at(pointer(y), ((image * out_height + i) * out_width + 2 * t) * filters)
            for f in range(0, filters, one):
                n = min(one, filters - f)
                tile = _sandwich(load_tile(POINTS, source, f, tiles * filters, n), OF_OUTPUT)
                tile = add_tile(tile, repeat_row(FOUR, pointer(bias), f, n))
                if relu:
                    tile = positive(tile)
                _store(tile, at(target, f), filters, out_width * filters,
                       i + 1 < out_height, 2 * t + 1 < out_width, n)  # fmt: skip
    keep(starts)
    keep(scratch)
    keep(points)
    keep(zeros)


@_operation
def _store_pixel(typing: Any, tile: Any, which: Any, target: Any, n: Any) -> Any:
    """Write one vector of a tile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, target.dtype, arguments[3])
        code.store(arguments[2], code.constant(0), 0, code.unpack(arguments[0])[which.a])
        return context.get_dummy_value()

    return types.void(tile, which, target, types.intp), generate


@kernel(inner=True)
def _store(
    tile: Any, y: Pointer, across: int, down: int, below: bool, beside: bool, n: int
) -> None:
    """Write two by two pixels, as far as they are there."""
    _store_pixel(tile, FIRST, y, n)
    if beside:
        _store_pixel(tile, SECOND, at(y, across), n)
    if below:
        _store_pixel(tile, THIRD, at(y, down), n)
        if beside:
            _store_pixel(tile, LAST, at(y, down + across), n)


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
    while row < last:
        stop = min(last, row + most)
        tiles = (stop - row) * across
        u, d = pointer(points), at(pointer(points), 16 * tiles * (high - low))
        band_of(
            pointer(x), 2 * row, 2 * stop, sizes, channels, 0, pointer(starts), pointer(scratch)
        )
        _transform(pointer(scratch), pointer(starts), stop - row, across, line, channels,
                   low, high - low, OF_INPUT, u)  # fmt: skip
        band_of(
            pointer(dy), 2 * row, 2 * stop, window, filters, 0, pointer(out_starts),
            pointer(out_scratch),
        )  # fmt: skip
        _transform(pointer(out_scratch), pointer(out_starts), stop - row, across, out_line, filters,
                   begin, end - begin, OF_OUTPUT_GRAD, d)  # fmt: skip
        for point in range(16):
            add_transposed_product(
                at(u, point * tiles * (high - low)), high - low,
                at(d, point * tiles * (end - begin)), end - begin, tiles, high - low, end - begin,
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
    dk: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up the chunks, and leave the points: the gradient of one channel's kernels."""
    channels, filters, chunks = sizes[24], sizes[25], sizes[33]
    one, tap = lanes(pointer(dk)), channels * filters
    for f in range(0, filters, one):
        n, source = min(one, filters - f), at(pointer(sums), c * filters + f)
        tile = load_tile(POINTS, source, 0, tap, n)
        for chunk in range(1, chunks):
            tile = add_tile(tile, load_tile(POINTS, source, chunk * 16 * tap, tap, n))
        store_tile(_sandwich(tile, OF_KERNEL_GRAD), pointer(dk), c * filters + f, tap, n)

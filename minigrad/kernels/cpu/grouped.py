"""Convolution in groups of 2, 4 or 8 channels and as many filters: several groups to a vector.

A product with one group's channels would leave most of a vector empty. A vector of filters of
several groups sees the vector of the same channels: number p of each group's channels, as often as
the group has filters, are that vector in another order. So, for each tap and each p,

    y[f] += x[f // size * size + p] k[tap, p, f]                (size: channels of a group)

and the order changes in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from minigrad.kernels.cpu.bands import band_of, line_of, room
from minigrad.kernels.cpu.emit import Code, types
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers
from minigrad.kernels.cpu.prefetch import TO_WRITE, prefetch
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    add_tile,
    at,
    fold,
    keep,
    lanes,
    load_tile,
    operation,
    pointer,
    positive,
    repeat_row,
    store_tile,
    zero_tile,
)

__all__ = ["fills_vectors", "grouped_forward_band", "grouped_kernel_grad_part"]

TWO, FOUR, EIGHT = Static(2, 8), Static(4, 4), Static(8, 2)
"""Channels of a group, and pixels that a gradient's tile takes at a time."""
ONE_ROW, TWO_ROWS, FOUR_ROWS, EIGHT_ROWS = (Static(rows, 1) for rows in (1, 2, 4, 8))


def fills_vectors(channels: int, groups: int, filters: int, itemsize: int) -> bool:
    """Return whether whole vectors can be made of groups."""
    lanes, size = VECTOR_BYTES // itemsize, channels // groups
    return channels == filters and size in (2, 4, 8) and size < lanes and filters % lanes == 0


def _in_groups(code: Code, vector: Any, size: int, p: int) -> Any:
    """Return a vector with number p of each group in all places of the group."""
    order = [lane // size * size + p if size <= code.lanes else 0 for lane in range(code.lanes)]
    mask = ir.Constant(ir.VectorType(ir.IntType(32), code.lanes), order)
    return code.builder.shuffle_vector(vector, vector, mask)


@operation
def _add_tap(typing: Any, tile: Any, size: Any, x: Any, i: Any, step: Any, k: Any, j: Any) -> Any:
    """Add a tap to one vector of each of a tile's pixels; pixel r is at x[i + r * step]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, _, data, first, stride, weights, start = arguments
        code = Code(context, builder, tile.dtype)
        values = code.unpack(values)
        pixels = [code.load(data, code.offset(first, (r, stride)), 0) for r in range(tile.rows)]
        for p in range(size.a):
            weight = code.load(weights, start, p)
            for r, pixel in enumerate(pixels):
                chosen = _in_groups(code, pixel, size.a, p)
                values[r] = code.multiply_add(chosen, weight, values[r])
        code.fence()
        return code.pack(values)

    integer = types.intp
    return tile(tile, size, x, integer, integer, k, integer), generate


@operation
def _add_pixels(
    typing: Any, tile: Any, x: Any, i: Any, step: Any, dy: Any, j: Any, hop: Any
) -> Any:
    """Add to row p, for as many pixels as it has vectors, number p of x's groups times dy."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, data, first, stride, gradient, start, dy_step = arguments
        code = Code(context, builder, tile.dtype)
        values = code.unpack(values)
        for u in range(tile.vectors):
            pixel = code.load(data, code.offset(first, (u, stride)), 0)
            factor = code.load(gradient, code.offset(start, (u, dy_step)), 0)
            for p in range(tile.rows):
                at = p * tile.vectors + u
                chosen = _in_groups(code, pixel, tile.rows, p)
                values[at] = code.multiply_add(chosen, factor, values[at])
        code.fence()
        return code.pack(values)

    integer = types.intp
    return tile(tile, x, integer, integer, dy, integer, integer), generate


@kernel(parallel=True)
def grouped_forward_band(
    number: int, x: Array, k: Array, bias: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a band of rows of the output, as `conv2d._forward_band`; k is not packed."""
    channels, groups, filters, rows, bands = sizes[12:17]
    out_height, kh, kw = sizes[2], sizes[4], sizes[5]
    height, width, row, column, row_step = sizes[25:30]
    size, one, line = channels // groups, lanes(pointer(x)), line_of(sizes, lanes(pointer(x)), 0)
    first, last = number * rows // bands, (number + 1) * rows // bands
    starts, table = np.empty(last - first, np.int64), np.empty(kh * kw, np.int64)
    targets = np.empty(last - first, np.int64)
    scratch = np.empty(room(first, last, sizes), x.dtype)
    block = np.empty(len(scratch) // channels * one, x.dtype)
    weights = np.empty(kh * kw * size * one, x.dtype)
    for r in range(first, last):
        image, i = r // out_height, r % out_height
        targets[r - first] = ((image * height + row + i * row_step) * width + column) * filters
    for tap in range(kh * kw):
        table[tap] = tap // kw * sizes[8] * line + tap % kw * sizes[9] * one
    band_of(pointer(x), first, last, sizes, channels, 0, pointer(starts), pointer(scratch))
    for f in range(0, filters, one):
        _gather(at(pointer(k), f), kh * kw * size, filters, pointer(weights))
        _gather(at(pointer(scratch), f), len(block) // one, channels, pointer(block))
        for r in range(last - first):
            source = at(pointer(block), starts[r] // channels * one)
            target = at(pointer(y), targets[r] + f)
            if size == 8:
                _row(EIGHT, source, pointer(table), pointer(weights), at(pointer(bias), f), target,
                     sizes)  # fmt: skip
            elif size == 4:
                _row(FOUR, source, pointer(table), pointer(weights), at(pointer(bias), f), target,
                     sizes)  # fmt: skip
            else:
                _row(TWO, source, pointer(table), pointer(weights), at(pointer(bias), f), target,
                     sizes)  # fmt: skip
    keep(starts)
    keep(targets)
    keep(table)
    keep(scratch)
    keep(block)
    keep(weights)


@kernel(inner=True)
def _gather(x: Pointer, count: int, step: int, block: Pointer) -> None:
    """Copy vectors side by side: so far apart, they would share few places of the nearest cache."""
    for i in range(count):
        store_tile(load_tile(ONE_ROW, x, i * step, 0, None), block, i * lanes(x), 0, None)


@kernel(inner=True)
def _row(
    size: Static, x: Pointer, table: Pointer, weights: Pointer, bias: Pointer, y: Pointer,
    sizes: Numbers,
) -> None:  # fmt: skip
    """Compute one vector of filters of a row; the last tile overlaps its neighbour."""
    count, pixel, step, u = sizes[3], sizes[7] * lanes(x), sizes[30] * sizes[14], 0
    while u < count:
        if count - u >= 8:
            _pixels(EIGHT_ROWS, 8, size, at(x, u * pixel), pixel, table, weights, bias,
                    at(y, u * step), step, sizes)  # fmt: skip
            u += 8
        elif count >= 4:
            u = min(u, count - 4)
            _pixels(FOUR_ROWS, 4, size, at(x, u * pixel), pixel, table, weights, bias,
                    at(y, u * step), step, sizes)  # fmt: skip
            u += 4
        else:
            _pixels(ONE_ROW, 1, size, at(x, u * pixel), pixel, table, weights, bias,
                    at(y, u * step), step, sizes)  # fmt: skip
            u += 1


@kernel(inner=True)
def _pixels(
    shape: Static, height: int, size: Static, x: Pointer, pixel: int, table: Pointer,
    weights: Pointer, bias: Pointer, y: Pointer, step: int, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute one vector of filters of some neighbours."""
    tile, one = repeat_row(shape, bias, 0, None), lanes(x) * (sizes[12] // sizes[13])
    for r in range(height):
        prefetch(y, r * step, TO_WRITE)
    for tap in range(sizes[4] * sizes[5]):
        tile = _add_tap(tile, size, x, table[tap], pixel, weights, tap * one)
    if sizes[24] != 0:
        tile = positive(tile)
    store_tile(tile, y, 0, step, None)


@kernel(parallel=True)
def grouped_kernel_grad_part(
    chunk: int, x: Array, dy: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up the kernel's gradient over one chunk of rows."""
    channels, groups, filters, rows = sizes[12:16]
    out_width, kh, kw, chunks, most = sizes[3], sizes[4], sizes[5], sizes[20], sizes[21]
    size, one, line = channels // groups, lanes(pointer(x)), line_of(sizes, lanes(pointer(x)), 0)
    starts = np.empty(most, np.int64)
    scratch, block = np.empty(0, x.dtype), np.empty(0, x.dtype)
    row, last = chunk * rows // chunks, (chunk + 1) * rows // chunks
    while row < last:
        stop = min(last, row + most)
        if len(scratch) < room(row, stop, sizes):
            scratch = np.empty(room(row, stop, sizes), x.dtype)
            block = np.empty(len(scratch) // channels * one, x.dtype)
        band_of(pointer(x), row, stop, sizes, channels, 0, pointer(starts), pointer(scratch))
        for f in range(0, filters, one):
            pixels = room(row, stop, sizes) // channels
            _gather(at(pointer(scratch), f), pixels, channels, pointer(block))
            for r in range(row, stop):
                for tap in range(kh * kw):
                    seen = tap // kw * sizes[8] * line + tap % kw * sizes[9] * one
                    source = at(pointer(block), starts[r - row] // channels * one + seen)
                    gradient = at(pointer(dy), r * out_width * filters + f)
                    target = at(pointer(sums), (chunk * kh * kw + tap) * size * filters + f)
                    if size == 8:
                        _add_row(EIGHT, EIGHT_ROWS, source, gradient, target, sizes)
                    elif size == 4:
                        _add_row(FOUR, FOUR_ROWS, source, gradient, target, sizes)
                    else:
                        _add_row(TWO, TWO_ROWS, source, gradient, target, sizes)
        row = stop
        keep(scratch)
        keep(block)
    keep(starts)


@kernel(inner=True)
def _add_row(
    several: Static, single: Static, x: Pointer, dy: Pointer, sums: Pointer, sizes: Numbers
) -> None:
    """Add one vector of one tap's gradients over a row of pixels."""
    count, pixel, filters = sizes[3], sizes[7] * lanes(x), sizes[14]
    size = sizes[12] // sizes[13]
    tile, rest = zero_tile(several, x), load_tile(single, sums, 0, filters, None)
    whole = count - count % (16 // size)
    for u in range(0, whole, 16 // size):
        tile = _add_pixels(tile, x, u * pixel, pixel, dy, u * filters, filters)
    for u in range(whole, count):
        rest = _add_pixels(rest, x, u * pixel, pixel, dy, u * filters, filters)
    store_tile(add_tile(fold(tile), rest), sums, 0, filters, None)

"""Full convolution on the CPU: products of bands of rows with packed panels of the kernel.

What an output pixel sees are kh kw C numbers at fixed distances from each other, once rows have
their borders (`minigrad.kernels.cpu.bands`). With T for the matrix of what all pixels see,

    y = T K + b,   dK = Tᵀ dy

but T is never written: the products read the rows themselves. A task owns a band of them. A
1 x 1 kernel without strides is a plain product (`minigrad.kernels.cpu.pointwise`).

The gradient of the input is a convolution of dy with the kernel turned round. With strides, pixels
of the input fall into sh sw phases that see different taps; each phase is a convolution without
strides, so nothing is multiplied with the zeros between dy's pixels.

Groups are products with a part of the channels, told apart by an offset.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.cpu import plan as plans
from minigrad.kernels.cpu.bands import add_band_products, band_of, line_of, multiply_band, room
from minigrad.kernels.cpu.gemm import TRANSPOSED_DEPTH, pack_panel
from minigrad.kernels.cpu.grouped import (
    fills_vectors,
    grouped_forward_band,
    grouped_kernel_grad_part,
)
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, add_chunks, flat, from_last, to_last
from minigrad.kernels.cpu.memory import empty, zeroed
from minigrad.kernels.cpu.phases import phases_of
from minigrad.kernels.cpu.plan import LARGE_OUTPUT, MANY_PIXELS, PIXELS_PER_CHUNK, RUN_BYTES, SHORT
from minigrad.kernels.cpu.pointwise import (
    pointwise_forward,
    pointwise_input_grad,
    pointwise_kernel_grad,
)
from minigrad.kernels.cpu.simd import VECTOR_BYTES, at, drain, keep, pointer, streams
from minigrad.kernels.cpu.winograd import (
    FEWEST_ROWS,
    pays,
    winograd_forward,
    winograd_kernel_grad,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["conv2d_forward", "conv2d_input_grad", "conv2d_kernel_grad"]

MOST_SUMS = 1 << 20
LARGEST_BY_RUNS = 1 << 16
"""Elements of a kernel from which its rows of taps are separate tasks of its gradient."""
COLUMNS = 128
"""Filters of a group that a task of that gradient has."""


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
    groups: int,
    relu: bool = False,
) -> Array:
    """Return the convolution; see `minigrad.kernels.conv2d_forward`."""
    if _plain(geometry, groups):
        return pointwise_forward(x, kernel, bias, geometry.data_format, relu)
    x = to_last(x, geometry.data_format)
    window = tuple(geometry.numbers.tolist())
    y = None
    if groups == 1 and pays(window, len(x), *kernel.shape[2:]):
        y = winograd_forward(x, kernel, bias, window, False, relu)
    if y is None:
        y = empty((len(x), *geometry.output_size, kernel.shape[3]), x.dtype)
        _convolve(x, kernel, bias, y, window, (0, 0, 1, 1), groups, relu)
    return from_last(y, geometry.data_format)


def conv2d_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.conv2d_input_grad`."""
    if _plain(geometry, groups):
        return pointwise_input_grad(dy, kernel, geometry.data_format)
    dy = to_last(dy, geometry.data_format)
    kh, kw, part, filters = kernel.shape
    # A kernel from the channels of y to those of x: (kh, kw, F / groups, C).
    if groups == 1:
        turned = from_last(kernel.reshape(kh * kw, 1, part, filters), "channels_first")
    else:
        turned = kernel.reshape(kh, kw, part, groups, filters // groups).transpose(0, 1, 4, 3, 2)
    turned = turned.reshape(kh, kw, filters // groups, groups * part)
    phases = phases_of(geometry)
    if (geometry.strides, groups) == ((1, 1), 1) and pays(phases[0][-1], len(dy), filters, part):
        quick = winograd_forward(dy, turned, None, phases[0][-1], True, False)
        if quick is not None:
            return from_last(quick, geometry.data_format)
    shape = (len(dy), *geometry.input_size, groups * part)
    complete = len(phases) == np.prod(np.minimum(geometry.strides, geometry.input_size))
    dx = empty(shape, dy.dtype) if complete else zeroed(shape, dy.dtype)
    for first, rows, columns, window in phases:
        taps = np.ascontiguousarray(turned[rows, columns])
        _convolve(dy, taps, None, dx, window, (*first, *geometry.strides), groups, False)
    return from_last(dx, geometry.data_format)


def conv2d_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.conv2d_kernel_grad`."""
    if _plain(geometry, groups):
        return pointwise_kernel_grad(x, dy, geometry.data_format)
    x, dy = to_last(x, geometry.data_format), to_last(dy, geometry.data_format)
    channels, filters = x.shape[3], dy.shape[3]
    window = tuple(geometry.numbers.tolist())
    if groups == 1 and pays(window, len(x), channels, filters, FEWEST_ROWS):
        quick = winograd_kernel_grad(x, dy, window)
        if quick is not None:
            return quick
    place = (*geometry.output_size, 0, 0, 1, 1)
    plan = _plan(window, place, len(x), channels, groups, filters, x.dtype, False)
    shape = (*geometry.kernel_size, channels // groups, filters)
    sums = zeroed((plan.chunks, *shape), x.dtype)
    out, zeros = sums.reshape(-1), plan.zeros
    add = grouped_kernel_grad_part if plan.vectors else _kernel_grad_part
    add(plan.parts, plan.work, flat(x), flat(dy), zeros, zeros, out, out, out, plan.sizes)
    dk = sums[0] if plan.chunks == 1 else add_chunks(sums)
    if any(map(any, geometry.pads)) and not np.isfinite(dk[:, :, :1]).all():
        # Infinity or NaN in dy, which reaches all channels of a filter, times the zeros of borders.
        return _tap_by_tap(x, dy, geometry, groups)
    return dk


def _tap_by_tap(x: Array, dy: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return the gradient of the kernel from the pixels that are there, tap by tap."""
    parts = (*x.shape[:3], groups, -1), (*dy.shape[:3], groups, -1)
    x, dy = x.reshape(parts[0]), dy.reshape(parts[1])
    dk = np.zeros((*geometry.kernel_size, x.shape[4], *dy.shape[3:]), x.dtype)
    sides = (geometry.input_size, geometry.output_size, geometry.strides, geometry.dilation_rate)
    for tap in np.ndindex(geometry.kernel_size):
        seen: list[slice] = [slice(None)]
        seeing = seen.copy()
        for a, size, count, step, rate, (pad, _) in zip(tap, *sides, geometry.pads, strict=True):
            start = a * rate - pad  # of the first output
            low = min(count, max(0, -(start // step)))
            high = max(low, min(count, (size - 1 - start) // step + 1))
            seen.append(slice(start + low * step, max(0, start + high * step), step))
            seeing.append(slice(low, high))
        np.einsum("nhwgc,nhwgf->cgf", x[tuple(seen)], dy[tuple(seeing)], out=dk[tap])
    return dk.reshape(*geometry.kernel_size, x.shape[4], -1)


def _plain(geometry: ConvGeometry, groups: int) -> bool:
    """Return whether a convolution is a product of pixels with a matrix."""
    ones, (vertical, horizontal) = (1, 1), geometry.pads
    return (
        (geometry.kernel_size, geometry.strides, groups) == (ones, ones, 1)
        and not any(vertical) and not any(horizontal)
    )  # fmt: skip


class Plan(NamedTuple):
    """How a convolution is cut into tasks: decided by its shape alone, and so is its rounding."""

    work: int
    """Multiply-adds."""
    vectors: bool
    """Whether vectors are made of groups: see `minigrad.kernels.cpu.grouped`."""
    panels: int
    packed: int
    bands: int
    parts: int
    chunks: int
    zeros: Array
    sizes: Numbers
    """The 12 numbers of the window, then those that tasks unpack."""


@lru_cache(maxsize=1024)
def _plan(
    window: tuple[int, ...],
    place: tuple[int, ...],
    batch: int,
    channels: int,
    groups: int,
    filters: int,
    dtype: np.dtype[Any],
    relu: bool,
) -> Plan:
    """Return the plan; `place`: height and width of the result, its first pixel, and the steps."""
    height, width, out_height, out_width, kh, kw, sh, sw, dh, dw, top, left = window
    part, outputs = channels // groups, filters // groups
    rows, depth = batch * out_height, kh * kw * part
    pixels, span = rows * out_width, (kh - 1) * dh + 1
    work = pixels * depth * filters
    vectors = fills_vectors(channels, groups, filters, dtype.itemsize)
    inside = not vectors and (top, left) == (0, 0) and (out_height - 1) * sh + span <= height
    inside = inside and (out_width - 1) * sw + (kw - 1) * dw < width
    line = ((out_width - 1) * sw + (kw - 1) * dw + 1) * channels * dtype.itemsize
    most = max(48, min(384, RUN_BYTES // max(1, line * min(sh, span)) * out_width))
    most = max(1, most // max(1, out_width))
    bands = min(rows, plans.balanced(pixels, most * out_width, work))
    by_rows = not vectors and depth * outputs > LARGEST_BY_RUNS
    sums = MOST_SUMS // max(1, depth * filters) * PIXELS_PER_CHUNK
    chunks = plans.chunks_of(work, min(pixels, sums), PIXELS_PER_CHUNK)
    across = -(-outputs // COLUMNS) if by_rows else 1
    lanes = VECTOR_BYTES // dtype.itemsize
    panels = -(-outputs // (2 * lanes))
    size = panels * 2 * lanes * depth
    sizes = np.array(
        [*window, channels, groups, filters, rows, bands, inside, panels, size, chunks, most,
         1 if by_rows else kh, across, relu, *place],
        np.int64,
    )  # fmt: skip
    zeros = np.zeros(max(1, filters), dtype)
    sizes.setflags(write=False)
    zeros.setflags(write=False)
    return Plan(
        work=work,
        vectors=vectors,
        panels=groups * panels,
        packed=groups * size,
        bands=bands,
        parts=chunks * across * (kh if by_rows else 1),
        chunks=chunks,
        zeros=zeros,
        sizes=sizes,
    )


def _convolve(
    x: Array,
    kernel: Array,
    bias: Array | None,
    y: Array,
    window: tuple[int, ...],
    steps: tuple[int, ...],
    groups: int,
    relu: bool,
) -> None:
    """Write the convolution of images with the channels last to some pixels of y.

    `steps` are the first row and column of these pixels, and how far apart they are.
    """
    place = (*y.shape[1:3], *steps)
    plan = _plan(window, place, len(x), x.shape[3], groups, kernel.shape[3], x.dtype, relu)
    zeros, sizes, out = plan.zeros, plan.sizes, y.reshape(-1)
    weights, run = flat(kernel), grouped_forward_band
    if not plan.vectors:
        packed, run = empty(plan.packed, x.dtype), _forward_band
        _pack(plan.panels, plan.packed, weights, zeros, zeros, zeros, packed, packed, packed, sizes)
        weights = flat(packed)
    run(
        plan.bands, plan.work, flat(x), weights, zeros if bias is None else flat(bias), zeros,
        out, out, out, sizes,
    )  # fmt: skip


@kernel(parallel=True)
def _pack(
    number: int, matrix: Array, _b: Array, _c: Array, _d: Array,
    packed: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Pack one panel of one group's kernel."""
    channels, groups, filters, panels, size = sizes[12], sizes[13], sizes[14], sizes[18], sizes[19]
    depth, outputs = sizes[4] * sizes[5] * (channels // groups), filters // groups
    group, panel = number // panels, number % panels
    pack_panel(
        at(pointer(matrix), group * outputs), filters, 1, depth, outputs, panel,
        at(pointer(packed), group * size),
    )  # fmt: skip


@kernel(inner=True)
def _taps_of_piece(sizes: Numbers) -> int:
    """Return how many taps are one piece of memory: neighbours, unless something is in between."""
    return sizes[5] if sizes[9] == 1 and sizes[13] == 1 else 1


@kernel(parallel=True)
def _forward_band(
    number: int, x: Array, packed: Array, bias: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a band of rows of the output."""
    channels, groups, filters, rows, bands, inside = sizes[12:18]
    out_height, out_width, kh, kw = sizes[2], sizes[3], sizes[4], sizes[5]
    height, width, row, column, row_step, step = sizes[25:31]
    part, outputs = channels // groups, filters // groups
    depth, line = kh * kw * part, line_of(sizes, channels, inside)
    first, last = number * rows // bands, (number + 1) * rows // bands
    starts, targets = np.empty(last - first, np.int64), np.empty(last - first, np.int64)
    taps = _taps_of_piece(sizes)
    table = np.empty(kh * kw // taps, np.int64)
    scratch = np.empty(room(first, last, sizes), x.dtype)
    for piece in range(len(table)):
        a, b = piece * taps // kw, piece * taps % kw
        table[piece] = a * sizes[8] * line + b * sizes[9] * channels
    for r in range(first, last):
        image, i = r // out_height, r % out_height
        targets[r - first] = ((image * height + row + i * row_step) * width + column) * filters
    band_of(pointer(x), first, last, sizes, channels, inside, pointer(starts), pointer(scratch))
    source = pointer(x) if inside else pointer(scratch)
    large = len(y) * y.itemsize >= LARGE_OUTPUT and streams(pointer(y), outputs)
    for group in range(groups):
        multiply_band(
            at(source, group * part), pointer(starts), last - first, out_width,
            sizes[7] * channels, pointer(table), taps * part, depth,
            at(pointer(packed), group * sizes[19]), outputs, at(pointer(bias), group * outputs),
            at(pointer(y), group * outputs),
            pointer(targets), step * filters, large, sizes[24] != 0,
        )  # fmt: skip
    if large:
        drain()
    keep(starts)
    keep(targets)
    keep(table)
    keep(scratch)


@kernel(parallel=True)
def _kernel_grad_part(
    number: int, x: Array, dy: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up a part of the kernel's gradient over one chunk of rows.

    The part is a block of filters and of the kernel's rows of taps; everything if it is small.
    """
    channels, groups, filters, rows, _, inside = sizes[12:18]
    out_width, kh, kw = sizes[3], sizes[4], sizes[5]
    chunks, most, high, across = sizes[20], sizes[21], sizes[22], sizes[23]
    part, outputs = channels // groups, filters // groups
    line = line_of(sizes, channels, inside)
    chunk, block = number % chunks, number // chunks
    low, begin = block // across * high, block % across * outputs // across
    end = (block % across + 1) * outputs // across
    taps = _taps_of_piece(sizes)
    starts = np.empty(most, np.int64)
    scratch = np.empty(0, x.dtype)
    row, last = chunk * rows // chunks, (chunk + 1) * rows // chunks
    several = (SHORT if rows * out_width < MANY_PIXELS else TRANSPOSED_DEPTH) // max(1, out_width)
    while row < last:
        stop = min(last, row + most)
        if len(scratch) < room(row, stop, sizes):
            scratch = np.empty(room(row, stop, sizes), x.dtype)
        band_of(pointer(x), row, stop, sizes, channels, inside, pointer(starts), pointer(scratch))
        source = pointer(x) if inside else pointer(scratch)
        for group in range(groups):
            for a in range(low, min(low + high, kh)):
                for b in range(0, kw, taps):
                    add_band_products(
                        at(source, a * sizes[8] * line + b * sizes[9] * channels + group * part),
                        pointer(starts), stop - row, max(1, several), out_width,
                        sizes[7] * channels, taps * part,
                        at(pointer(dy), row * out_width * filters + group * outputs + begin),
                        filters, end - begin,
                        at(
                            pointer(sums),
                            ((chunk * kh + a) * kw + b) * part * filters + group * outputs + begin,
                        ),
                        filters,
                    )  # fmt: skip
        row = stop
        keep(scratch)
    keep(starts)

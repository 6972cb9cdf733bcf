"""Full convolution on the CPU: each run of output pixels is laid out as a matrix and multiplied.

What an output pixel sees is one row of kh kw C numbers (`_gather`), the kernel is a matrix with as
many rows, and the output their product:

    y = T K + b,   dK = Tᵀ dy

T never exists as a whole: a task gathers the rows of a run of pixels into a scratch array that
stays in the second-level cache. A 1 x 1 kernel needs no gathering at all.

The gradient of the input is a convolution of dy with the kernel turned round. With strides, pixels
of the input fall into sh sw phases that see different taps; each phase is a convolution without
strides, so nothing is multiplied with the zeros between dy's pixels.

Groups are products with a part of the channels, told apart by an offset.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.cpu.gemm import add_transposed_product, multiply, pack_panel
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, add_chunks, flat, from_last, to_last
from minigrad.kernels.cpu.memory import empty, zeroed
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    at,
    keep,
    lanes,
    load_tile,
    pointer,
    store_tile,
    zero_tile,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["conv2d_forward", "conv2d_input_grad", "conv2d_kernel_grad"]

ONE = Static(1, 1)
RUN_BYTES = 192 * 1024
"""Size of a run's rows: with a panel of the kernel they fit in the second-level cache."""
MOST_CHUNKS = 64
MOST_SUMS = 1 << 20
WORK_PER_CHUNK = 1 << 20
PIXELS_PER_CHUNK = 256
LARGEST_BY_RUNS = 1 << 16
"""Elements of a kernel from which its rows of taps are separate tasks of its gradient."""


def conv2d_forward(
    x: Array, kernel: Array, bias: Array | None, geometry: ConvGeometry, groups: int
) -> Array:
    """Return the convolution; see `minigrad.kernels.conv2d_forward`."""
    x = to_last(x, geometry.data_format)
    window = tuple(geometry.numbers.tolist())
    return from_last(_convolve(x, kernel, bias, window, groups), geometry.data_format)


def conv2d_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.conv2d_input_grad`."""
    dy = to_last(dy, geometry.data_format)
    kh, kw, part, filters = kernel.shape
    # A kernel from the channels of y to those of x: (kh, kw, F / groups, C).
    turned = kernel.reshape(kh, kw, part, groups, filters // groups).transpose(0, 1, 4, 3, 2)
    turned = turned.reshape(kh, kw, filters // groups, groups * part)
    phases = _phases(geometry)
    whole = len(phases) == 1 and geometry.strides == (1, 1)
    shape = (len(dy), *geometry.input_size, groups * part)
    dx = np.empty(0, dy.dtype) if whole else zeroed(shape, dy.dtype)
    for (row, column), rows, columns, window in phases:
        taps = np.ascontiguousarray(turned[rows, columns])
        phase = _convolve(dy, taps, None, window, groups)
        if whole:
            dx = phase
        else:
            dx[:, row :: geometry.strides[0], column :: geometry.strides[1]] = phase
    return from_last(dx, geometry.data_format)


def conv2d_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.conv2d_kernel_grad`."""
    x, dy = to_last(x, geometry.data_format), to_last(dy, geometry.data_format)
    channels, filters = x.shape[3], dy.shape[3]
    window = tuple(geometry.numbers.tolist())
    plan = _plan(window, len(x), channels, groups, filters, x.dtype)
    shape = (*geometry.kernel_size, channels // groups, filters)
    sums = zeroed((plan.chunks, *shape), x.dtype)
    out, zeros = sums.reshape(-1), plan.zeros
    _kernel_grad_part(
        plan.parts, plan.work, flat(x), flat(dy), zeros, zeros, out, out, out, plan.sizes
    )
    return sums[0] if plan.chunks == 1 else add_chunks(sums)


class Plan(NamedTuple):
    """How a convolution is cut into tasks: decided by its shape alone, and so is its rounding."""

    shape: tuple[int, int, int, int]
    """Of the output, channels last."""
    work: int
    """Multiply-adds."""
    panels: int
    packed: int
    runs: int
    parts: int
    chunks: int
    zeros: Array
    sizes: Numbers
    """The 12 numbers of the window, then those that tasks unpack."""


@lru_cache(maxsize=1024)
def _plan(
    window: tuple[int, ...],
    batch: int,
    channels: int,
    groups: int,
    filters: int,
    dtype: np.dtype[Any],
) -> Plan:
    height, width, out_height, out_width, kh, kw, *steps, top, left = window
    part, outputs = channels // groups, filters // groups
    pixels, depth = batch * out_height * out_width, kh * kw * part
    work = pixels * depth * filters
    run = max(48, min(384, RUN_BYTES // max(1, depth * dtype.itemsize) // 12 * 12))
    direct = (kh, kw, *steps, top, left) == (1, 1, 1, 1, *steps[2:], 0, 0)
    direct = direct and (height, width) == (out_height, out_width)
    band = kh if depth * outputs <= LARGEST_BY_RUNS else 1
    most = min(MOST_CHUNKS, MOST_SUMS // max(1, depth * filters))
    chunks = max(1, min(most, work // WORK_PER_CHUNK, pixels // PIXELS_PER_CHUNK))
    across = 2 * VECTOR_BYTES // dtype.itemsize
    panels = -(-outputs // across)
    size = panels * across * depth
    sizes = np.array(
        [*window, channels, groups, filters, pixels, run, direct, panels, size, chunks, band],
        np.int64,
    )
    zeros = np.zeros(max(1, filters), dtype)
    sizes.setflags(write=False)
    zeros.setflags(write=False)
    return Plan(
        shape=(batch, out_height, out_width, filters),
        work=work,
        panels=groups * panels,
        packed=groups * size,
        runs=groups * -(-pixels // run),
        parts=chunks * groups * -(-kh // band),
        chunks=chunks,
        zeros=zeros,
        sizes=sizes,
    )


@lru_cache(maxsize=1024)
def _phases(
    geometry: ConvGeometry,
) -> tuple[tuple[tuple[int, int], slice, slice, tuple[int, ...]], ...]:
    """Return the convolutions that together are the gradient of the input.

    For each: the first row and column of the input that it gives, the rows and columns of the
    kernel's taps, and the window.
    """
    axes = [
        [
            (first, taps, size, count, rate, start)
            for first in range(min(step, size_in))
            for taps, size, count, rate, start in _phase(size_in, k, step, dilation, pad, first)
        ]
        for size_in, k, step, dilation, (pad, _) in zip(
            geometry.input_size,
            geometry.kernel_size,
            geometry.strides,
            geometry.dilation_rate,
            geometry.pads,
            strict=True,
        )
    ]
    return tuple(
        (
            (row[0], column[0]),
            row[1],
            column[1],
            (*geometry.output_size, row[2], column[2], row[3], column[3], 1, 1,
             row[4], column[4], row[5], column[5]),
        )
        for row in axes[0]
        for column in axes[1]
    )  # fmt: skip


def _phase(
    size: int, k: int, step: int, dilation: int, pad: int, first: int
) -> list[tuple[slice, int, int, int, int]]:
    """Return the taps that pixels first, first + step, ... of one axis see, if any.

    Pixel r meets output i through tap a where r + pad = i step + a dilation.
    """
    seen = [a for a in range(k) if (first + pad - a * dilation) % step == 0]
    if not seen:
        return []
    apart = seen[1] - seen[0] if len(seen) > 1 else 1
    rate = max(1, apart * dilation // step)
    start = (len(seen) - 1) * rate - (first + pad - seen[0] * dilation) // step
    backwards = slice(seen[-1], seen[0] - 1 if seen[0] else None, -apart)
    return [(backwards, -(-(size - first) // step), len(seen), rate, start)]


def _convolve(
    x: Array, kernel: Array, bias: Array | None, window: tuple[int, ...], groups: int
) -> Array:
    """Return the convolution of images with the channels last."""
    plan = _plan(window, len(x), x.shape[3], groups, kernel.shape[3], x.dtype)
    zeros, sizes = plan.zeros, plan.sizes
    packed = empty(plan.packed, x.dtype)
    _pack(
        plan.panels, plan.packed, flat(kernel), zeros, zeros, zeros, packed, packed, packed, sizes
    )
    y = empty(plan.shape, x.dtype)
    out = y.reshape(-1)
    _forward_run(
        plan.runs, plan.work, flat(x), flat(packed), zeros if bias is None else flat(bias), zeros,
        out, out, out, sizes,
    )  # fmt: skip
    return y


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


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, packed: Array, bias: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a run of pixels of one group's output."""
    channels, groups, filters, pixels, run, direct = sizes[12:18]
    part, outputs = channels // groups, filters // groups
    depth = sizes[4] * sizes[5] * part
    group, first = number % groups, number // groups * run
    count = min(run, pixels - first)
    images = at(pointer(x), group * part)
    scratch = np.empty(0 if direct else count * depth, x.dtype)
    t, step = pointer(scratch), depth
    if direct:
        t, step = at(images, first * channels), channels
    else:
        _gather(images, t, first, count, 0, sizes[4], part, channels, sizes)
    multiply(
        t, step, count, depth, at(pointer(packed), group * sizes[19]), outputs,
        at(pointer(bias), group * outputs), at(pointer(y), first * filters + group * outputs),
        filters,
    )  # fmt: skip
    keep(scratch)


@kernel(parallel=True)
def _kernel_grad_part(
    number: int, x: Array, dy: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up a group's part of the kernel's gradient over one chunk of pixels.

    The part is a band of the kernel's rows of taps: all of them where the kernel is small.
    """
    channels, groups, filters, pixels, run, direct = sizes[12:18]
    chunks, band = sizes[20], sizes[21]
    part, outputs = channels // groups, filters // groups
    chunk, group, low = number % chunks, number // chunks % groups, number // chunks // groups
    low = low * band
    high = min(low + band, sizes[4])
    row = sizes[5] * part
    depth = (high - low) * row
    images = at(pointer(x), group * part)
    target = at(pointer(sums), (chunk * sizes[4] + low) * row * filters + group * outputs)
    scratch = np.empty(0 if direct else run * depth, x.dtype)
    last = (chunk + 1) * pixels // chunks
    for first in range(chunk * pixels // chunks, last, run):
        count = min(run, last - first)
        t, step = pointer(scratch), depth
        if direct:
            t, step = at(images, first * channels), channels
        else:
            _gather(images, t, first, count, low, high, part, channels, sizes)
        add_transposed_product(
            t, step, at(pointer(dy), first * filters + group * outputs), filters, count,
            depth, outputs, target, filters,
        )  # fmt: skip
    keep(scratch)


@kernel(inner=True)
def _gather(
    x: Pointer,
    t: Pointer,
    first: int,
    count: int,
    low: int,
    high: int,
    part: int,
    channels: int,
    sizes: Numbers,
) -> None:
    """Write what output pixels see through the kernel's rows low ... high - 1, a row for each.

    Of each pixel's channels, the `part` that x points to are taken.
    """
    height, width, out_height, out_width = sizes[0], sizes[1], sizes[2], sizes[3]
    kw, sh, sw, dh, dw = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
    top, left = sizes[10], sizes[11]
    depth = (high - low) * kw * part
    # Taps side by side are one piece of memory.
    taps = kw if dw == 1 and part == channels else 1
    # Pixels begin ... end - 1 of a row see all taps of a row of the kernel.
    begin = (left + sw - 1) // sw
    end = (width + left - (kw - 1) * dw + sw - 1) // sw
    j, row = first % out_width, first // out_width
    while count > 0:
        number = min(count, out_width - j)
        i, image = row % out_height, row // out_height
        for a in range(low, high):
            target = at(t, (a - low) * kw * part)
            r = i * sh + a * dh - top
            source = at(x, ((image * height + r) * width + j * sw - left) * channels)
            if r < 0 or r >= height:
                _fill(target, depth, source, 0, number, kw * part, False)
                continue
            before = min(number, max(0, begin - j))
            after = max(before, min(number, end - j))
            for u in range(number):
                if before <= u < after:
                    continue
                for b in range(kw):
                    inside = 0 <= (j + u) * sw - left + b * dw < width
                    _fill(
                        at(target, u * depth + b * part), 0,
                        at(source, (u * sw + b * dw) * channels), 0, 1, part, inside,
                    )  # fmt: skip
            for b in range(0, kw, taps):
                _fill(
                    at(target, before * depth + b * part), depth,
                    at(source, (before * sw + b * dw) * channels), sw * channels,
                    after - before, taps * part, True,
                )  # fmt: skip
        t = at(t, number * depth)
        count -= number
        j, row = 0, row + 1


@kernel(inner=True)
def _fill(
    target: Pointer, hop: int, source: Pointer, step: int, count: int, size: int, copied: bool
) -> None:
    """Write `count` pieces of so many elements, `hop` apart: zeros, or copies from `step` apart."""
    one = lanes(source)
    if copied and size < 4:
        for c in range(size):
            for u in range(count):
                target[u * hop + c] = source[u * step + c]
        return
    for c in range(0, size, one):
        n = size - c
        if not copied:
            for u in range(count):
                store_tile(zero_tile(ONE, target), target, u * hop + c, 0, n)
        elif n >= one:
            for u in range(count):
                tile = load_tile(ONE, source, u * step + c, 0, None)
                store_tile(tile, target, u * hop + c, 0, None)
        else:
            for u in range(count):
                tile = load_tile(ONE, source, u * step + c, 0, n)
                store_tile(tile, target, u * hop + c, 0, n)

"""The gradient of a depthwise kernel on a GPU: long sums, few results, always in the same order."""

from __future__ import annotations

import functools
from typing import Any

from numba import uint32

from minigrad.kernels.cuda.depthwise import Window, window_of
from minigrad.kernels.cuda.intrinsics import align_shared, vectors
from minigrad.kernels.cuda.layout import (
    Array,
    check_geometry,
    divisor,
    flat,
    numbers,
    quotient,
    to_last,
    vector_width,
)
from minigrad.kernels.cuda.reduction import slices_of, sum_rows
from minigrad.kernels.cuda.runtime import blocks, cuda, empty, jit, launch, zeros
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["depthwise_kernel_grad"]

THREADS = 256
ACROSS = 32
"""The most threads of a block along the channels."""
TAPS = 9
"""The most taps whose sums a thread keeps in registers."""


@functools.cache
def kernel_grad_kernel(
    window: Window, width: int, multiplier: int, taps: int, down: int, across: int
) -> Any:
    """Return a kernel for part[slice, a, b, q] = Σ x[n, r, s, q // M] dy[n, i, j, q].

    The sum runs over the output pixels (n, i, j) of a slice. A block has one slice, ``across``
    vectors of channels and a group of ``taps`` taps. Neighbouring threads read neighbouring
    vectors; thread (line, lane) visits every ``down``-th pixel, and keeps its sums in
    registers: one load of dy serves all taps. At the end the lines are added up through shared
    memory, tap after tap, and `minigrad.kernels.cuda.reduction` adds up the slices.

    The twin is `minigrad.kernels.reference.depthwise_kernel_grad`.

    Occupancy: at most 80 registers and 4096 bytes of shared memory per block of 256 threads: three
    blocks on a multiprocessor.
    """
    kh, kw, sh, sw, dh, dw = window
    load, store = vectors(width)
    sums, row, size = taps * width, across * width, across * width * down
    all_taps = kh * kw
    groups = -(-all_taps // taps)

    @jit
    def kernel_grad(
        x: Any, dy: Any, part: Any, pixels: Any, length: Any, height: Any, breadth: Any,
        channels: Any, out_height: Any, out_breadth: Any, out_channels: Any, top: Any, left: Any,
        tiles: Any, by_breadth: Any, by_height: Any,
    ) -> None:  # fmt: skip
        held = cuda.shared.array(size, x.dtype)
        align_shared()
        total = cuda.local.array(sums, x.dtype)
        seen = cuda.local.array(sums, x.dtype)
        value = cuda.local.array(width, x.dtype)
        gradient = cuda.local.array(width, x.dtype)
        down_by = cuda.local.array(taps, uint32)
        right_by = cuda.local.array(taps, uint32)
        t = uint32(cuda.threadIdx.x)
        line = uint32(t // uint32(across))
        lane = uint32(uint32(t % uint32(across)) * uint32(width))
        block = uint32(cuda.blockIdx.x)
        rest = uint32(block // tiles)
        q = uint32(uint32(uint32(block - uint32(rest * tiles)) * uint32(row)) + lane)
        number = uint32(rest // uint32(groups))
        first = uint32(uint32(rest % uint32(groups)) * uint32(taps))
        c = uint32(q // uint32(multiplier))
        for g in range(taps):
            tap = uint32(first + uint32(g))
            down_by[g] = uint32(uint32(uint32(tap // uint32(kw)) * uint32(dh)) - top)
            right_by[g] = uint32(uint32(uint32(tap % uint32(kw)) * uint32(dw)) - left)
            if tap >= uint32(all_taps):
                down_by[g] = uint32(0x80000000)  # below every image
        for k in range(sums):
            total[k] = 0
        pixel = uint32(uint32(number * length) + line)
        stop = uint32(uint32(number * length) + length)
        if stop > pixels:
            stop = pixels
        if q < out_channels:
            while pixel < stop:
                load(gradient, uint32(0), dy, uint32(uint32(pixel * out_channels) + q))
                above = quotient(pixel, by_breadth)
                j = uint32(uint32(pixel - uint32(above * out_breadth)) * uint32(sw))
                n = quotient(above, by_height)
                i = uint32(uint32(above - uint32(n * out_height)) * uint32(sh))
                # All loads before the first sum: a thread waits for memory once, not for each tap.
                for g in range(taps):
                    for v in range(width):
                        seen[g * width + v] = 0
                    r, s = uint32(i + down_by[g]), uint32(j + right_by[g])
                    if r < height and s < breadth:
                        at = uint32(uint32(uint32(uint32(n * height) + r) * breadth) + s)
                        at = uint32(uint32(at * channels) + c)
                        load(seen, uint32(g * width), x, at)
                for g in range(taps):
                    for v in range(width):
                        total[g * width + v] += seen[g * width + v] * gradient[v]
                pixel = uint32(pixel + uint32(down))
        for g in range(taps):
            store(held, uint32(uint32(line * uint32(row)) + lane), total, uint32(g * width))
            cuda.syncthreads()
            tap = uint32(first + uint32(g))
            if line == uint32(0) and q < out_channels and tap < uint32(all_taps):
                for v in range(width):
                    gradient[v] = 0
                for k in range(down):
                    load(value, uint32(0), held, uint32(uint32(k * row) + lane))
                    for v in range(width):
                        gradient[v] += value[v]
                at = uint32(uint32(number * uint32(all_taps)) + tap)
                store(part, uint32(uint32(at * out_channels) + q), gradient, uint32(0))
            cuda.syncthreads()

    return kernel_grad


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.depthwise_kernel_grad`."""
    check_geometry(geometry)
    x, dy = to_last(x, geometry.data_format), to_last(dy, geometry.data_format)
    batch, channels, out_channels = len(x), x.shape[3], x.shape[3] * multiplier
    height, width = geometry.output_size
    pixels = batch * height * width
    if not pixels * out_channels:
        return zeros((*geometry.kernel_size, channels, multiplier), x.dtype)
    elements = vector_width((channels,), x, dy) if multiplier == 1 else 1
    across = min(1 << (blocks(out_channels, elements) - 1).bit_length(), ACROSS)
    taps = min(geometry.taps, TAPS)
    tiles = blocks(out_channels, elements * across)
    groups = blocks(geometry.taps, taps)
    slices, length = slices_of(pixels, tiles * groups)
    part = empty(slices * geometry.taps * out_channels, x.dtype)
    (top, _), (left, _) = geometry.pads
    down = max(THREADS // across, 1)
    launch(
        kernel_grad_kernel(window_of(geometry), elements, multiplier, taps, down, across),
        slices * groups * tiles,
        down * across,
        *map(flat, (x, dy, part)),
        *numbers(pixels, length, *x.shape[1:], height, width, out_channels, top, left, tiles),
        *map(divisor, (width, height)),
    )
    if slices > 1:
        part = sum_rows(part, slices, geometry.taps * out_channels)
    return part.reshape(*geometry.kernel_size, channels, multiplier)

"""Depthwise convolution on a GPU, and the gradient of its input."""

from __future__ import annotations

import functools
import math
from typing import Any

from numba import uint32

from minigrad.kernels.cuda.intrinsics import vectors
from minigrad.kernels.cuda.layout import (
    Array,
    check_geometry,
    divisor,
    flat,
    from_last,
    numbers,
    quotient,
    run,
    to_last,
    vector_width,
)
from minigrad.kernels.cuda.runtime import blocks, cuda, empty, jit
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["Window", "depthwise_forward", "depthwise_input_grad", "window_of"]

THREADS = 128
COLUMNS = 2
"""Neighbouring output pixels of a row that one thread computes: they share input pixels."""
ENOUGH_THREADS = 1 << 18
"""From here on, threads take several rows each instead of being more (an H100 runs 2**18)."""
ROWS = 8
"""The most rows that a thread takes."""
HELD_TAPS = 9
"""Kernels up to 3 x 3 stay in registers while a thread goes down its rows."""

Window = tuple[int, int, int, int, int, int]
"""kh, kw, sh, sw, dh, dw: constants of a kernel's code."""


@functools.cache
def forward_kernel(
    window: Window, width: int, multiplier: int, columns: int, held: bool, flipped: bool
) -> Any:
    """Return a kernel for y[n, i, j, q] = Σ_ab x[n, r, s, q // M] K[a, b, q].

    Threads lie in a row: channels (``width`` of them each, one 128-bit load) run fastest, then
    groups of ``columns`` output pixels, then groups of rows, then images. So neighbouring threads
    read neighbouring addresses. A thread keeps its part of the kernel in registers (unless there
    are too many taps, ``held``) and goes down its rows; an input pixel is loaded once for all the
    output pixels of the thread that see it in that row. ``flipped`` gives the kernel half a turn,
    which makes the gradient of the input from this kernel, at stride 1.

    The twin is `minigrad.kernels.reference.depthwise_forward`.

    Traffic of 3 x 3, stride 1, two columns, four channels: 12 loads of 16 bytes for 2 stores, of
    which the L1 cache serves all but about 2: 8 bytes of DRAM traffic per output.

    Occupancy: at most 96 registers and 0 bytes of shared memory per block of 128 threads: five
    blocks on a multiprocessor. In float32 80 registers, six blocks.
    """
    kh, kw, sh, sw, dh, dw = window
    load, store = vectors(width)
    taps = kh * kw
    kernel_size = taps * width if held else width
    results = columns * width
    step = math.gcd(sw, dw) if columns > 1 else dw
    reach = ((columns - 1) * sw + (kw - 1) * dw) // step + 1

    @jit
    def depthwise(
        x: Any, kernel: Any, y: Any, threads: Any, height: Any, breadth: Any, channels: Any,
        out_height: Any, out_breadth: Any, out_channels: Any, top: Any, left: Any,
        vector_count: Any, by_vectors: Any, groups: Any, by_groups: Any,
        rows: Any, parts: Any, by_parts: Any,
    ) -> None:  # fmt: skip
        t = uint32(cuda.grid(1))
        if t >= threads:
            return
        rest = quotient(t, by_vectors)
        q = uint32(uint32(t - uint32(rest * vector_count)) * uint32(width))
        t = quotient(rest, by_groups)
        j = uint32(uint32(rest - uint32(t * groups)) * uint32(columns))
        n = quotient(t, by_parts)
        i = uint32(uint32(t - uint32(n * parts)) * rows)
        stop = uint32(i + rows)
        if stop > out_height:
            stop = out_height
        c = uint32(q // uint32(multiplier))
        first = uint32(uint32(j * uint32(sw)) - left)
        weights = cuda.local.array(kernel_size, x.dtype)
        value = cuda.local.array(width, x.dtype)
        result = cuda.local.array(results, x.dtype)
        if held:
            for tap in range(taps):
                k = uint32(taps - 1 - tap) if flipped else uint32(tap)
                load(weights, uint32(tap * width), kernel, uint32(uint32(k * out_channels) + q))
        while i < stop:
            for k in range(results):
                result[k] = 0
            for a in range(kh):
                r = uint32(uint32(uint32(i * uint32(sh)) + uint32(a * dh)) - top)
                if r < height:
                    row = uint32(uint32(uint32(n * height) + r) * breadth)
                    for u in range(reach):
                        s = uint32(first + uint32(u * step))
                        if s < breadth:
                            pixel = uint32(uint32(row + s) * channels)
                            load(value, uint32(0), x, uint32(pixel + c))
                            if held:
                                for p in range(columns):
                                    for b in range(kw):
                                        if p * sw + b * dw == u * step:
                                            w = (a * kw + b) * width
                                            for v in range(width):
                                                result[p * width + v] += value[v] * weights[w + v]
                            else:
                                tap = uint32(a * kw + u)
                                if flipped:
                                    tap = uint32(uint32(taps - 1) - tap)
                                load(weights, uint32(0), kernel, uint32(tap * out_channels + q))
                                for v in range(width):
                                    result[v] += value[v] * weights[v]
            for p in range(columns):
                column = uint32(j + uint32(p))
                if p == 0 or column < out_breadth:  # a group has one column at least
                    pixel = uint32(
                        uint32(uint32(uint32(n * out_height) + i) * out_breadth) + column
                    )
                    store(y, uint32(uint32(pixel * out_channels) + q), result, uint32(p * width))
            i = uint32(i + uint32(1))

    return depthwise


@functools.cache
def input_grad_kernel(window: Window, width: int, multiplier: int) -> Any:
    """Return a kernel for dx[n, r, s, c] = Σ_abm dy[n, i, j, c M + m] K[a, b, c, m].

    Threads lie in a row as those of `forward_kernel`, each with ``width`` channels of one input
    pixel. A thread gathers: it asks each tap which output pixel saw its own through it, so nothing
    is added from two sides, and a pixel that no window reaches gets exactly 0.

    The twin is `minigrad.kernels.reference.depthwise_input_grad`.

    Occupancy: at most 48 registers and 0 bytes of shared memory per block of 128 threads.
    """
    kh, kw, sh, sw, dh, dw = window
    load, store = vectors(width)

    @jit
    def gather(
        dy: Any, kernel: Any, dx: Any, threads: Any, height: Any, breadth: Any, channels: Any,
        out_height: Any, out_breadth: Any, out_channels: Any, top: Any, left: Any,
        vector_count: Any, by_vectors: Any, by_breadth: Any, by_height: Any,
    ) -> None:  # fmt: skip
        t = uint32(cuda.grid(1))
        if t >= threads:
            return
        pixel = quotient(t, by_vectors)
        c = uint32(uint32(t - uint32(pixel * vector_count)) * uint32(width))
        line = quotient(pixel, by_breadth)
        s = uint32(pixel - uint32(line * breadth))
        n = quotient(line, by_height)
        r = uint32(line - uint32(n * height))
        weights = cuda.local.array(width, dy.dtype)
        value = cuda.local.array(width, dy.dtype)
        result = cuda.local.array(width, dy.dtype)
        for v in range(width):
            result[v] = 0
        for a in range(kh):
            i = uint32(uint32(r + top) - uint32(a * dh))
            if i < uint32(out_height * uint32(sh)) and i % uint32(sh) == uint32(0):
                row = uint32(uint32(uint32(n * out_height) + i // uint32(sh)) * out_breadth)
                for b in range(kw):
                    j = uint32(uint32(s + left) - uint32(b * dw))
                    if j < uint32(out_breadth * uint32(sw)) and j % uint32(sw) == uint32(0):
                        at = uint32(uint32(row + j // uint32(sw)) * out_channels)
                        tap = uint32(uint32(a * kw + b) * out_channels)
                        for m in range(multiplier):
                            q = uint32(uint32(c * uint32(multiplier)) + uint32(m))
                            load(value, uint32(0), dy, uint32(at + q))
                            load(weights, uint32(0), kernel, uint32(tap + q))
                            for v in range(width):
                                result[v] += value[v] * weights[v]
        store(dx, uint32(uint32(pixel * channels) + c), result, uint32(0))

    return gather


def window_of(geometry: ConvGeometry) -> Window:
    """Return the numbers that become constants of a kernel's code."""
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel_size, geometry.strides, geometry.dilation_rate
    return kh, kw, sh, sw, dh, dw


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Convolve each channel with its own kernels; see `minigrad.kernels.depthwise_forward`."""
    check_geometry(geometry)
    x = to_last(x, geometry.data_format)
    multiplier = kernel.shape[3]
    y = empty((len(x), *geometry.output_size, kernel.shape[2] * multiplier), x.dtype)
    (top, _), (left, _) = geometry.pads
    _forward(x, kernel, y, window_of(geometry), (top, left), multiplier, flipped=False)
    return from_last(y, geometry.data_format)


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.depthwise_input_grad`.

    At stride 1 with one kernel per channel that is a convolution of dy with the turned kernel.
    """
    check_geometry(geometry)
    dy = to_last(dy, geometry.data_format)
    channels, multiplier = kernel.shape[2:]
    height, width = geometry.input_size
    dx = empty((len(dy), height, width, channels), dy.dtype)
    if not dx.size:
        return from_last(dx, geometry.data_format)
    (top, _), (left, _) = geometry.pads
    window = window_of(geometry)
    if geometry.strides == (1, 1) and multiplier == 1:
        kh, kw, _, _, dh, dw = window
        _forward(dy, kernel, dx, window, ((kh - 1) * dh - top, (kw - 1) * dw - left), 1, True)
    else:
        elements = vector_width((channels,), dy, kernel, dx) if multiplier == 1 else 1
        vector_count = channels // elements
        run(
            input_grad_kernel(window, elements, multiplier),
            dx.size // elements,
            THREADS,
            *map(flat, (dy, kernel, dx)),
            *numbers(dx.size // elements, height, width, channels),
            *numbers(*geometry.output_size, channels * multiplier, top, left, vector_count),
            *map(divisor, (vector_count, width, height)),
        )
    return from_last(dx, geometry.data_format)


def _forward(
    x: Array,
    kernel: Array,
    y: Array,
    window: Window,
    pads: tuple[int, int],
    multiplier: int,
    flipped: bool,
) -> None:
    """Launch `forward_kernel`. A pad below zero skips pixels: uint32 wraps around to mean that."""
    if not y.size:
        return
    kh, kw, _, sw, _, dw = window
    batch, out_height, out_width, out_channels = y.shape
    elements = vector_width((out_channels,), x, kernel, y) if multiplier == 1 else 1
    held = kh * kw <= HELD_TAPS
    # Two columns pay where their windows have no gaps between taps that neither needs.
    dense = (sw * (COLUMNS - 1) + dw * (kw - 1)) // math.gcd(sw, dw) < COLUMNS * kw
    columns = COLUMNS if held and dense else 1
    vector_count, groups = out_channels // elements, blocks(out_width, columns)
    threads = batch * out_height * groups * vector_count
    rows = min(max(threads // ENOUGH_THREADS, 1), ROWS)
    parts = blocks(out_height, rows)
    threads = batch * parts * groups * vector_count
    run(
        forward_kernel(window, elements, multiplier, columns, held, flipped),
        threads,
        THREADS,
        *map(flat, (x, kernel, y)),
        *numbers(threads, *x.shape[1:], *y.shape[1:], *(pad % 2**32 for pad in pads)),
        *numbers(vector_count),
        divisor(vector_count),
        *numbers(groups),
        divisor(groups),
        *numbers(rows, parts),
        divisor(parts),
    )

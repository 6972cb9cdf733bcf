"""Max pooling on a GPU: a thread for each output forward, and for each input backward."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32

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
)
from minigrad.kernels.cuda.runtime import cuda, empty, jit
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["max_pool_backward", "max_pool_forward"]

THREADS = 256
NOWHERE = uint32(0xFFFFFFFF)


@jit
def forward_kernel(
    x: Any, y: Any, argmax: Any, threads: Any, height: Any, breadth: Any, channels: Any,
    out_height: Any, out_breadth: Any, kh: Any, kw: Any, sh: Any, sw: Any, dh: Any, dw: Any,
    top: Any, left: Any, lowest: Any, by_channels: Any, by_breadth: Any, by_height: Any,
) -> None:  # fmt: skip
    """Thread t computes element t of the output, so neighbours read and write neighbours.

    The twin is `minigrad.kernels.reference.max_pool_forward`.

    Occupancy: at most 32 registers and 0 bytes of shared memory per block of 256 threads.
    """
    t = uint32(cuda.grid(1))
    if t >= threads:
        return
    pixel = quotient(t, by_channels)
    c = uint32(t - uint32(pixel * channels))
    line = quotient(pixel, by_breadth)
    j = uint32(pixel - uint32(line * out_breadth))
    n = quotient(line, by_height)
    i = uint32(line - uint32(n * out_height))
    best, found = lowest, NOWHERE
    a = uint32(0)
    while a < kh:
        r = uint32(uint32(uint32(i * sh) + uint32(a * dh)) - top)
        b = uint32(0)
        while b < kw and r < height:
            s = uint32(uint32(uint32(j * sw) + uint32(b * dw)) - left)
            if s < breadth:
                row = uint32(uint32(uint32(n * height) + r) * breadth)
                value = x[uint32(uint32(uint32(row + s) * channels) + c)]
                # A NaN stays (best == best fails) and enters (value <= best fails).
                if found == NOWHERE or (best == best and not value <= best):
                    best = value
                    found = uint32(uint32(r * breadth) + s)
            b = uint32(b + uint32(1))
        a = uint32(a + uint32(1))
    y[t] = best
    argmax[t] = -1
    if found != NOWHERE:
        argmax[t] = found


@jit
def backward_kernel(
    dy: Any, argmax: Any, dx: Any, threads: Any, height: Any, breadth: Any, channels: Any,
    out_height: Any, out_breadth: Any, kh: Any, kw: Any, sh: Any, sw: Any, dh: Any, dw: Any,
    top: Any, left: Any, zero: Any, by_channels: Any, by_breadth: Any, by_height: Any,
) -> None:  # fmt: skip
    """Thread t gathers element t of dx from the windows over its pixel that it has won.

    Nothing is added from two sides, so the order of the sum is always the same.

    The twin is `minigrad.kernels.reference.max_pool_backward`.

    Occupancy: at most 32 registers and 0 bytes of shared memory per block of 256 threads.
    """
    t = uint32(cuda.grid(1))
    if t >= threads:
        return
    pixel = quotient(t, by_channels)
    c = uint32(t - uint32(pixel * channels))
    line = quotient(pixel, by_breadth)
    s = uint32(pixel - uint32(line * breadth))
    n = quotient(line, by_height)
    r = uint32(line - uint32(n * height))
    own = uint32(uint32(r * breadth) + s)
    total = zero
    a = kh
    while a > uint32(0):
        a = uint32(a - uint32(1))
        i = uint32(uint32(r + top) - uint32(a * dh))
        b = kw
        while b > uint32(0) and i < uint32(out_height * sh) and i % sh == uint32(0):
            b = uint32(b - uint32(1))
            j = uint32(uint32(s + left) - uint32(b * dw))
            if j < uint32(out_breadth * sw) and j % sw == uint32(0):
                row = uint32(uint32(uint32(n * out_height) + i // sh) * out_breadth)
                at = uint32(uint32(uint32(row + j // sw) * channels) + c)
                if uint32(argmax[at]) == own:
                    total += dy[at]
    dx[t] = total


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return maxima and their positions; see `minigrad.kernels.max_pool_forward`."""
    check_geometry(geometry)
    x = to_last(x, geometry.data_format)
    y = empty((len(x), *geometry.output_size, x.shape[3]), x.dtype)
    argmax = empty(y.shape, np.int32)
    _run(forward_kernel, (x, y, argmax), y, geometry, -np.inf)
    return from_last(y, geometry.data_format), from_last(argmax, geometry.data_format)


def max_pool_backward(dy: Array, argmax: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.max_pool_backward`."""
    check_geometry(geometry)
    dy, argmax = to_last(dy, geometry.data_format), to_last(argmax, geometry.data_format)
    dx = empty((len(dy), *geometry.input_size, dy.shape[3]), dy.dtype)
    _run(backward_kernel, (dy, argmax, dx), dx, geometry, 0.0)
    return from_last(dx, geometry.data_format)


def _run(
    kernel: Any, arrays: tuple[Array, ...], result: Array, geometry: ConvGeometry, first: float
) -> None:
    """Launch a thread for each element of the result."""
    if not result.size:
        return
    (top, _), (left, _) = geometry.pads
    _, height, breadth, channels = result.shape
    run(
        kernel,
        result.size,
        THREADS,
        *map(flat, arrays),
        *numbers(result.size, *geometry.input_size, channels, *geometry.output_size),
        *numbers(*geometry.kernel_size, *geometry.strides, *geometry.dilation_rate, top, left),
        result.dtype.type(first),
        *map(divisor, (channels, breadth, height)),
    )

"""Max pooling on the CPU: the maximum of each window and where it was, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, read_only, to_last
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["max_pool_backward", "max_pool_forward"]


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return maxima and their positions; see `minigrad.kernels.max_pool_forward`."""
    x = to_last(x, geometry.data_format)
    batch, channels = len(x), x.shape[3]
    y = np.empty((batch, *geometry.output_size, channels), x.dtype)
    argmax = np.empty(y.shape, _position_dtype(geometry))
    _forward_row(
        batch * geometry.output_size[0],
        y.size * geometry.taps,
        read_only(x),
        y,
        argmax,
        geometry.numbers,
    )
    return from_last(y, geometry.data_format), from_last(argmax, geometry.data_format)


def max_pool_backward(dy: Array, argmax: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.max_pool_backward`."""
    dy, argmax = to_last(dy, geometry.data_format), to_last(argmax, geometry.data_format)
    batch, channels = len(dy), dy.shape[3]
    height, width = geometry.input_size
    windows = geometry.output_size[0] * geometry.output_size[1]
    dx = np.zeros((batch, height * width, channels), dy.dtype)
    positions = argmax.astype(_position_dtype(geometry), copy=False)
    _backward_image(
        batch,
        dy.size,
        read_only(dy.reshape(batch, windows, channels)),
        read_only(positions.reshape(batch, windows, channels)),
        dx,
    )
    return from_last(dx.reshape(batch, height, width, channels), geometry.data_format)


def _position_dtype(geometry: ConvGeometry) -> type[np.signedinteger[Any]]:
    """Return the smallest integer type that holds every position in an image."""
    height, width = geometry.input_size
    return np.int32 if height * width <= np.iinfo(np.int32).max else np.int64


@kernel(parallel=True)
def _forward_row(task: int, x: Array, y: Array, argmax: Array, numbers: Numbers) -> None:
    """Compute one row of the output."""
    _, height, width, channels = x.shape
    _, out_height, out_width, _ = y.shape
    kh, kw, sh, sw, dh, dw = numbers[4], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    top, left = numbers[10], numbers[11]
    n, i = task // out_height, task % out_height
    for j in range(out_width):
        y[n, i, j] = -np.inf
        argmax[n, i, j] = -1
        for a in range(kh):
            r = i * sh + a * dh - top
            if r < 0 or r >= height:
                continue
            for b in range(kw):
                s = j * sw + b * dw - left
                if s < 0 or s >= width:
                    continue
                for c in range(channels):
                    value, best = x[n, r, s, c], y[n, i, j, c]
                    # A NaN stays (best == best fails) and enters (value <= best fails).
                    if argmax[n, i, j, c] < 0 or (best == best and not value <= best):
                        y[n, i, j, c] = value
                        argmax[n, i, j, c] = r * width + s


@kernel(parallel=True)
def _backward_image(n: int, dy: Array, argmax: Array, dx: Array) -> None:
    """Add the gradient of one image's output to the pixels that won (windows may overlap)."""
    _, windows, channels = dy.shape
    pixels = dx.shape[1]
    for window in range(windows):
        for c in range(channels):
            position = argmax[n, window, c]
            if 0 <= position < pixels:
                dx[n, position, c] += dy[n, window, c]

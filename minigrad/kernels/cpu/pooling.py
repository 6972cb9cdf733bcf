"""Max pooling on the CPU: the maximum of each window and where it was, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Flat, Numbers, flat, from_last, to_last
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["max_pool_backward", "max_pool_forward"]


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return maxima and their positions; see `minigrad.kernels.max_pool_forward`."""
    x = to_last(x, geometry.data_format)
    batch, channels = len(x), x.shape[3]
    height, width = geometry.output_size
    y = np.empty((batch, height, width, channels), x.dtype)
    argmax = np.empty(y.shape, _position_dtype(geometry))
    _forward_row(
        batch * height,
        y.size * geometry.taps,
        flat(x),
        y.reshape(-1),
        argmax.reshape(-1),
        geometry.numbers,
        channels,
    )
    return from_last(y, geometry.data_format), from_last(argmax, geometry.data_format)


def max_pool_backward(dy: Array, argmax: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.max_pool_backward`."""
    dy, argmax = to_last(dy, geometry.data_format), to_last(argmax, geometry.data_format)
    batch, channels = len(dy), dy.shape[3]
    dx = np.zeros((batch, *geometry.input_size, channels), dy.dtype)
    _backward_image(
        batch,
        dy.size,
        flat(dy),
        flat(argmax.astype(_position_dtype(geometry), copy=False)),
        dx.reshape(-1),
        geometry.numbers,
        channels,
    )
    return from_last(dx, geometry.data_format)


def _position_dtype(geometry: ConvGeometry) -> type[np.signedinteger[Any]]:
    """Return the smallest integer type that holds every position in an image."""
    height, width = geometry.input_size
    return np.int32 if height * width <= np.iinfo(np.int32).max else np.int64


@kernel(parallel=True)
def _forward_row(
    row: int, x: Flat, y: Flat, argmax: NDArray[Any], numbers: Numbers, channels: int
) -> None:
    """Compute one row of the output."""
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    image, i = row // out_height, row % out_height
    for j in range(out_width):
        yo = (row * out_width + j) * channels
        for c in range(yo, yo + channels):
            y[c] = -np.inf
            argmax[c] = -1
        for a in range(kh):
            r = i * sh + a * dh - top
            if r < 0 or r >= height:
                continue
            for b in range(kw):
                s = j * sw + b * dw - left
                if s < 0 or s >= width:
                    continue
                position = r * width + s
                xo = (image * height * width + position) * channels
                for c in range(channels):
                    value, best = x[xo + c], y[yo + c]
                    # Once NaN, always NaN: "not (value <= best)" holds for a new NaN only.
                    if argmax[yo + c] < 0 or (best == best and not value <= best):
                        y[yo + c] = value
                        argmax[yo + c] = position


@kernel(parallel=True)
def _backward_image(
    image: int, dy: Flat, argmax: NDArray[Any], dx: Flat, numbers: Numbers, channels: int
) -> None:
    """Add the gradient of one image's output to the pixels that won (windows may overlap)."""
    pixels, windows = numbers[0] * numbers[1], numbers[2] * numbers[3]
    for window in range(image * windows, (image + 1) * windows):
        for c in range(channels):
            position = argmax[window * channels + c]
            if 0 <= position < pixels:
                dx[(image * pixels + position) * channels + c] += dy[window * channels + c]

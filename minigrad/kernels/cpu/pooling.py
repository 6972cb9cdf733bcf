"""Pooling on the CPU: the maximum of each window and where it was, and the way back; means."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, read_only, to_last
from minigrad.kernels.cpu.memory import empty, zeroed
from minigrad.kernels.cpu.runs import Rows, row_runs
from minigrad.kernels.cpu.runs import flat as flat_views
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["image_means", "max_pool_backward", "max_pool_forward"]


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return maxima and their positions; see `minigrad.kernels.max_pool_forward`."""
    x = to_last(x, geometry.data_format)
    batch, channels = len(x), x.shape[3]
    y = empty((batch, *geometry.output_size, channels), x.dtype)
    argmax = empty(y.shape, _position_dtype(geometry))
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
    dx = zeroed((batch, height * width, channels), dy.dtype)
    positions = argmax.astype(_position_dtype(geometry), copy=False)
    _backward_image(
        batch,
        dy.size,
        read_only(dy.reshape(batch, windows, channels)),
        read_only(positions.reshape(batch, windows, channels)),
        dx,
    )
    return from_last(dx.reshape(batch, height, width, channels), geometry.data_format)


def image_means(x: Array, rows: Rows) -> Array:
    """Return the means of rows that belong together.

    Parameters
    ----------
    x : ndarray of float32 or float64, C-contiguous
    rows : tuple of int
        (outer, repeats, inner): images, pixels and channels, or (images and channels, pixels, 1).

    Returns
    -------
    ndarray, (outer inner,)

    Examples
    --------
    >>> image_means(np.array([1.0, 10.0, 3.0, 30.0]), (1, 2, 2))
    array([ 2., 20.])
    """
    y = np.empty(rows[0] * rows[2], x.dtype)
    tasks, sizes = row_runs(rows)
    _image_means(tasks, x.size, *flat_views((x,), (y,)), sizes)
    return y


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
        best, place = y[n, i, j], argmax[n, i, j]
        best[:] = -np.inf
        place[:] = -1
        first = True
        for a in range(kh):
            r = i * sh + a * dh - top
            if r < 0 or r >= height:
                continue
            for b in range(kw):
                s = j * sw + b * dw - left
                if s < 0 or s >= width:
                    continue
                pixel, position = x[n, r, s], place.dtype.type(r * width + s)
                for c in range(channels):
                    value, high = pixel[c], best[c]
                    # A NaN stays (high == high fails) and enters (value <= high fails).
                    wins = first | ((high == high) & (not value <= high))
                    best[c] = value if wins else high
                    place[c] = position if wins else place[c]
                first = False


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


@kernel(parallel=True)
def _image_means(
    task: int, x: Array, _b: Array, _c: Array, _d: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    per_run, repeats, inner, outer = sizes[0], sizes[1], sizes[2], sizes[3]
    for n in range(task * per_run, min((task + 1) * per_run, outer)):
        block = n * repeats * inner
        if inner == 1:
            run, total = x[block : block + repeats], x.dtype.type(0)
            for p in range(repeats):
                total += run[p]
            y[n] = total / repeats
            continue
        sums = y[n * inner : (n + 1) * inner]
        for c in range(inner):
            sums[c] = 0
        for p in range(repeats):
            pixel = x[block + p * inner : block + (p + 1) * inner]
            for c in range(inner):
                sums[c] += pixel[c]
        for c in range(inner):
            sums[c] /= repeats

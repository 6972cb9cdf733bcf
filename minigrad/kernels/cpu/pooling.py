"""Pooling on the CPU: the maximum of each window and where it was, and the way back; means."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, read_only, to_last
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.runs import Rows, row_runs, sizes_of
from minigrad.kernels.cpu.runs import flat as flat_views
from minigrad.kernels.geometry import ConvGeometry

__all__ = [
    "average_pool_backward",
    "average_pool_forward",
    "image_means",
    "max_pool_backward",
    "max_pool_forward",
]


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
    dx = empty((batch, height, width, channels), dy.dtype)
    positions = argmax.astype(_position_dtype(geometry), copy=False)
    _backward_row(
        batch * height, 4 * dx.size, read_only(dy), read_only(positions), dx, geometry.numbers
    )
    return from_last(dx, geometry.data_format)


def average_pool_forward(x: Array, geometry: ConvGeometry) -> Array:
    """Return the mean of each window, of the pixels inside the image; windows are not dilated.

    Examples
    --------
    >>> from minigrad.kernels.geometry import conv_geometry
    >>> x = np.arange(8.0).reshape(1, 2, 4, 1)
    >>> average_pool_forward(x, conv_geometry((2, 4), (2, 2), (2, 2))).ravel()
    array([2.5, 4.5])
    """
    x = to_last(x, geometry.data_format)
    y = empty((len(x), *geometry.output_size, x.shape[3]), x.dtype)
    rows = len(x) * geometry.output_size[0]
    _average_row(rows, y.size * geometry.taps, *flat_views((x,), (y,)), _average_sizes(y, geometry))
    return from_last(y, geometry.data_format)


def average_pool_backward(dy: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input of `average_pool_forward`."""
    dy = to_last(np.ascontiguousarray(dy), geometry.data_format)
    dx = empty((len(dy), *geometry.input_size, dy.shape[3]), dy.dtype)
    rows = len(dy) * geometry.input_size[0]
    _spread_row(rows, 4 * dx.size, *flat_views((dy,), (dx,)), _average_sizes(dy, geometry))
    return from_last(dx, geometry.data_format)


def _average_sizes(y: Array, geometry: ConvGeometry) -> Numbers:
    return sizes_of(*geometry.numbers.tolist(), y.shape[3])


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
def _backward_row(task: int, dy: Array, argmax: Array, dx: Array, numbers: Numbers) -> None:
    """Give each pixel of a row the gradients of the windows in which it won.

    Reading them where they are wanted is one pass over dx: nothing is cleared or added to.
    """
    _, height, width, channels = dx.shape
    _, out_height, out_width, _ = dy.shape
    kh, kw, sh, sw, dh, dw = numbers[4], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    n, r = task // height, task % height
    zero = dx.dtype.type(0)
    for s in range(width):
        out, position = dx[n, r, s], argmax.dtype.type(r * width + s)
        first = True
        for a in range(kh - 1, -1, -1):
            row = r + numbers[10] - a * dh
            if row < 0 or row % sh != 0 or row // sh >= out_height:
                continue
            for b in range(kw - 1, -1, -1):
                column = s + numbers[11] - b * dw
                if column < 0 or column % sw != 0 or column // sw >= out_width:
                    continue
                place = argmax[n, row // sh, column // sw]
                gradient = dy[n, row // sh, column // sw]
                if first:
                    for c in range(channels):
                        value = gradient[c]
                        out[c] = value if place[c] == position else zero
                else:
                    for c in range(channels):
                        value = out[c] + gradient[c]
                        out[c] = value if place[c] == position else out[c]
                first = False
        if first:
            for c in range(channels):
                out[c] = zero


@kernel(parallel=True)
def _average_row(
    task: int, x: Array, _b: Array, _c: Array, _d: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute one row of means: rows of the input are added first, then neighbours."""
    height, width, out_height, out_width, kh, kw, sh, sw = sizes[:8]
    channels, line = sizes[12], width * sizes[12]
    n, i = task // out_height, task % out_height
    top = max(0, i * sh - sizes[10])
    rows = min(height, i * sh - sizes[10] + kh) - top
    first = x[(n * height + top) * line : (n * height + top + 1) * line]
    sums = np.empty(line, x.dtype)
    for e in range(line):
        sums[e] = first[e]
    for r in range(top + 1, top + rows):
        row = x[(n * height + r) * line : (n * height + r + 1) * line]
        for e in range(line):
            sums[e] += row[e]
    for j in range(out_width):
        left = max(0, j * sw - sizes[11])
        columns = min(width, j * sw - sizes[11] + kw) - left
        count = x.dtype.type(rows * columns)
        start = (task * out_width + j) * channels
        out = y[start : start + channels]
        for c in range(channels):
            total = sums[left * channels + c]
            for b in range(1, columns):
                total += sums[(left + b) * channels + c]
            out[c] = total / count


@kernel(parallel=True)
def _spread_row(
    task: int, dy: Array, _b: Array, _c: Array, _d: Array,
    dx: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute one row of the gradient: the shares of the windows that see it."""
    height, width, out_height, out_width, kh, kw, sh, sw = sizes[:8]
    channels, line = sizes[12], out_width * sizes[12]
    n, r = task // height, task % height
    sums = np.zeros(line, dy.dtype)
    begin, end = max(0, (r + sizes[10] - kh + sh) // sh), min(out_height, (r + sizes[10]) // sh + 1)
    for i in range(begin, end):
        rows = min(height, i * sh - sizes[10] + kh) - max(0, i * sh - sizes[10])
        start = (n * out_height + i) * line
        row = dy[start : start + line]
        for j in range(out_width):
            columns = min(width, j * sw - sizes[11] + kw) - max(0, j * sw - sizes[11])
            count = dy.dtype.type(rows * columns)
            for c in range(j * channels, (j + 1) * channels):
                sums[c] += row[c] / count
    for s in range(width):
        begin = max(0, (s + sizes[11] - kw + sw) // sw)
        end = min(out_width, (s + sizes[11]) // sw + 1)
        start = (task * width + s) * channels
        out = dx[start : start + channels]
        for c in range(channels):
            total = dy.dtype.type(0)
            for j in range(begin, end):
                total += sums[j * channels + c]
            out[c] = total


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

"""Means on the CPU: of the windows of a pooling, and the way back; of whole images."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.cpu.emit import Code, types
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, to_last
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.pooling import next_seen_by, seen_by, slow
from minigrad.kernels.cpu.prefetch import TO_READ, prefetch
from minigrad.kernels.cpu.runs import Rows, row_runs, sizes_of
from minigrad.kernels.cpu.runs import flat as flat_views
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    add_outer,
    add_tile,
    at,
    keep,
    lanes,
    load_tile,
    operation,
    pointer,
    store_tile,
    zero_tile,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["average_pool_backward", "average_pool_forward", "image_means", "scaled"]

QUAD, ONE = Static(1, 4), Static(1, 1)


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
    work = y.size * geometry.taps * slow(x.shape[3])
    _average_row(rows, work, *flat_views((x,), (y,)), _average_sizes(y, geometry))
    return from_last(y, geometry.data_format)


def average_pool_backward(dy: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input of `average_pool_forward`."""
    dy = to_last(np.ascontiguousarray(dy), geometry.data_format)
    dx = empty((len(dy), *geometry.input_size, dy.shape[3]), dy.dtype)
    rows = len(dy) * geometry.input_size[0]
    _spread_row(
        rows,
        4 * dx.size * slow(dy.shape[3]),
        *flat_views((dy,), (dx,)),
        _average_sizes(dy, geometry),
    )
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


@kernel(inner=True)
def _share(row: int, column: int, sizes: Numbers, whole: float) -> float:
    """Return 1 / the number of pixels that a window sees: `whole`, except at borders."""
    height, width, kh, kw, sh, sw = sizes[0], sizes[1], sizes[4], sizes[5], sizes[6], sizes[7]
    top, left = row * sh - sizes[10], column * sw - sizes[11]
    if min(top, left, height - top - kh, width - left - kw) >= 0:
        return whole
    rows = min(height, top + kh) - max(0, top)
    share: float = 1.0 / (rows * (min(width, left + kw) - max(0, left)))
    return share


@operation
def scaled(typing: Any, tile: Any, factor: Any) -> Any:
    """Return a tile times a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)
        number = context.cast(builder, arguments[1], types.float64, tile.dtype)
        factors = code.splat(number)
        return code.pack([builder.fmul(value, factors) for value in code.unpack(arguments[0])])

    return tile(tile, types.float64), generate


@kernel(parallel=True)
def _average_row(
    task: int, x: Array, _b: Array, _c: Array, _d: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute one row of means."""
    height, width, out_height, out_width, kh, kw, sh, sw = sizes[:8]
    channels, one = sizes[12], lanes(pointer(x))
    n, i = task // out_height, task % out_height
    top, bottom = max(0, i * sh - sizes[10]), min(height, i * sh - sizes[10] + kh)
    for j in range(out_width):
        left, right = max(0, j * sw - sizes[11]), min(width, j * sw - sizes[11] + kw)
        share = _share(i, j, sizes, 1.0 / (kh * kw))
        out = at(pointer(y), (task * out_width + j) * channels)
        if channels >= 4 * one:  # what the next row sees: a processor foresees few streams
            for r in range(i * sh - sizes[10] + kh, i * sh - sizes[10] + kh + sh):
                ahead = ((n * height + r) * width + j * sw) * channels
                for c in range(0, sw * channels, one):
                    prefetch(pointer(x), ahead + c, TO_READ)
        c = 0
        while c < channels:
            size = channels - c
            source, step = at(pointer(x), n * height * width * channels + c), one
            if size >= 4 * one:
                step = 4 * one
                _mean(QUAD, source, top, bottom, left, right, sizes, share, at(out, c), None)
            else:
                _mean(ONE, source, top, bottom, left, right, sizes, share, at(out, c),
                      min(one, size))  # fmt: skip
            c += step


@kernel(inner=True)
def _mean(
    shape: Static, x: Pointer, top: int, bottom: int, left: int, right: int,
    sizes: Numbers, share: float, out: Pointer, n: int | None,
) -> None:  # fmt: skip
    """Write the mean of some rows and columns, for some channels."""
    tile = zero_tile(shape, x)
    for r in range(top, bottom):
        for s in range(left, right):
            tile = add_tile(tile, load_tile(shape, x, (r * sizes[1] + s) * sizes[12], 0, n))
    store_tile(scaled(tile, share), out, 0, 0, n)


@kernel(parallel=True)
def _spread_row(
    task: int, dy: Array, _b: Array, _c: Array, _d: Array,
    dx: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute one row of the gradient: the shares of the windows that see it."""
    height, width, out_height, out_width = sizes[:4]
    channels, one = sizes[12], lanes(pointer(dy))
    n, r = task // height, task % height
    above, below = seen_by(r + sizes[10], sizes[4] - 1, sizes[6], out_height)
    shares, whole = np.empty((below - above) * out_width, dy.dtype), 1.0 / (sizes[4] * sizes[5])
    for i in range(above, below):
        for j in range(out_width):
            shares[(i - above) * out_width + j] = _share(i, j, sizes, whole)
    source = at(pointer(dy), (n * out_height + above) * out_width * channels)
    begin, end = 0, 0
    for s in range(width):
        begin, end = next_seen_by(s + sizes[11], sizes[5] - 1, sizes[7], out_width, begin, end)
        out = at(pointer(dx), (task * width + s) * channels)
        c = 0
        while c < channels:
            size, step = channels - c, one
            if size >= 4 * one:
                step = 4 * one
                _add_up(QUAD, pointer(shares), at(source, c), below - above, begin, end,
                        out_width, channels, at(out, c), None)  # fmt: skip
            else:
                _add_up(ONE, pointer(shares), at(source, c), below - above, begin, end,
                        out_width, channels, at(out, c), min(one, size))  # fmt: skip
            c += step
    keep(shares)


@kernel(inner=True)
def _add_up(
    shape: Static, shares: Pointer, dy: Pointer, rows: int, begin: int, end: int,
    width: int, channels: int, out: Pointer, n: int | None,
) -> None:  # fmt: skip
    """Write the sum of the shares of some windows, for some channels of a pixel."""
    tile = zero_tile(shape, dy)
    for i in range(rows):
        for place in range(i * width + begin, i * width + end):
            tile = add_outer(tile, shares, place, 0, dy, place * channels, n)
    store_tile(tile, out, 0, 0, n)


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

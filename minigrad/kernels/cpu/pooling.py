"""Pooling on the CPU: the maximum of each window and where it was, and the way back.

Vectors run over channels. Where these are few, what one tap of a row of windows sees is copied side
by side first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, read_only, to_last
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.simd import (
    at,
    pointer,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["max_pool_backward", "max_pool_forward", "next_seen_by", "seen_by", "slow"]

FEW = 8
"""Channels from which vectors are full, or half full."""


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return maxima and their positions; see `minigrad.kernels.max_pool_forward`."""
    x = to_last(x, geometry.data_format)
    batch, channels = len(x), x.shape[3]
    y = empty((batch, *geometry.output_size, channels), x.dtype)
    argmax = empty(y.shape, _position_dtype(geometry))
    _forward_row(
        batch * geometry.output_size[0],
        y.size * geometry.taps * slow(channels),
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
        batch * height,
        4 * dx.size * slow(channels),
        read_only(dy),
        read_only(positions),
        dx,
        geometry.numbers,
    )
    return from_last(dx, geometry.data_format)


def slow(channels: int) -> int:
    """Return how many times longer a number takes where channels are few."""
    return 4 if channels < FEW else 1


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
    if channels < FEW:
        size = out_width * channels
        line, columns = np.empty(size, x.dtype), _columns(out_width, channels, sw)
        best, place = at(pointer(y), task * size), at(pointer(argmax), task * size)
        for e in range(size):
            best[e], place[e] = -np.inf, -1
        for a in range(kh):
            r = i * sh + a * dh - top
            if 0 <= r < height:
                for b in range(kw):
                    first, last = _inside(b * dw - left, sw, out_width, width)
                    source = at(pointer(x), ((n * height + r) * width + b * dw - left) * channels)
                    for j in range(first, last):
                        for c in range(channels):
                            line[j * channels + c] = source[j * sw * channels + c]
                    position = r * width + b * dw - left
                    for e in range(first * channels, last * channels):
                        value, high = line[e], best[e]
                        wins = (place[e] < 0) | (high == high) & (not value <= high)
                        best[e] = value if wins else high
                        place[e] = columns[e] + position if wins else place[e]
        return
    for j in range(out_width):
        start = (task * out_width + j) * channels
        best, place = at(pointer(y), start), at(pointer(argmax), start)
        first = True
        for a in range(kh):
            r = i * sh + a * dh - top
            if r < 0 or r >= height:
                continue
            for b in range(kw):
                s = j * sw + b * dw - left
                if s < 0 or s >= width:
                    continue
                pixel = at(pointer(x), ((n * height + r) * width + s) * channels)
                position = argmax.dtype.type(r * width + s)
                if first:
                    for c in range(channels):
                        best[c] = pixel[c]
                        place[c] = position
                else:
                    for c in range(channels):
                        value, high = pixel[c], best[c]
                        # A NaN stays (high == high fails) and enters (value <= high fails).
                        wins = (high == high) & (not value <= high)
                        best[c] = value if wins else high
                        place[c] = position if wins else place[c]
                first = False
        if first:
            for c in range(channels):
                best[c] = -np.inf
                place[c] = -1


@kernel(parallel=True)
def _backward_row(task: int, dy: Array, argmax: Array, dx: Array, numbers: Numbers) -> None:
    """Give each pixel of a row the gradients of the windows in which it won.

    Reading them where they are wanted is one pass over dx: nothing is cleared or added to.
    """
    _, height, width, channels = dx.shape
    _, out_height, out_width, _ = dy.shape
    n, r = task // height, task % height
    above, below = seen_by(r + numbers[10], (numbers[4] - 1) * numbers[8], numbers[6], out_height)
    reach, step, zero = (numbers[5] - 1) * numbers[9], numbers[7], dx.dtype.type(0)
    begin, end = 0, 0
    if channels < FEW:
        size, out = out_width * channels, at(pointer(dx), task * width * channels)
        line, columns = np.empty(size, dx.dtype), _columns(out_width, channels, step)
        for e in range(width * channels):
            out[e] = zero
        for i in range(above, below):
            gradient = at(pointer(dy), (n * out_height + i) * size)
            place = at(pointer(argmax), (n * out_height + i) * size)
            for b in range(numbers[5] - 1, -1, -1):  # so that windows are added from left to right
                shift = b * numbers[9] - numbers[11]
                first, last = _inside(shift, step, out_width, width)
                for e in range(size):
                    won = place[e] == columns[e] + (r * width + shift)
                    line[e] = gradient[e] if won else zero
                target = at(out, shift * channels)
                for j in range(first, last):
                    for c in range(channels):
                        target[j * step * channels + c] += line[j * channels + c]
        return
    for s in range(width):
        begin, end = next_seen_by(s + numbers[11], reach, step, out_width, begin, end)
        out = at(pointer(dx), (task * width + s) * channels)
        position = argmax.dtype.type(r * width + s)
        first = True
        for i in range(above, below):
            for j in range(begin, end):
                start = ((n * out_height + i) * out_width + j) * channels
                place, gradient = at(pointer(argmax), start), at(pointer(dy), start)
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


@kernel(inner=True)
def _columns(count: int, channels: int, step: int) -> Array:
    """Return the first column that each window of a row sees, for each channel."""
    columns = np.empty(count * channels, np.int32)
    for j in range(count):
        for c in range(channels):
            columns[j * channels + c] = j * step
    return columns


@kernel(inner=True)
def _inside(start: int, step: int, count: int, size: int) -> tuple[int, int]:
    """Return for which u < count start + u * step is in 0 ... size - 1: first, last + 1."""
    first = min(count, max(0, (step - 1 - start) // step))
    return first, max(first, min(count, (size - 1 - start) // step + 1))


@kernel(inner=True)
def seen_by(place: int, reach: int, step: int, count: int) -> tuple[int, int]:
    """Return the first window that reaches a place of the padded input, and the last one + 1."""
    return max(0, (place - reach + step - 1) // step), min(count, place // step + 1)


@kernel(inner=True)
def next_seen_by(
    place: int, reach: int, step: int, count: int, begin: int, end: int
) -> tuple[int, int]:
    """Return the same from that of an earlier place: divisions would take longer than the sums."""
    while begin < count and begin * step + reach < place:
        begin += 1
    while end < count and end * step <= place:
        end += 1
    return begin, end

"""Phases of a strided convolution's input gradient: which taps and outputs meet at a pixel.

Pixels of the input fall into sh sw phases, by their remainders by the strides. All pixels of a
phase see the same taps, so that each phase is a convolution of dy without strides.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from minigrad.kernels.cpu.gemm import clear
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Numbers
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    at,
    keep,
    lanes,
    load_tile,
    pointer,
    store_tile,
)
from minigrad.kernels.cpu.windows import features_of_few_channels
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["input_grad_of_few_channels", "meetings", "phases_of", "put_apart"]

ONE = Static(1, 1)
FEW = 4
"""Channels up to which numbers are copied one by one: masked vectors take longer."""


@lru_cache(maxsize=1024)
def phases_of(
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


@kernel(inner=True)
def meetings(
    position: int, stride: int, dilation: int, taps: int
) -> tuple[int, int, int, int, int]:
    """Return how taps and outputs meet at a padded position of the input, along one axis.

    That is (first tap, its output, step between taps, step back between outputs, number of taps).
    """
    first = 0
    while first < taps and (position - first * dilation) % stride != 0:
        first += 1
    common, rest = stride, dilation
    while rest > 0:
        common, rest = rest, common % rest
    every = stride // common
    count = (taps - 1 - first) // every + 1 if first < taps else 0
    return first, (position - first * dilation) // stride, every, dilation // common, count


@kernel(inner=True)
def input_grad_of_few_channels(
    dx: Pointer, first: int, last: int, dy: Pointer, k: Pointer, numbers: Numbers, channels: int
) -> None:
    """Compute rows of the input's gradient, counted through images, of fewer channels than lanes.

    Pixels with one remainder by the strides are a convolution of dy with some of the taps, the last
    one first. With strides, each such convolution goes to `phase` before its pixels are put apart.
    """
    height, width, out_height, out_width, kh, kw, sh, sw, dh, dw, top, left = numbers[:12]
    hop, window, apart = channels * lanes(k), np.empty(12, np.int64), sh > 1 or sw > 1
    weights = np.full(kh * kw * channels, k[0])
    for p in range(min(sh, height)):
        a0, i0, every_a, down, rows = meetings(p + top, sh, dh, kh)
        high = (height - 1 - p) // sh + 1
        # The rows of all images that have this remainder, counted through.
        begin = first // height * high + max(0, (first % height - p + sh - 1) // sh)
        end = last // height * high + max(0, (last % height - p + sh - 1) // sh)
        room = (end - begin) * ((width - 1) // sw + 1) * channels if apart else 0
        phase = np.empty(room, weights.dtype)
        for q in range(min(sw, width)):
            b0, j0, every_b, back, taps = meetings(q + left, sw, dw, kw)
            wide = (width - 1 - q) // sw + 1
            window[0], window[1], window[2], window[3] = out_height, out_width, high, wide
            window[4], window[5], window[6], window[7] = rows, taps, 1, 1
            window[8], window[9] = down, back
            window[10], window[11] = (rows - 1) * down - i0, (taps - 1) * back - j0
            for a in range(rows):
                for b in range(taps):
                    tap = (a0 + (rows - 1 - a) * every_a) * kw + b0 + (taps - 1 - b) * every_b
                    for c in range(channels):
                        weights[(a * taps + b) * channels + c] = k[tap * hop + c]
            target = pointer(phase) if apart else at(dx, first * width * channels)
            if rows > 0 and taps > 0:
                features_of_few_channels(
                    dy, pointer(weights), channels, target, begin * wide, (end - begin) * wide,
                    pointer(window), channels,
                )  # fmt: skip
            else:
                clear(target, 1, (end - begin) * wide * channels, 0)
            if apart:
                for i in range(begin, end):
                    row = i // high * height + i % high * sh + p
                    put_apart(
                        at(target, (i - begin) * wide * channels), wide, channels,
                        at(dx, (row * width + q) * channels), sw * channels,
                    )  # fmt: skip
        keep(phase)
    keep(window)
    keep(weights)


@kernel(inner=True)
def put_apart(x: Pointer, count: int, channels: int, y: Pointer, y_pixel: int) -> None:
    """Copy pixels of few channels to where they lie further apart."""
    if channels > FEW:
        for u in range(count):
            pixel = load_tile(ONE, x, u * channels, 0, channels)
            store_tile(pixel, y, u * y_pixel, 0, channels)
        return
    for u in range(count):
        for c in range(channels):
            y[u * y_pixel + c] = x[u * channels + c]

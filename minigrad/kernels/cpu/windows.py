"""Depthwise rows of few channels: rows of the input are copied, so that no border is left.

Where channels are fewer than a vector has lanes, vectors run over pixels AND channels of a row, as
if these were one long list. That needs a row whose pixels lie side by side in the order in which
outputs see them, zeros at its ends included. So the rows that an output sees are copied first: with
a stride s, pixels 0, s, 2 s ... of the padded row, then 1, s + 1 ..., and so on. Then each tap
is one offset into the copies, for all pixels of the output row.

A copy is one load and one store for each pixel, and most are used by `kh` output rows: they stay in
a ring of as many rows as a batch of output rows spans. All rows of a batch are copied before the
first one is used: what was stored just now, in other pieces, could not be loaded without waiting.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Numbers
from minigrad.kernels.cpu.rows import quotient_up
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    add_taps,
    at,
    keep,
    lanes,
    load_tile,
    pointer,
    store_tile,
    zero_tile,
)

__all__ = ["features_of_few_channels"]

ONE, BROAD, SINGLE = Static(1, 1), Static(1, 4), Static(1, 1)
BATCH = 4
FEWEST = 4
"""Channels up to which single numbers are copied: a vector for each pixel takes longer."""


@kernel(inner=True)
def features_of_few_channels(
    x: Pointer, k: Pointer, y: Pointer, first: int, count: int, numbers: Numbers, channels: int
) -> None:
    """Compute `count` pixels of a depthwise convolution with fewer channels than lanes.

    Pixels are counted through rows and images. `k` is repeated (`rows.repeat_kernel`).
    """
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    block, pixels = lanes(x) * channels, out_width + (kw - 1) * dw // sw
    slots = (BATCH - 1) * sh + (kh - 1) * dh + 1
    slot = sw * pixels * channels + lanes(x)  # a last vector may end behind the last pixel
    copies = np.full(slots * slot + 4 * lanes(x), k[0])
    held = np.full(slots, -1)  # which row is in which slot, counted from the first padded one
    taps, table = np.empty(kw, np.int64), np.empty(2 * kh * kw, np.int64)
    for b in range(kw):
        taps[b] = (b * dw % sw * pixels + b * dw // sw) * channels
    row, j = first // out_width, first % out_width
    image, i = row // out_height, row % out_height
    done = 0
    while done < count:
        end = min(i + BATCH, out_height, i + (j + count - done + out_width - 1) // out_width)
        # Rows and their slots are counted from the first padded one.
        base, above = (image * height + i * sh) % slots, image * height - top
        for padded in range(i * sh, (end - 1) * sh + (kh - 1) * dh + 1):
            s = base + padded - i * sh
            if s >= slots:
                s -= slots
            if top <= padded < top + height and held[s] != above + padded:
                held[s] = above + padded
                _copy_row(
                    at(pointer(copies), s * slot), at(x, held[s] * width * channels),
                    width, channels, sw, left, pixels,
                )  # fmt: skip
        while i < end:
            run = min(count - done, out_width - j)
            n, r, s = 0, i * sh - top, base
            for a in range(kh):
                if 0 <= r < height:
                    for b in range(kw):
                        table[2 * n] = s * slot + j * channels + taps[b]
                        table[2 * n + 1] = (a * kw + b) * block
                        n += 1
                r, s = r + dh, s + dh  # slots are a ring: no division
                if s >= slots:
                    s -= slots
            _row(
                at(y, done * channels), run * channels, pointer(copies), k, block, pointer(table), n
            )
            done += run
            i, j, base = i + 1, 0, base + sh
            while base >= slots:
                base -= slots
        if i == out_height:
            image, i = image + 1, 0
    keep(copies)
    keep(held)
    keep(taps)
    keep(table)


@kernel(inner=True)
def _copy_row(
    copy: Pointer, x: Pointer, width: int, channels: int, stride: int, left: int, pixels: int
) -> None:
    """Copy a row: for each remainder p by the stride, padded pixels p, p + stride, and so on.

    Whole vectors are written in ascending order: what is too much is written again.
    """
    one = lanes(x)
    for p in range(stride):
        begin = min(pixels, max(0, quotient_up(left - p, stride)))
        end = max(begin, min(pixels, quotient_up(width + left - p, stride)))
        target = at(copy, p * pixels * channels)
        for e in range(0, begin * channels, one):
            store_tile(zero_tile(ONE, x), target, e, 0, None)
        source = at(x, (begin * stride + p - left) * channels)
        target, size = at(target, begin * channels), (end - begin) * channels
        if stride == 1:
            for e in range(0, size - one + 1, one):
                store_tile(load_tile(ONE, source, e, 0, None), target, e, 0, None)
            e = size - size % one
            store_tile(load_tile(ONE, source, e, 0, size - e), target, e, 0, None)
        elif channels <= FEWEST:
            for u in range(end - begin):
                for c in range(channels):
                    target[u * channels + c] = source[u * stride * channels + c]
        else:
            for u in range(end - begin):
                pixel = load_tile(ONE, source, u * stride * channels, 0, channels)
                store_tile(pixel, target, u * channels, 0, None)
        target = at(target, size)
        for e in range(0, (pixels - end) * channels, one):
            store_tile(zero_tile(ONE, x), target, e, 0, None)


@kernel(inner=True)
def _row(y: Pointer, size: int, x: Pointer, k: Pointer, block: int, table: Pointer, n: int) -> None:
    """Compute a row of outputs; the repeated weights serve a block of elements."""
    four = 4 * lanes(x)
    for start in range(0, size, block):
        for c in range(0, min(block, size - start), four):
            rest = min(block, size - start) - c
            left, right, out = at(x, start + c), at(k, c), at(y, start + c)
            if rest >= four:
                _vectors(BROAD, out, left, right, table, n, None)
            elif rest > lanes(x):
                _vectors(BROAD, out, left, right, table, n, rest)
            else:
                _vectors(ONE, out, left, right, table, n, rest)


@kernel(inner=True)
def _vectors(
    shape: Static, y: Pointer, x: Pointer, k: Pointer, table: Pointer, n: int, rest: int | None
) -> None:
    """Compute some vectors of outputs."""
    tile = zero_tile(shape, x)
    for i in range(n):
        tile = add_taps(tile, SINGLE, x, table[2 * i], 0, k, table[2 * i + 1], 0, rest)
    store_tile(tile, y, 0, 0, rest)

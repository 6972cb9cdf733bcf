"""Depthwise rows of few channels: rows of the input are copied, so that no border is left.

Where channels are fewer than a vector has lanes, vectors run over pixels AND channels of a row, as
if these were one long list. That needs a row whose pixels lie side by side in the order in which
outputs see them, zeros at its ends included. So the rows that an output sees are copied first: with
a stride s, pixels 0, s, 2 s ... of the padded row, then 1, s + 1 ..., and so on. Then each tap
is one offset into the copies, for all pixels of the output row.

A copy is one load and one store for each pixel, and most are used by `kh` output rows: whole images
are copied where they are small. All rows of a batch are copied before the first one is used: what
was stored just now, in other pieces, could not be loaded without waiting.

Elements that lie a `block_of` apart are of the same channel in each lane, and so share weights.

A tap that falls outside an image contributes nothing, not 0 times NaN or infinity: where weights,
or sums with gradients, are not finite, everything is computed again without the zeros.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.rows import quotient_up
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    add_products,
    add_taps,
    add_tile,
    at,
    fold,
    keep,
    lanes,
    load_tile,
    pointer,
    store_tile,
    zero_tile,
)

__all__ = [
    "add_kernel_grad_of_few_channels",
    "all_finite",
    "block_of",
    "features_of_few_channels",
    "mirror",
]

ONE, FOUR, SINGLE = Static(1, 1), Static(4, 1), Static(1, 1)
ONE_TAP, NEXT = Static(1, 4), Static(4, 1)
ROOM = 16 * 1024
"""Bytes of copies: they stay in the nearest cache."""
BATCH = 4
"""Rows of the output that are computed from one set of copies, at least."""
FEWEST = 4
"""Channels up to which single numbers are copied: a vector for each pixel takes longer."""


@kernel(inner=True)
def block_of(x: Pointer, channels: int) -> int:
    """Return after how many elements a channel is in the same lane again."""
    one: int = lanes(x)
    return one if one % channels == 0 else one * channels


@kernel(inner=True)
def all_finite(x: Pointer, count: int) -> bool:
    """Whether none of so many numbers is NaN or infinite."""
    zero = x[0] - x[0]
    check = zero
    for i in range(count):
        check += x[i] * zero
    return bool(check == 0)


@kernel(inner=True)
def features_of_few_channels(
    x: Pointer, k: Pointer, hop: int, y: Pointer, first: int, count: int, numbers: Pointer,
    channels: int,
) -> None:  # fmt: skip
    """Compute `count` pixels of a depthwise convolution with fewer channels than lanes.

    Pixels are counted through rows and images. The weights of tap t are k[t * hop] and on.
    `numbers` are those of a geometry.
    """
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    taps, sh, top = numbers[4] * numbers[5], numbers[6], numbers[10]
    block, image_size = block_of(x, channels), height * width * channels
    if not all_finite(k, (taps - 1) * hop + channels):
        _plain_pixels(x, k, hop, y, first, count, numbers, channels)
        return
    slot, batch, spare = _room(numbers, channels, lanes(x))
    copies, weights = np.full(batch * sh * slot + spare, k[0]), np.full(taps * block, k[0])
    table = np.empty(2 * taps, np.int64)
    _clear(pointer(copies), len(copies))
    _tabulate(pointer(table), numbers, channels, slot, batch, block)
    for t in range(taps):
        for e in range(block):
            weights[t * block + e] = k[t * hop + e % channels]
    row, j = first // out_width, first % out_width
    image, i = row // out_height, row % out_height
    done = 0
    while done < count:
        rows = min(batch, out_height - i, (j + count - done + out_width - 1) // out_width)
        _copy_rows(
            pointer(copies), slot, batch, at(x, image * image_size), i * sh - top, rows, numbers,
            channels,
        )  # fmt: skip
        for r in range(rows):
            run = min(count - done, out_width - j)
            _row(
                at(y, done * channels), run * channels,
                at(pointer(copies), r * sh * slot + j * channels), pointer(weights), block,
                pointer(table), taps,
            )  # fmt: skip
            done += run
            j = 0
        i += rows
        if i == out_height:
            image, i = image + 1, 0
    keep(copies)
    keep(weights)
    keep(table)


@kernel(inner=True)
def add_kernel_grad_of_few_channels(
    g: Pointer, hop: int, x: Pointer, dt: Pointer, row: int, count: int, numbers: Pointer,
    channels: int,
) -> None:  # fmt: skip
    """Write what `count` rows of the output contribute to the gradient of the kernel.

    Rows are counted through images; `dt` is where the gradient of the first one starts. The sums of
    tap t are g[t * hop] and on, a block of them: each channel's must still be added up. They are
    zeros before.
    """
    height, width, out_height, size = numbers[0], numbers[1], numbers[2], numbers[3] * channels
    kw, sh, sw, dh, dw = numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    taps, top, left = numbers[4] * kw, numbers[10], numbers[11]
    block, image_size = block_of(x, channels), height * width * channels
    slot, batch, spare = _room(numbers, channels, lanes(x))
    copies, table = np.full(batch * sh * slot + spare, x[0]), np.empty(2 * taps, np.int64)
    _tabulate(pointer(table), numbers, channels, slot, batch, 0)
    for clipped in range(2):
        _clear(pointer(copies), len(copies))
        image, i = row // out_height, row % out_height
        done = 0
        while done < count:
            rows = min(batch, out_height - i, count - done)
            _copy_rows(
                pointer(copies), slot, batch, at(x, image * image_size), i * sh - top, rows,
                numbers, channels,
            )  # fmt: skip
            for t in range(taps):
                r0, r1, j0, j1 = 0, rows, 0, size // channels
                if clipped:
                    r0, r1 = _existing(i * sh - top + t // kw * dh, sh, rows, height)
                    j0, j1 = _existing(t % kw * dw - left, sw, j1, width)
                _add_products_of_rows(
                    at(g, t * hop),
                    at(pointer(copies), table[2 * t] + r0 * sh * slot + j0 * channels), sh * slot,
                    at(dt, (done + r0) * size + j0 * channels), size, (j1 - j0) * channels,
                    r1 - r0, block,
                )  # fmt: skip
            done += rows
            i += rows
            if i == out_height:
                image, i = image + 1, 0
        if clipped or all_finite(g, taps * hop):
            break
        _clear(g, taps * hop)
    keep(copies)
    keep(table)


@kernel(inner=True)
def _existing(first: int, step: int, count: int, size: int) -> tuple[int, int]:
    """Return which of first, first + step, ..., count in all, are in 0 ... size - 1."""
    low = min(count, max(0, quotient_up(-first, step)))
    return low, max(low, min(count, quotient_up(size - first, step)))


@kernel(inner=True)
def _plain_pixels(
    x: Pointer, k: Pointer, hop: int, y: Pointer, first: int, count: int, numbers: Pointer,
    channels: int,
) -> None:  # fmt: skip
    """Compute what `features_of_few_channels` does, number by number."""
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, dh, dw = numbers[4], numbers[5], numbers[8], numbers[9]
    for p in range(first, first + count):
        row = p // out_width
        above = row % out_height * numbers[6] - numbers[10]
        before = p % out_width * numbers[7] - numbers[11]
        a0, a1 = _existing(above, dh, kh, height)
        b0, b1 = _existing(before, dw, kw, width)
        image = row // out_height * height
        for c in range(channels):
            total = 0.0
            for a in range(a0, a1):
                for b in range(b0, b1):
                    place = (image + above + a * dh) * width + before + b * dw
                    total += x[place * channels + c] * k[(a * kw + b) * hop + c]
            y[(p - first) * channels + c] = total


@kernel(inner=True)
def mirror(
    mirrored: Pointer, numbers: Pointer, k: Pointer, hop: int, flipped: Pointer, channels: int
) -> None:
    """Write which convolution of dt is dx, with stride 1: its kernel is k, the last tap first."""
    kh, kw, dh, dw = numbers[4], numbers[5], numbers[8], numbers[9]
    for i in range(2):
        mirrored[i], mirrored[i + 2] = numbers[i + 2], numbers[i]
    for i in range(4, 10):
        mirrored[i] = numbers[i]
    mirrored[10] = (kh - 1) * dh - numbers[10]
    mirrored[11] = (kw - 1) * dw - numbers[11]
    for t in range(kh * kw):
        for c in range(channels):
            flipped[t * channels + c] = k[(kh * kw - 1 - t) * hop + c]


@kernel(inner=True)
def _room(numbers: Pointer, channels: int, one: int) -> tuple[int, int, int]:
    """Return elements from copy to copy, rows of the output per batch, and elements behind them."""
    sh, sw, span = numbers[6], numbers[7], (numbers[4] - 1) * numbers[8] + 1
    pixels = numbers[3] + (numbers[5] - 1) * numbers[9] // sw
    # A last vector may end behind the last pixel.
    slot = (sw * pixels * channels + 2 * one - 1) // one * one
    most = ROOM * one // VECTOR_BYTES // slot
    batch = max(BATCH, min(numbers[2], (most - span) // sh + 1))
    return slot, batch, ((numbers[4] - 1) * _apart(numbers, batch) + 2) * slot


@kernel(inner=True)
def _apart(numbers: Pointer, batch: int) -> int:
    """Return copies from one row of taps to the next: no row is copied that no tap sees."""
    return int(min(numbers[8], (batch - 1) * numbers[6] + 1))


@kernel(inner=True)
def _clear(x: Pointer, size: int) -> None:
    """Set so many numbers to zero."""
    for i in range(size):
        x[i] = 0


@kernel(inner=True)
def _tabulate(
    table: Pointer, numbers: Pointer, channels: int, slot: int, batch: int, block: int
) -> None:
    """Write for each tap where its copies and its weights are, as seen from an output's first."""
    kh, kw, sw, dw = numbers[4], numbers[5], numbers[7], numbers[9]
    row = _apart(numbers, batch) * slot
    pixels = numbers[3] + (kw - 1) * dw // sw
    for a in range(kh):
        for b in range(kw):
            t = a * kw + b
            place = b * dw % sw * pixels + b * dw // sw
            table[2 * t], table[2 * t + 1] = a * row + place * channels, t * block


@kernel(inner=True)
def _copy_rows(
    copies: Pointer, slot: int, batch: int, x: Pointer, above: int, rows: int, numbers: Pointer,
    channels: int,
) -> None:  # fmt: skip
    """Copy what some rows of the output see, from row `above` on; rows outside are zeros."""
    height, width, sh, sw = numbers[0], numbers[1], numbers[6], numbers[7]
    pixels = numbers[3] + (numbers[5] - 1) * numbers[9] // sw
    apart, last = _apart(numbers, batch), numbers[4] - 1
    for s in range(last * apart + (rows - 1) * sh + 1):
        a = min(last, s // apart)
        row, copy = above + a * numbers[8] + s - a * apart, at(copies, s * slot)
        if 0 <= row < height:
            _copy_row(copy, at(x, row * width * channels), width, channels, sw, numbers[11], pixels)
        else:
            _clear(copy, slot)


@kernel(inner=True)
def _copy_row(
    copy: Pointer, x: Pointer, width: int, channels: int, stride: int, left: int, pixels: int
) -> None:
    """Copy a row: for each remainder p by the stride, padded pixels p, p + stride, and so on.

    Zeros at its ends are there already. Whole vectors are written in ascending order: what is too
    much is zeros, or written again.
    """
    one = lanes(x)
    for p in range(stride):
        begin, end = _existing(p - left, stride, pixels, width)
        source = at(x, (begin * stride + p - left) * channels)
        target, size = at(copy, (p * pixels + begin) * channels), (end - begin) * channels
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


@kernel(inner=True)
def _row(
    y: Pointer, size: int, x: Pointer, k: Pointer, block: int, table: Pointer, taps: int
) -> None:
    """Compute a row of outputs, four blocks at a time, then vector by vector."""
    one, start = lanes(x), 0
    while start + 4 * block <= size:
        for c in range(0, block, one):
            tile = zero_tile(FOUR, x)
            for t in range(taps):
                source, weight = start + c + table[2 * t], c + table[2 * t + 1]
                tile = add_taps(tile, SINGLE, x, source, block, k, weight, 0, None)
            store_tile(tile, y, start + c, block, None)
        start += 4 * block
    c = 0
    for e in range(start, size, one):
        vector, rest = zero_tile(ONE, x), min(one, size - e)
        for t in range(taps):
            source, weight = e + table[2 * t], c + table[2 * t + 1]
            vector = add_taps(vector, SINGLE, x, source, 0, k, weight, 0, rest)
        store_tile(vector, y, e, 0, rest)
        c += one
        if c == block:
            c = 0


@kernel(inner=True)
def _add_products_of_rows(
    g: Pointer, x: Pointer, x_row: int, y: Pointer, y_row: int, size: int, rows: int, block: int
) -> None:
    """Add the products of rows of `size` elements to a block of sums."""
    one = lanes(x)
    for c in range(0, min(block, size), one):
        tile = zero_tile(ONE_TAP, x)
        for r in range(rows):
            left, right, e = at(x, r * x_row), at(y, r * y_row), c
            while e + 3 * block + one <= size:
                tile = add_products(tile, NEXT, left, e, block, right, e, block, None)
                e += 4 * block
            while e < size:
                tile = add_products(tile, SINGLE, left, e, 0, right, e, 0, min(one, size - e))
                e += block
        total = fold(tile)
        store_tile(add_tile(total, load_tile(ONE, g, c, 0, None)), g, c, 0, None)

"""Bands of rows that a convolution sees, with their borders, and products with them.

An output pixel sees kh kw C numbers. Where rows have their borders of zeros, these lie at the same
distances from each other for all pixels, and those of the next pixel are one step further on. So
they need not be laid out pixel by pixel (each one kh kw times): the loops of
`minigrad.kernels.cpu.gemm` run over the rows themselves, piece by piece. A piece is what is side by
side in memory: a row of taps, or one tap with dilation or groups.

A band is some rows of the output, also of several images. The rows of the input that it sees are
copied, with their borders, to a scratch array that stays in the second-level cache; without
borders, not even that. A tile is pixels of one row of the output.
"""

from __future__ import annotations

from minigrad.kernels.cpu.gemm import DEPTH, TALL
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Numbers
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    add_outer,
    add_tile,
    at,
    lanes,
    load_tile,
    positive,
    repeat_row,
    store_tile,
    stream_tile,
    zero_tile,
)

__all__ = ["add_band_products", "band_of", "line_of", "multiply_band", "room"]

TALL_WIDE, TALL_NARROW = Static(TALL, 2), Static(TALL, 1)
LOW_WIDE, LOW_NARROW = Static(4, 2), Static(4, 1)
PAIR_WIDE, PAIR_NARROW = Static(2, 2), Static(2, 1)
ONE_WIDE, ONE_NARROW = Static(1, 2), Static(1, 1)


@kernel(inner=True)
def line_of(sizes: Numbers, channels: int, inside: int) -> int:
    """Return how many numbers a row of the input has: where all is inside, it is not copied."""
    pixels: int = (sizes[3] - 1) * sizes[7] + (sizes[5] - 1) * sizes[9] + 1
    if inside:
        pixels = sizes[1]
    return pixels * channels


@kernel(inner=True)
def room(first: int, last: int, sizes: Numbers) -> int:
    """Return how many numbers the copy of a band has."""
    span = (sizes[4] - 1) * sizes[8] + 1
    hop, images = min(sizes[6], span), (last - 1) // sizes[2] - first // sizes[2] + 1
    lines = (last - first) * hop + images * (span - hop)
    return 0 if sizes[17] else lines * line_of(sizes, sizes[12], 0)


@kernel(inner=True)
def band_of(
    x: Pointer,
    first: int,
    last: int,
    sizes: Numbers,
    channels: int,
    inside: int,
    starts: Pointer,
    t: Pointer,
) -> None:
    """Copy the rows that output rows first ... last - 1 see to t; write where each one starts."""
    height, width, out_height = sizes[0], sizes[1], sizes[2]
    kh, sh, dh, top, left = sizes[4], sizes[6], sizes[8], sizes[10], sizes[11]
    line, span = line_of(sizes, channels, inside), (kh - 1) * dh + 1
    hop = min(sh, span)  # rows between those that are seen are left out
    before = max(0, min(line, left * channels))
    begin = max(0, -left * channels)
    size = max(0, min(line - before, width * channels - begin))
    row, target = first, 0
    while row < last:
        image, i = row // out_height, row % out_height
        count = min(last - row, out_height - i)
        if inside:
            for r in range(count):
                starts[row - first + r] = (image * height + (i + r) * sh) * line
            row += count
            continue
        for r in range(count):
            starts[row - first + r] = target + r * hop * line
        for q in range((count - 1) * hop + span):
            r = (i + q // hop) * sh + q % hop - top
            copy = at(t, target + q * line)
            if 0 <= r < height:
                _move(copy, copy, before, False)
                source = at(x, (image * height + r) * width * channels + begin)
                _move(at(copy, before), source, size, True)
                _move(at(copy, before + size), copy, line - before - size, False)
            else:
                _move(copy, copy, line, False)
        target += ((count - 1) * hop + span) * line
        row += count


@kernel(inner=True)
def _move(target: Pointer, source: Pointer, size: int, copied: bool) -> None:
    """Write so many numbers: zeros, or copies."""
    one = lanes(target)
    whole = size - size % one
    for e in range(0, whole, one):
        tile = zero_tile(ONE_NARROW, target)
        if copied:
            tile = load_tile(ONE_NARROW, source, e, 0, None)
        store_tile(tile, target, e, 0, None)
    if whole < size:
        tile = zero_tile(ONE_NARROW, target)
        if copied:
            tile = load_tile(ONE_NARROW, source, whole, 0, size - whole)
        store_tile(tile, target, whole, 0, size - whole)


@kernel(inner=True)
def multiply_band(
    x: Pointer,
    starts: Pointer,
    rows: int,
    count: int,
    pixel: int,
    table: Pointer,
    length: int,
    depth: int,
    packed: Pointer,
    columns: int,
    bias: Pointer,
    out: Pointer,
    targets: Pointer,
    ldo: int,
    stream: bool,
    relu: bool,
) -> None:
    """Compute rows of `count` pixels: out = x b + bias, where a pixel sees `depth` numbers of x.

    Row r starts at x[starts[r]] and out[targets[r]], and pixels are `pixel` and `ldo` apart. Piece
    p of what a pixel sees, `length` numbers, is table[p] further on. b is packed.
    """
    one = lanes(x)
    low = count - count % TALL
    pairs = count - count % TALL % 4
    single = count - count % TALL % 4 % 2
    for start in range(0, depth, DEPTH):
        size, begin, end = min(DEPTH, depth - start), start == 0, start + DEPTH >= depth
        go, cut = stream and depth <= DEPTH, relu and end
        pieces, skip = at(table, start // length), start % length
        for j in range(0, columns, 2 * one):
            panel = at(packed, j * depth + start * 2 * one)
            for r in range(rows):
                source, target = at(x, starts[r]), at(out, targets[r] + j)
                if columns - j >= 2 * one:
                    _tiles(TALL_WIDE, TALL, 0, low, source, pixel, pieces, length, skip, panel,
                           size, at(bias, j), begin, target, ldo, go, cut, None)  # fmt: skip
                    _tiles(LOW_WIDE, 4, low, pairs, source, pixel, pieces, length, skip, panel,
                           size, at(bias, j), begin, target, ldo, go, cut, None)  # fmt: skip
                    _tiles(PAIR_WIDE, 2, pairs, single, source, pixel, pieces, length, skip, panel,
                           size, at(bias, j), begin, target, ldo, go, cut, None)  # fmt: skip
                    _tiles(ONE_WIDE, 1, single, count, source, pixel, pieces, length, skip, panel,
                           size, at(bias, j), begin, target, ldo, go, cut, None)  # fmt: skip
                    continue
                for v in range(0, columns - j, one):
                    n, half, right = columns - j - v, at(panel, v), at(bias, j + v)
                    side = at(target, v)
                    _tiles(TALL_NARROW, TALL, 0, low, source, pixel, pieces, length, skip, half,
                           size, right, begin, side, ldo, go, cut, n)  # fmt: skip
                    _tiles(LOW_NARROW, 4, low, pairs, source, pixel, pieces, length, skip, half,
                           size, right, begin, side, ldo, go, cut, n)  # fmt: skip
                    _tiles(PAIR_NARROW, 2, pairs, single, source, pixel, pieces, length, skip, half,
                           size, right, begin, side, ldo, go, cut, n)  # fmt: skip
                    _tiles(ONE_NARROW, 1, single, count, source, pixel, pieces, length, skip, half,
                           size, right, begin, side, ldo, go, cut, n)  # fmt: skip


@kernel(inner=True)
def _tiles(
    shape: Static,
    height: int,
    first: int,
    last: int,
    x: Pointer,
    pixel: int,
    table: Pointer,
    length: int,
    skip: int,
    b: Pointer,
    depth: int,
    bias: Pointer,
    begin: bool,
    out: Pointer,
    ldo: int,
    stream: bool,
    relu: bool,
    n: int | None,
) -> None:
    """Compute tiles of `height` pixels, as `gemm._tiles` does."""
    width = 2 * lanes(x)
    for i in range(first, last, height):
        tile = zero_tile(shape, x)
        if begin:
            tile = repeat_row(shape, bias, 0, n)
        k, piece, skipped = 0, 0, skip
        while k < depth:
            size = min(length - skipped, depth - k)
            source, right = at(x, i * pixel + table[piece] + skipped), at(b, k * width)
            for q in range(size):
                tile = add_outer(tile, source, q, pixel, right, q * width, n)
            k, piece, skipped = k + size, piece + 1, 0
        if not begin:
            tile = add_tile(tile, load_tile(shape, out, i * ldo, ldo, n))
        if relu:
            tile = positive(tile)
        if stream:
            stream_tile(tile, out, i * ldo, ldo, n)
        else:
            store_tile(tile, out, i * ldo, ldo, n)


@kernel(inner=True)
def add_band_products(
    x: Pointer,
    starts: Pointer,
    rows: int,
    several: int,
    count: int,
    pixel: int,
    depth: int,
    dy: Pointer,
    ldy: int,
    columns: int,
    out: Pointer,
    ldo: int,
) -> None:
    """Add to row k < depth of out the sum over all pixels of x[start + u pixel + k] dy.

    The pixels of `several` rows are added up first: short sums round less.
    """
    one = lanes(x)
    low = depth - depth % TALL
    pairs = depth - depth % TALL % 4
    single = depth - depth % TALL % 4 % 2
    for r in range(0, rows, several):
        number, begin = min(several, rows - r), at(starts, r)
        for j in range(0, columns, 2 * one):
            right, target = at(dy, r * count * ldy + j), at(out, j)
            if columns - j >= 2 * one:
                _sums(TALL_WIDE, TALL, 0, low, x, begin, number, count, pixel,
                      right, ldy, target, ldo, None)  # fmt: skip
                _sums(LOW_WIDE, 4, low, pairs, x, begin, number, count, pixel,
                      right, ldy, target, ldo, None)  # fmt: skip
                _sums(PAIR_WIDE, 2, pairs, single, x, begin, number, count, pixel,
                      right, ldy, target, ldo, None)  # fmt: skip
                _sums(ONE_WIDE, 1, single, depth, x, begin, number, count, pixel,
                      right, ldy, target, ldo, None)  # fmt: skip
                continue
            for v in range(0, columns - j, one):
                n, half, side = columns - j - v, at(right, v), at(target, v)
                _sums(TALL_NARROW, TALL, 0, low, x, begin, number, count, pixel,
                      half, ldy, side, ldo, n)  # fmt: skip
                _sums(LOW_NARROW, 4, low, pairs, x, begin, number, count, pixel,
                      half, ldy, side, ldo, n)  # fmt: skip
                _sums(PAIR_NARROW, 2, pairs, single, x, begin, number, count, pixel,
                      half, ldy, side, ldo, n)  # fmt: skip
                _sums(ONE_NARROW, 1, single, depth, x, begin, number, count, pixel,
                      half, ldy, side, ldo, n)  # fmt: skip


@kernel(inner=True)
def _sums(
    shape: Static,
    height: int,
    first: int,
    last: int,
    x: Pointer,
    starts: Pointer,
    rows: int,
    count: int,
    pixel: int,
    dy: Pointer,
    ldy: int,
    out: Pointer,
    ldo: int,
    n: int | None,
) -> None:
    """Add up tiles of `height` rows of the gradient over some rows of pixels."""
    for i in range(first, last, height):
        tile = zero_tile(shape, x)
        for r in range(rows):
            start = starts[r] + i
            for u in range(count):
                tile = add_outer(tile, x, start + u * pixel, 1, dy, (r * count + u) * ldy, n)
        tile = add_tile(tile, load_tile(shape, out, i * ldo, ldo, n))
        store_tile(tile, out, i * ldo, ldo, n)

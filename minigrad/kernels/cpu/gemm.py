"""Matrix products: register tiles over packed panels.

A tile of `TALL` rows by two vectors of the product stays in registers while the loop runs over the
common dimension: each step loads two vectors of b and broadcasts one number of each row of a. That
is 24 multiply-adds for 14 loads, so the arithmetic is the bottleneck, as it should be.

The right-hand matrix is packed first (`pack`): panels of two vectors' width, each contiguous, the
last one filled up with zeros. A panel is read once per tile, from the nearest cache.
"""

from __future__ import annotations

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.prefetch import TO_WRITE, fetch_ahead, prefetch
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    add_outer,
    add_tile,
    at,
    lanes,
    load_square,
    load_tile,
    positive,
    repeat_row,
    store_tile,
    stream_tile,
    zero_tile,
)

__all__ = [
    "STEP",
    "TALL",
    "add_column_sums",
    "add_transposed_product",
    "clear",
    "multiply",
    "pack_panel",
    "run_of",
]

STEP = 12
"""Pixels that runs are made of: whole tiles."""
# AVX2 has 16 registers, the others 32: a tile, two vectors of b and one of a must fit.
TALL = 6 if VECTOR_BYTES == 32 else 12
TALL_WIDE, TALL_NARROW = Static(TALL, 2), Static(TALL, 1)
LOW_WIDE, LOW_NARROW = Static(4, 2), Static(4, 1)
ONE_WIDE, ONE_NARROW = Static(1, 2), Static(1, 1)
QUAD = Static(1, 4)

DEPTH = 384
"""Most steps of the common dimension at a time: a panel's part stays in the nearest caches."""
TRANSPOSED_DEPTH = 128
"""The same for sums over pixels: these are long, and short pieces round less."""
SUM_DEPTH = 32
"""The same for plain sums."""


@kernel(inner=True)
def run_of(number: int, runs: int, pixels: int) -> tuple[int, int]:
    """Return the first pixel of a run, and how many it has; all but the last are whole tiles."""
    tiles = (pixels + STEP - 1) // STEP
    first = number * tiles // runs * STEP
    return first, min(pixels, (number + 1) * tiles // runs * STEP) - first


@kernel(inner=True)
def multiply(
    a: Pointer,
    lda: int,
    rows: int,
    depth: int,
    packed: Pointer,
    columns: int,
    bias: Pointer,
    out: Pointer,
    ldo: int,
    stream: bool,
    relu: bool,
    ahead: Pointer,
    size: int,
    step: int = 0,
    panel: int = 0,
) -> None:
    """Compute out = a b + bias, with row steps lda and ldo, and b packed.

    Or with b as it is, where `step` and `panel` say how many elements lie from row to row and from
    panel to panel. Where `stream` is true, whole tiles go past the caches into memory: see
    `simd.streams`. Where `relu` is true, negative elements become 0 on their way. Meanwhile, `size`
    elements from `ahead` on come into the second-level cache: arithmetic leaves the memory idle.
    """
    width = 2 * lanes(a)
    if step == 0:
        step, panel = width, depth * width
    pieces = max(1, (depth + DEPTH - 1) // DEPTH)  # without depth, there is still the bias
    group = TALL * max(1, 128 // max(1, depth))
    groups = (rows - rows % TALL + group - 1) // group
    share = size // max(1, groups * pieces * ((columns + width - 1) // width))
    for j in range(0, columns, width):
        for piece in range(pieces):
            start, end = piece * depth // pieces, (piece + 1) * depth // pieces
            _product(
                at(a, start), 1, lda, rows, end - start, at(packed, start * step), step,
                columns - j, at(bias, j), piece == 0, at(out, j), ldo,
                stream and pieces == 1, relu and end == depth, ahead, share, group,
            )  # fmt: skip
            ahead = at(ahead, groups * share)
        packed = at(packed, panel)


@kernel(inner=True)
def add_transposed_product(
    a: Pointer,
    lda: int,
    b: Pointer,
    ldb: int,
    depth: int,
    rows: int,
    columns: int,
    out: Pointer,
    ldo: int,
) -> None:
    """Compute out += aᵀ b, for a with `depth` rows of `rows` numbers and b of `columns` numbers."""
    for start in range(0, depth, TRANSPOSED_DEPTH):
        for j in range(0, columns, 2 * lanes(a)):
            _product(
                at(a, start * lda), lda, 1, rows, min(TRANSPOSED_DEPTH, depth - start),
                at(b, start * ldb + j), ldb, columns - j, b, False, at(out, j), ldo,
                False, False, b, 0, TALL * max(1, rows),
            )  # fmt: skip


@kernel(inner=True)
def _product(
    a: Pointer,
    a_step: int,
    a_row: int,
    rows: int,
    depth: int,
    b: Pointer,
    b_step: int,
    columns: int,
    bias: Pointer,
    begin: bool,
    out: Pointer,
    ldo: int,
    stream: bool,
    relu: bool,
    ahead: Pointer,
    share: int,
    group: int,
) -> None:
    """Compute a panel of out = a b + bias, or of out += a b where `begin` is false.

    Element (i, k) of a is a[i * a_row + k * a_step], element (k, j) of b is b[k * b_step + j]. Of
    these columns, two vectors' width is computed, or less where there are no more. With each
    `group` of rows, the next `share` of what is ahead is asked for.
    """
    one = lanes(a)
    low = rows - rows % TALL
    single = rows - rows % TALL % 4
    if columns >= 2 * one:
        for i in range(0, low, group):
            fetch_ahead(at(ahead, i // group * share), 1, 0, share)
            _tiles(TALL_WIDE, TALL, i, min(low, i + group), a, a_step, a_row, b, b_step, depth,
                   bias, begin, out, ldo, stream, relu, None)  # fmt: skip
        _tiles(LOW_WIDE, 4, low, single, a, a_step, a_row, b, b_step, depth,
               bias, begin, out, ldo, stream, relu, None)  # fmt: skip
        _tiles(ONE_WIDE, 1, single, rows, a, a_step, a_row, b, b_step, depth,
               bias, begin, out, ldo, stream, relu, None)  # fmt: skip
        return
    for v in range(0, columns, one):
        n = columns - v
        _tiles(TALL_NARROW, TALL, 0, low, a, a_step, a_row, at(b, v), b_step, depth,
               at(bias, v), begin, at(out, v), ldo, stream, relu, n)  # fmt: skip
        _tiles(LOW_NARROW, 4, low, single, a, a_step, a_row, at(b, v), b_step, depth,
               at(bias, v), begin, at(out, v), ldo, stream, relu, n)  # fmt: skip
        _tiles(ONE_NARROW, 1, single, rows, a, a_step, a_row, at(b, v), b_step, depth,
               at(bias, v), begin, at(out, v), ldo, stream, relu, n)  # fmt: skip


@kernel(inner=True)
def _tiles(
    shape: Static,
    height: int,
    first: int,
    last: int,
    a: Pointer,
    a_step: int,
    a_row: int,
    b: Pointer,
    b_step: int,
    depth: int,
    bias: Pointer,
    begin: bool,
    out: Pointer,
    ldo: int,
    stream: bool,
    relu: bool,
    n: int | None,
) -> None:
    """Compute a column of tiles, `height` rows each. Add the bias, or what is there."""
    for i in range(first, last, height):
        tile = zero_tile(shape, a)
        if begin:
            tile = repeat_row(shape, bias, 0, n)
        if not stream:  # the lines arrive while the loop below runs
            for r in range(i, i + height):
                prefetch(out, r * ldo, TO_WRITE)
                prefetch(out, r * ldo + lanes(a), TO_WRITE)
        for k in range(depth):
            tile = add_outer(tile, a, i * a_row + k * a_step, a_row, b, k * b_step, n)
        if not begin:
            # Only now: adding each product to a long sum would round it to that sum's precision.
            tile = add_tile(tile, load_tile(shape, out, i * ldo, ldo, n))
        if relu:
            tile = positive(tile)
        if stream:
            stream_tile(tile, out, i * ldo, ldo, n)
        else:
            store_tile(tile, out, i * ldo, ldo, n)


@kernel(inner=True)
def clear(out: Pointer, rows: int, columns: int, ldo: int) -> None:
    """Set a matrix to zero."""
    for i in range(rows):
        for j in range(columns):
            out[i * ldo + j] = 0


@kernel(inner=True)
def add_column_sums(a: Pointer, lda: int, rows: int, columns: int, out: Pointer) -> None:
    """Compute out += the sum of the rows of a."""
    one = lanes(a)
    for first in range(0, rows, SUM_DEPTH):
        top, count = at(a, first * lda), min(SUM_DEPTH, rows - first)
        for j in range(0, columns, 4 * one):
            n = columns - j
            if n >= 4 * one:
                _add_rows(QUAD, at(top, j), count, lda, at(out, j), None)
            elif n > one:
                _add_rows(QUAD, at(top, j), count, lda, at(out, j), n)
            else:
                _add_rows(ONE_NARROW, at(top, j), count, lda, at(out, j), n)


@kernel(inner=True)
def _add_rows(shape: Static, a: Pointer, rows: int, lda: int, out: Pointer, n: int | None) -> None:
    """Add up to four vectors' width of column sums to out."""
    tile = zero_tile(shape, a)
    for i in range(rows):
        tile = add_tile(tile, load_tile(shape, a, i * lda, 0, n))
    store_tile(add_tile(tile, load_tile(shape, out, 0, 0, n)), out, 0, 0, n)


@kernel(inner=True)
def pack_panel(
    b: Pointer, row: int, column: int, depth: int, columns: int, panel: int, packed: Pointer
) -> None:
    """Pack one panel of a matrix whose element (k, j) is b[k * row + j * column]."""
    one = lanes(b)
    first = panel * 2 * one
    target = at(packed, first * depth)
    if column == 1 and columns - first >= 2 * one:
        for i in range(depth):
            tile = load_tile(ONE_WIDE, b, i * row + first, 0, None)
            store_tile(tile, target, i * 2 * one, 0, None)
        return
    for half in range(2):
        j = first + half * one
        count = max(0, min(one, columns - j))
        k = 0
        if column == 1 and count > 0:
            for i in range(depth):
                tile = load_tile(ONE_NARROW, b, i * row + j, 0, count)
                store_tile(tile, target, i * 2 * one + half * one, 0, None)
            continue
        if row == 1 and count == one:
            while k + one <= depth:
                square = load_square(b, j * column + k, column)
                store_tile(square, target, k * 2 * one + half * one, 2 * one, None)
                k += one
        for i in range(k, depth):
            for c in range(one):
                value = b[0] * 0
                if c < count:
                    value = b[i * row + (j + c) * column]
                target[i * 2 * one + half * one + c] = value

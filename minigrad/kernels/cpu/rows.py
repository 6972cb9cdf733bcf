"""Rows of a depthwise convolution and of its input gradient, in register tiles.

Output and input gradient of a depthwise convolution are the same sum, with other numbers:

    y[u] = Σ_t x[start + u * stride + t * hop] k[t]          (for each channel, and over rows)

`convolve_row` computes a run of pixels u of such a row, in tiles of neighbouring pixels.

All (row, tap) pairs that a pixel sees go to a table first, as offsets into x and k: the loops over
it have nothing else to compute. Pixels are visited outside, channels inside, so that memory is read
in order.

Vectors run over channels. Where these are fewer than the lanes, a run of neighbouring pixels is
treated as one pixel with many channels, and the kernel is repeated as often (`repeat_kernel`).
"""

from __future__ import annotations

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.row_tiles import convolve_tile
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    add_taps,
    at,
    lanes,
    store_tile,
    zero_tile,
)

__all__ = ["convolve_row", "quotient_up", "repeat_kernel", "repeats"]

BROAD, ONE = Static(1, 4), Static(1, 1)
# Groups of taps: how many, and the stride.
SINGLE, THREE, FIVE, SEVEN = Static(1, 1), Static(3, 1), Static(5, 1), Static(7, 1)
THREE_BY_TWO = Static(3, 2)
# Widths of tiles. A tile and the pixels it sees must fit in 32 registers, with AVX2 in 16. Sizes of
# images tend to be multiples of 7 or 8.
LONG, SHORT, FEWEST = (6, 5, 4) if VECTOR_BYTES == 32 else (8, 7, 4)
LONG_TILE, SHORT_TILE, LEAST_TILE = Static(LONG, 1), Static(SHORT, 1), Static(FEWEST, 1)


@kernel(inner=True)
def repeats(x: Pointer, channels: int) -> int:
    """Return how many pixels are treated as one: as many as lanes where channels are few."""
    return lanes(x) if channels < lanes(x) else 1


@kernel(inner=True)
def repeat_kernel(k: Pointer, taps: int, channels: int, wide: Pointer) -> None:
    """Repeat each tap's weights side by side, `repeats` times."""
    times = repeats(k, channels)
    for t in range(taps):
        for i in range(times * channels):
            wide[t * times * channels + i] = k[t * channels + i % channels]


@kernel(inner=True)
def quotient_up(a: int, b: int) -> int:
    """Return a / b rounded up. Divisions are slow, and b is 1 most of the time."""
    return a if b == 1 else -(-a // b)


@kernel(inner=True)
def convolve_row(
    y: Pointer,
    y_pixel: int,
    first: int,
    last: int,
    x: Pointer,
    x_pixel: int,
    x_row: int,
    width: int,
    start: int,
    stride: int,
    hop: int,
    k: Pointer,
    k_row: int,
    k_hop: int,
    rows: int,
    taps: int,
    channels: int,
    planes: int,
    x_plane: int,
    k_plane: int,
    table: Pointer,
    finite: bool,
) -> None:
    """Compute y[u] = Σ_prt x[row r, plane p, start + u * stride + t * hop] k[p, r, t].

    Parameters
    ----------
    y, y_pixel, first, last
        Where pixel u = 0 would go, elements from pixel to pixel, and the range of u.
    x, x_pixel, x_row, width
        Pixel 0 of row r = 0, elements from pixel to pixel and from row to row, pixels in a row.
        Pixels outside count as zeros.
    start, stride, hop
        The pixel that u = 0 sees through t = 0, the steps with u and with t (which is positive).
    k, k_row, k_hop
        The weights of r = t = 0, and the elements from row to row and from tap to tap. Repeated as
        `repeat_kernel` does.
    rows, taps, channels
        Ranges of r, t and the channels. All rows exist.
    planes, x_plane, k_plane
        The range of p, and the elements from plane to plane.
    table
        Room for 3 * planes * rows * taps integers.
    finite
        Whether all weights are: then those of pixels outside are multiplied by zeros.
    """
    count, one = last - first, lanes(x)
    if channels >= one and count >= FEWEST and finite:
        group = 1
        if (taps == 3 or taps == 5 or taps == 7) and stride == hop:
            group = taps
        if taps == 3 and stride == 2 * hop:
            group = taps
        n = _tabulate(
            table, x_plane, x_row, hop, x_pixel, k_plane, k_row, k_hop, planes, rows, taps, group
        )
        position, unit = start + first * stride, stride if group == 1 else hop
        target, source = at(y, first * y_pixel), at(x, position * x_pixel)
        if group == 7:
            _run(SEVEN, target, y_pixel, count, source, x_pixel, k, k_hop, table, n, channels,
                 position, stride, unit, (taps - 1) * hop, width)  # fmt: skip
        elif group == 5:
            _run(FIVE, target, y_pixel, count, source, x_pixel, k, k_hop, table, n, channels,
                 position, stride, unit, (taps - 1) * hop, width)  # fmt: skip
        elif group == 3 and stride == hop:
            _run(THREE, target, y_pixel, count, source, x_pixel, k, k_hop, table, n, channels,
                 position, stride, unit, (taps - 1) * hop, width)  # fmt: skip
        elif group == 3:
            _run(THREE_BY_TWO, target, y_pixel, count, source, x_pixel, k, k_hop, table, n,
                 channels, position, stride, unit, (taps - 1) * hop, width)  # fmt: skip
        else:
            _run(SINGLE, target, y_pixel, count, source, x_pixel, k, k_hop, table, n, channels,
                 position, stride, unit, (taps - 1) * hop, width)  # fmt: skip
        return
    # Pixels low ... high - 1 see all taps.
    low = min(last, max(first, quotient_up(-start, stride)))
    high = max(low, min(last, quotient_up(width - start - (taps - 1) * hop, stride)))
    for u in range(first, low):
        _border_pixel(
            y, y_pixel, u, x, x_pixel, x_row, width, start, stride, hop, k, k_row, k_hop,
            rows, taps, channels, planes, x_plane, k_plane,
        )  # fmt: skip
    if low < high:
        _inner_pixels(
            at(y, low * y_pixel), y_pixel, high - low, at(x, (start + low * stride) * x_pixel),
            stride * x_pixel, x_row, hop * x_pixel, k, k_row, k_hop, rows, taps, channels,
            planes, x_plane, k_plane, table,
        )  # fmt: skip
    for u in range(high, last):
        _border_pixel(
            y, y_pixel, u, x, x_pixel, x_row, width, start, stride, hop, k, k_row, k_hop,
            rows, taps, channels, planes, x_plane, k_plane,
        )  # fmt: skip


@kernel(inner=True)
def _border_pixel(
    y: Pointer,
    y_pixel: int,
    u: int,
    x: Pointer,
    x_pixel: int,
    x_row: int,
    width: int,
    start: int,
    stride: int,
    hop: int,
    k: Pointer,
    k_row: int,
    k_hop: int,
    rows: int,
    taps: int,
    channels: int,
    planes: int,
    x_plane: int,
    k_plane: int,
) -> None:
    """Compute a pixel that does not see all taps."""
    left = start + u * stride
    t0 = min(taps, max(0, quotient_up(-left, hop)))
    t1 = max(t0, min(taps, quotient_up(width - left, hop)))
    _pixel(
        at(y, u * y_pixel), at(x, (left + t0 * hop) * x_pixel), x_row, hop * x_pixel,
        at(k, t0 * k_hop), k_row, k_hop, rows, t1 - t0, channels, planes, x_plane, k_plane,
    )  # fmt: skip


@kernel(inner=True)
def _tabulate(
    table: Pointer,
    x_plane: int,
    x_row: int,
    hop: int,
    x_pixel: int,
    k_plane: int,
    k_row: int,
    k_hop: int,
    planes: int,
    rows: int,
    taps: int,
    step: int,
) -> int:
    """Write offsets into x, k and the row for all planes, rows and taps; return how many."""
    n = 0
    for p in range(planes):
        for r in range(rows):
            t = 0
            while t < taps:  # a range with a step would divide
                table[3 * n] = p * x_plane + r * x_row + t * hop * x_pixel
                table[3 * n + 1] = p * k_plane + r * k_row + t * k_hop
                table[3 * n + 2] = t * hop
                n += 1
                t += step
    return n


@kernel(inner=True)
def _inner_pixels(
    y: Pointer,
    y_pixel: int,
    count: int,
    x: Pointer,
    x_pixel: int,
    x_row: int,
    x_hop: int,
    k: Pointer,
    k_row: int,
    k_hop: int,
    rows: int,
    taps: int,
    channels: int,
    planes: int,
    x_plane: int,
    k_plane: int,
    table: Pointer,
) -> None:
    """Compute pixels that see all taps."""
    one = lanes(x)
    few = channels < one and planes == 1 and y_pixel == channels and x_pixel == channels
    if few:
        # Blocks of as many pixels as lanes fill whole vectors; what is left over fills some.
        for u in range(0, count, one):
            _pixel(
                at(y, u * channels), at(x, u * channels), x_row, x_hop, k, k_row, k_hop,
                rows, taps, min(one, count - u) * channels, planes, x_plane, k_plane,
            )  # fmt: skip
        return
    for u in range(count):
        _pixel(
            at(y, u * y_pixel), at(x, u * x_pixel), x_row, x_hop, k, k_row, k_hop,
            rows, taps, channels, planes, x_plane, k_plane,
        )  # fmt: skip


@kernel(inner=True)
def _pixel(
    y: Pointer,
    x: Pointer,
    x_row: int,
    x_hop: int,
    k: Pointer,
    k_row: int,
    k_hop: int,
    rows: int,
    taps: int,
    channels: int,
    planes: int,
    x_plane: int,
    k_plane: int,
) -> None:
    """Compute all channels of one pixel, four vectors at a time."""
    one = lanes(x)
    for c in range(0, channels, 4 * one):
        n = channels - c
        if n >= 4 * one:
            _piece(BROAD, at(y, c), at(x, c), x_row, x_hop, at(k, c), k_row, k_hop,
                   rows, taps, planes, x_plane, k_plane, None)  # fmt: skip
        elif n > one:
            _piece(BROAD, at(y, c), at(x, c), x_row, x_hop, at(k, c), k_row, k_hop,
                   rows, taps, planes, x_plane, k_plane, n)  # fmt: skip
        else:
            _piece(ONE, at(y, c), at(x, c), x_row, x_hop, at(k, c), k_row, k_hop,
                   rows, taps, planes, x_plane, k_plane, n)  # fmt: skip


@kernel(inner=True)
def _piece(
    shape: Static,
    y: Pointer,
    x: Pointer,
    x_row: int,
    x_hop: int,
    k: Pointer,
    k_row: int,
    k_hop: int,
    rows: int,
    taps: int,
    planes: int,
    x_plane: int,
    k_plane: int,
    n: int | None,
) -> None:
    """Compute some channels of one pixel."""
    tile = zero_tile(shape, x)
    for p in range(planes):
        for r in range(rows):
            left, right = at(x, p * x_plane + r * x_row), at(k, p * k_plane + r * k_row)
            for t in range(taps):
                tile = add_taps(tile, SINGLE, left, t * x_hop, 0, right, t * k_hop, 0, n)
    store_tile(tile, y, 0, 0, n)


@kernel(inner=True)
def _run(
    group: Static,
    y: Pointer,
    y_pixel: int,
    count: int,
    x: Pointer,
    x_pixel: int,
    k: Pointer,
    k_hop: int,
    table: Pointer,
    n: int,
    channels: int,
    position: int,
    stride: int,
    unit: int,
    reach: int,
    width: int,
) -> None:
    """Compute `FEWEST` or more pixels with one or more vectors of channels, in tiles.

    The last tile and the last vector overlap their neighbours where less is left over: computing
    something twice is cheaper than small tiles. An entry of the table stands for a group of
    neighbouring taps.
    """
    one, tile = lanes(x), FEWEST
    if count >= SHORT:
        tile = SHORT
        if count >= LONG and -(-count // LONG) * LONG <= -(-count // SHORT) * SHORT:
            tile = LONG
    for u in range(0, count, tile):
        u = min(u, count - tile)
        here = position + u * stride
        inside = here >= 0 and here + (tile - 1) * stride + reach < width
        for c in range(0, channels, one):
            c = min(c, channels - one)
            target, source = u * y_pixel + c, u * stride * x_pixel + c
            if tile == LONG:
                convolve_tile(LONG_TILE, group, y, target, y_pixel, x, source, unit * x_pixel, k, c,
                              k_hop, table, n, inside, here, unit, width)  # fmt: skip
            elif tile == SHORT:
                convolve_tile(SHORT_TILE, group, y, target, y_pixel, x, source, unit * x_pixel, k,
                              c, k_hop, table, n, inside, here, unit, width)  # fmt: skip
            else:
                convolve_tile(LEAST_TILE, group, y, target, y_pixel, x, source, unit * x_pixel, k,
                              c, k_hop, table, n, inside, here, unit, width)  # fmt: skip

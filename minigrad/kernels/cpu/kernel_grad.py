"""Rows of a depthwise convolution's kernel gradient, in register tiles.

Where the kernel's tap t joins pixel u of the features and pixel q of the input,

    dk[t] += dt[u] x[q]

A tile of neighbouring pixels of dt stays in registers, while the loop runs over all taps. The sums
stay in the nearest cache: they are few. So memory is read once, and in order.
"""

from __future__ import annotations

from typing import Any

from minigrad.kernels.cpu.emit import Code, types
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    at,
    lanes,
    load_tile,
    operation,
)

__all__ = ["add_kernel_grad_row"]

ONE_TAP, THREE_TAPS, THREE_BY_TWO = Static(1, 1), Static(3, 1), Static(3, 2)
EIGHT, FOUR, ONE = Static(8, 1), Static(4, 1), Static(1, 1)


@kernel(inner=True)
def add_kernel_grad_row(
    g: Pointer,
    g_row: int,
    g_hop: int,
    x: Pointer,
    x_row: int,
    x_pixel: int,
    width: int,
    start: int,
    stride: int,
    hop: int,
    y: Pointer,
    y_pixel: int,
    count: int,
    rows: int,
    taps: int,
    channels: int,
    table: Pointer,
) -> None:
    """Add Σ_u x[row r, start + u * stride + t * hop] y[u] to g[r, t], for all channels.

    There are at least as many channels as lanes. `table` has room for 2 rows taps integers.
    """
    # Pixels low ... high - 1 see all taps; the others are added one by one.
    low = min(count, max(0, -(start // stride)))
    high = max(low, min(count, (width - 1 - start - (taps - 1) * hop) // stride + 1))
    u = 0
    while u < count:
        t0, t1, end = 0, taps, u + 1
        if u == low and low < high:
            end = high
        else:
            while t0 < taps and start + u * stride + t0 * hop < 0:
                t0 += 1
            while t1 > t0 and start + u * stride + (t1 - 1) * hop >= width:
                t1 -= 1
        threes = (t1 - t0) // 3 * 3 if stride == hop or stride == 2 * hop else 0
        groups = _tabulate(table, 0, 3, t0, t0 + threes, rows, x_row, hop * x_pixel, g_row, g_hop)
        n = _tabulate(table, groups, 1, t0 + threes, t1, rows, x_row, hop * x_pixel, g_row, g_hop)
        source, target = at(x, (start + u * stride) * x_pixel), at(y, u * y_pixel)
        if stride == hop:
            _run(THREE_TAPS, target, y_pixel, end - u, source, stride * x_pixel, hop * x_pixel, g,
                 g_hop, table, groups, n, channels)  # fmt: skip
        else:
            _run(THREE_BY_TWO, target, y_pixel, end - u, source, stride * x_pixel, hop * x_pixel, g,
                 g_hop, table, groups, n, channels)  # fmt: skip
        u = end


@kernel(inner=True)
def _tabulate(
    table: Pointer, n: int, step: int, first: int, last: int, rows: int, x_row: int, x_hop: int,
    g_row: int, g_hop: int,
) -> int:  # fmt: skip
    """Write offsets into x and g for every row and every `step`-th tap; return where they end."""
    for r in range(rows):
        t = first
        while t < last:
            table[2 * n], table[2 * n + 1] = r * x_row + t * x_hop, r * g_row + t * g_hop
            n += 1
            t += step
    return n


@kernel(inner=True)
def _run(
    taps: Static, y: Pointer, y_pixel: int, count: int, x: Pointer, x_step: int, x_hop: int,
    g: Pointer, g_hop: int, table: Pointer, groups: int, n: int, channels: int,
) -> None:  # fmt: skip
    """Add up pixels that see the same taps, which the table lists, groups of three first."""
    u = 0
    while u < count:
        target, source = at(y, u * y_pixel), at(x, u * x_step)
        if count - u >= 8:
            _pixels(EIGHT, taps, target, y_pixel, source, x_step, x_hop, g, g_hop, table, groups,
                    n, channels)  # fmt: skip
            u += 8
        elif count - u >= 4:
            _pixels(FOUR, taps, target, y_pixel, source, x_step, x_hop, g, g_hop, table, groups,
                    n, channels)  # fmt: skip
            u += 4
        else:
            _pixels(ONE, taps, target, y_pixel, source, x_step, x_hop, g, g_hop, table, groups,
                    n, channels)  # fmt: skip
            u += 1


@kernel(inner=True)
def _pixels(
    shape: Static, taps: Static, y: Pointer, y_pixel: int, x: Pointer, x_step: int, x_hop: int,
    g: Pointer, g_hop: int, table: Pointer, groups: int, n: int, channels: int,
) -> None:  # fmt: skip
    """Add up a few pixels, all their channels."""
    one = lanes(x)
    whole = channels - channels % one
    for c in range(0, whole, one):
        tile = load_tile(shape, y, c, y_pixel, None)
        for i in range(groups):
            _add_taps(tile, taps, x, table[2 * i] + c, x_hop, g, table[2 * i + 1] + c, g_hop, None)
        for i in range(groups, n):
            _add_taps(tile, ONE_TAP, x, table[2 * i] + c, x_step, g, table[2 * i + 1] + c, 0, None)
    rest = channels - whole
    if rest > 0:
        tile = load_tile(shape, y, whole, y_pixel, rest)
        for i in range(n):
            a, b = table[2 * i] + whole, table[2 * i + 1] + whole
            for t in range(3 if i < groups else 1):
                _add_taps(tile, ONE_TAP, x, a + t * x_hop, x_step, g, b + t * g_hop, 0, rest)


@operation
def _add_taps(
    typing: Any, tile: Any, taps: Any, x: Any, i: Any, step: Any, g: Any, j: Any, hop: Any, n: Any
) -> Any:
    """Add to g(t) in memory the sum over a tile's rows p of the row times x(p s + t).

    ``taps`` is Static(number of taps, stride s). Pixel q of x starts at x[i + q * step], the sums
    of tap t at g[j + t * hop].
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, _, data, first, pixel_step, sums, tap, tap_step, count = arguments
        code = Code(context, builder, tile.dtype, None if isinstance(n, types.NoneType) else count)
        seen: dict[int, Any] = {}
        totals: list[Any] = [None] * taps.a
        for p, value in enumerate(code.unpack(values)):
            for t in range(taps.a):
                q = p * taps.b + t
                if q not in seen:
                    seen[q] = code.load(data, code.offset(first, (q, pixel_step)), 0)
                if p == 0:
                    totals[t] = builder.fmul(seen[q], value)
                else:
                    totals[t] = code.multiply_add(seen[q], value, totals[t])
        # Only now: adding each product to a long sum would round it to that sum's precision.
        for t, total in enumerate(totals):
            place = code.offset(tap, (t, tap_step))
            code.store(sums, place, 0, builder.fadd(code.load(sums, place, 0), total))
        code.fence()
        return context.get_dummy_value()

    integer = types.intp
    return types.void(tile, taps, x, integer, integer, g, integer, integer, n), generate

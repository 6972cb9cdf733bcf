"""Rows of an input's gradient, together with what they contribute to the depthwise kernel's.

Both gradients of a depthwise convolution pair the same pixels: where the kernel's tap t joins pixel
u of the input and pixel q of the features,

    dx[u] += dt[q] k[t]        dk[t] += dt[q] x[u]

so one load of dt serves two multiply-adds. A tile of pixels of dx and the same pixels of x stay in
registers, while the loop runs over all taps that see them. The sums of dk stay in the first-level
cache: they are few.
"""

from __future__ import annotations

from typing import Any

from numba.extending import intrinsic

from minigrad.kernels.cpu.emit import Code, types
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Numbers
from minigrad.kernels.cpu.phases import meetings
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    Static,
    at,
    lanes,
    load_tile,
    store_tile,
    stream_tile,
    zero_tile,
)

__all__ = ["HEAD", "add_both_grads_row"]

# Two tiles and three sums must fit in the registers: 32 with AVX-512, else 16.
TALL = 6 if VECTOR_BYTES == 64 else 4
HIGH, ONE = Static(TALL, 1), Static(1, 1)
THREE_TAPS, ONE_TAP = Static(3, 1), Static(1, 1)
HEAD = 7
"""Numbers before a table's entries; see `_vector`."""


@kernel(inner=True)
def add_both_grads_row(
    dx: Pointer,
    dx_pixel: int,
    x: Pointer,
    x_pixel: int,
    r: int,
    dt: Pointer,
    k: Pointer,
    g: Pointer,
    numbers: Numbers,
    channels: int,
    multiplier: int,
    stream: bool,
    table: Pointer,
) -> None:
    """Compute row r of an image's gradient, and add its share of the kernel's gradient to g.

    `dx` and `x` are that row, with the elements from pixel to pixel, of which `channels` are
    computed. `dt` is the gradient of all the image's features, `k` and `g` are (M, kh, kw, C): none
    has other channels. Where `stream` is true, whole vectors of dx go past the caches into memory.
    `table` has room for 2 M kh kw integers and `HEAD`.
    """
    width, out_height, out_width = numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    features = channels * multiplier
    a0, i0, every_a, down, rows = meetings(r + top, sh, dh, kh)
    # Rows of the output that do not exist: those after the last one come first.
    skip = min(rows, max(0, -((out_height - 1 - i0) // down)))
    rows = max(0, min(rows, i0 // down + 1) - skip)
    a0, i0 = a0 + skip * every_a, i0 - skip * down
    source, back = at(dt, i0 * out_width * features), -down * out_width * features
    table[2], table[3], table[4], table[6] = sw * dx_pixel, sw * x_pixel, features, int(stream)
    for w in range(min(sw, width)):
        b0, j0, every_b, hop, taps = meetings(w + left, sw, dw, kw)
        # Pixel u sees column start + u + t * hop of the features through tap t, counted backwards.
        start, last = j0 - (taps - 1) * hop, b0 + (taps - 1) * every_b
        count = (width - 1 - w) // sw + 1
        low = min(count, max(0, -start))
        high = max(low, min(count, out_width - start - (taps - 1) * hop))
        weights, total = at(k, (a0 * kw + last) * channels), at(g, (a0 * kw + last) * channels)
        k_row, k_hop, k_plane = every_a * kw * channels, -every_b * channels, kh * kw * channels
        u, table[5] = 0, k_hop
        while u < count:
            # Inner pixels see all taps; the others, one by one, those that are there.
            t0, t1, end = 0, taps, u + 1
            if u == low and low < high:
                end = high
            else:
                left_out = start + u
                while t0 < taps and left_out + t0 * hop < 0:
                    t0 += 1
                while t1 > t0 and left_out + (t1 - 1) * hop >= out_width:
                    t1 -= 1
            threes = (t1 - t0) // 3 * 3 if hop == 1 else 0
            n = 0
            for part in range(2):
                for p in range(multiplier):
                    for a in range(rows):
                        t = t0 if part == 0 else t0 + threes
                        while t < (t0 + threes if part == 0 else t1):
                            table[HEAD + 2 * n] = p * channels + a * back + t * hop * features
                            table[HEAD + 2 * n + 1] = p * k_plane + a * k_row + t * k_hop
                            n += 1
                            t += 3 if part == 0 else 1
            table[0], table[1] = multiplier * rows * (threes // 3), n
            first = w + u * sw
            _run(
                at(dx, first * dx_pixel), at(x, first * x_pixel),
                at(source, (start + u) * features), weights, total, table, end - u, channels,
            )  # fmt: skip
            u = end


@kernel(inner=True)
def _run(
    dx: Pointer, x: Pointer, dt: Pointer, k: Pointer, g: Pointer, table: Pointer, count: int,
    channels: int,
) -> None:  # fmt: skip
    """Compute pixels that see the same taps, which the table lists (see `_vector`)."""
    while count >= TALL:
        _pixels(HIGH, dx, x, dt, k, g, table, channels)
        dx, x, dt = at(dx, TALL * table[2]), at(x, TALL * table[3]), at(dt, TALL * table[4])
        count -= TALL
    while count > 0:
        _pixels(ONE, dx, x, dt, k, g, table, channels)
        dx, x, dt = at(dx, table[2]), at(x, table[3]), at(dt, table[4])
        count -= 1


@kernel(inner=True)
def _pixels(
    shape: Static, dx: Pointer, x: Pointer, dt: Pointer, k: Pointer, g: Pointer, table: Pointer,
    channels: int,
) -> None:  # fmt: skip
    """Compute a few pixels, all their channels."""
    c = 0
    while c + lanes(x) <= channels:
        _vector(shape, at(dx, c), at(x, c), at(dt, c), at(k, c), at(g, c), table, None)
        c += lanes(x)
    if c < channels:
        rest = channels - c
        _vector(shape, at(dx, c), at(x, c), at(dt, c), at(k, c), at(g, c), table, rest)


@kernel(inner=True)
def _vector(
    shape: Static, dx: Pointer, x: Pointer, dt: Pointer, k: Pointer, g: Pointer, table: Pointer,
    rest: int | None,
) -> None:  # fmt: skip
    """Compute a few pixels, one vector of channels.

    The table's `HEAD` is: how many of its entries are groups of three taps, how many there are in
    all, elements from pixel to pixel of dx, x and dt, those from tap to tap of k and g, and whether
    to stream. An entry says where the features' gradient and the weights of its first tap are.
    """
    features, hop = table[4], table[5]
    pixels, tile = load_tile(shape, x, 0, table[3], rest), zero_tile(shape, x)
    for i in range(HEAD, HEAD + 2 * table[0], 2):
        j, tap = table[i], table[i + 1]
        tile = _add_both_grads(tile, pixels, THREE_TAPS, dt, j, features, k, g, tap, hop, rest)
    for i in range(HEAD + 2 * table[0], HEAD + 2 * table[1], 2):
        j, tap = table[i], table[i + 1]
        tile = _add_both_grads(tile, pixels, ONE_TAP, dt, j, features, k, g, tap, hop, rest)
    if table[6] != 0:
        stream_tile(tile, dx, 0, table[2], rest)
    else:
        store_tile(tile, dx, 0, table[2], rest)


def _both_grads(
    typing: Any, tile: Any, x: Any, taps: Any, dt: Any, i: Any, step: Any, k: Any, g: Any, j: Any,
    hop: Any, n: Any,
) -> Any:  # fmt: skip
    """Add to row p the sum over t of dt(p + t) k(t), and to g(t) in memory that of dt(p + t) x(p).

    Rows of the tile and of the tile ``x`` are pixels p. ``taps`` is Static(number of taps, 1).
    Pixel q of dt starts at dt[i + q * step], tap t of k and g at index j + t * hop.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, rows, _, data, first, pixel_step, kernel, sums, tap, tap_step, count = arguments
        code = Code(context, builder, tile.dtype, None if isinstance(n, types.NoneType) else count)
        values, rows = code.unpack(values), code.unpack(rows)
        seen: dict[int, Any] = {}
        for t in range(taps.a):
            weight = code.load(kernel, code.offset(tap, (t, tap_step)), 0)
            total = None
            for p in range(tile.rows):
                if p + t not in seen:
                    seen[p + t] = code.load(data, code.offset(first, (p + t, pixel_step)), 0)
                dt_pixel = seen[p + t]
                values[p] = code.multiply_add(dt_pixel, weight, values[p])
                if total is None:
                    total = builder.fmul(dt_pixel, rows[p])
                else:
                    total = code.multiply_add(dt_pixel, rows[p], total)
            # Only now: adding each product to a long sum would round it to that sum's precision.
            before = code.load(sums, code.offset(tap, (t, tap_step)), 0)
            code.store(sums, code.offset(tap, (t, tap_step)), 0, builder.fadd(before, total))
        code.fence()
        return code.pack(values)

    integer = types.intp
    return tile(tile, x, taps, dt, integer, integer, k, g, integer, integer, n), generate


_add_both_grads: Any = intrinsic(_both_grads)

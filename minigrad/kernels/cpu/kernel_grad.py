"""Rows of a depthwise convolution's kernel gradient, in register tiles.

A tile holds the sums of all taps of a kernel row, for one vector of channels, while the loop runs
over the pixels of a row of the output. Pixels that several taps see are loaded once.
"""

from __future__ import annotations

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Numbers
from minigrad.kernels.cpu.rows import repeats
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    add_products,
    add_tile,
    at,
    fold,
    lanes,
    load_like,
    store_tile,
    zero_tile,
)

__all__ = ["add_kernel_grad_of_few", "add_kernel_grad_row", "copy_pixels"]

SINGLE = Static(1, 1)
THREE_TAPS, FIVE_TAPS, ONE_TAP = Static(3, 2), Static(5, 2), Static(1, 4)
NEXT, EVERY_SECOND = Static(4, 1), Static(4, 2)


@kernel(inner=True)
def add_kernel_grad_row(
    g: Pointer,
    g_hop: int,
    x: Pointer,
    x_pixel: int,
    width: int,
    start: int,
    stride: int,
    hop: int,
    y: Pointer,
    y_pixel: int,
    count: int,
    taps: int,
    channels: int,
) -> None:
    """Add Σ_u x[start + u * stride + t * hop] y[u] to g[t], for every t and channel.

    There are at least as many channels as lanes.
    """
    one = lanes(x)
    # Pixels low ... high - 1 see all taps; the others are added tap by tap.
    low = min(count, max(0, -(start // stride)))
    high = max(low, min(count, (width - 1 - start - (taps - 1) * hop) // stride + 1))
    step = stride * x_pixel
    for c in range(0, channels, one):
        left, right, target = (
            at(x, (start + low * stride) * x_pixel + c),
            at(y, low * y_pixel + c),
            at(g, c),
        )
        inner = True
        if channels - c < one or high - low < 4:
            inner = False
        elif taps == 3 and stride == hop:
            _grad_run(
                THREE_TAPS, NEXT, target, g_hop, left, step, hop * x_pixel,
                right, y_pixel, high - low, None,
            )  # fmt: skip
        elif taps == 5 and stride == hop:
            _grad_run(
                FIVE_TAPS, NEXT, target, g_hop, left, step, hop * x_pixel,
                right, y_pixel, high - low, None,
            )  # fmt: skip
        elif taps == 3 and stride == 2 * hop:
            _grad_run(
                THREE_TAPS, EVERY_SECOND, target, g_hop, left, step, hop * x_pixel,
                right, y_pixel, high - low, None,
            )  # fmt: skip
        else:
            inner = False
        for t in range(taps):
            offset = start + t * hop
            first = min(count, max(0, -(offset // stride)))
            last = max(first, min(count, (width - 1 - offset) // stride + 1))
            for part in range(2 if inner else 1):
                begin, end = first, last
                if inner and part == 0:
                    end = low
                elif inner:
                    begin = high
                if begin < end:
                    _grad_run(
                        ONE_TAP, NEXT, at(target, t * g_hop), 0,
                        at(x, (offset + begin * stride) * x_pixel + c), step, step,
                        at(y, begin * y_pixel + c), y_pixel, end - begin, min(one, channels - c),
                    )  # fmt: skip


@kernel(inner=True)
def add_kernel_grad_of_few(
    g: Pointer, x: Pointer, i: int, dt: Pointer, numbers: Numbers, channels: int, side: Pointer
) -> None:
    """Do what `depthwise.add_kernel_grad` does, for fewer channels than a vector has lanes."""
    height, width, out_width = numbers[0], numbers[1], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    hop = channels * repeats(x, channels)
    for a in range(kh):
        r = i * sh + a * dh - top
        if r < 0 or r >= height:
            continue
        target = at(g, a * kw * hop)
        if sw == 1:
            _add_few_channels_row(
                target, hop, at(x, r * width * channels), width, -left, dw, dt, out_width, kw,
                channels,
            )  # fmt: skip
            continue
        room = (width + sw - 1) // sw * channels
        for w in range(min(sw, width)):
            copy_pixels(
                at(x, (r * width + w) * channels), sw * channels, (width - 1 - w) // sw + 1,
                channels, at(side, w * room), channels,
            )  # fmt: skip
        for b in range(kw):
            w = (b * dw - left) % sw
            _add_few_channels_row(
                at(target, b * hop), hop, at(side, w * room), (width - 1 - w) // sw + 1,
                (b * dw - left - w) // sw, 1, dt, out_width, 1, channels,
            )  # fmt: skip


@kernel(inner=True)
def copy_pixels(
    x: Pointer, x_pixel: int, count: int, channels: int, y: Pointer, y_pixel: int
) -> None:
    """Copy pixels of few channels to where they lie closer together, or further apart."""
    for c in range(channels):
        for u in range(count):
            y[u * y_pixel + c] = x[u * x_pixel + c]


@kernel(inner=True)
def _add_few_channels_row(
    g: Pointer,
    g_hop: int,
    x: Pointer,
    width: int,
    start: int,
    hop: int,
    y: Pointer,
    count: int,
    taps: int,
    channels: int,
) -> None:
    """Add Σ_u x[start + u + t * hop] y[u] to g[t], for every t and fewer channels than lanes.

    `g` is repeated like a kernel (`repeat_kernel`); the sum of its repetitions is the gradient.
    """
    one = lanes(x)
    for t in range(taps):
        offset = start + t * hop
        first = max(0, -offset)
        last = max(first, min(count, width - offset))
        block, blocks = one * channels, (last - first) // one
        rest = (last - first) % one * channels
        target, left, right = (
            at(g, t * g_hop), at(x, (first + offset) * channels), at(y, first * channels)
        )  # fmt: skip
        for c in range(0, block, one):
            _grad_run(
                ONE_TAP, NEXT, at(target, c), 0, at(left, c), block, block,
                at(right, c), block, blocks, one,
            )  # fmt: skip
        for c in range(0, rest, one):
            _grad_run(
                ONE_TAP, NEXT, at(target, c), 0, at(left, blocks * block + c), block, block,
                at(right, blocks * block + c), block, 1, min(one, rest - c),
            )  # fmt: skip


@kernel(inner=True)
def _grad_run(
    shape: Static,
    pixels: Static,
    g: Pointer,
    g_hop: int,
    x: Pointer,
    x_pixel: int,
    x_unit: int,
    y: Pointer,
    y_pixel: int,
    count: int,
    n: int | None,
) -> None:
    """Add the products of `count` pixels, for one vector of channels and the taps of a tile."""
    tile = zero_tile(shape, x)
    u = 0
    while u + 4 <= count:
        tile = add_products(tile, pixels, x, u * x_pixel, x_unit, y, u * y_pixel, y_pixel, n)
        u += 4
    while u < count:
        tile = add_products(tile, SINGLE, x, u * x_pixel, x_unit, y, u * y_pixel, y_pixel, n)
        u += 1
    total = fold(tile)
    store_tile(add_tile(total, load_like(total, g, 0, g_hop, n)), g, 0, g_hop, n)

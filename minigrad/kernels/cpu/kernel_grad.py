"""Rows of a depthwise convolution's kernel gradient, in register tiles.

A tile holds the sums of all taps of a kernel row, for one vector of channels, while the loop runs
over the pixels of a row of the output. Pixels that several taps see are loaded once.
"""

from __future__ import annotations

from minigrad.kernels.cpu.jit import kernel
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

__all__ = ["add_kernel_grad_row", "copy_pixels"]

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
def copy_pixels(
    x: Pointer, x_pixel: int, count: int, channels: int, y: Pointer, y_pixel: int
) -> None:
    """Copy pixels of few channels to where they lie closer together, or further apart."""
    for c in range(channels):
        for u in range(count):
            y[u * y_pixel + c] = x[u * x_pixel + c]


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

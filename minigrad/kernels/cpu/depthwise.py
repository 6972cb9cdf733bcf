from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, to_last
from minigrad.kernels.cpu.rows import add_kernel_grad_row, convolve_row, repeat_kernel, repeats
from minigrad.kernels.cpu.simd import Pointer, at, pointer
from minigrad.kernels.geometry import ConvGeometry

LANES = {4: 16, 8: 8}


@kernel(inner=True)
def features_of_pixels(
    x: Pointer,
    k: Pointer,
    y: Pointer,
    first: int,
    count: int,
    numbers: Numbers,
    channels: int,
    multiplier: int,
) -> None:
    """Compute `count` pixels of a depthwise convolution, counted through rows and images.

    Channel c of multiple m goes to m C + c. `k` is repeated, and its multiples come first:
    (M, kh, kw, C).
    """
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    hop = channels * repeats(x, channels)
    features = channels * multiplier
    done = 0
    while done < count:
        row, j = divmod(first + done, out_width)
        image, i = divmod(row, out_height)
        run = min(count - done, out_width - j)
        above = i * sh - top
        a0 = min(kh, max(0, -(above // dh)))
        a1 = max(a0, min(kh, (height - 1 - above) // dh + 1))
        for m in range(multiplier):
            convolve_row(
                at(y, (done - j) * features + m * channels), features, j, j + run,
                at(x, (image * height + above + a0 * dh) * width * channels), channels,
                dh * width * channels, width, -left, sw, dw,
                at(k, (m * kh + a0) * kw * hop), kw * hop, hop,
                a1 - a0, kw, channels, 1, 0, 0,
            )  # fmt: skip
        done += run


@kernel(inner=True)
def input_grad_row(
    dx: Pointer,
    r: int,
    dt: Pointer,
    k: Pointer,
    numbers: Numbers,
    channels: int,
    multiplier: int,
) -> None:
    """Compute row r of an image's gradient from the gradient of all its features.

    Tap row a of output row i saw row r where i sh + a dh - top = r. With g = gcd(sh, dh), these
    are every (sh / g)-th a, and i goes down by dh / g from one to the next. The same holds for
    columns: for each remainder of the column by sw, another convolution.
    """
    width, out_height, out_width = numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    hop, features = channels * repeats(dt, channels), channels * multiplier
    a0, i0, every_a, down, rows = _meetings(r + top, sh, dh, kh)
    # Rows of the output that do not exist: those after the last one come first.
    skip = min(rows, max(0, -((out_height - 1 - i0) // down)))
    rows = max(0, min(rows, i0 // down + 1) - skip)
    a0, i0 = a0 + skip * every_a, i0 - skip * down
    for w in range(min(sw, width)):
        b0, j0, every_b, hop_back, taps = _meetings(w + left, sw, dw, kw)
        last = b0 + (taps - 1) * every_b
        convolve_row(
            at(dx, w * channels), sw * channels, 0, (width - 1 - w) // sw + 1,
            at(dt, i0 * out_width * features), features, -down * out_width * features,
            out_width, j0 - (taps - 1) * hop_back, 1, hop_back,
            at(k, (a0 * kw + last) * hop), every_a * kw * hop, -every_b * hop,
            rows, taps, channels, multiplier, channels, kh * kw * hop,
        )  # fmt: skip


@kernel(inner=True)
def _meetings(position: int, stride: int, dilation: int, taps: int) -> tuple[int, int, int, int, int]:
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
def add_kernel_grad(
    g: Pointer,
    x: Pointer,
    i: int,
    dt: Pointer,
    numbers: Numbers,
    channels: int,
    multiplier: int,
) -> None:
    """Add what row i of an image's output contributes to the gradient of the kernel.

    `x` and `dt` are the image and row i of its features' gradient. `g` is (M, kh, kw, C), repeated.
    """
    height, width, out_width = numbers[0], numbers[1], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    hop, features = channels * repeats(x, channels), channels * multiplier
    for a in range(kh):
        r = i * sh + a * dh - top
        if r < 0 or r >= height:
            continue
        for m in range(multiplier):
            add_kernel_grad_row(
                at(g, (m * kh + a) * kw * hop), hop, at(x, r * width * channels), channels,
                width, -left, sw, dw, at(dt, m * channels), features, out_width, kw, channels,
            )  # fmt: skip

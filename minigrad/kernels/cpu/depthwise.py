"""Depthwise convolution on the CPU: output, gradient of the input, gradient of the kernel.

`minigrad.kernels.reference` has the formulas. Arrays are flat with the channels last, so that row i
of image n starts at ((n H + i) W) C, and output channel q = c M + m of tap t is at t C M + q in the
kernel. All three kernels visit the same (output pixel, tap, input pixel) triples; they differ in
which member of the triple receives the product, and in what one task owns:

- forward: a task owns a row of the output;
- input gradient: a task owns a row of the input, and looks for the output rows that saw it;
- kernel gradient: a task owns a chunk of output rows and a kernel-sized partial sum.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import (
    Array,
    Flat,
    Numbers,
    add_chunks,
    chunking,
    flat,
    from_last,
    to_last,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["depthwise_forward", "depthwise_input_grad", "depthwise_kernel_grad", "depthwise_row"]


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the depthwise convolution; see `minigrad.kernels.depthwise_forward`."""
    x = to_last(x, geometry.data_format)
    batch, (_, _, channels, multiplier) = len(x), kernel.shape
    height, width = geometry.output_size
    y = np.empty((batch, height, width, channels * multiplier), x.dtype)
    _forward_row(
        batch * height,
        y.size * geometry.taps,
        flat(x),
        flat(kernel),
        y.reshape(-1),
        geometry.numbers,
        channels,
        multiplier,
    )
    return from_last(y, geometry.data_format)


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.depthwise_input_grad`."""
    dy = to_last(dy, geometry.data_format)
    batch, (_, _, channels, multiplier) = len(dy), kernel.shape
    height, width = geometry.input_size
    dx = np.empty((batch, height, width, channels), dy.dtype)
    _input_grad_row(
        batch * height,
        dy.size * geometry.taps,
        flat(dy),
        flat(kernel),
        dx.reshape(-1),
        geometry.numbers,
        channels,
        multiplier,
    )
    return from_last(dx, geometry.data_format)


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.depthwise_kernel_grad`."""
    x, dy = to_last(x, geometry.data_format), to_last(dy, geometry.data_format)
    batch, channels = len(x), x.shape[3]
    shape = (*geometry.kernel_size, channels, multiplier)
    rows = batch * geometry.output_size[0]
    chunks, rows_per_chunk = chunking(rows, geometry.taps * channels * multiplier)
    partial = np.zeros((chunks, *shape), x.dtype)
    _kernel_grad_chunk(
        chunks,
        dy.size * geometry.taps,
        flat(x),
        flat(dy),
        partial.reshape(-1),
        geometry.numbers,
        channels,
        multiplier,
        rows,
        rows_per_chunk,
    )
    return add_chunks(partial)


@kernel
def multiply_add(
    y: Flat, yo: int, x: Flat, xo: int, k: Flat, ko: int, channels: int, multiplier: int
) -> None:
    """Add x * k at one pixel and tap: y[c M + m] += x[c] k[c M + m]."""
    if multiplier == 1:
        for c in range(channels):
            y[yo + c] += x[xo + c] * k[ko + c]
    else:
        for c in range(channels):
            value = x[xo + c]
            for q in range(c * multiplier, (c + 1) * multiplier):
                y[yo + q] += value * k[ko + q]


@kernel
def multiply_sum(
    x: Flat, xo: int, y: Flat, yo: int, k: Flat, ko: int, channels: int, multiplier: int
) -> None:
    """Add y * k at one pixel and tap, back to the input: x[c] += Σ_m y[c M + m] k[c M + m]."""
    if multiplier == 1:
        for c in range(channels):
            x[xo + c] += y[yo + c] * k[ko + c]
    else:
        for c in range(channels):
            value = x[xo + c]
            for q in range(c * multiplier, (c + 1) * multiplier):
                value += y[yo + q] * k[ko + q]
            x[xo + c] = value


@kernel
def columns_inside(b: int, numbers: Numbers) -> tuple[int, int]:
    """Return the range of output columns whose tap column b lies inside the image."""
    width, out_width, stride, dilation, left = (
        numbers[1],
        numbers[3],
        numbers[7],
        numbers[9],
        numbers[11],
    )
    offset = b * dilation - left  # column j of the output sees column j * stride + offset
    first = max(0, -(offset // stride))
    last = min(out_width, (width - 1 - offset) // stride + 1)
    return first, max(first, last)


@kernel
def depthwise_row(
    x: Flat,
    k: Flat,
    y: Flat,
    yo: int,
    image: int,
    i: int,
    numbers: Numbers,
    channels: int,
    multiplier: int,
) -> None:
    """Compute row i of an image's output into y, from offset yo on."""
    height, width, out_width = numbers[0], numbers[1], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    out_channels = channels * multiplier
    for q in range(yo, yo + out_width * out_channels):
        y[q] = 0
    for a in range(kh):
        r = i * sh + a * dh - top
        if r < 0 or r >= height:
            continue
        for b in range(kw):
            ko = (a * kw + b) * out_channels
            first, last = columns_inside(b, numbers)
            for j in range(first, last):
                xo = ((image * height + r) * width + j * sw + b * dw - left) * channels
                multiply_add(y, yo + j * out_channels, x, xo, k, ko, channels, multiplier)


@kernel(parallel=True)
def _forward_row(
    row: int, x: Flat, k: Flat, y: Flat, numbers: Numbers, channels: int, multiplier: int
) -> None:
    """Compute one row of the output."""
    out_height, out_width = numbers[2], numbers[3]
    image, i = row // out_height, row % out_height
    yo = row * out_width * channels * multiplier
    depthwise_row(x, k, y, yo, image, i, numbers, channels, multiplier)


@kernel(parallel=True)
def _input_grad_row(
    row: int, dy: Flat, k: Flat, dx: Flat, numbers: Numbers, channels: int, multiplier: int
) -> None:
    """Compute one row of the input's gradient, from all output rows that saw it."""
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    out_channels = channels * multiplier
    image, r = row // height, row % height
    xo = row * width * channels
    for c in range(xo, xo + width * channels):
        dx[c] = 0
    for a in range(kh):
        # Tap row a of output row i saw row r if i * sh + a * dh - top == r.
        steps = r + top - a * dh
        i = steps // sh
        if steps % sh != 0 or i < 0 or i >= out_height:
            continue
        yo = (image * out_height + i) * out_width * out_channels
        for b in range(kw):
            ko = (a * kw + b) * out_channels
            first, last = columns_inside(b, numbers)
            for j in range(first, last):
                at = xo + (j * sw + b * dw - left) * channels
                multiply_sum(dx, at, dy, yo + j * out_channels, k, ko, channels, multiplier)


@kernel(parallel=True)
def _kernel_grad_chunk(
    chunk: int,
    x: Flat,
    dy: Flat,
    partial: Flat,
    numbers: Numbers,
    channels: int,
    multiplier: int,
    rows: int,
    rows_per_chunk: int,
) -> None:
    """Add up the kernel's gradient over one chunk of output rows."""
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    out_channels = channels * multiplier
    start = chunk * kh * kw * out_channels
    for row in range(chunk * rows_per_chunk, min(rows, (chunk + 1) * rows_per_chunk)):
        image, i = row // out_height, row % out_height
        for a in range(kh):
            r = i * sh + a * dh - top
            if r < 0 or r >= height:
                continue
            for b in range(kw):
                ko = start + (a * kw + b) * out_channels
                first, last = columns_inside(b, numbers)
                for j in range(first, last):
                    xo = ((image * height + r) * width + j * sw + b * dw - left) * channels
                    yo = (row * out_width + j) * out_channels
                    multiply_add(partial, ko, x, xo, dy, yo, channels, multiplier)

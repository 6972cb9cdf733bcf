"""Depthwise convolution on the CPU: output, gradient of the input, gradient of the kernel.

`minigrad.kernels.reference` has the formulas. The kernels see channels_last images, x[n, r, s, c]
and y[n, i, j, q], and the depthwise kernel as k[a, b, q], with the output channel q = c M + m. All
three visit the same triples (output pixel, tap, input pixel). They differ in which member of a
triple receives the product of the other two, and in what one task owns:

- forward: a task owns a row of the output;
- input gradient: a task owns a row of the input, and looks for the output rows that saw it;
- kernel gradient: a task owns a chunk of output rows and a kernel-sized partial sum.

The innermost loop runs over channels and adds a product to each: no sum is ever reordered.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import (
    Array,
    Numbers,
    add_chunks,
    chunking,
    from_last,
    read_only,
    to_last,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["depthwise_forward", "depthwise_input_grad", "depthwise_kernel_grad", "depthwise_row"]


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the depthwise convolution; see `minigrad.kernels.depthwise_forward`."""
    x = to_last(x, geometry.data_format)
    batch, (kh, kw, channels, multiplier) = len(x), kernel.shape
    y = np.empty((batch, *geometry.output_size, channels * multiplier), x.dtype)
    _forward_row(
        batch * geometry.output_size[0],
        y.size * geometry.taps,
        read_only(x),
        read_only(kernel.reshape(kh, kw, channels * multiplier)),
        y,
        geometry.numbers,
    )
    return from_last(y, geometry.data_format)


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.depthwise_input_grad`."""
    dy = to_last(dy, geometry.data_format)
    batch, (kh, kw, channels, multiplier) = len(dy), kernel.shape
    dx = np.empty((batch, *geometry.input_size, channels), dy.dtype)
    _input_grad_row(
        batch * geometry.input_size[0],
        dy.size * geometry.taps,
        read_only(dy),
        read_only(kernel.reshape(kh, kw, channels * multiplier)),
        dx,
        geometry.numbers,
    )
    return from_last(dx, geometry.data_format)


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.depthwise_kernel_grad`."""
    x, dy = to_last(x, geometry.data_format), to_last(dy, geometry.data_format)
    channels, out_channels = x.shape[3], dy.shape[3]
    rows = len(x) * geometry.output_size[0]
    chunks, rows_per_chunk = chunking(rows, geometry.taps * out_channels)
    partial = np.zeros((chunks, *geometry.kernel_size, out_channels), x.dtype)
    _kernel_grad_chunk(
        chunks,
        dy.size * geometry.taps,
        read_only(x),
        read_only(dy),
        partial,
        geometry.numbers,
        rows_per_chunk,
    )
    return add_chunks(partial).reshape(*geometry.kernel_size, channels, multiplier)


@kernel
def columns_inside(b: int, width: int, out_width: int, numbers: Numbers) -> tuple[int, int]:
    """Return the range of output columns for which tap column b lies inside the image."""
    stride, dilation, left = numbers[7], numbers[9], numbers[11]
    offset = b * dilation - left  # output column j sees input column j * stride + offset
    first = max(0, -(offset // stride))
    last = min(out_width, (width - 1 - offset) // stride + 1)
    return first, max(first, last)


@kernel
def depthwise_row(x: Array, k: Array, row: Array, n: int, i: int, numbers: Numbers) -> None:
    """Compute row i of output n, (W', C M)."""
    _, height, width, channels = x.shape
    kh, kw, out_channels = k.shape
    out_width = row.shape[0]
    sh, sw, dh, dw = numbers[6], numbers[7], numbers[8], numbers[9]
    top, left = numbers[10], numbers[11]
    multiplier = out_channels // max(channels, 1)
    row[:] = 0
    for a in range(kh):
        r = i * sh + a * dh - top
        if r < 0 or r >= height:
            continue
        for b in range(kw):
            first, last = columns_inside(b, width, out_width, numbers)
            for j in range(first, last):
                s = j * sw + b * dw - left
                if multiplier == 1:
                    for c in range(channels):
                        row[j, c] += x[n, r, s, c] * k[a, b, c]
                else:
                    for c in range(channels):
                        value = x[n, r, s, c]
                        for q in range(c * multiplier, (c + 1) * multiplier):
                            row[j, q] += value * k[a, b, q]


@kernel(parallel=True)
def _forward_row(task: int, x: Array, k: Array, y: Array, numbers: Numbers) -> None:
    """Compute one row of the output."""
    n, i = task // y.shape[1], task % y.shape[1]
    depthwise_row(x, k, y[n, i], n, i, numbers)


@kernel(parallel=True)
def _input_grad_row(task: int, dy: Array, k: Array, dx: Array, numbers: Numbers) -> None:
    """Compute one row of the input's gradient, from all output rows that saw it."""
    _, height, width, channels = dx.shape
    _, out_height, out_width, out_channels = dy.shape
    kh, kw, _ = k.shape
    sh, sw, dh, dw = numbers[6], numbers[7], numbers[8], numbers[9]
    top, left = numbers[10], numbers[11]
    multiplier = out_channels // max(channels, 1)
    n, r = task // height, task % height
    row = dx[n, r]
    row[:] = 0
    for a in range(kh):
        # Tap row a of output row i saw this row if i * sh + a * dh - top == r.
        i, remainder = (r + top - a * dh) // sh, (r + top - a * dh) % sh
        if remainder != 0 or i < 0 or i >= out_height:
            continue
        for b in range(kw):
            first, last = columns_inside(b, width, out_width, numbers)
            for j in range(first, last):
                s = j * sw + b * dw - left
                if multiplier == 1:
                    for c in range(channels):
                        row[s, c] += dy[n, i, j, c] * k[a, b, c]
                else:
                    for c in range(channels):
                        for q in range(c * multiplier, (c + 1) * multiplier):
                            row[s, c] += dy[n, i, j, q] * k[a, b, q]


@kernel(parallel=True)
def _kernel_grad_chunk(
    chunk: int, x: Array, dy: Array, partial: Array, numbers: Numbers, rows_per_chunk: int
) -> None:
    """Add up the kernel's gradient over one chunk of output rows."""
    _, height, width, channels = x.shape
    batch, out_height, out_width, out_channels = dy.shape
    _, kh, kw, _ = partial.shape
    sh, sw, dh, dw = numbers[6], numbers[7], numbers[8], numbers[9]
    top, left = numbers[10], numbers[11]
    multiplier = out_channels // max(channels, 1)
    end = min(batch * out_height, (chunk + 1) * rows_per_chunk)
    for task in range(chunk * rows_per_chunk, end):
        n, i = task // out_height, task % out_height
        for a in range(kh):
            r = i * sh + a * dh - top
            if r < 0 or r >= height:
                continue
            for b in range(kw):
                first, last = columns_inside(b, width, out_width, numbers)
                for j in range(first, last):
                    s = j * sw + b * dw - left
                    if multiplier == 1:
                        for c in range(channels):
                            partial[chunk, a, b, c] += x[n, r, s, c] * dy[n, i, j, c]
                    else:
                        for c in range(channels):
                            value = x[n, r, s, c]
                            for q in range(c * multiplier, (c + 1) * multiplier):
                                partial[chunk, a, b, q] += value * dy[n, i, j, q]

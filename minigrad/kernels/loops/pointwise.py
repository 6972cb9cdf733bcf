"""Pointwise (1 x 1) convolution on the CPU: a matrix product over all pixels.

With the pixels of all images as rows, x is a (P, K) matrix, the kernel (K, F), the output (P, F):

    y = x Q + b,   dx = dy Qᵀ,   dQ = xᵀ dy,   db = the sum of dy's rows

The gradient of the input is the forward product with the transposed kernel. The innermost loops add
a multiple of one row to another row: no sum is ever reordered.
"""

from __future__ import annotations

import numpy as np

from minigrad._validate import DataFormat
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import (
    Array,
    add_chunks,
    chunking,
    from_last,
    read_only,
    to_last,
)

__all__ = [
    "bias_grad",
    "matmul_rows",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
]

PIXELS_PER_TASK = 64


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat
) -> Array:
    """Return the pointwise convolution; see `minigrad.kernels.pointwise_forward`."""
    y = _product(to_last(x, data_format), kernel.reshape(kernel.shape[2:]), bias)
    return from_last(y, data_format)


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.pointwise_input_grad`."""
    transposed = np.ascontiguousarray(kernel.reshape(kernel.shape[2:]).T)
    return from_last(_product(to_last(dy, data_format), transposed, None), data_format)


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.pointwise_kernel_grad`."""
    x, dy = _pixels(to_last(x, data_format)), _pixels(to_last(dy, data_format))
    pixels, inputs, outputs = len(x), x.shape[1], dy.shape[1]
    chunks, pixels_per_chunk = chunking(pixels, inputs * outputs)
    partial = np.zeros((chunks, inputs, outputs), x.dtype)
    _kernel_grad_chunk(
        chunks,
        pixels * inputs * outputs,
        read_only(x),
        read_only(dy),
        partial,
        pixels_per_chunk,
    )
    return add_chunks(partial).reshape(1, 1, inputs, outputs)


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the bias; see `minigrad.kernels.bias_grad`."""
    dy = _pixels(to_last(dy, data_format))
    pixels, outputs = dy.shape
    chunks, pixels_per_chunk = chunking(pixels, outputs)
    partial = np.zeros((chunks, outputs), dy.dtype)
    _bias_grad_chunk(chunks, dy.size, read_only(dy), partial, pixels_per_chunk)
    return add_chunks(partial)


def _pixels(x: Array) -> Array:
    """Return channels_last images as a matrix with one row per pixel."""
    n, h, w, c = x.shape
    return x.reshape(n * h * w, c)


def _product(x: Array, kernel: Array, bias: Array | None) -> Array:
    """Return x Q + b for channels_last images x and a (K, F) matrix Q."""
    outputs = kernel.shape[1]
    y = np.empty((*x.shape[:3], outputs), x.dtype)
    pixels = _pixels(x)
    _forward_pixels(
        -(-len(pixels) // PIXELS_PER_TASK),
        pixels.size * outputs,
        read_only(pixels),
        read_only(kernel),
        read_only(np.zeros(outputs, x.dtype) if bias is None else bias),
        _pixels(y),
    )
    return y


@kernel
def matmul_rows(x: Array, k: Array, bias: Array, y: Array, first: int, last: int) -> None:
    """Compute rows first ... last - 1 of y = x Q + b."""
    inputs, outputs = k.shape
    for p in range(first, last):
        for f in range(outputs):
            y[p, f] = bias[f]
        for q in range(inputs):
            value = x[p, q]
            for f in range(outputs):
                y[p, f] += value * k[q, f]


@kernel(parallel=True)
def _forward_pixels(task: int, x: Array, k: Array, bias: Array, y: Array) -> None:
    """Compute the output of `PIXELS_PER_TASK` pixels."""
    first = task * PIXELS_PER_TASK
    matmul_rows(x, k, bias, y, first, min(len(x), first + PIXELS_PER_TASK))


@kernel(parallel=True)
def _kernel_grad_chunk(
    chunk: int, x: Array, dy: Array, partial: Array, pixels_per_chunk: int
) -> None:
    """Add up the kernel's gradient over one chunk of pixels."""
    _, inputs, outputs = partial.shape
    first = chunk * pixels_per_chunk
    for p in range(first, min(len(x), first + pixels_per_chunk)):
        for q in range(inputs):
            value = x[p, q]
            for f in range(outputs):
                partial[chunk, q, f] += value * dy[p, f]


@kernel(parallel=True)
def _bias_grad_chunk(chunk: int, dy: Array, partial: Array, pixels_per_chunk: int) -> None:
    """Add up the gradient of the bias over one chunk of pixels."""
    first = chunk * pixels_per_chunk
    for p in range(first, min(len(dy), first + pixels_per_chunk)):
        for f in range(dy.shape[1]):
            partial[chunk, f] += dy[p, f]

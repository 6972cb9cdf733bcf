"""Pointwise (1 x 1) convolution on the CPU: a matrix product over all pixels.

With the pixels of all images as rows, x is a (P, K) matrix, the kernel (K, F), the output (P, F):

    y = x Q + b,   dx = dy Qᵀ,   dQ = xᵀ dy,   db = sum of dy's rows

The gradient of the input is the forward product with the transposed kernel. The innermost loops run
over a row of y, so they add a multiple of one row to another: no sum is ever reordered.
"""

from __future__ import annotations

import numpy as np

from minigrad._validate import DataFormat
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Flat, add_chunks, chunking, flat, from_last, to_last

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
    x = to_last(x, data_format)
    y = _product(x, kernel.reshape(kernel.shape[2:]), bias)
    return from_last(y, data_format)


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.pointwise_input_grad`."""
    dy = to_last(dy, data_format)
    transposed = np.ascontiguousarray(kernel.reshape(kernel.shape[2:]).T)
    return from_last(_product(dy, transposed, None), data_format)


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.pointwise_kernel_grad`."""
    x, dy = to_last(x, data_format), to_last(dy, data_format)
    inputs, outputs = x.shape[3], dy.shape[3]
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    chunks, pixels_per_chunk = chunking(pixels, inputs * outputs)
    partial = np.zeros((chunks, 1, 1, inputs, outputs), x.dtype)
    _kernel_grad_chunk(
        chunks,
        pixels * inputs * outputs,
        flat(x),
        flat(dy),
        partial.reshape(-1),
        pixels,
        pixels_per_chunk,
        inputs,
        outputs,
    )
    return add_chunks(partial)


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the bias; see `minigrad.kernels.bias_grad`."""
    dy = to_last(dy, data_format)
    outputs = dy.shape[3]
    pixels = dy.shape[0] * dy.shape[1] * dy.shape[2]
    chunks, pixels_per_chunk = chunking(pixels, outputs)
    partial = np.zeros((chunks, outputs), dy.dtype)
    _bias_grad_chunk(
        chunks, dy.size, flat(dy), partial.reshape(-1), pixels, pixels_per_chunk, outputs
    )
    return add_chunks(partial)


def _product(x: Array, kernel: Array, bias: Array | None) -> Array:
    """Return x Q + b for channels_last images x and a (K, F) matrix Q."""
    inputs, outputs = kernel.shape
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    y = np.empty((*x.shape[:3], outputs), x.dtype)
    _forward_pixels(
        -(-pixels // PIXELS_PER_TASK),
        pixels * inputs * outputs,
        flat(x),
        flat(kernel),
        flat(np.zeros(outputs, x.dtype) if bias is None else bias),
        y.reshape(-1),
        pixels,
        inputs,
        outputs,
    )
    return y


@kernel
def matmul_rows(
    x: Flat, xo: int, k: Flat, bias: Flat, y: Flat, yo: int, rows: int, inputs: int, outputs: int
) -> None:
    """Compute some rows of y = x Q + b; x and y start at offsets xo and yo."""
    for row in range(rows):
        at = yo + row * outputs
        for f in range(outputs):
            y[at + f] = bias[f]
        for q in range(inputs):
            value = x[xo + row * inputs + q]
            for f in range(outputs):
                y[at + f] += value * k[q * outputs + f]


@kernel(parallel=True)
def _forward_pixels(
    task: int, x: Flat, k: Flat, bias: Flat, y: Flat, pixels: int, inputs: int, outputs: int
) -> None:
    """Compute the output of `PIXELS_PER_TASK` pixels."""
    first = task * PIXELS_PER_TASK
    count = min(PIXELS_PER_TASK, pixels - first)
    matmul_rows(x, first * inputs, k, bias, y, first * outputs, count, inputs, outputs)


@kernel(parallel=True)
def _kernel_grad_chunk(
    chunk: int,
    x: Flat,
    dy: Flat,
    partial: Flat,
    pixels: int,
    pixels_per_chunk: int,
    inputs: int,
    outputs: int,
) -> None:
    """Add up the kernel's gradient over one chunk of pixels."""
    start = chunk * inputs * outputs
    for pixel in range(chunk * pixels_per_chunk, min(pixels, (chunk + 1) * pixels_per_chunk)):
        for q in range(inputs):
            value = x[pixel * inputs + q]
            at = start + q * outputs
            for f in range(outputs):
                partial[at + f] += value * dy[pixel * outputs + f]


@kernel(parallel=True)
def _bias_grad_chunk(
    chunk: int, dy: Flat, partial: Flat, pixels: int, pixels_per_chunk: int, outputs: int
) -> None:
    """Add up the bias' gradient over one chunk of pixels."""
    for pixel in range(chunk * pixels_per_chunk, min(pixels, (chunk + 1) * pixels_per_chunk)):
        for f in range(outputs):
            partial[chunk * outputs + f] += dy[pixel * outputs + f]

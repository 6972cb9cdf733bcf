"""Pointwise (1 x 1) convolution on the CPU: a matrix product over all pixels.

With the pixels of all images as rows, x is a (P, K) matrix, the kernel (K, F), the output (P, F):

    y = x Q + b,   dx = dy Qᵀ,   dQ = xᵀ dy,   db = sum of dy's rows

A task owns a run of pixels; where Q is large, a task of its gradient owns a block of Q instead.

Images with the channels first are matrices the other way round, (K, P) each: y = Qᵀ x + b.
They are read and written as they are, unless Q is large: it is read once for each panel of pixels.
"""

from __future__ import annotations

import numpy as np

from minigrad._validate import DataFormat
from minigrad.kernels.cpu.gemm import (
    add_column_sums,
    add_transposed_product,
    multiply,
    pack_panel,
    run_of,
)
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, add_chunks, flat, from_last, to_last
from minigrad.kernels.cpu.memory import empty, zeroed
from minigrad.kernels.cpu.plan import LARGE_OUTPUT, TILED, pointwise_plan
from minigrad.kernels.cpu.simd import at, drain, keep, lanes, pointer, streams

__all__ = ["bias_grad", "pointwise_forward", "pointwise_input_grad", "pointwise_kernel_grad"]

AS_IT_IS = 1 << 17
"""Bytes of Q up to which images with the channels first are not transposed."""
RUN = 256
"""Pixels of a task then."""


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat, relu: bool = False
) -> Array:
    """Return the pointwise convolution; see `minigrad.kernels.pointwise_forward`."""
    inputs, outputs = kernel.shape[2:]
    if data_format == "channels_first" and kernel.nbytes <= AS_IT_IS:
        matrix = kernel[0, 0].T
        if bias is not None:  # times a row of ones
            matrix = np.concatenate((matrix, bias[:, np.newaxis]), axis=1)
        return _product_first(x, matrix, relu)
    x = to_last(x, data_format)
    y = _product(x, kernel, bias, inputs, outputs, outputs, 1, relu)
    return from_last(y, data_format)


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.pointwise_input_grad`."""
    if data_format == "channels_first" and kernel.nbytes <= AS_IT_IS:
        return _product_first(dy, kernel[0, 0], False)
    dy = to_last(dy, data_format)
    inputs, outputs = kernel.shape[2:]
    return from_last(_product(dy, kernel, None, outputs, inputs, 1, outputs), data_format)


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.pointwise_kernel_grad`."""
    x, dy = to_last(x, data_format), to_last(dy, data_format)
    inputs, outputs = x.shape[3], dy.shape[3]
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    plan = pointwise_plan(pixels, inputs, outputs, inputs, 1, x.dtype)
    sums = zeroed((plan.chunks, 1, 1, inputs, outputs), x.dtype)
    out, zeros = sums.reshape(-1), plan.zeros
    _kernel_grad_block(
        plan.chunks * plan.blocks, plan.work, flat(x), flat(dy), zeros, zeros, out, out, out,
        plan.sizes,
    )  # fmt: skip
    return sums[0] if plan.chunks == 1 else add_chunks(sums)


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the bias; see `minigrad.kernels.bias_grad`."""
    dy = to_last(dy, data_format)
    outputs = dy.shape[3]
    plan = pointwise_plan(dy.shape[0] * dy.shape[1] * dy.shape[2], 1, outputs, 1, 1, dy.dtype)
    sums = zeroed((plan.chunks, outputs), dy.dtype)
    out, zeros = sums.reshape(-1), plan.zeros
    _bias_grad_chunk(plan.chunks, dy.size, flat(dy), zeros, zeros, zeros, out, out, out, plan.sizes)
    return sums[0] if plan.chunks == 1 else add_chunks(sums)


def _product(
    x: Array,
    matrix: Array,
    bias: Array | None,
    depth: int,
    outputs: int,
    row: int,
    column: int,
    relu: bool = False,
) -> Array:
    """Return x B + b for images x, where B's element (k, j) is matrix[k * row + j * column]."""
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    plan = pointwise_plan(pixels, depth, outputs, row, column, x.dtype, relu)
    zeros, sizes = plan.zeros, plan.sizes
    packed = empty(plan.packed, x.dtype)
    _pack(
        plan.panels, plan.packed, flat(matrix), zeros, zeros, zeros, packed, packed, packed, sizes
    )
    y = empty((*x.shape[:3], outputs), x.dtype)
    out = y.reshape(-1)
    _forward_run(
        plan.runs, plan.work, flat(x), flat(packed), zeros if bias is None else flat(bias), zeros,
        out, out, out, sizes,
    )  # fmt: skip
    return y


def _product_first(x: Array, matrix: Array, relu: bool) -> Array:
    """Return A x for images with the channels first; A may have one more column, for ones."""
    images, depth, *size = x.shape
    outputs, pixels = len(matrix), size[0] * size[1]
    runs = -(-pixels // RUN)
    sizes = np.array([pixels, depth, *matrix.shape, runs, relu])
    y, zeros = empty((images, outputs, *size), x.dtype), flat(np.zeros(RUN, x.dtype))
    out, work = y.reshape(-1), images * pixels * outputs * matrix.shape[1] // TILED + y.size
    _forward_first(
        images * runs, work, flat(x), flat(np.ascontiguousarray(matrix)), zeros, zeros,
        out, out, out, sizes,
    )  # fmt: skip
    return y


@kernel(parallel=True)
def _forward_first(
    number: int, x: Array, matrix: Array, zeros: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a run of an image's pixels, all channels of it."""
    pixels, inputs, outputs, depth, runs, relu = sizes[:6]
    image, first = number // runs, number % runs * RUN
    count, width = min(RUN, pixels - first), 2 * lanes(pointer(x))
    packed = np.empty((count + width - 1) // width * width * depth, x.dtype)
    for j in range(0, count, width):
        panel, source = at(pointer(packed), j * depth), image * inputs * pixels + first + j
        pack_panel(at(pointer(x), source), pixels, 1, inputs, count - j, 0, panel)
        for e in range(inputs * width, depth * width):
            panel[e] = 1
    large = len(y) * y.itemsize >= LARGE_OUTPUT and streams(pointer(y), pixels)
    multiply(
        pointer(matrix), depth, outputs, depth, pointer(packed), count, pointer(zeros),
        at(pointer(y), image * outputs * pixels + first), pixels, large, relu != 0,
        pointer(matrix), 0,
    )  # fmt: skip
    if large:
        drain()
    keep(packed)


@kernel(parallel=True)
def _pack(
    panel: int, matrix: Array, _b: Array, _c: Array, _d: Array,
    packed: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Pack one panel of a matrix."""
    depth, outputs, row, column = sizes[1], sizes[2], sizes[3], sizes[4]
    pack_panel(pointer(matrix), row, column, depth, outputs, panel, pointer(packed))


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, packed: Array, bias: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a run of pixels."""
    pixels, depth, outputs = sizes[0], sizes[1], sizes[2]
    first, count = run_of(number, sizes[9], pixels)
    large = len(y) * y.itemsize >= LARGE_OUTPUT and streams(pointer(y), outputs)
    row, source = sizes[11], at(pointer(x), first * depth)
    scratch = np.empty(count * row if row > depth else 0, x.dtype)
    if row > depth:
        for i in range(count):
            for c in range(depth):
                scratch[i * row + c] = source[i * depth + c]
        source = pointer(scratch)
    multiply(
        source, row, count, depth, pointer(packed), outputs, pointer(bias),
        at(pointer(y), first * outputs), outputs, large, sizes[10] != 0,
        at(pointer(x), (first + count) * depth), count * depth,
    )  # fmt: skip
    if large:
        drain()
    keep(scratch)


@kernel(parallel=True)
def _kernel_grad_block(
    number: int, x: Array, dy: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up one block of the kernel's gradient over one chunk of pixels."""
    pixels, inputs, outputs = sizes[0], sizes[1], sizes[2]
    chunks, height, width = sizes[6], sizes[7], sizes[8]
    chunk, block, across = number % chunks, number // chunks, (outputs + width - 1) // width
    row, column = block // across * height, block % across * width
    last = (chunk + 1) * pixels // chunks
    for first in range(chunk * pixels // chunks, last, 256):
        add_transposed_product(
            at(pointer(x), first * inputs + row), inputs,
            at(pointer(dy), first * outputs + column), outputs, min(256, last - first),
            min(height, inputs - row), min(width, outputs - column),
            at(pointer(sums), (chunk * inputs + row) * outputs + column), outputs,
        )  # fmt: skip


@kernel(parallel=True)
def _bias_grad_chunk(
    chunk: int, dy: Array, _b: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up the bias' gradient over one chunk of pixels."""
    pixels, outputs, chunks = sizes[0], sizes[2], sizes[6]
    last = (chunk + 1) * pixels // chunks
    for first in range(chunk * pixels // chunks, last, 256):
        add_column_sums(
            at(pointer(dy), first * outputs), outputs, min(256, last - first), outputs,
            at(pointer(sums), chunk * outputs),
        )  # fmt: skip

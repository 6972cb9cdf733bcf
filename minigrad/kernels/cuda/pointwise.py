"""Pointwise convolution on a GPU, forward and backward: three matrix products.

With P pixels, K channels and F filters: y (P, F) = x (P, K) Q (K, F), and
dx (P, K) = dy (P, F) Qᵀ, and dQ (K, F) = xᵀ dy, a sum over all pixels, which is cut into slices.
"""

from __future__ import annotations

from typing import Any

from minigrad._validate import DataFormat
from minigrad.kernels.cuda.gemm import Tile, columns_source, product_kernel, rows_source
from minigrad.kernels.cuda.layout import (
    VECTOR_BYTES,
    Array,
    flat,
    from_last,
    numbers,
    to_last,
    transposed,
    vector_width,
)
from minigrad.kernels.cuda.reduction import slices_of, sum_rows
from minigrad.kernels.cuda.runtime import blocks, empty, launch, zeros

__all__ = ["multiply", "pointwise_forward", "pointwise_input_grad", "pointwise_kernel_grad", "tile"]

DEPTH = 8
LARGE, SMALL = 16, 8
"""Threads of a block along an axis of the result: for more than 64 float32 elements, or fewer."""


def tile(width: int, rows: int, columns: int, fused: bool = False) -> Tile:
    """Return the tile for a result of this shape.

    Where the left factor is computed on the way, slabs have just one vector for each thread: more
    would not fit in its registers.
    """
    down, across = (LARGE if n > 2 * width * SMALL else SMALL for n in (rows, columns))
    down = LARGE if fused else down
    return Tile(width, down, across, max(across // 2, width) if fused else DEPTH)


def multiply(
    source: Any,
    sizes: tuple[int, int, int],
    left: Array,
    right: Array,
    bias: Array | None,
    y: Array,
    slices: tuple[int, int] = (1, 0),
    extra: tuple[Array, tuple[Any, ...]] | None = None,
    aligned: bool = True,
) -> None:
    """Launch `product_kernel`.

    Parameters
    ----------
    source : callable
        (tile, aligned) -> the functions that fetch the left factor.
    sizes : tuple of (rows, columns, inner)
    left, right, bias, y : device arrays
    slices : tuple of (number, length)
        Along the inner axis; one of all of it unless told otherwise.
    extra : tuple of (device array, numbers)
        What else the source needs.
    aligned : bool
        Whether the rows of all arrays are whole vectors.
    """
    rows, columns, inner = sizes
    if not rows * columns:
        return
    form = tile(VECTOR_BYTES // y.dtype.itemsize, rows, columns, extra is not None)
    number, length = slices
    down, across = blocks(rows, form.rows), blocks(columns, form.columns)
    array, shape = (left, numbers(0)) if extra is None else extra
    launch(
        product_kernel(form, source(form, aligned), aligned),
        number * down * across,
        form.threads,
        *map(flat, (left, array)),
        shape,
        *map(flat, (right, right if bias is None else bias, y)),
        *numbers(rows, columns, inner, length or inner, down, across, bias is not None),
    )


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat
) -> Array:
    """Mix the channels of every pixel; see `minigrad.kernels.pointwise_forward`."""
    x = to_last(x, data_format)
    inner, columns = kernel.shape[2:]
    y = empty((*x.shape[:3], columns), x.dtype)
    sizes = (len(x) * x.shape[1] * x.shape[2], columns, inner)
    aligned = vector_width((inner, columns), x, kernel, y) > 1
    multiply(rows_source, sizes, x, kernel, bias, y, aligned=aligned)
    return from_last(y, data_format)


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.pointwise_input_grad`.

    It is the forward convolution of dy with the transposed kernel.
    """
    inner, columns = kernel.shape[2:]
    turned = transposed(kernel, 1, inner, columns).reshape(1, 1, columns, inner)
    return pointwise_forward(dy, turned, None, data_format)


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.pointwise_kernel_grad`."""
    x, dy = to_last(x, data_format), to_last(dy, data_format)
    pixels, rows, columns = len(x) * x.shape[1] * x.shape[2], x.shape[3], dy.shape[3]
    if not pixels:
        return zeros((1, 1, rows, columns), x.dtype)
    form = tile(VECTOR_BYTES // x.dtype.itemsize, rows, columns)
    tiles = blocks(rows, form.rows) * blocks(columns, form.columns)
    slices = slices_of(pixels, tiles, form.depth)
    part = empty(slices[0] * rows * columns, x.dtype)
    aligned = vector_width((rows, columns), x, dy, part) > 1
    multiply(columns_source, (rows, columns, pixels), x, dy, None, part, slices, aligned=aligned)
    if slices[0] > 1:
        part = sum_rows(part, slices[0], rows * columns)
    return part.reshape(1, 1, rows, columns)

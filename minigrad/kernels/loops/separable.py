"""Separable convolution on the CPU: the depthwise and the pointwise step, row by row.

The forward kernel computes one row of depthwise features and multiplies it by the pointwise kernel
while it is still in the cache; the features of the whole batch never exist. The backward pass needs
them once more and computes them again, which is cheaper than keeping them.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers, from_last, read_only, to_last
from minigrad.kernels.geometry import ConvGeometry
from minigrad.kernels.loops.depthwise import (
    depthwise_forward,
    depthwise_input_grad,
    depthwise_kernel_grad,
    depthwise_row,
)
from minigrad.kernels.loops.pointwise import (
    bias_grad,
    matmul_rows,
    pointwise_input_grad,
    pointwise_kernel_grad,
)

__all__ = ["separable_backward", "separable_forward"]


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
) -> Array:
    """Return the separable convolution; see `minigrad.kernels.separable_forward`."""
    x = to_last(x, geometry.data_format)
    batch, (kh, kw, _, _) = len(x), depthwise_kernel.shape
    features, filters = pointwise_kernel.shape[2:]
    y = np.empty((batch, *geometry.output_size, filters), x.dtype)
    height, width = geometry.output_size
    _forward_row(
        batch * height,
        batch * height * width * features * (geometry.taps + filters),
        read_only(x),
        read_only(depthwise_kernel.reshape(kh, kw, features)),
        read_only(pointwise_kernel.reshape(features, filters)),
        read_only(np.zeros(filters, x.dtype) if bias is None else bias),
        y,
        geometry.numbers,
    )
    return from_last(y, geometry.data_format)


def separable_backward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    dy: Array,
    geometry: ConvGeometry,
    use_bias: bool,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array | None]:
    """Return all gradients; see `minigrad.kernels.separable_backward`."""
    features = depthwise_forward(x, depthwise_kernel, geometry)
    d_features = pointwise_input_grad(dy, pointwise_kernel, geometry.data_format)
    return (
        depthwise_input_grad(d_features, depthwise_kernel, geometry) if need_dx else None,
        depthwise_kernel_grad(x, d_features, geometry, depthwise_kernel.shape[3]),
        pointwise_kernel_grad(features, dy, geometry.data_format),
        bias_grad(dy, geometry.data_format) if use_bias else None,
    )


@kernel(parallel=True)
def _forward_row(
    task: int,
    x: Array,
    depthwise: Array,
    pointwise: Array,
    bias: Array,
    y: Array,
    numbers: Numbers,
) -> None:
    """Compute one row of the output: a scratch row of depthwise features, times the matrix."""
    _, out_height, out_width, _ = y.shape
    n, i = task // out_height, task % out_height
    features = np.empty((out_width, depthwise.shape[2]), x.dtype)
    depthwise_row(x, depthwise, features, n, i, numbers)
    matmul_rows(features, pointwise, bias, y[n, i], 0, out_width)

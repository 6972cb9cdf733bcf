"""Readable loops, compiled by numba and spread over threads: a rung below the fast CPU kernels."""

import minigrad.kernels.cpu  # noqa: F401 (first: it falls back on the modules below)
from minigrad.kernels.loops.depthwise import (
    depthwise_forward,
    depthwise_input_grad,
    depthwise_kernel_grad,
)
from minigrad.kernels.loops.pointwise import (
    bias_grad,
    pointwise_forward,
    pointwise_input_grad,
    pointwise_kernel_grad,
)
from minigrad.kernels.loops.separable import separable_backward, separable_forward
from minigrad.kernels.reference import (
    conv2d_forward,
    conv2d_input_grad,
    conv2d_kernel_grad,
    max_pool_backward,
    max_pool_forward,
)

__all__ = [
    "bias_grad",
    "conv2d_forward",
    "conv2d_input_grad",
    "conv2d_kernel_grad",
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "max_pool_backward",
    "max_pool_forward",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "separable_backward",
    "separable_forward",
]

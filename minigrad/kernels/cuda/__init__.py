"""CUDA kernels: what runs on a GPU, or in numba's simulator."""

from minigrad.kernels.cuda.depthwise import depthwise_forward, depthwise_input_grad
from minigrad.kernels.cuda.kernel_grad import depthwise_kernel_grad
from minigrad.kernels.cuda.pointwise import (
    pointwise_forward,
    pointwise_input_grad,
    pointwise_kernel_grad,
)
from minigrad.kernels.cuda.pooling import max_pool_backward, max_pool_forward
from minigrad.kernels.cuda.reduction import bias_grad
from minigrad.kernels.cuda.separable import separable_backward, separable_forward

__all__ = [
    "bias_grad",
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

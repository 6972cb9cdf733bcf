"""The CPU backend: vectors, register tiles and fused passes, compiled by numba."""

from minigrad.kernels.cpu.jit import DISABLE_JIT

if DISABLE_JIT:  # vectors exist in compiled code only
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
else:
    from minigrad.kernels.cpu.backward import separable_backward
    from minigrad.kernels.cpu.conv2d import conv2d_forward, conv2d_input_grad, conv2d_kernel_grad
    from minigrad.kernels.cpu.depthwise import (
        depthwise_forward,
        depthwise_input_grad,
        depthwise_kernel_grad,
    )
    from minigrad.kernels.cpu.pointwise import (
        bias_grad,
        pointwise_forward,
        pointwise_input_grad,
        pointwise_kernel_grad,
    )
    from minigrad.kernels.cpu.pooling import max_pool_backward, max_pool_forward
    from minigrad.kernels.cpu.separable import separable_forward

__all__ = [
    "DISABLE_JIT",
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

"""The hot code: arrays in, arrays out. No tensors, no layers.

`geometry` knows sizes and padding, `reference` is the definition in plain loops, `cpu` and `cuda`
hold compiled kernels, `backends` chooses among them, and `dispatch` is what users call.
"""

from minigrad.kernels.backends import current_backend, register, use_backend
from minigrad.kernels.conv2d import conv2d_forward, conv2d_input_grad, conv2d_kernel_grad
from minigrad.kernels.dispatch import (
    bias_grad,
    depthwise_forward,
    depthwise_input_grad,
    depthwise_kernel_grad,
    pointwise_forward,
    pointwise_input_grad,
    pointwise_kernel_grad,
    separable_backward,
    separable_forward,
)
from minigrad.kernels.geometry import (
    ConvGeometry,
    conv_geometry,
    join_shape,
    output_length,
    same_padding,
    split_shape,
)
from minigrad.kernels.pooling import max_pool_backward, max_pool_forward

__all__ = [
    "ConvGeometry",
    "bias_grad",
    "conv2d_forward",
    "conv2d_input_grad",
    "conv2d_kernel_grad",
    "conv_geometry",
    "current_backend",
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "join_shape",
    "max_pool_backward",
    "max_pool_forward",
    "output_length",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "register",
    "same_padding",
    "separable_backward",
    "separable_forward",
    "split_shape",
    "use_backend",
]

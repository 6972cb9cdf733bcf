"""Checks of the arguments of convolution and pooling: one clear sentence before any kernel runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import _validate
from minigrad._validate import DataFormat, Padding, Pads
from minigrad.autograd import Tensor, constant
from minigrad.kernels import ConvGeometry, conv_geometry
from minigrad.ops._common import Operand

_FLOATS = (np.dtype("float32"), np.dtype("float64"))
MOST_REMEMBERED = 1024
_separable: dict[tuple[Any, ...], ConvGeometry] = {}
"""See `separable_geometry`."""


def images(x: Operand) -> Tensor:
    """Return x as a tensor of four axes, or raise ValueError."""
    batch = constant(x)
    if batch.ndim != 4:
        raise ValueError(
            f"x must be a batch of images with 4 axes: (N, H, W, C), or (N, C, H, W) with "
            f"channels_first. Received: shape={batch.shape}"
        )
    return batch


def channels_of(x: Tensor, data_format: DataFormat) -> int:
    """Return the number of channels of a batch of images."""
    return x.shape[1 if data_format == "channels_first" else 3]


def check_depthwise_kernel(kernel: Any, x: Tensor, data_format: DataFormat) -> Tensor:
    """Return a depthwise kernel that fits x, or raise ValueError."""
    tensor = constant(kernel, x)
    if tensor.ndim != 4:
        raise ValueError(
            f"A depthwise kernel must have shape (kh, kw, C, M). Received: shape={tensor.shape}"
        )
    channels = channels_of(x, data_format)
    if tensor.shape[2] != channels:
        raise ValueError(
            f"The depthwise kernel is for {tensor.shape[2]} channels, but x has {channels} "
            f"({data_format}). Received: kernel of shape {tensor.shape}, x of shape {x.shape}"
        )
    return tensor


def check_pointwise_kernel(kernel: Any, channels: int, x: Tensor) -> Tensor:
    """Return a pointwise kernel for so many channels, or raise ValueError."""
    tensor = constant(kernel, x)
    shape = tensor.shape
    if len(shape) != 4 or shape[:2] != (1, 1):
        raise ValueError(
            f"A pointwise kernel must have shape (1, 1, K, F). Received: shape={shape}"
        )
    if shape[2] != channels:
        raise ValueError(
            f"The pointwise kernel is for {shape[2]} channels, but gets {channels}. "
            f"Received: pointwise kernel of shape {shape}, x of shape {x.shape}"
        )
    return tensor


def check_bias(bias: Any, kernel: Tensor) -> Tensor | None:
    """Return a bias that fits the pointwise kernel, or None, or raise ValueError."""
    if bias is None:
        return None
    tensor = constant(bias, kernel)
    if tensor.shape != kernel.shape[3:]:
        raise ValueError(
            f"The bias must have shape {kernel.shape[3:]}, one number per filter. "
            f"Received: shape={tensor.shape}"
        )
    return tensor


def same_dtype(complex_step: bool = False, /, **tensors: Tensor | None) -> None:
    """Raise TypeError unless all tensors are float32, or all are float64.

    With ``complex_step`` they may all be complex128 as well, for derivatives by a complex step.
    """
    dtypes = [x._data.dtype for x in tensors.values() if x is not None]
    first = dtypes[0]
    allowed = first in _FLOATS or (complex_step and first == np.complex128)
    if not allowed or dtypes.count(first) < len(dtypes):
        names = ", ".join(f"{name}: {x.dtype}" for name, x in tensors.items() if x is not None)
        raise TypeError(
            f"All arguments must be float32, or all float64; convert them with astype(). "
            f"Received: {names}"
        )


def geometry_of(
    x: Tensor,
    kernel: Tensor,
    strides: Any,
    padding: Any,
    dilation_rate: Any,
    data_format: DataFormat,
) -> ConvGeometry:
    """Return the geometry of a depthwise kernel sliding over x, or raise ValueError."""
    rows = 2 if data_format == "channels_first" else 1
    return conv_geometry(
        x._data.shape[rows : rows + 2],
        kernel._data.shape[:2],
        _validate.pair(strides, "strides"),
        _validate.padding(padding, explicit=True),
        _validate.pair(dilation_rate, "dilation_rate"),
        data_format,
    )


def separable_geometry(
    x: Tensor,
    depthwise_kernel: Tensor,
    pointwise_kernel: Tensor,
    bias: Tensor | None,
    strides: tuple[int, int],
    padding: Padding | Pads,
    dilation_rate: tuple[int, int],
    data_format: DataFormat,
) -> ConvGeometry:
    """Return the geometry of a separable convolution, or raise ValueError or TypeError.

    The answer depends on shapes and dtypes only, and training asks for it again at each step: so it
    is remembered.
    """
    key = (
        *(x._data.shape, x._data.dtype),
        *(depthwise_kernel._data.shape, depthwise_kernel._data.dtype),
        *(pointwise_kernel._data.shape, pointwise_kernel._data.dtype),
        *((None, None) if bias is None else (bias._data.shape, bias._data.dtype)),
        *(strides, padding, dilation_rate, data_format),
    )
    geometry = _separable.get(key)
    if geometry is None:
        images(x)
        check_depthwise_kernel(depthwise_kernel, x, data_format)
        multiples, channels = depthwise_kernel.shape[3], depthwise_kernel.shape[2]
        check_pointwise_kernel(pointwise_kernel, channels * multiples, x)
        check_bias(bias, pointwise_kernel)
        same_dtype(
            True,
            x=x,
            depthwise_kernel=depthwise_kernel,
            pointwise_kernel=pointwise_kernel,
            bias=bias,
        )
        geometry = geometry_of(x, depthwise_kernel, strides, padding, dilation_rate, data_format)
        if len(_separable) >= MOST_REMEMBERED:
            _separable.clear()
        _separable[key] = geometry
    return geometry


def fuses_relu(activation: Any) -> bool:
    """Return whether ReLU is part of an operation's pass; refuse other activations."""
    if activation not in (None, "relu"):
        raise ValueError(
            "The fused activation is None or 'relu'; apply others to the result. "
            f"Received: activation={activation!r}"
        )
    return activation is not None

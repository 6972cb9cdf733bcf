"""Depthwise, pointwise and separable convolution.

A convolution is linear in its input and linear in its kernel. So is the gradient of its input (in
the upstream gradient and the kernel), and the gradient of its kernel (in the input and the upstream
gradient). The three maps are each other's derivatives, which makes every convolution here
differentiable any number of times:

====================  =====================  ======================
map                   derivative for first   derivative for second
====================  =====================  ======================
``conv(x, k)``        ``input_grad(g, k)``   ``kernel_grad(x, g)``
``input_grad(y, k)``  ``conv(g, k)``         ``kernel_grad(g, y)``
``kernel_grad(x, y)`` ``input_grad(y, g)``   ``conv(x, g)``
====================  =====================  ======================

The loops are in `minigrad.kernels`; the checks of arguments are in
`minigrad.ops.convolution_arguments`.
"""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

from minigrad import _validate, kernels
from minigrad._validate import DataFormat
from minigrad.autograd import Tensor, constant, primitive
from minigrad.kernels import ConvGeometry
from minigrad.ops._common import Operand, Shape
from minigrad.ops.convolution_arguments import (
    check_bias,
    check_depthwise_kernel,
    check_pointwise_kernel,
    fuses_relu,
    geometry_of,
    images,
    same_dtype,
    separable_geometry,
)
from minigrad.ops.piecewise import pass_positive, where_positive
from minigrad.ops.shape import broadcast_to, reshape

# --- depthwise: three bilinear maps -----------------------------------------------------------


@primitive(
    x=lambda g, kernel, geometry: _depthwise_input_grad(g, kernel, geometry),
    kernel=lambda g, x, in_shape, geometry: _depthwise_kernel_grad(x, g, geometry, in_shape[3]),
)
def _depthwise(x: Any, kernel: Any, geometry: ConvGeometry) -> Any:
    return kernels.depthwise_forward(x, kernel, geometry)


@primitive(
    y=lambda g, kernel, geometry: _depthwise(g, kernel, geometry),
    kernel=lambda g, y, in_shape, geometry: _depthwise_kernel_grad(g, y, geometry, in_shape[3]),
)
def _depthwise_input_grad(y: Any, kernel: Any, geometry: ConvGeometry) -> Any:
    return kernels.depthwise_input_grad(y, kernel, geometry)


@primitive(
    x=lambda g, y, geometry: _depthwise_input_grad(y, g, geometry),
    y=lambda g, x, geometry: _depthwise(x, g, geometry),
)
def _depthwise_kernel_grad(x: Any, y: Any, geometry: ConvGeometry, multiplier: int) -> Any:
    return kernels.depthwise_kernel_grad(x, y, geometry, multiplier)


# --- pointwise: three bilinear maps and the bias ----------------------------------------------


@primitive(
    x=lambda g, kernel, data_format: _pointwise_input_grad(g, kernel, data_format),
    kernel=lambda g, x, data_format: _pointwise_kernel_grad(x, g, data_format),
    bias=lambda g, data_format: _bias_grad(g, data_format),
)
def _pointwise(x: Any, kernel: Any, bias: Any, data_format: DataFormat) -> Any:
    return kernels.pointwise_forward(x, kernel, bias, data_format)


@primitive(
    y=lambda g, kernel, data_format: _pointwise(g, kernel, None, data_format),
    kernel=lambda g, y, data_format: _pointwise_kernel_grad(g, y, data_format),
)
def _pointwise_input_grad(y: Any, kernel: Any, data_format: DataFormat) -> Any:
    return kernels.pointwise_input_grad(y, kernel, data_format)


@primitive(
    x=lambda g, y, data_format: _pointwise_input_grad(y, g, data_format),
    y=lambda g, x, data_format: _pointwise(x, g, None, data_format),
)
def _pointwise_kernel_grad(x: Any, y: Any, data_format: DataFormat) -> Any:
    return kernels.pointwise_kernel_grad(x, y, data_format)


def _spread_bias(g: Tensor, shape: Shape, data_format: DataFormat) -> Tensor:
    channels = (1, -1, 1, 1) if data_format == "channels_first" else (-1,)
    return broadcast_to(reshape(g, channels), shape)


@primitive(y=lambda g, in_shape, data_format: _spread_bias(g, in_shape, data_format))
def _bias_grad(y: Any, data_format: DataFormat) -> Any:
    return kernels.bias_grad(y, data_format)


# --- separable: one pass forward, one pass backward -------------------------------------------


def _separable_gradients(
    g: Any,
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    geometry: ConvGeometry,
    wants: tuple[bool, ...],
    relu: Any,
) -> tuple[Any, ...]:
    """Return the gradients of all arguments that want one, on arrays; g passes where relu > 0."""
    wants_x, wants_depthwise, wants_pointwise, *rest = wants
    wants_bias = any(rest)
    if wants_depthwise and wants_pointwise:
        return kernels.separable_backward(
            x, depthwise_kernel, pointwise_kernel, g, geometry, wants_bias, wants_x, relu
        )
    if relu is not None:
        g = where_positive(g, relu)
    # Kernels are frozen: compute what is asked for only.
    data_format = geometry.data_format
    dx = dk = dp = db = None
    if wants_x or wants_depthwise:
        deep = kernels.pointwise_input_grad(g, pointwise_kernel, data_format)
        if wants_x:
            dx = kernels.depthwise_input_grad(deep, depthwise_kernel, geometry)
        if wants_depthwise:
            multiplier = depthwise_kernel.shape[3]
            dk = kernels.depthwise_kernel_grad(x, deep, geometry, multiplier)
    if wants_pointwise:
        features = kernels.depthwise_forward(x, depthwise_kernel, geometry)
        dp = kernels.pointwise_kernel_grad(features, g, data_format)
    if wants_bias:
        db = kernels.bias_grad(g, data_format)
    return dx, dk, dp, db


def _deep(g: Tensor, pointwise_kernel: Tensor, geometry: ConvGeometry) -> Tensor:
    """Return the gradient between the two steps."""
    return _pointwise_input_grad(g, pointwise_kernel, geometry.data_format)


@primitive(
    x=lambda g, depthwise_kernel, pointwise_kernel, geometry: _depthwise_input_grad(
        _deep(g, pointwise_kernel, geometry), depthwise_kernel, geometry
    ),
    depthwise_kernel=lambda g, x, in_shape, pointwise_kernel, geometry: _depthwise_kernel_grad(
        x, _deep(g, pointwise_kernel, geometry), geometry, in_shape[3]
    ),
    pointwise_kernel=lambda g, x, depthwise_kernel, geometry: _pointwise_kernel_grad(
        _depthwise(x, depthwise_kernel, geometry), g, geometry.data_format
    ),
    bias=lambda g, geometry: _bias_grad(g, geometry.data_format),
    fused=lambda g, x, depthwise_kernel, pointwise_kernel, geometry, wants: _separable_gradients(
        g, x, depthwise_kernel, pointwise_kernel, geometry, wants, None
    ),
)
def _separable(
    x: Any, depthwise_kernel: Any, pointwise_kernel: Any, bias: Any, geometry: ConvGeometry
) -> Any:
    return kernels.separable_forward(x, depthwise_kernel, pointwise_kernel, bias, geometry)


@primitive(
    x=lambda g, out, depthwise_kernel, pointwise_kernel, geometry: _depthwise_input_grad(
        _deep(pass_positive(g, out.data), pointwise_kernel, geometry), depthwise_kernel, geometry
    ),
    depthwise_kernel=lambda g, out, x, in_shape, pointwise_kernel, geometry: _depthwise_kernel_grad(
        x, _deep(pass_positive(g, out.data), pointwise_kernel, geometry), geometry, in_shape[3]
    ),
    pointwise_kernel=lambda g, out, x, depthwise_kernel, geometry: _pointwise_kernel_grad(
        _depthwise(x, depthwise_kernel, geometry), pass_positive(g, out.data), geometry.data_format
    ),
    bias=lambda g, out, geometry: _bias_grad(pass_positive(g, out.data), geometry.data_format),
    fused=lambda g, out, x, depthwise_kernel, pointwise_kernel, geometry, wants: (
        _separable_gradients(g, x, depthwise_kernel, pointwise_kernel, geometry, wants, out)
    ),
)
def _separable_relu(
    x: Any, depthwise_kernel: Any, pointwise_kernel: Any, bias: Any, geometry: ConvGeometry
) -> Any:
    return kernels.separable_forward(
        x, depthwise_kernel, pointwise_kernel, bias, geometry, relu=True
    )


# --- public -----------------------------------------------------------------------------------


def depthwise_conv2d(
    x: Operand,
    kernel: Operand,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    data_format: Any = "channels_last",
) -> Tensor:
    """Convolve each channel with its own M kernels (a cross-correlation: no kernel is flipped).

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
        float32 or float64.
    kernel : Tensor or array_like, (kh, kw, C, M)
        Of the dtype of x.
    strides, dilation_rate : int or (int, int)
        For rows and columns; they may be unequal, and combined.
    padding : "valid", "same", or ((top, bottom), (left, right))
        Zeros around the input, as in TensorFlow: "same" puts the odd one at the bottom right.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    Tensor, (N, H', W', C M) or (N, C M, H', W')
        Channel c M + m is input channel c seen through its m-th kernel.

    Raises
    ------
    ValueError
        If shapes or arguments do not fit, or no output pixel would be left.
    TypeError
        If the dtypes differ or are not float32 or float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ops.reshape(mg.tensor([0.0, 1, 2, 3, 4, 5, 6, 7, 8]), (1, 3, 3, 1))
    >>> y = mg.ops.depthwise_conv2d(x, mg.tensor([[[[1.0]], [[1.0]]]]))
    >>> y.numpy()[0, :, :, 0]
    array([[ 1.,  3.],
           [ 7.,  9.],
           [13., 15.]], dtype=float32)
    """
    data_format = _validate.data_format(data_format)
    x = images(x)
    kernel = check_depthwise_kernel(kernel, x, data_format)
    same_dtype(True, x=x, kernel=kernel)
    geometry = geometry_of(x, kernel, strides, padding, dilation_rate, data_format)
    return _depthwise(x, kernel, geometry)


def pointwise_conv2d(
    x: Operand, kernel: Operand, bias: Any = None, *, data_format: Any = "channels_last"
) -> Tensor:
    """Mix the channels of every pixel: a 1x1 convolution.

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, K), or (N, K, H, W) with channels_first
        float32 or float64.
    kernel : Tensor or array_like, (1, 1, K, F)
    bias : Tensor or array_like, (F,), optional
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    Tensor, (N, H, W, F) or (N, F, H, W)

    Raises
    ------
    ValueError
        If shapes or arguments do not fit.
    TypeError
        If the dtypes differ or are not float32 or float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> x, kernel = mg.tensor([[[[1.0, 2.0]]]]), mg.tensor([[[[1.0, 0.0], [10.0, 1.0]]]])
    >>> mg.ops.pointwise_conv2d(x, kernel, mg.tensor([0.5, 0.5])).numpy()
    array([[[[21.5,  2.5]]]], dtype=float32)
    """
    data_format = _validate.data_format(data_format)
    x = images(x)
    channels = x.shape[1 if data_format == "channels_first" else 3]
    kernel = check_pointwise_kernel(kernel, channels, x)
    bias = check_bias(bias, kernel)
    same_dtype(True, x=x, kernel=kernel, bias=bias)
    return _pointwise(x, kernel, bias, data_format)


def separable_conv2d(
    x: Operand,
    depthwise_kernel: Operand,
    pointwise_kernel: Operand,
    bias: Any = None,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    data_format: Any = "channels_last",
    activation: Any = None,
) -> Tensor:
    """Depthwise convolution, then pointwise convolution, then bias, in one pass.

    Strides, padding and dilation belong to the depthwise step. There is neither bias nor activation
    between the steps. First-order gradients are computed in one pass, too; higher ones by the
    composed maps at the head of this module.

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
        float32 or float64.
    depthwise_kernel : Tensor or array_like, (kh, kw, C, M)
    pointwise_kernel : Tensor or array_like, (1, 1, C M, F)
    bias : Tensor or array_like, (F,), optional
    strides, dilation_rate, padding, data_format
        As in `depthwise_conv2d`. Strides together with dilation are computed here, although
        `minigrad.layers.SeparableConv2D` refuses them as Keras does.
    activation : None or "relu"
        With "relu", negative results become 0 on their way to memory: the same as
        ``relu(separable_conv2d(...))``, without reading and writing them once more.

    Returns
    -------
    Tensor, (N, H', W', F) or (N, F, H', W')

    Raises
    ------
    ValueError
        If shapes or arguments do not fit, or no output pixel would be left.
    TypeError
        If the dtypes differ or are not float32 or float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ops.reshape(mg.tensor([float(i) for i in range(16)]), (1, 4, 4, 1))
    >>> ones = mg.ops.ones_like(mg.ops.reshape(x[0, :3, :3], (3, 3, 1, 1)))
    >>> y = mg.ops.separable_conv2d(x, ones, mg.tensor([[[[1.0]]]]), strides=2, padding="same")
    >>> y.numpy()[0, :, :, 0]
    array([[45., 39.],
           [66., 50.]], dtype=float32)
    """
    operation = _separable_relu if fuses_relu(activation) else _separable
    x = constant(x)
    depthwise_kernel, pointwise_kernel = (
        constant(depthwise_kernel, x),
        constant(pointwise_kernel, x),
    )
    bias = None if bias is None else constant(bias, x)
    geometry = separable_geometry(
        x,
        depthwise_kernel,
        pointwise_kernel,
        bias,
        _validate.pair(strides, "strides"),
        _validate.padding(padding, explicit=True),
        _validate.pair(dilation_rate, "dilation_rate"),
        _validate.data_format(data_format),
    )
    return operation(x, depthwise_kernel, pointwise_kernel, bias, geometry)

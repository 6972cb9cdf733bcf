"""Full convolution, and pooling by the mean, which is a convolution as well.

The three bilinear maps of `minigrad.ops.convolution`, with kernels that see all channels.
"""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import _validate, kernels
from minigrad.autograd import Tensor, constant, primitive, wrap
from minigrad.kernels import ConvGeometry, conv_geometry
from minigrad.kernels.choice import compiled
from minigrad.ops._common import Operand
from minigrad.ops.convolution import _bias_grad, _depthwise, _spread_bias
from minigrad.ops.convolution_arguments import (
    channels_of,
    check_bias,
    fuses_relu,
    geometry_of,
    images,
    same_dtype,
)
from minigrad.ops.piecewise import pass_positive, where_positive
from minigrad.ops.piecewise import relu as relu_of
from minigrad.ops.shape import reshape


@primitive(
    x=lambda g, kernel, geometry, groups: _conv2d_input_grad(g, kernel, geometry, groups),
    kernel=lambda g, x, geometry, groups: _conv2d_kernel_grad(x, g, geometry, groups),
    bias=lambda g, geometry: _bias_grad(g, geometry.data_format),
)
def _conv2d(x: Any, kernel: Any, bias: Any, geometry: ConvGeometry, groups: int) -> Any:
    return kernels.conv2d_forward(x, kernel, bias, geometry, groups)


@primitive(
    y=lambda g, kernel, geometry, groups: _conv2d(g, kernel, None, geometry, groups),
    kernel=lambda g, y, geometry, groups: _conv2d_kernel_grad(g, y, geometry, groups),
)
def _conv2d_input_grad(y: Any, kernel: Any, geometry: ConvGeometry, groups: int) -> Any:
    return kernels.conv2d_input_grad(y, kernel, geometry, groups)


@primitive(
    x=lambda g, y, geometry, groups: _conv2d_input_grad(y, g, geometry, groups),
    y=lambda g, x, geometry, groups: _conv2d(x, g, None, geometry, groups),
)
def _conv2d_kernel_grad(x: Any, y: Any, geometry: ConvGeometry, groups: int) -> Any:
    return kernels.conv2d_kernel_grad(x, y, geometry, groups)


def _relu_gradients(
    g: Any,
    out: Any,
    x: Any,
    kernel: Any,
    geometry: ConvGeometry,
    groups: int,
    wants: tuple[bool, ...],
) -> tuple[Any, ...]:
    """Return the gradients of all arguments that want one, on arrays; g passes where out > 0."""
    wants_x, wants_kernel, *rest = wants
    g = where_positive(g, out)
    return (
        kernels.conv2d_input_grad(g, kernel, geometry, groups) if wants_x else None,
        kernels.conv2d_kernel_grad(x, g, geometry, groups) if wants_kernel else None,
        kernels.bias_grad(g, geometry.data_format) if any(rest) else None,
    )


@primitive(
    x=lambda g, out, kernel, geometry, groups: _conv2d_input_grad(
        pass_positive(g, out.data), kernel, geometry, groups
    ),
    kernel=lambda g, out, x, geometry, groups: _conv2d_kernel_grad(
        x, pass_positive(g, out.data), geometry, groups
    ),
    bias=lambda g, out, geometry: _bias_grad(pass_positive(g, out.data), geometry.data_format),
    fused=lambda g, out, x, kernel, geometry, groups, wants: _relu_gradients(
        g, out, x, kernel, geometry, groups, wants
    ),
)
def _conv2d_relu(x: Any, kernel: Any, bias: Any, geometry: ConvGeometry, groups: int) -> Any:
    return kernels.conv2d_forward(x, kernel, bias, geometry, groups, relu=True)


def conv2d(
    x: Operand,
    kernel: Operand,
    bias: Any = None,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    data_format: Any = "channels_last",
    activation: Any = None,
) -> Tensor:
    """Convolve images with F filters that see all channels (a cross-correlation, as everywhere).

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
        float32 or float64.
    kernel : Tensor or array_like, (kh, kw, C / groups, F)
    bias : Tensor or array_like, (F,), optional
    strides, padding, dilation_rate, data_format
        As in `depthwise_conv2d`.
    groups : int
        Cut channels and filters into as many parts, which do not see each other.
    activation : None or "relu"
        As in `separable_conv2d`.

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
    >>> x = mg.ops.reshape(mg.tensor([0.0, 1, 2, 3, 4, 5, 6, 7, 8]), (1, 3, 3, 1))
    >>> y = mg.ops.conv2d(x, mg.tensor([[[[1.0, -1.0]]], [[[1.0, 0.0]]]]), strides=(1, 2))
    >>> y.numpy()[0, :, :, 0].tolist(), y.numpy()[0, :, :, 1].tolist()
    ([[3.0, 7.0], [9.0, 13.0]], [[0.0, -2.0], [-3.0, -5.0]])
    """
    relu = fuses_relu(activation)
    data_format = _validate.data_format(data_format)
    groups = _validate.positive_int(groups, "groups")
    x, kernel = images(x), constant(kernel)
    channels = channels_of(x, data_format)
    if kernel.ndim != 4 or kernel.shape[2] * groups != channels or kernel.shape[3] % groups:
        raise ValueError(
            f"The kernel must have shape (kh, kw, C / groups, F), with C the channels of x and F "
            f"a multiple of groups. Received: kernel of shape {kernel.shape}, x of shape "
            f"{x.shape} ({data_format}), groups={groups}"
        )
    bias = check_bias(bias, kernel)
    same_dtype(x=x, kernel=kernel, bias=bias)
    geometry = geometry_of(x, kernel, strides, padding, dilation_rate, data_format)
    if groups == 1 or groups < channels:
        return (_conv2d_relu if relu else _conv2d)(x, kernel, bias, geometry, groups)
    # Each channel is a group: the same numbers in the same order are a depthwise kernel.
    kernel = reshape(kernel, (*kernel.shape[:2], channels, kernel.shape[3] // channels))
    y = _depthwise(x, kernel, geometry)
    y = y if bias is None else y + _spread_bias(bias, y.shape, data_format)
    return relu_of(y) if relu else y


@primitive(x=lambda g, geometry: _average_pool_input_grad(g, geometry))
def _average_pool(x: Any, geometry: ConvGeometry) -> Any:
    from minigrad.kernels.cpu import means  # imported when it is needed

    return means.average_pool_forward(x, geometry)


@primitive(y=lambda g, geometry: _average_pool(g, geometry))
def _average_pool_input_grad(y: Any, geometry: ConvGeometry) -> Any:
    from minigrad.kernels.cpu import means

    return means.average_pool_backward(y, geometry)


def average_pool2d(
    x: Operand,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: Any = "channels_last",
) -> Tensor:
    """Return the mean of each window; of the pixels that lie inside the image, with padding.

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
        float32 or float64.
    pool_size, strides, padding, data_format
        As in `max_pool2d`.

    Returns
    -------
    Tensor, (N, H', W', C) or (N, C, H', W')

    Raises
    ------
    ValueError
        If shapes or arguments do not fit.
    TypeError
        If x is not float32 or float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ops.reshape(mg.tensor([1.0, 5.0, 3.0]), (1, 1, 3, 1))
    >>> mg.ops.average_pool2d(x, (1, 2), padding="same").numpy().ravel()
    array([3., 3.], dtype=float32)
    """
    data_format = _validate.data_format(data_format)
    x = images(x)
    same_dtype(x=x)
    window = _validate.pair(pool_size, "pool_size")
    steps = window if strides is None else _validate.pair(strides, "strides")
    first = data_format == "channels_first"
    size = x.shape[2:] if first else x.shape[1:3]
    geometry = conv_geometry(size, window, steps, _validate.padding(padding), (1, 1), data_format)
    channels = channels_of(x, data_format)
    if compiled(x.data, strided=True):
        return _average_pool(x, geometry)
    sums = _depthwise(x, constant(np.ones((*window, channels, 1), x.dtype), x), geometry)
    down, across = (_pixels_inside(geometry, axis) for axis in (0, 1))
    counts = np.outer(down, across)[..., np.newaxis]
    counts = np.moveaxis(counts, 2, 0) if first else counts
    if counts.min() == geometry.taps:  # nothing of the padding is seen
        return sums / float(geometry.taps)
    return sums / wrap(np.array(counts, sums.dtype, like=x.data))


def _pixels_inside(geometry: ConvGeometry, axis: int) -> Any:
    """Return how many pixels of the image each window covers along an axis."""
    starts = np.arange(geometry.output_size[axis]) * geometry.strides[axis] - geometry.pads[axis][0]
    ends = np.minimum(starts + geometry.kernel_size[axis], geometry.input_size[axis])
    return ends - np.maximum(starts, 0)

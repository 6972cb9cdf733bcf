"""The kernels' public functions: they check, then pass on to a backend.

They check what a compiled kernel could not survive, make arrays C-contiguous, and look the
backend's function up. All raise ValueError when shapes do not fit, and TypeError when dtypes differ
or are not supported.

Shapes below are those of channels_last arrays; with channels_first in the geometry (or the
`data_format` argument) images are (N, C, H, W). Kernels have Keras' shapes in either case.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from minigrad._validate import DataFormat
from minigrad.kernels.backends import lookup
from minigrad.kernels.checks import (
    check_input,
    check_kernel,
    check_output,
    check_pointwise,
    check_separable,
    expect,
    plain,
    plain_or_none,
)
from minigrad.kernels.geometry import ConvGeometry, split_shape

__all__ = [
    "bias_grad",
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "separable_backward",
    "separable_forward",
    "takes_relu",
]

Array: TypeAlias = NDArray[Any]


# --- depthwise convolution --------------------------------------------------------------------


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Convolve each channel with its own M kernels.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    kernel : ndarray, (kh, kw, C, M)
    geometry : ConvGeometry

    Returns
    -------
    ndarray, (N, H', W', C M)
        Channel c M + m holds input channel c seen through its m-th kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels import conv_geometry
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> y = depthwise_forward(x, np.ones((2, 2, 1, 1)), conv_geometry((3, 3), (2, 2)))
    >>> y[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    function = lookup("depthwise_forward", x, kernel)
    _, channels, _ = check_input(x.shape, geometry)
    check_kernel(kernel.shape, geometry, channels)
    return cast(Array, function(plain(x), plain(kernel), geometry))


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of `depthwise_forward` with respect to x.

    Parameters
    ----------
    dy : ndarray, (N, H', W', C M)
        Gradient of the output.
    kernel : ndarray, (kh, kw, C, M)
    geometry : ConvGeometry

    Returns
    -------
    ndarray, (N, H, W, C)
    """
    function = lookup("depthwise_input_grad", dy, kernel)
    check_kernel(kernel.shape, geometry, None)
    check_output(dy.shape, geometry, None, kernel.shape[2] * kernel.shape[3])
    return cast(Array, function(plain(dy), plain(kernel), geometry))


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return the gradient of `depthwise_forward` with respect to the kernel.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    dy : ndarray, (N, H', W', C M)
        Gradient of the output.
    geometry : ConvGeometry
    multiplier : int
        M, the number of kernels per channel.

    Returns
    -------
    ndarray, (kh, kw, C, M)
    """
    function = lookup("depthwise_kernel_grad", x, dy)
    batch, channels, _ = check_input(x.shape, geometry)
    check_output(dy.shape, geometry, batch, channels * multiplier)
    return cast(Array, function(plain(x), plain(dy), geometry, multiplier))


# --- pointwise convolution --------------------------------------------------------------------


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat
) -> Array:
    """Mix the channels of every pixel: a matrix product, plus a bias.

    Parameters
    ----------
    x : ndarray, (N, H, W, K)
    kernel : ndarray, (1, 1, K, F)
    bias : ndarray (F,), or None
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (N, H, W, F)

    Examples
    --------
    >>> import numpy as np
    >>> x, kernel = np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 0.0], [10.0, 1.0]]]])
    >>> pointwise_forward(x, kernel, np.array([0.5, 0.5]), "channels_last")
    array([[[[21.5,  2.5]]]])
    """
    function = lookup("pointwise_forward", x, kernel, bias)
    check_pointwise(
        kernel.shape,
        split_shape(x.shape, data_format)[3],
        None if bias is None else bias.shape,
    )
    return cast(Array, function(plain(x), plain(kernel), plain_or_none(bias), data_format))


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return the gradient of `pointwise_forward` with respect to x.

    Parameters
    ----------
    dy : ndarray, (N, H, W, F)
        Gradient of the output.
    kernel : ndarray, (1, 1, K, F)
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (N, H, W, K)
    """
    function = lookup("pointwise_input_grad", dy, kernel)
    check_pointwise(kernel.shape, None, None)
    expect("dy", "channels", split_shape(dy.shape, data_format)[3], kernel.shape[3])
    return cast(Array, function(plain(dy), plain(kernel), data_format))


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of `pointwise_forward` with respect to the kernel.

    Parameters
    ----------
    x : ndarray, (N, H, W, K)
    dy : ndarray, (N, H, W, F)
        Gradient of the output.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (1, 1, K, F)
    """
    function = lookup("pointwise_kernel_grad", x, dy)
    images, gradients = split_shape(x.shape, data_format), split_shape(dy.shape, data_format)
    expect("dy", "(N, H, W)", gradients[:3], images[:3])
    return cast(Array, function(plain(x), plain(dy), data_format))


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient with respect to a bias that was added to every pixel.

    Parameters
    ----------
    dy : ndarray, (N, H, W, F)
        Gradient of the output.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (F,)
        The sum over all axes but the channels.
    """
    function = lookup("bias_grad", dy)
    split_shape(dy.shape, data_format)
    return cast(Array, function(plain(dy), data_format))


# --- separable convolution --------------------------------------------------------------------


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
    relu: bool = False,
) -> Array:
    """Depthwise, then pointwise, then bias, then perhaps ReLU, in one pass.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    depthwise_kernel : ndarray, (kh, kw, C, M)
    pointwise_kernel : ndarray, (1, 1, C M, F)
    bias : ndarray (F,), or None
    geometry : ConvGeometry
        Of the depthwise step; the pointwise step has no strides, padding or dilation.
    relu : bool
        Whether negative results become 0. A backend that has no such argument gets it done
        afterwards.

    Returns
    -------
    ndarray, (N, H', W', F)
    """
    function = lookup("separable_forward", x, depthwise_kernel, pointwise_kernel, bias)
    check_separable(
        geometry,
        x.shape,
        depthwise_kernel.shape,
        pointwise_kernel.shape,
        None if bias is None else bias.shape,
    )
    fused = {"relu": True} if relu and takes_relu(function) else {}
    arrays = map(plain, (x, depthwise_kernel, pointwise_kernel))
    y: Array = function(*arrays, plain_or_none(bias), geometry, **fused)
    return np.maximum(y, 0) if relu and not fused else y


@functools.cache
def takes_relu(function: Callable[..., Any]) -> bool:
    """Whether a backend's function can end with ReLU by itself."""
    return "relu" in inspect.signature(function).parameters


def separable_backward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    dy: Array,
    geometry: ConvGeometry,
    use_bias: bool,
    need_dx: bool = True,
    relu: Array | None = None,
) -> tuple[Array | None, Array, Array, Array | None]:
    """Return all gradients of `separable_forward` at once.

    Parameters
    ----------
    x, depthwise_kernel, pointwise_kernel : ndarray
        As in `separable_forward`.
    dy : ndarray, (N, H', W', F)
        Gradient of the output.
    geometry : ConvGeometry
    use_bias : bool
        Whether the gradient of a bias is wanted.
    need_dx : bool
        Whether the gradient of x is wanted; that of a first layer is not.
    relu : ndarray, (N, H', W', F), or None
        The result, if it ended with ReLU: dy passes where this is positive.

    Returns
    -------
    dx, d_depthwise_kernel, d_pointwise_kernel : ndarray
        With the shapes of what they are the gradients of; dx is None where it is not wanted.
    d_bias : ndarray (F,), or None
    """
    function = lookup("separable_backward", x, depthwise_kernel, pointwise_kernel, dy, relu)
    check_separable(
        *(geometry, x.shape, depthwise_kernel.shape, pointwise_kernel.shape, None),
        *(dy.shape, None if relu is None else relu.shape),
    )
    fused: dict[str, Any] = {}
    if relu is not None:
        if takes_relu(function):  # it also reads a gradient that broadcasting repeats
            fused = {"relu": plain(relu)}
        else:
            dy = np.where(relu > 0, dy, dy.dtype.type(0))
    arrays = map(plain, (x, depthwise_kernel, pointwise_kernel))
    dy = dy if fused else plain(dy)
    gradients: tuple[Array | None, Array, Array, Array | None]
    gradients = function(*arrays, dy, geometry, use_bias, need_dx, **fused)
    return gradients

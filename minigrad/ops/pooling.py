"""Pooling: the largest value of each window, and the mean of an image.

Maximum pooling chooses pixels; given the choice it is linear. Its derivative puts the gradient
back onto the chosen pixels, and the derivative of that reads them again.
"""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import _validate, kernels
from minigrad.autograd import Tensor, primitive
from minigrad.kernels import ConvGeometry, conv_geometry
from minigrad.kernels.choice import compiled
from minigrad.ops._common import Operand, count, kept_shape
from minigrad.ops.convolution_arguments import images, same_dtype
from minigrad.ops.reduction import mean
from minigrad.ops.shape import spread


@primitive(x=lambda g, saved, geometry: _put_back(g, saved, geometry), saves=True)
def _max_pool(x: Any, geometry: ConvGeometry) -> Any:
    return kernels.max_pool_forward(x, geometry)


@primitive(y=lambda g, chosen, geometry: _read(g, chosen, geometry))
def _put_back(y: Any, chosen: Any, geometry: ConvGeometry) -> Any:
    return kernels.max_pool_backward(y, chosen, geometry)


@primitive(x=lambda g, chosen, geometry: _put_back(g, chosen, geometry))
def _read(x: Any, chosen: Any, geometry: ConvGeometry) -> Any:
    """Return the chosen pixels; 0 for a window that lies outside the image."""
    first = geometry.data_format == "channels_first"
    flat = (*x.shape[:2], -1) if first else (x.shape[0], -1, x.shape[3])  # rows joined
    if not chosen.size:
        return np.zeros(chosen.shape, x.dtype, like=x)
    index = chosen.reshape(flat)
    values = np.take_along_axis(x.reshape(flat), np.maximum(index, 0), axis=2 if first else 1)
    return np.where(index < 0, x.dtype.type(0), values).reshape(chosen.shape)


@primitive(
    x=lambda g, in_shape, axes: spread(g / count(in_shape, axes), in_shape, axes), plain=True
)
def _average(x: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    from minigrad.kernels.cpu import means  # imported when it is needed

    first, last = axes[0], axes[1] + 1
    rows = count(x.shape, range(first)), count(x.shape, axes), count(x.shape, range(last, 4))
    return means.image_means(x, rows).reshape(
        kept_shape(x.shape, axes) if keepdims else x.shape[:first] + x.shape[last:]
    )


def max_pool2d(
    x: Operand,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: Any = "channels_last",
) -> Tensor:
    """Return the largest value of each window.

    Padding never wins. Of equal values the first (in reading order) gets the gradient.

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
        float32 or float64.
    pool_size : int or (int, int)
        Height and width of a window.
    strides : int or (int, int), optional
        Steps between windows; ``pool_size`` when left out.
    padding : "valid" or "same"
    data_format : "channels_last" or "channels_first"

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
    >>> x = mg.ops.reshape(mg.tensor([1.0, 5.0, 2.0, 3.0]), (1, 2, 2, 1))
    >>> mg.ops.max_pool2d(x).item()
    5.0
    """
    data_format = _validate.data_format(data_format)
    x = images(x)
    same_dtype(x=x)
    window = _validate.pair(pool_size, "pool_size")
    steps = window if strides is None else _validate.pair(strides, "strides")
    rows = 2 if data_format == "channels_first" else 1
    geometry = conv_geometry(
        x.shape[rows : rows + 2],
        window,
        steps,
        _validate.padding(padding),
        (1, 1),
        data_format,
    )
    return _max_pool(x, geometry)


def global_average_pool2d(
    x: Operand, keepdims: bool = False, data_format: Any = "channels_last"
) -> Tensor:
    """Return the mean of each channel over the image.

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
    keepdims : bool
        Keep height and width, with size 1.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    Tensor, (N, C), or with four axes

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ops.reshape(mg.tensor([1.0, 5.0, 2.0, 4.0]), (1, 2, 2, 1))
    >>> mg.ops.global_average_pool2d(x).numpy()
    array([[3.]], dtype=float32)
    """
    axes = (2, 3) if _validate.data_format(data_format) == "channels_first" else (1, 2)
    x = images(x)
    if compiled(x.data, strided=True):
        return _average(x, axes, _validate.flag(keepdims, "keepdims"))
    return mean(x, axes, keepdims)

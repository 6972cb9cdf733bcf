"""Larger images: each pixel repeated, or numbers between the pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from minigrad import _validate
from minigrad.autograd import Tensor, wrap
from minigrad.ops._common import Operand
from minigrad.ops.convolution_arguments import images, same_dtype
from minigrad.ops.joining import repeat
from minigrad.ops.linalg import matmul
from minigrad.ops.shape import reshape


def upsample2d(
    x: Operand,
    size: Any = 2,
    interpolation: str = "nearest",
    data_format: Any = "channels_last",
) -> Tensor:
    """Return images enlarged by whole factors.

    Parameters
    ----------
    x : Tensor or array_like, (N, H, W, C), or (N, C, H, W) with channels_first
        float32 or float64.
    size : int or (int, int)
        The factors for height and width.
    interpolation : "nearest" or "bilinear"
        Repeat pixels, or interpolate linearly between their centres. Beyond the outermost centres
        the image goes on as it is there.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    Tensor, (N, H size[0], W size[1], C) or (N, C, H size[0], W size[1])

    Raises
    ------
    ValueError
        If an argument does not fit.
    TypeError
        If x is not float32 or float64.

    Notes
    -----
    As ``tf.image.resize`` does:
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/image/resize

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ops.reshape(mg.tensor([0.0, 4.0]), (1, 1, 2, 1))
    >>> mg.ops.upsample2d(x, (1, 2)).numpy().ravel()
    array([0., 0., 4., 4.], dtype=float32)
    >>> mg.ops.upsample2d(x, (1, 2), "bilinear").numpy().ravel()
    array([0., 1., 3., 4.], dtype=float32)
    """
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(
            f"interpolation must be 'nearest' or 'bilinear'. "
            f"Received: interpolation={interpolation!r}"
        )
    first = _validate.data_format(data_format) == "channels_first"
    x = images(x)
    same_dtype(x=x)
    down, across = _validate.pair(size, "size")
    rows = 2 if first else 1
    if interpolation == "nearest":
        return repeat(repeat(x, down, axis=rows), across, axis=rows + 1)
    height, width = x.shape[rows : rows + 2]
    # The images are multiplied with one small matrix from the left and one from the right.
    if first:
        return matmul(
            _between(height, down, x), matmul(x, _between(width, across, x).swapaxes(0, 1))
        )
    batch, _, _, channels = x.shape
    wide = matmul(_between(width, across, x), x)
    wide = reshape(wide, (batch, height, width * across * channels))
    tall = matmul(_between(height, down, x), wide)
    return reshape(tall, (batch, height * down, width * across, channels))


def _between(size: int, factor: int, x: Tensor) -> Tensor:
    """Return the matrix that interpolates along an axis, (size factor, size)."""
    return wrap(np.array(_weights(size, factor), x.dtype, like=x.data))


@lru_cache(maxsize=64)
def _weights(size: int, factor: int) -> Any:
    places = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, max(size - 1, 0))
    return np.maximum(1 - np.abs(places[:, np.newaxis] - np.arange(size)), 0)

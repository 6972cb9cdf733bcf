"""The public functions of max pooling: checks, errors and backends as in `kernels.dispatch`."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.backends import lookup
from minigrad.kernels.checks import check_input, check_output, expect, plain
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["max_pool_backward", "max_pool_forward"]

Array: TypeAlias = NDArray[Any]


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return the maximum of each window, and where it was found.

    Padding never wins. The first of equal maxima wins. NaN wins against everything.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
        Real numbers.
    geometry : ConvGeometry

    Returns
    -------
    y : ndarray, (N, H', W', C)
    argmax : ndarray of int32 or int64, (N, H', W', C)
        Position row * W + column of the winner in its image. -1 where a window lies outside the
        image altogether (possible with explicit pads or dilation only); y is then -inf.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels import conv_geometry
    >>> x = np.array([[1.0, 5.0], [5.0, 2.0]]).reshape(1, 2, 2, 1)
    >>> y, argmax = max_pool_forward(x, conv_geometry((2, 2), (2, 2)))
    >>> y.item(), argmax.item()
    (5.0, 1)
    """
    if x.dtype.kind == "c":
        raise TypeError(f"Complex numbers have no maximum. Received: dtype={x.dtype}")
    function = lookup("max_pool_forward", x)
    check_input(x.shape, geometry)
    return cast("tuple[Array, Array]", function(plain(x), geometry))


def max_pool_backward(dy: Array, argmax: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of `max_pool_forward`: dy goes to the pixels that won.

    Parameters
    ----------
    dy : ndarray, (N, H', W', C)
        Gradient of the output.
    argmax : ndarray of int32 or int64, (N, H', W', C)
        From `max_pool_forward`.
    geometry : ConvGeometry

    Returns
    -------
    ndarray, (N, H, W, C)
    """
    function = lookup("max_pool_backward", dy)
    if argmax.dtype not in (np.int32, np.int64):
        raise TypeError(f"argmax must be int32 or int64. Received: dtype={argmax.dtype}")
    check_output(dy.shape, geometry, None, None)
    expect("argmax", "shape", argmax.shape, dy.shape)
    return cast(Array, function(plain(dy), plain(argmax), geometry))

"""The public functions of full convolution: checks, errors and backends as in `kernels.dispatch`.

With `groups`, channels and filters are cut into as many parts, and each part of the filters sees
its part of the channels only. Shapes are those of channels_last arrays; with channels_first in the
geometry, images are (N, C, H, W).
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.backends import lookup
from minigrad.kernels.checks import check_input, check_output, expect, plain, plain_or_none
from minigrad.kernels.dispatch import takes_relu
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["conv2d_forward", "conv2d_input_grad", "conv2d_kernel_grad"]

Array: TypeAlias = NDArray[Any]


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
    groups: int = 1,
    relu: bool = False,
) -> Array:
    """Convolve images with F filters that see all channels (of their group), and add a bias.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    kernel : ndarray, (kh, kw, C / groups, F)
    bias : ndarray (F,), or None
    geometry : ConvGeometry
    groups : int
        Divides C and F.
    relu : bool
        As in `separable_forward`.

    Returns
    -------
    ndarray, (N, H', W', F)

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels import conv_geometry
    >>> x = np.arange(18.0).reshape(1, 3, 3, 2)
    >>> y = conv2d_forward(x, np.ones((3, 3, 2, 1)), np.ones(1), conv_geometry((3, 3), (3, 3)))
    >>> y.ravel()
    array([154.])
    """
    function = lookup("conv2d_forward", x, kernel, bias)
    _, channels, _ = check_input(x.shape, geometry)
    _check_kernel(kernel, geometry, groups, channels)
    if bias is not None:
        expect("a bias", "shape", bias.shape, kernel.shape[3:])
    fused = {"relu": True} if relu and takes_relu(function) else {}
    y = function(plain(x), plain(kernel), plain_or_none(bias), geometry, groups, **fused)
    return cast(Array, np.maximum(y, 0) if relu and not fused else y)


def conv2d_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry, groups: int = 1) -> Array:
    """Return the gradient of `conv2d_forward` with respect to x.

    Parameters
    ----------
    dy : ndarray, (N, H', W', F)
        Gradient of the output.
    kernel : ndarray, (kh, kw, C / groups, F)
    geometry : ConvGeometry
    groups : int

    Returns
    -------
    ndarray, (N, H, W, C)
    """
    function = lookup("conv2d_input_grad", dy, kernel)
    _check_kernel(kernel, geometry, groups, None)
    check_output(dy.shape, geometry, None, kernel.shape[3])
    return cast(Array, function(plain(dy), plain(kernel), geometry, groups))


def conv2d_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, groups: int = 1) -> Array:
    """Return the gradient of `conv2d_forward` with respect to the kernel.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    dy : ndarray, (N, H', W', F)
        Gradient of the output.
    geometry : ConvGeometry
    groups : int

    Returns
    -------
    ndarray, (kh, kw, C / groups, F)
    """
    function = lookup("conv2d_kernel_grad", x, dy)
    batch, channels, _ = check_input(x.shape, geometry)
    check_output(dy.shape, geometry, batch, None)
    filters = dy.shape[1 if geometry.data_format == "channels_first" else 3]
    remainders = channels % groups, filters % groups
    expect("C and F", f"divisible by {groups}, remainders", remainders, (0, 0))
    return cast(Array, function(plain(x), plain(dy), geometry, groups))


def _check_kernel(kernel: Array, geometry: ConvGeometry, groups: int, channels: int | None) -> None:
    """Check a kernel, (kh, kw, C / groups, F)."""
    if kernel.ndim != 4 or kernel.shape[:2] != geometry.kernel_size:
        kh, kw = geometry.kernel_size
        expect("a kernel", "shape", kernel.shape, f"({kh}, {kw}, C / groups, F)")
    if channels is not None:
        expect("a kernel", "C =", kernel.shape[2] * groups, channels)
    expect("a kernel", f"F divisible by {groups}, remainder", kernel.shape[3] % groups, 0)

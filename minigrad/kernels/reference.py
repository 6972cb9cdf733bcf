"""The textbook definition of every kernel, in plain loops: slow, and obviously right.

The fast kernels are tested against this file, and it is a good first lesson: read it beside the
formulas. Every loop below runs over output pixels and kernel taps; NumPy does the sums over images
and channels. Works for every dtype that can be added and multiplied, complex numbers included
(`max_pool` needs an order, so it takes real numbers only).

Notation, for channels_last arrays:

- x[n, i, j, c]: input; y[n, i, j, q]: output; K[a, b, c, m]: depthwise kernel, q = c M + m;
- output pixel (i, j) sees input pixel (r, s) through tap (a, b) when

      r = i sh + a dh - top   and   s = j sw + b dw - left

  (sh, sw: strides; dh, dw: dilation rates). No tap is flipped: it is a cross-correlation. A tap
  that falls outside the image contributes nothing, which is what padding with zeros means.

A depthwise convolution is a sum of products, so its three maps (the output, the gradient of the
input, the gradient of the kernel) visit the same triples (output pixel, tap, input pixel), and each
adds the product of two of them to the third.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad._validate import DataFormat
from minigrad.kernels.geometry import ConvGeometry

__all__ = [
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

Array = NDArray[Any]


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return y[n, i, j, c M + m] = Σ_ab x[n, r, s, c] K[a, b, c, m]."""
    x = _to_last(x, geometry.data_format)
    batch, channels, multiplier = len(x), kernel.shape[2], kernel.shape[3]
    y = np.zeros((batch, *geometry.output_size, channels, multiplier), x.dtype)
    for i, j, a, b, r, s in _meetings(geometry):
        y[:, i, j] += x[:, r, s, :, np.newaxis] * kernel[a, b]
    merged = y.reshape(batch, *geometry.output_size, channels * multiplier)
    return _from_last(merged, geometry.data_format)


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return dx[n, r, s, c] = Σ dy[n, i, j, c M + m] K[a, b, c, m].

    The sum runs over all (i, j, a, b) that meet pixel (r, s), and over m. A pixel that no window
    reaches gets exactly 0.
    """
    dy = _to_last(dy, geometry.data_format)
    batch, channels, multiplier = len(dy), kernel.shape[2], kernel.shape[3]
    dy = dy.reshape(batch, *geometry.output_size, channels, multiplier)
    dx = np.zeros((batch, *geometry.input_size, channels), dy.dtype)
    for i, j, a, b, r, s in _meetings(geometry):
        dx[:, r, s] += (dy[:, i, j] * kernel[a, b]).sum(axis=-1, dtype=dy.dtype)
    return _from_last(dx, geometry.data_format)


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return dK[a, b, c, m] = Σ_nij x[n, r, s, c] dy[n, i, j, c M + m]."""
    x, dy = _to_last(x, geometry.data_format), _to_last(dy, geometry.data_format)
    batch, channels = len(x), x.shape[3]
    dy = dy.reshape(batch, *geometry.output_size, channels, multiplier)
    gradient = np.zeros((*geometry.kernel_size, channels, multiplier), x.dtype)
    for i, j, a, b, r, s in _meetings(geometry):
        product = x[:, r, s, :, np.newaxis] * dy[:, i, j]
        gradient[a, b] += product.sum(axis=0, dtype=x.dtype)
    return gradient


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat
) -> Array:
    """Return y[n, i, j, f] = Σ_q x[n, i, j, q] Q[0, 0, q, f] + bias[f]."""
    x = _to_last(x, data_format)
    y = np.zeros((*x.shape[:3], kernel.shape[3]), x.dtype)
    for q in range(kernel.shape[2]):
        y += x[..., q, np.newaxis] * kernel[0, 0, q]
    if bias is not None:
        y += bias
    return _from_last(y, data_format)


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return dx[n, i, j, q] = Σ_f dy[n, i, j, f] Q[0, 0, q, f]."""
    dy = _to_last(dy, data_format)
    dx = np.zeros((*dy.shape[:3], kernel.shape[2]), dy.dtype)
    for f in range(kernel.shape[3]):
        dx += dy[..., f, np.newaxis] * kernel[0, 0, :, f]
    return _from_last(dx, data_format)


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return dQ[0, 0, q, f] = Σ_nij x[n, i, j, q] dy[n, i, j, f]."""
    x, dy = _to_last(x, data_format), _to_last(dy, data_format)
    gradient = np.zeros((1, 1, x.shape[3], dy.shape[3]), x.dtype)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            product = x[:, i, j, :, np.newaxis] * dy[:, i, j, np.newaxis, :]
            gradient[0, 0] += product.sum(axis=0, dtype=x.dtype)
    return gradient


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return db[f] = Σ_nij dy[n, i, j, f]."""
    return np.asarray(_to_last(dy, data_format).sum(axis=(0, 1, 2), dtype=dy.dtype))


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
) -> Array:
    """Return the pointwise convolution of the depthwise convolution of x. Nothing in between."""
    features = depthwise_forward(x, depthwise_kernel, geometry)
    return pointwise_forward(features, pointwise_kernel, bias, geometry.data_format)


def separable_backward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    dy: Array,
    geometry: ConvGeometry,
    use_bias: bool,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array | None]:
    """Return the gradients (dx or None, d_depthwise_kernel, d_pointwise_kernel, d_bias or None).

    The chain rule, from the output back to the input; the features are computed once more.
    """
    features = depthwise_forward(x, depthwise_kernel, geometry)
    d_features = pointwise_input_grad(dy, pointwise_kernel, geometry.data_format)
    return (
        depthwise_input_grad(d_features, depthwise_kernel, geometry) if need_dx else None,
        depthwise_kernel_grad(x, d_features, geometry, depthwise_kernel.shape[3]),
        pointwise_kernel_grad(features, dy, geometry.data_format),
        bias_grad(dy, geometry.data_format) if use_bias else None,
    )


def conv2d_forward(
    x: Array, kernel: Array, bias: Array | None, geometry: ConvGeometry, groups: int
) -> Array:
    """Return y[n, i, j, f] = Σ_abc x[n, r, s, c] K[a, b, c, f] + bias[f].

    With groups, c runs over the channels of the group that f belongs to.
    """
    x = _to_last(x, geometry.data_format)
    y = np.zeros((len(x), *geometry.output_size, kernel.shape[3]), x.dtype)
    for i, j, a, b, r, s in _meetings(geometry):
        for c, f in _groups(kernel.shape[2], kernel.shape[3], groups):
            y[:, i, j, f] += x[:, r, s, c] @ kernel[a, b, :, f]
    if bias is not None:
        y += bias
    return _from_last(y, geometry.data_format)


def conv2d_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return dx[n, r, s, c] = Σ dy[n, i, j, f] K[a, b, c, f], over all that meets the pixel."""
    dy = _to_last(dy, geometry.data_format)
    dx = np.zeros((len(dy), *geometry.input_size, groups * kernel.shape[2]), dy.dtype)
    for i, j, a, b, r, s in _meetings(geometry):
        for c, f in _groups(kernel.shape[2], kernel.shape[3], groups):
            dx[:, r, s, c] += dy[:, i, j, f] @ kernel[a, b, :, f].T
    return _from_last(dx, geometry.data_format)


def conv2d_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, groups: int) -> Array:
    """Return dK[a, b, c, f] = Σ_nij x[n, r, s, c] dy[n, i, j, f]."""
    x, dy = _to_last(x, geometry.data_format), _to_last(dy, geometry.data_format)
    channels, filters = x.shape[3] // groups, dy.shape[3]
    gradient = np.zeros((*geometry.kernel_size, channels, filters), x.dtype)
    for i, j, a, b, r, s in _meetings(geometry):
        for c, f in _groups(channels, filters, groups):
            gradient[a, b, :, f] += x[:, r, s, c].T @ dy[:, i, j, f]
    return gradient


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return the maximum of each window, and where it was found.

    y[n, i, j, c] = max_ab x[n, r, s, c], over the taps that lie inside the image. The first maximum
    wins; NaN counts as larger than everything. The second array holds the winner's position r W + s
    in the image, or -1 where a window has no pixel inside the image (its maximum is then the
    smallest number there is).
    """
    x = _to_last(x, geometry.data_format)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    shape = (len(x), *geometry.output_size, x.shape[3])
    y = np.full(shape, lowest, x.dtype)
    argmax = np.full(shape, -1, np.int64)
    for i, j, _, _, r, s in _meetings(geometry):
        value, best, found = x[:, r, s], y[:, i, j], argmax[:, i, j] >= 0
        # The last test is "value is NaN, best is not": nothing is larger than a NaN.
        better = ~found | (value > best) | ((value != value) & (best == best))
        y[:, i, j] = np.where(better, value, best)
        argmax[:, i, j] = np.where(better, r * geometry.input_size[1] + s, argmax[:, i, j])
    return _from_last(y, geometry.data_format), _from_last(argmax, geometry.data_format)


def max_pool_backward(dy: Array, argmax: Array, geometry: ConvGeometry) -> Array:
    """Return dx: every element of dy is added to the pixel that won its window."""
    dy, argmax = _to_last(dy, geometry.data_format), _to_last(argmax, geometry.data_format)
    height, width = geometry.input_size
    batch, channels = len(dy), dy.shape[3]
    dx = np.zeros((batch, height * width, channels), dy.dtype)
    for n, i, j, c in np.ndindex(*dy.shape):
        if 0 <= argmax[n, i, j, c] < height * width:
            dx[n, argmax[n, i, j, c], c] += dy[n, i, j, c]
    return _from_last(dx.reshape(batch, height, width, channels), geometry.data_format)


def _meetings(geometry: ConvGeometry) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield all (i, j, a, b, r, s): output pixel (i, j) sees pixel (r, s) through tap (a, b)."""
    (top, _), (left, _) = geometry.pads
    for i in range(geometry.output_size[0]):
        for j in range(geometry.output_size[1]):
            for a in range(geometry.kernel_size[0]):
                for b in range(geometry.kernel_size[1]):
                    r = i * geometry.strides[0] + a * geometry.dilation_rate[0] - top
                    s = j * geometry.strides[1] + b * geometry.dilation_rate[1] - left
                    if 0 <= r < geometry.input_size[0] and 0 <= s < geometry.input_size[1]:
                        yield i, j, a, b, r, s


def _groups(channels: int, filters: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """Yield the channels and the filters of each group; a group has so many `channels`."""
    size = filters // groups
    for g in range(groups):
        yield slice(g * channels, (g + 1) * channels), slice(g * size, (g + 1) * size)


def _to_last(x: Array, data_format: DataFormat) -> Array:
    """Return a view of x with the channels last."""
    return x.transpose(0, 2, 3, 1) if data_format == "channels_first" else x


def _from_last(x: Array, data_format: DataFormat) -> Array:
    """Return channels_last x in `data_format`, C-contiguous."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if data_format == "channels_first" else x)

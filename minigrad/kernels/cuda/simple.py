"""The first rung: every convolution with one thread for each number of the result.

Read this before the fast kernels. Each kernel is the textbook sum, beside its twin in
`minigrad.kernels.reference`; arrays have four axes, and an image with the channels first is a view
with its axes moved. It is correct and slow: each thread reads everything that it needs from global
memory by itself, and half of the instructions compute 64-bit addresses.

The functions have the arguments of those in `minigrad.kernels`. To compute with them::

    minigrad.kernels.register("depthwise_forward", "cuda", simple.depthwise_forward)
"""

from __future__ import annotations

from typing import Any

from minigrad._validate import DataFormat
from minigrad.kernels.cuda.layout import Array, run
from minigrad.kernels.cuda.runtime import cuda, empty, jit, zeros
from minigrad.kernels.geometry import ConvGeometry, join_shape

__all__ = [
    "bias_grad",
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "separable_forward",
]

THREADS = 128


@jit(device=True)
def position(t: int, shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the index of element t of an array with four axes; the last one runs fastest."""
    rest = t // shape[3]
    line = rest // shape[2]
    return line // shape[1], line % shape[1], rest % shape[2], t % shape[3]


@jit
def depthwise_forward_kernel(
    x: Any, kernel: Any, y: Any, sh: int, sw: int, dh: int, dw: int, top: int, left: int
) -> None:
    """y[n, i, j, c M + m] = Σ_ab x[n, r, s, c] K[a, b, c, m]: thread t has one (n, i, j, q)."""
    t = cuda.grid(1)
    if t < y.size:
        n, i, j, q = position(t, y.shape)
        c, m = q // kernel.shape[3], q % kernel.shape[3]
        total = x.dtype.type(0)
        for a in range(kernel.shape[0]):
            for b in range(kernel.shape[1]):
                r, s = i * sh + a * dh - top, j * sw + b * dw - left
                if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
                    total += x[n, r, s, c] * kernel[a, b, c, m]
        y[n, i, j, q] = total


@jit
def depthwise_input_grad_kernel(
    dy: Any, kernel: Any, dx: Any, sh: int, sw: int, dh: int, dw: int, top: int, left: int
) -> None:
    """dx[n, r, s, c] = Σ_abm dy[n, i, j, c M + m] K[a, b, c, m]: thread t has one (n, r, s, c)."""
    t = cuda.grid(1)
    if t < dx.size:
        n, r, s, c = position(t, dx.shape)
        total = dy.dtype.type(0)
        for a in range(kernel.shape[0]):
            for b in range(kernel.shape[1]):
                # The output pixel that sees (r, s) through tap (a, b), where there is one.
                i, j = r + top - a * dh, s + left - b * dw
                meet = i >= 0 and j >= 0 and i % sh == 0 and j % sw == 0
                if meet and i // sh < dy.shape[1] and j // sw < dy.shape[2]:
                    for m in range(kernel.shape[3]):
                        q = c * kernel.shape[3] + m
                        total += dy[n, i // sh, j // sw, q] * kernel[a, b, c, m]
        dx[n, r, s, c] = total


@jit
def depthwise_kernel_grad_kernel(
    x: Any, dy: Any, gradient: Any, sh: int, sw: int, dh: int, dw: int, top: int, left: int
) -> None:
    """dK[a, b, c, m] = Σ_nij x[n, r, s, c] dy[n, i, j, c M + m]: thread t has one (a, b, c, m)."""
    t = cuda.grid(1)
    if t < gradient.size:
        a, b, c, m = position(t, gradient.shape)
        total = x.dtype.type(0)
        for n in range(dy.shape[0]):
            for i in range(dy.shape[1]):
                for j in range(dy.shape[2]):
                    r, s = i * sh + a * dh - top, j * sw + b * dw - left
                    if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
                        total += x[n, r, s, c] * dy[n, i, j, c * gradient.shape[3] + m]
        gradient[a, b, c, m] = total


@jit
def pointwise_forward_kernel(x: Any, kernel: Any, bias: Any, y: Any) -> None:
    """y[n, i, j, f] = Σ_k x[n, i, j, k] Q[0, 0, k, f] + bias[f]: thread t has one (n, i, j, f)."""
    t = cuda.grid(1)
    if t < y.size:
        n, i, j, f = position(t, y.shape)
        total = bias[f % bias.size]
        for k in range(kernel.shape[2]):
            total += x[n, i, j, k] * kernel[0, 0, k, f]
        y[n, i, j, f] = total


@jit
def pointwise_kernel_grad_kernel(x: Any, dy: Any, gradient: Any) -> None:
    """dQ[0, 0, k, f] = Σ_nij x[n, i, j, k] dy[n, i, j, f]: thread t has one (k, f)."""
    t = cuda.grid(1)
    if t < gradient.size:
        k, f = t // gradient.shape[3], t % gradient.shape[3]
        total = x.dtype.type(0)
        for n in range(dy.shape[0]):
            for i in range(dy.shape[1]):
                for j in range(dy.shape[2]):
                    total += x[n, i, j, k] * dy[n, i, j, f]
        gradient[0, 0, k, f] = total


@jit
def bias_grad_kernel(dy: Any, gradient: Any) -> None:
    """db[f] = Σ_nij dy[n, i, j, f]: thread t has one f."""
    f = cuda.grid(1)
    if f < gradient.size:
        total = dy.dtype.type(0)
        for n in range(dy.shape[0]):
            for i in range(dy.shape[1]):
                for j in range(dy.shape[2]):
                    total += dy[n, i, j, f]
        gradient[f] = total


@jit
def separable_forward_kernel(
    x: Any, depthwise: Any, pointwise: Any, bias: Any, y: Any,
    sh: int, sw: int, dh: int, dw: int, top: int, left: int,
) -> None:  # fmt: skip
    """y[n, i, j, f] = Σ_q (Σ_ab x[n, r, s, c] K[a, b, c, m]) Q[0, 0, q, f] + bias[f].

    Thread t has one (n, i, j, f). The features are computed again for each filter.
    """
    t = cuda.grid(1)
    if t < y.size:
        n, i, j, f = position(t, y.shape)
        total = bias[f % bias.size]
        for q in range(pointwise.shape[2]):
            c, m = q // depthwise.shape[3], q % depthwise.shape[3]
            feature = x.dtype.type(0)
            for a in range(depthwise.shape[0]):
                for b in range(depthwise.shape[1]):
                    r, s = i * sh + a * dh - top, j * sw + b * dw - left
                    if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
                        feature += x[n, r, s, c] * depthwise[a, b, c, m]
            total += feature * pointwise[0, 0, q, f]
        y[n, i, j, f] = total


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """See `minigrad.kernels.depthwise_forward`."""
    channels = kernel.shape[2] * kernel.shape[3]
    y = _images(x, geometry.output_size, channels, geometry.data_format)
    first, last = (_last(image, geometry.data_format) for image in (x, y))
    run(depthwise_forward_kernel, y.size, THREADS, first, kernel, last, *_window(geometry))
    return y


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """See `minigrad.kernels.depthwise_input_grad`."""
    dx = _images(dy, geometry.input_size, kernel.shape[2], geometry.data_format)
    first, last = (_last(image, geometry.data_format) for image in (dy, dx))
    run(depthwise_input_grad_kernel, dx.size, THREADS, first, kernel, last, *_window(geometry))
    return dx


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """See `minigrad.kernels.depthwise_kernel_grad`."""
    x, dy = (_last(image, geometry.data_format) for image in (x, dy))
    gradient = empty((*geometry.kernel_size, x.shape[3], multiplier), x.dtype)
    arrays = (x, dy, gradient)
    run(depthwise_kernel_grad_kernel, gradient.size, THREADS, *arrays, *_window(geometry))
    return gradient


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat
) -> Array:
    """See `minigrad.kernels.pointwise_forward`."""
    height, width = _last(x, data_format).shape[1:3]
    y = _images(x, (height, width), kernel.shape[3], data_format)
    first, last = (_last(image, data_format) for image in (x, y))
    bias = zeros(1, x.dtype) if bias is None else bias
    run(pointwise_forward_kernel, y.size, THREADS, first, kernel, bias, last)
    return y


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """See `minigrad.kernels.pointwise_input_grad`: forward, with the kernel transposed."""
    return pointwise_forward(dy, kernel.transpose(0, 1, 3, 2), None, data_format)


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """See `minigrad.kernels.pointwise_kernel_grad`."""
    x, dy = (_last(image, data_format) for image in (x, dy))
    gradient = empty((1, 1, x.shape[3], dy.shape[3]), x.dtype)
    run(pointwise_kernel_grad_kernel, gradient.size, THREADS, x, dy, gradient)
    return gradient


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """See `minigrad.kernels.bias_grad`."""
    dy = _last(dy, data_format)
    gradient = empty(dy.shape[3], dy.dtype)
    run(bias_grad_kernel, gradient.size, THREADS, dy, gradient)
    return gradient


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
) -> Array:
    """See `minigrad.kernels.separable_forward`."""
    y = _images(x, geometry.output_size, pointwise_kernel.shape[3], geometry.data_format)
    first, last = (_last(image, geometry.data_format) for image in (x, y))
    bias = zeros(1, x.dtype) if bias is None else bias
    arrays = (first, depthwise_kernel, pointwise_kernel, bias, last)
    run(separable_forward_kernel, y.size, THREADS, *arrays, *_window(geometry))
    return y


def _images(like: Array, size: tuple[int, int], channels: int, data_format: DataFormat) -> Array:
    """Return new images in this format, as many as there are in ``like``."""
    return empty(join_shape(len(like), *size, channels, data_format), like.dtype)


def _last(x: Array, data_format: DataFormat) -> Array:
    """Return a view of images with the channels last."""
    return x.transpose(0, 2, 3, 1) if data_format == "channels_first" else x


def _window(geometry: ConvGeometry) -> tuple[int, ...]:
    (top, _), (left, _) = geometry.pads
    return (*geometry.strides, *geometry.dilation_rate, top, left)

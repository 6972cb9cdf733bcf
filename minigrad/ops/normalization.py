"""Batch normalization with the statistics of the batch.

S. Ioffe, C. Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from minigrad import _validate
from minigrad.autograd import Tensor, constant, primitive, wrap
from minigrad.kernels.choice import compiled
from minigrad.ops._common import Axis, Operand, Shape, count, kept_shape, normalize_axes
from minigrad.ops.convolution_arguments import same_dtype
from minigrad.ops.elementwise import sqrt
from minigrad.ops.piecewise import pass_positive, where_positive
from minigrad.ops.reduction import _mean, _sum
from minigrad.ops.shape import reshape


class Normalized(NamedTuple):
    """What `batch_normalization` returns."""

    output: Tensor
    """In the shape and dtype of x."""
    mean: Tensor
    """The mean over the axes, without history."""
    variance: Tensor
    """The variance over the axes (divided by n, not n - 1), without history."""


def _standard(x: Tensor, axes: tuple[int, ...], epsilon: float) -> tuple[Tensor, Tensor]:
    """Return x with mean 0 and variance 1, and what it was multiplied with for that."""
    centred = x - _mean(x, axes, True)
    scale = 1.0 / sqrt(_mean(centred * centred, axes, True) + epsilon)
    return centred * scale, scale


def _x_vjp(g: Tensor, x: Tensor, gamma: Any, axes: tuple[int, ...], epsilon: float) -> Tensor:
    standard, scale = _standard(x, axes, epsilon)
    if gamma is not None:
        g = g * reshape(gamma, scale.shape)
    return scale * (g - _mean(g, axes, True) - standard * _mean(g * standard, axes, True))


def _gamma_vjp(g: Tensor, x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    return _sum(g * _standard(x, axes, epsilon)[0], axes, False)


def _fused(
    g: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    axes: tuple[int, ...],
    saved: Any,
    wants: tuple[bool, ...],
    spare: bool,
    relu: Any = None,
) -> tuple[Any, Any, Any]:
    """Return all three gradients on arrays, from two sums over the batch.

    `relu` is the result if that went through ReLU.
    """
    average, scale = saved
    layout, rest = _layout(x.shape, axes), _rest(x.shape, axes)
    if relu is not None and not g.flags.c_contiguous:
        g, spare = where_positive(g, relu), True
    if layout is not None and compiled(x, g, strided=True):
        from minigrad.kernels.cpu import normalization  # imported when it is needed

        factor = None if gamma is None else gamma.reshape(-1)
        offset = None
        if relu is not None:
            offset = np.zeros(average.size, x.dtype) if beta is None else beta.reshape(-1)
        spare = spare and g.flags.c_contiguous
        parts = normalization.gradients(
            g, x, average.reshape(-1), scale.reshape(-1), factor, layout, wants[0], offset, spare
        )
        return parts[0], parts[1].reshape(rest), parts[2].reshape(rest)
    if relu is not None:
        g = where_positive(g, relu)
    standard = (x - average) * scale
    beta_part = np.sum(g, axis=axes, keepdims=True)
    gamma_part = np.sum(g * standard, axis=axes, keepdims=True)
    dx = None
    if wants[0]:
        number = count(x.shape, axes) or 1
        dx = g - (beta_part + standard * gamma_part) / number
        dx *= scale if gamma is None else scale * gamma.reshape(scale.shape)
    return dx, gamma_part.reshape(rest), beta_part.reshape(rest)


def _forward(
    x: Any,
    gamma: Any,
    beta: Any,
    axes: tuple[int, ...],
    average: Any,
    variance: Any,
    epsilon: float,
    relu: bool,
) -> Any:
    """Return the result on arrays, and what its derivatives take from here."""
    scale = 1.0 / np.sqrt(variance + epsilon)
    layout = _layout(x.shape, axes)
    if layout is not None and compiled(x, strided=True):
        from minigrad.kernels.cpu import normalization  # imported when it is needed

        mean, factor = average.reshape(-1), scale.reshape(-1)
        if gamma is not None:
            factor = factor * gamma.reshape(-1)
        offset = np.zeros_like(mean) if beta is None else beta.reshape(-1)
        y = normalization.scale_and_shift(x, mean, factor, offset, layout, relu)
        return y, (average, scale)
    y = (x - average) * scale
    if gamma is not None:
        y *= gamma.reshape(scale.shape)
    if beta is not None:
        y += beta.reshape(scale.shape)
    return np.maximum(y, 0) if relu else y, (average, scale)


@primitive(
    x=_x_vjp,
    gamma=_gamma_vjp,
    beta=lambda g, axes: _sum(g, axes, False),
    fused=lambda g, x, gamma, axes, saved, wants, spare: _fused(
        g, x, gamma, None, axes, saved, wants, spare
    ),
    saves=True,
)
def _normalize(
    x: Any,
    gamma: Any,
    beta: Any,
    axes: tuple[int, ...],
    average: Any,
    variance: Any,
    epsilon: float,
) -> Any:
    return _forward(x, gamma, beta, axes, average, variance, epsilon, False)


@primitive(
    x=lambda g, out, x, gamma, axes, epsilon: _x_vjp(
        pass_positive(g, out.data), x, gamma, axes, epsilon
    ),
    gamma=lambda g, out, x, axes, epsilon: _gamma_vjp(pass_positive(g, out.data), x, axes, epsilon),
    beta=lambda g, out, axes: _sum(pass_positive(g, out.data), axes, False),
    fused=lambda g, out, x, gamma, beta, axes, saved, wants, spare: _fused(
        g, x, gamma, beta, axes, saved, wants, spare, out
    ),
    saves=True,
)
def _normalize_relu(
    x: Any,
    gamma: Any,
    beta: Any,
    axes: tuple[int, ...],
    average: Any,
    variance: Any,
    epsilon: float,
) -> Any:
    return _forward(x, gamma, beta, axes, average, variance, epsilon, True)


def batch_normalization(
    x: Operand,
    gamma: Any,
    beta: Any,
    axis: Axis,
    epsilon: float = 1e-3,
    activation: Any = None,
) -> Normalized:
    """Return gamma (x - mean) / sqrt(variance + epsilon) + beta, with statistics of x itself.

    Parameters
    ----------
    x : Tensor or array_like
        float32 or float64.
    gamma, beta : Tensor, array_like or None
        Scale and offset; their shape is that of x without the axes in ``axis``. None means 1 and 0.
    axis : int or tuple of int
        The axes that mean and variance are taken over: (0, 1, 2) for images with channels last,
        (0, 2, 3) with channels first, 0 for rows of features.
    epsilon : float
        Added to the variance.
    activation : None or "relu"
        With "relu", negative results become 0 on their way to memory: the same as
        ``relu(output)``, without reading and writing it once more, nor its gradient.

    Returns
    -------
    output, mean, variance : Tensor
        A named tuple. Mean and variance have the shape of gamma and no history: they are for moving
        averages. The gradient of the output takes into account that they depend on x. Both are 0
        for an empty batch.

    Raises
    ------
    ValueError
        If the shape of gamma or beta does not fit, or for another activation.
    TypeError
        If the dtypes differ or are not float32 or float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> result = mg.ops.batch_normalization(x, None, None, axis=0, epsilon=0.0)
    >>> result.output.tolist(), result.mean.tolist(), result.variance.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 20.0], [1.0, 100.0])
    """
    if activation not in (None, "relu"):
        raise ValueError(
            "The fused activation is None or 'relu'; apply others to the result. "
            f"Received: activation={activation!r}"
        )
    if type(epsilon) is not float or not epsilon >= 0:
        epsilon = float(_validate.number(epsilon, "epsilon", minimum=0))
    x = constant(x)
    axes = normalize_axes(axis, x.ndim)
    rest = _rest(x.shape, axes)
    scale, offset = _parameter("gamma", gamma, x, rest), _parameter("beta", beta, x, rest)
    same_dtype(x=x, gamma=scale, beta=offset)
    average, variance = _moments(x.data, axes, kept_shape(x.shape, axes))
    operation = _normalize if activation is None else _normalize_relu
    output = operation(x, scale, offset, axes, average, variance, epsilon)
    return Normalized(output, wrap(average.reshape(rest)), wrap(variance.reshape(rest)))


def _moments(x: Any, axes: tuple[int, ...], kept: tuple[int, ...]) -> tuple[Any, Any]:
    """Return mean and variance of an array over axes, which stay with size 1."""
    if not count(x.shape, axes):
        return (np.zeros(kept, x.dtype, like=x),) * 2
    layout = _layout(x.shape, axes)
    if layout is not None and compiled(x, strided=True):
        from minigrad.kernels.cpu import normalization  # imported when it is needed

        average, variance = normalization.moments(x, layout)
        return average.reshape(kept), variance.reshape(kept)
    average = np.mean(x, axis=axes, keepdims=True)
    return average, np.mean(np.square(x - average), axis=axes, keepdims=True)


@functools.lru_cache(256)
def _layout(shape: Shape, axes: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return a shape as (A, C, B), where C are all axes that stay; None if others lie between."""
    rest = [axis for axis in range(len(shape)) if axis not in axes]
    if not rest or rest[-1] - rest[0] >= len(rest):
        return None
    first, last = rest[0], rest[-1] + 1
    return math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])


def _rest(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Return the shape of the parameters."""
    return tuple([size for i, size in enumerate(shape) if i not in axes])


def _parameter(name: str, value: Any, x: Tensor, rest: Shape) -> Tensor | None:
    if value is None:
        return None
    tensor = constant(value, x)
    if tensor.shape != rest:
        raise ValueError(
            f"{name} must have the shape of x without the normalized axes, {rest}. "
            f"Received: shape={tensor.shape}"
        )
    return tensor

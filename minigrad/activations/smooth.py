"""Smooth activations, and the softmax family."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.activations.piecewise import registry
from minigrad.autograd import Tensor, constant, primitive

_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_SQRT_HALF = math.sqrt(0.5)


def sigmoid(x: Any) -> Tensor:
    """Return 1 / (1 + exp(-x)).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.sigmoid(mg.tensor([0.0, 100.0])).numpy()
    array([0.5, 1. ], dtype=float32)
    """
    return ops.sigmoid(x)


def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.tanh(mg.tensor([0.0, 100.0])).numpy()
    array([0., 1.], dtype=float32)
    """
    return ops.tanh(x)


def exponential(x: Any) -> Tensor:
    """Return exp(x).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.exponential(mg.tensor([0.0])).numpy()
    array([1.], dtype=float32)
    """
    return ops.exp(x)


def softplus(x: Any) -> Tensor:
    """Return log(1 + exp(x)), which does not overflow.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.softplus(mg.tensor([-1000.0, 1000.0])).numpy()
    array([   0., 1000.], dtype=float32)
    """
    return ops.softplus(x)


@primitive(x=lambda g, x: g * ops.square(ops.reciprocal(1.0 + ops.abs(x))))
def softsign(x: Any) -> Any:
    """Return x / (1 + |x|).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.softsign(mg.tensor([-1.0, 3.0])).numpy()
    array([-0.5 ,  0.75], dtype=float32)
    """
    return x / (1 + np.abs(x))


def swish(x: Any) -> Tensor:
    """Return x·sigmoid(x) (https://arxiv.org/abs/1710.05941); also known as ``silu``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.swish(mg.tensor([0.0, 100.0])).numpy()
    array([  0., 100.], dtype=float32)
    """
    t = constant(x)
    return t * ops.sigmoid(t)


silu = swish


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """Return x·Φ(x), Φ the normal distribution function (https://arxiv.org/abs/1606.08415).

    Parameters
    ----------
    x : Tensor or array_like
    approximate : bool
        Use ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) in place of the exact ½·x·(1 + erf(x/√2)).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.gelu(mg.tensor([-1.0, 1.0])).numpy()
    array([-0.15865526,  0.8413447 ], dtype=float32)
    """
    t = constant(x)
    if approximate:
        return 0.5 * t * (1.0 + ops.tanh(_SQRT_2_OVER_PI * (t + 0.044715 * t * t * t)))
    return 0.5 * t * (1.0 + ops.erf(t * _SQRT_HALF))


def mish(x: Any) -> Tensor:
    """Return x·tanh(softplus(x)) (https://arxiv.org/abs/1908.08681).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.mish(mg.tensor([0.0, 100.0])).numpy()
    array([  0., 100.], dtype=float32)
    """
    t = constant(x)
    return t * ops.tanh(ops.softplus(t))


def softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Tensor:
    """Return exp(x) / Σ exp(x), the sum being over `axis`; large values do not overflow.

    Parameters
    ----------
    x : Tensor or array_like
        With at least 2 axes, as in TF 2.4.
    axis : int or tuple of int
        Where the results add up to one.

    Raises
    ------
    ValueError
        If `x` has fewer than 2 axes.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.softmax(mg.tensor([[0.0, 0.0, 1000.0, 1000.0]])).numpy()
    array([[0. , 0. , 0.5, 0.5]], dtype=float32)
    """
    return ops.softmax(_with_batch(x, "softmax"), axis=_axis(axis))


def log_softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Tensor:
    """Return x - log Σ exp(x), the sum being over `axis`: the logarithm of `softmax`.

    Parameters and errors are those of `softmax`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.log_softmax(mg.tensor([[0.0, 1000.0]])).numpy()
    array([[-1000.,     0.]], dtype=float32)
    """
    return ops.log_softmax(_with_batch(x, "log_softmax"), axis=_axis(axis))


def _with_batch(x: Any, name: str) -> Tensor:
    t = constant(x)
    if t.ndim < 2:
        raise ValueError(
            f"{name} needs an input with at least 2 axes, the first for the examples. "
            f"Received: shape={t.shape}"
        )
    return t


def _axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis  # lists come from JSON


for _function in (
    sigmoid,
    tanh,
    exponential,
    softplus,
    softsign,
    gelu,
    mish,
    softmax,
    log_softmax,
):
    registry.register(_function)
registry.register(swish, "silu")

"""Reductions over axes: sums, products, moments, extremes.

All take ``axis`` (an int, a tuple of ints, or None for all axes) and ``keepdims`` (leave the
reduced axes with size 1). Results have the dtype of x; mean, var and std of integers have floatx.

The arrays' own methods are called, for NumPy's functions of the same names look for them first.
"""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import _validate, config
from minigrad._validate import flag
from minigrad.autograd import Tensor, constant, primitive, wrap
from minigrad.ops._common import (
    Axis,
    Operand,
    Shape,
    count,
    identity,
    kept_shape,
    normalize_axes,
    normalize_axis,
    times,
    values,
)
from minigrad.ops.joining import flip
from minigrad.ops.piecewise import where
from minigrad.ops.shape import reshape, spread, transpose


@primitive(x=lambda g, in_shape, axes: spread(g, in_shape, axes), plain=True)
def _sum(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.sum(axes, None, None, keepdims)


def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum over axes; 0 where there is nothing to add.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sum(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
    array([4., 6.], dtype=float32)
    """
    x = constant(x)
    return _sum(x, normalize_axes(axis, x.ndim), flag(keepdims, "keepdims"))


def _floating(x: Operand) -> Tensor:
    tensor = constant(x)
    return tensor if tensor.dtype.kind in "fc" else tensor.astype(config.floatx())


@primitive(
    x=lambda g, in_shape, axes: spread(g / (count(in_shape, axes) or 1), in_shape, axes), plain=True
)
def _mean(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    number = count(x.shape, axes)
    if not number:
        return np.mean(x, axis=axes, keepdims=keepdims)  # which warns
    return x.sum(axes, None, None, keepdims) / number


def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes; of nothing it is NaN, with NumPy's warning.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.mean(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1).numpy()
    array([1.5, 3.5], dtype=float32)
    """
    x = _floating(x)
    return _mean(x, normalize_axes(axis, x.ndim), flag(keepdims, "keepdims"))


def _centred(x: Any, axes: tuple[int, ...]) -> Any:
    return x - x.sum(axis=axes, keepdims=True) / count(x.shape, axes)


@primitive(
    x=lambda g, x, axes, freedom: spread(g * (2.0 / freedom), x.shape, axes) * _centred(x, axes),
    plain=True,
)
def _var(x: Any, axes: tuple[int, ...], keepdims: bool, number: int, freedom: float) -> Any:
    deviation = x - x.sum(axes, None, None, True) / number
    deviation *= deviation
    return deviation.sum(axes, None, None, keepdims) / freedom


def _std_vjp(g: Any, x: Any, out: Any, axes: tuple[int, ...], freedom: float) -> Any:
    # Where all values are equal the slope is 0/0; 0 is the choice that leaves them equal.
    scale = where(wrap(out.data == 0), 0.0, g / (where(wrap(out.data == 0), 1.0, out) * freedom))
    return spread(scale, x.shape, axes) * _centred(x, axes)


@primitive(x=_std_vjp)
def _std(x: Any, axes: tuple[int, ...], keepdims: bool, number: int, freedom: float) -> Any:
    variance = _var.primitive.forward(x, axes, keepdims, number, freedom)  # type: ignore[attr-defined]
    return np.sqrt(variance)


def _freedom(name: str, shape: Shape, axes: tuple[int, ...], ddof: float) -> tuple[int, float]:
    """Return the number of elements along axes, and this minus ddof."""
    number = count(shape, axes)
    if type(ddof) not in (int, float):
        ddof = _validate.number(ddof, "ddof")
    if number <= ddof:
        raise ValueError(
            f"{name}() needs more than ddof elements along the axes. "
            f"Received: {number} elements, ddof={ddof}"
        )
    return number, float(number - ddof)


def var(x: Operand, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Tensor:
    """Return the variance over axes: the sum of squared deviations from the mean / (n - ddof).

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
    keepdims : bool
    ddof : float
        0 for the variance of these numbers, 1 for an unbiased estimate from a sample.

    Raises
    ------
    ValueError
        If there are not more than ``ddof`` elements to reduce.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 3.0])
    >>> mg.ops.var(x).item(), mg.ops.var(x, ddof=1).item()
    (1.0, 2.0)
    """
    x = _floating(x)
    axes = normalize_axes(axis, x.ndim)
    return _var(x, axes, flag(keepdims, "keepdims"), *_freedom("var", x.shape, axes, ddof))


def std(x: Operand, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Tensor:
    """Return the standard deviation over axes, the square root of `var`.

    Where all elements are equal, its derivative is taken to be 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.std(mg.tensor([1.0, 3.0])).item()
    1.0
    """
    x = _floating(x)
    axes = normalize_axes(axis, x.ndim)
    return _std(x, axes, flag(keepdims, "keepdims"), *_freedom("std", x.shape, axes, ddof))


def _extreme_vjp(g: Any, x: Any, out: Any, axes: tuple[int, ...]) -> Any:
    """Share the gradient equally among the elements that are the extreme."""
    hits = values(x) == values(out).reshape(kept_shape(x.shape, axes))
    ties = np.maximum(hits.sum(axis=axes, keepdims=True, dtype=g.dtype), 1)
    return times(spread(g, x.shape, axes), hits / ties)


@primitive(x=_extreme_vjp, plain=True)
def _max(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.max(axes, None, keepdims)


@primitive(x=_extreme_vjp, plain=True)
def _min(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.min(axes, None, keepdims)


def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the largest element over axes; equal ones share the gradient equally.

    Raises
    ------
    ValueError
        If there are no elements to choose from.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.max(mg.tensor([[1.0, 2.0], [4.0, 3.0]]), axis=1).numpy()
    array([2., 4.], dtype=float32)
    """
    x = constant(x)
    return _max(x, _some("max", x, axis), flag(keepdims, "keepdims"))


def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element over axes; equal ones share the gradient equally.

    Raises
    ------
    ValueError
        If there are no elements to choose from.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.min(mg.tensor([[1.0, 2.0], [4.0, 3.0]]), axis=1).numpy()
    array([1., 3.], dtype=float32)
    """
    x = constant(x)
    return _min(x, _some("min", x, axis), flag(keepdims, "keepdims"))


def _some(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    """Return the axes, over which there must be something to choose from."""
    axes = normalize_axes(axis, x.ndim)
    if not x._data.size and count(x.shape, axes) == 0:
        raise ValueError(f"{name}() of no elements is not defined. Received: shape={x.shape}")
    return axes


def _others(g: Any, x: Any, axes: tuple[int, ...], wants: Any) -> tuple[Any]:
    """Return g times the product of all other elements, from running products.

    Nothing is divided, so zeros are no trouble.
    """
    rest = [i for i in range(x.ndim) if i not in axes]
    order = rest + list(axes)
    moved = x.transpose(order)
    flat = moved.reshape([x.shape[i] for i in rest] + [-1 if x.size else count(x.shape, axes)])
    before, after = np.ones_like(flat), np.ones_like(flat)
    before[..., 1:] = np.cumprod(flat[..., :-1], axis=-1)
    after[..., -2::-1] = np.cumprod(flat[..., :0:-1], axis=-1)
    others = (before * after).reshape(moved.shape).transpose(np.argsort(order).tolist())
    return (others * g.reshape(kept_shape(x.shape, axes)),)


def _prod_vjp(g: Any, x: Any, out: Any, axes: tuple[int, ...]) -> Any:
    upstream = spread(g, x.shape, axes)
    if np.all(x.data):
        return upstream * spread(out, x.shape, axes) / x
    # out / x would be 0/0. Build the products of all others as a matrix with ones on its
    # diagonal: more work, but it can be differentiated again.
    rest = [i for i in range(x.ndim) if i not in axes]
    order = rest + list(axes)
    number = count(x.shape, axes)
    lead = tuple([x.shape[i] for i in rest])
    rows = reshape(transpose(x, order), (*lead, 1, number))
    others = _prod(where(wrap(identity(number, x.data)), 1.0, rows), (len(lead) + 1,), False)
    back = transpose(
        reshape(others, tuple([x.shape[i] for i in order])), np.argsort(order).tolist()
    )
    return upstream * back


@primitive(x=_prod_vjp, fused=_others)
def _prod(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.prod(axes, None, None, keepdims)


def prod(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the product over axes; 1 where there is nothing to multiply.

    The gradient is right where elements are 0, too.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.prod(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
    array([3., 8.], dtype=float32)
    """
    x = constant(x)
    return _prod(x, normalize_axes(axis, x.ndim), flag(keepdims, "keepdims"))


@primitive(x=lambda g, axis: flip(_cumsum(flip(g, axis), axis), axis))
def _cumsum(x: Any, axis: int) -> Any:
    return x.cumsum(axis)


def cumsum(x: Operand, axis: int | None = None) -> Tensor:
    """Return running sums along an axis (of x flattened, by default).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.cumsum(mg.tensor([1.0, 2.0, 3.0])).numpy()
    array([1., 3., 6.], dtype=float32)
    """
    x = constant(x)
    if axis is None:
        x, axis = reshape(x, -1), 0
    return _cumsum(x, normalize_axis(axis, x.ndim))


def argmax(x: Operand, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the position of the first largest element along an axis (of x flattened, by default).

    No gradient flows through positions.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.argmax(mg.tensor([[1.0, 2.0], [4.0, 3.0]]), axis=1).numpy()
    array([1, 0])
    """
    x = constant(x)
    place = None if axis is None else normalize_axis(axis, x.ndim)
    _some("argmax", x, place)
    return wrap(x.data.argmax(place, keepdims=flag(keepdims, "keepdims")))


def argmin(x: Operand, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the position of the first smallest element along an axis (of x flattened, by default).

    No gradient flows through positions.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.argmin(mg.tensor([[1.0, 2.0], [4.0, 3.0]]), axis=1).numpy()
    array([0, 1])
    """
    x = constant(x)
    place = None if axis is None else normalize_axis(axis, x.ndim)
    _some("argmin", x, place)
    return wrap(x.data.argmin(place, keepdims=flag(keepdims, "keepdims")))

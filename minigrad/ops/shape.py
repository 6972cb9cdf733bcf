"""The same numbers in another shape: no arithmetic but the sums that undo a broadcast."""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Tensor, constant, primitive
from minigrad.ops._common import (
    ANY,
    Axis,
    Operand,
    Shape,
    kept_shape,
    normalize_axes,
    normalize_axis,
    sizes,
)


@primitive(x=lambda g, in_shape: g.reshape(in_shape), plain=True)
def _reshape(x: Any, shape: Shape) -> Any:
    return x.reshape(shape)


def reshape(x: Operand, shape: Any) -> Tensor:
    """Return the elements of x, in row-major order, in another shape.

    Parameters
    ----------
    x : Tensor or array_like
    shape : int or tuple of int
        One size may be -1: it follows from the others.

    Raises
    ------
    ValueError
        If the number of elements differs.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.reshape(mg.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)).numpy()
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    return _reshape(x, sizes(shape, minimum=-1))


@primitive(
    x=lambda g, axes: g.transpose(tuple(sorted(range(len(axes)), key=axes.__getitem__))),
    plain=True,
)
def _transpose(x: Any, axes: tuple[int, ...]) -> Any:
    return x.transpose(axes)


def transpose(x: Operand, axes: Any = None) -> Tensor:
    """Return x with its axes in another order.

    Parameters
    ----------
    x : Tensor or array_like
    axes : sequence of int, optional
        Axis i of the result is axis ``axes[i]`` of x. All axes are reversed when left out.

    Raises
    ------
    ValueError
        If ``axes`` is not a permutation of the axes of x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.transpose(mg.tensor([[1.0, 2.0], [3.0, 4.0]])).numpy()
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    x = constant(x)
    if axes is None:
        order = tuple(range(x.ndim - 1, -1, -1))
    else:
        if not isinstance(axes, (tuple, list)):
            axes = sizes(axes, "axes", ANY)
        order = tuple([normalize_axis(axis, x.ndim) for axis in axes])
        if not len(order) == len(set(order)) == x.ndim:
            raise ValueError(
                f"transpose() needs each of the {x.ndim} axes of x once. Received: axes={axes}"
            )
    return _transpose(x, order)


def swapaxes(x: Operand, axis1: int, axis2: int) -> Tensor:
    """Return x with two of its axes exchanged.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.swapaxes(mg.ops.zeros_like(mg.tensor([[[1.0, 2.0]]])), 0, 2).shape
    (2, 1, 1)
    """
    x = constant(x)
    order = list(range(x.ndim))
    first, second = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    order[first], order[second] = second, first
    return _transpose(x, tuple(order))


def moveaxis(x: Operand, source: Any, destination: Any) -> Tensor:
    """Return x with some axes moved to new positions; the others keep their order.

    Parameters
    ----------
    x : Tensor or array_like
    source, destination : int or sequence of int
        Where the axes are, and where they go.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.moveaxis(mg.tensor([[[1.0, 2.0]]]), -1, 0).shape
    (2, 1, 1)
    """
    x = constant(x)
    moved, targets = _places(source, x.ndim), _places(destination, x.ndim)
    if len(moved) != len(targets):
        raise ValueError(
            f"moveaxis() needs as many destinations as sources. Received: {source}, {destination}"
        )
    order = [axis for axis in range(x.ndim) if axis not in moved]
    for target, axis in sorted(zip(targets, moved, strict=True)):
        order.insert(target, axis)
    return _transpose(x, tuple(order))


def _places(axes: Any, ndim: int) -> list[int]:
    """Return axes in the order in which they were given; none may come twice."""
    if not isinstance(axes, (tuple, list)):
        return [normalize_axis(axes, ndim)]
    normalize_axes(axes, ndim)  # raises where one is given twice
    return [normalize_axis(axis, ndim) for axis in axes]


def squeeze(x: Operand, axis: Axis = None) -> Tensor:
    """Return x without its axes of size 1, or without those of them that are named.

    Raises
    ------
    ValueError
        If a named axis is not of size 1.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.squeeze(mg.tensor([[[1.0], [2.0]]])).shape
    (2,)
    """
    x = constant(x)
    shape = x.shape
    if axis is None:
        return _reshape(x, tuple([size for size in shape if size != 1]))
    axes = normalize_axes(axis, x.ndim)
    kept = tuple([size for i, size in enumerate(shape) if size != 1 or i not in axes])
    if len(kept) + len(axes) > len(shape):
        raise ValueError(
            f"squeeze() removes axes of size 1 only. Received: axis={axis}, shape={shape}"
        )
    return _reshape(x, kept)


def expand_dims(x: Operand, axis: Axis) -> Tensor:
    """Return x with new axes of size 1.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int or tuple of int
        Positions of the new axes in the result.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.expand_dims(mg.tensor([1.0, 2.0]), (0, -1)).shape
    (1, 2, 1)
    """
    x = constant(x)
    shape = list(x.shape)
    if axis is None:
        raise TypeError("expand_dims() needs the places of new axes. Received: axis=None")
    new = len(axis) if isinstance(axis, (tuple, list)) else 1
    for place in normalize_axes(axis, len(shape) + new):
        shape.insert(place, 1)
    return _reshape(x, tuple(shape))


@primitive(x=lambda g, in_shape: sum_to(g, in_shape))
def _broadcast_to(x: Any, shape: Shape) -> Any:
    steps = _steps(x, shape)
    return np.broadcast_to(x, shape) if steps is None else np.ndarray(shape, x.dtype, x, 0, steps)


def _steps(x: Any, shape: Shape) -> tuple[int, ...] | None:
    """Return the strides of x repeated, or None where NumPy is to find them, or what is wrong.

    It takes twice as long: it prepares for several arrays.
    """
    lead = len(shape) - x.ndim
    if lead < 0 or type(x) is not np.ndarray or not (x.size and x.flags.c_contiguous):
        return None
    steps = [0] * lead
    for size, whole, step in zip(x.shape, shape[lead:], x.strides, strict=True):
        if size != whole and size != 1:
            return None
        steps.append(step if size > 1 else 0)
    return tuple(steps)


def broadcast_to(x: Operand, shape: Any) -> Tensor:
    """Return x repeated along axes of size 1 and new leading axes, without copying.

    Raises
    ------
    ValueError
        If x does not broadcast to the shape.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.broadcast_to(mg.tensor([1.0, 2.0]), (2, 2)).numpy()
    array([[1., 2.],
           [1., 2.]], dtype=float32)
    """
    x, shape = constant(x), sizes(shape)
    try:
        return _broadcast_to(x, shape)
    except ValueError:
        raise ValueError(f"Shape {x.shape} does not broadcast to shape {shape}.") from None


@primitive(x=lambda g, in_shape: _broadcast_to(g, in_shape))
def _sum_to(x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        [lead + i for i, size in enumerate(shape) if size == 1 and x.shape[lead + i] != 1]
    )
    return x.sum(axis=axes, keepdims=True).reshape(shape)


def sum_to(x: Operand, shape: Any) -> Tensor:
    """Return x summed over the axes along which ``shape`` would be repeated to become x.shape.

    It is the transpose of `broadcast_to`, and the derivative of every broadcast.

    Raises
    ------
    ValueError
        If ``shape`` does not broadcast to the shape of x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sum_to(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), (2,)).numpy()
    array([4., 6.], dtype=float32)
    """
    x, shape = constant(x), sizes(shape)
    lead = x.ndim - len(shape)
    if lead < 0 or any(
        size not in (1, whole) for size, whole in zip(shape, x.shape[lead:], strict=True)
    ):
        raise ValueError(f"Shape {shape} does not broadcast to shape {x.shape}.")
    return _sum_to(x, shape)


def spread(g: Any, shape: Shape, axes: tuple[int, ...]) -> Any:
    """Return a reduction's upstream gradient repeated over the axes that were reduced.

    A tensor or, for VJPs that are ``plain``, an array.
    """
    g = g.reshape(kept_shape(shape, axes))
    repeat: Any = _broadcast_to if isinstance(g, Tensor) else _broadcast_to.primitive.forward  # type: ignore[attr-defined]
    return repeat(g, shape)

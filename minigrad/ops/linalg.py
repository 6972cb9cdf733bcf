"""Products of matrices: matmul, dot and tensordot. Einstein sums are in `minigrad.ops.einsum`."""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad.autograd import Tensor, primitive
from minigrad.ops._common import Operand, Shape, constants, normalize_axis
from minigrad.ops.arithmetic import multiply
from minigrad.ops.shape import _reshape, _transpose


def _matmul_left(g: Any, b: Any, in_shape: Shape) -> Any:
    if b.ndim == 1:
        if len(in_shape) == 1:
            return g * b
        b, g = _column(b), _column(g)
    return (_row(g) if len(in_shape) == 1 else g) @ b.swapaxes(-1, -2)


def _matmul_right(g: Any, a: Any, in_shape: Shape) -> Any:
    if len(in_shape) == 1:
        if a.ndim == 1:
            return g * a
        g = _column(g)
    if a.ndim == 1:
        a, g = _row(a), _row(g)
    if len(in_shape) <= 2 < a.ndim:
        # One matrix for the whole batch: one product of tall matrices instead of a sum of many.
        a = a.reshape((math.prod(a.shape[:-1]), a.shape[-1]))
        g = g.reshape((a.shape[0], g.shape[-1]))
    product = a.swapaxes(-1, -2) @ g
    return product if len(in_shape) > 1 else product.reshape(product.shape[:-1])


def _row(x: Any) -> Any:
    """Return vectors, along the last axis, as matrices of one row."""
    return x.reshape((*x.shape[:-1], 1, *x.shape[-1:]))


def _column(x: Any) -> Any:
    """Return vectors, along the last axis, as matrices of one column."""
    return x.reshape((*x.shape, 1))


@primitive(a=_matmul_left, b=_matmul_right, broadcasts=True, plain=True)
def matmul(a: Operand, b: Operand) -> Any:
    """Return the matrix product a @ b, for stacks of matrices as well.

    Parameters
    ----------
    a : Tensor or array_like, (..., n, k) or (k,)
    b : Tensor or array_like, (..., k, m) or (k,)
        A single axis is a row on the left, a column on the right; it is missing in the result.
        Leading axes broadcast.

    Returns
    -------
    Tensor, (..., n, m)

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> import minigrad as mg
    >>> a = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.ops.matmul(a, mg.tensor([1.0, 1.0])).numpy()
    array([3., 7.], dtype=float32)
    """
    try:
        return np.matmul(a, b)
    except ValueError:
        left, right = getattr(a, "shape", ()), getattr(b, "shape", ())
        if not left or not right:
            needs = "matrices; use * for numbers"
        elif left[-1] != right[-2 if len(right) > 1 else 0]:
            needs = "as many columns on the left as rows on the right"
        else:
            needs = "leading axes that broadcast"
        raise ValueError(f"matmul() needs {needs}. Received: shapes {left} and {right}") from None


def tensordot(a: Operand, b: Operand, axes: Any = 2) -> Tensor:
    """Return the sum of products over some axes of a and b; the other axes of a, then of b, remain.

    Parameters
    ----------
    a, b : Tensor or array_like
    axes : int, or (axes of a, axes of b)
        The last n axes of a with the first n of b, or pairs of axes given as two ints or two
        sequences of ints.

    Raises
    ------
    ValueError
        If the sizes of paired axes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> a = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.ops.tensordot(a, a, axes=([0], [0])).numpy()
    array([[10., 14.],
           [14., 20.]], dtype=float32)
    """
    a, b = constants(a, b)
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(
                f"tensordot() cannot sum over {axes} axes. Received: shapes {a.shape} and {b.shape}"
            )
        ours, theirs = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    else:
        if not isinstance(axes, (tuple, list, np.ndarray)) or len(axes) != 2:
            raise TypeError(
                f"axes must be an integer, or axes of a and axes of b. Received: axes={brief(axes)}"
            )
        first, second = (x if isinstance(x, (tuple, list)) else (x,) for x in axes)
        ours = [normalize_axis(axis, a.ndim) for axis in first]
        theirs = [normalize_axis(axis, b.ndim) for axis in second]
    sizes = [a.shape[i] for i in ours]
    if (
        sizes != [b.shape[i] for i in theirs]
        or len(set(ours)) < len(ours)
        or len(set(theirs)) < len(theirs)
    ):
        raise ValueError(
            f"tensordot() needs pairs of different axes of equal sizes. "
            f"Received: shapes {a.shape} and {b.shape}, axes={axes}"
        )
    rest_a = [i for i in range(a.ndim) if i not in ours]
    rest_b = [i for i in range(b.ndim) if i not in theirs]
    shape_a, shape_b = [a.shape[i] for i in rest_a], [b.shape[i] for i in rest_b]
    inner = math.prod(sizes)
    left = _matrix(a, rest_a + ours, (math.prod(shape_a), inner))
    right = _matrix(b, theirs + rest_b, (inner, math.prod(shape_b)))
    product, shape = matmul(left, right), (*shape_a, *shape_b)
    return product if product.shape == shape else _reshape(product, shape)


def _matrix(x: Tensor, order: list[int], shape: Shape) -> Tensor:
    """Return a tensor with its axes in another order, and then in another shape."""
    if order != list(range(x.ndim)):
        x = _transpose(x, tuple(order))
    return x if x.shape == shape else _reshape(x, shape)


def dot(a: Operand, b: Operand) -> Tensor:
    """Return the sum of products over the last axis of a and the second to last of b.

    As in `numpy.dot`: the inner product of two vectors, the matrix product of two matrices, and
    plain multiplication where one of them is a single number.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.dot(mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0])).item()
    11.0
    """
    a, b = constants(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"dot() sums over the last axis of a and the second to last of b; their sizes differ. "
            f"Received: shapes {a.shape} and {b.shape}"
        )
    return matmul(a, b) if b.ndim <= 2 else tensordot(a, b, axes=([-1], [-2]))

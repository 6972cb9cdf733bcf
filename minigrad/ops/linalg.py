"""Products of matrices: matmul, dot and tensordot. Einstein sums are in `minigrad.ops.einsum`."""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Tensor, primitive
from minigrad.ops._common import Operand, constants, count, normalize_axis
from minigrad.ops.arithmetic import multiply
from minigrad.ops.shape import _reshape, _transpose, swapaxes


def _matmul_right(g: Tensor, a: Tensor, in_shape: tuple[int, ...]) -> Tensor:
    if len(in_shape) == 2 and a.ndim > 2:
        # One matrix for the whole batch: one product of tall matrices instead of a sum of many.
        a = _reshape(a, (count(a.shape[:-1], tuple(range(a.ndim - 1))), a.shape[-1]))
        g = _reshape(g, (a.shape[0], g.shape[-1]))
    return _matmul(swapaxes(a, -1, -2), g)


@primitive(a=lambda g, b: _matmul(g, swapaxes(b, -1, -2)), b=_matmul_right, broadcasts=True)
def _matmul(a: Any, b: Any) -> Any:
    return np.matmul(a, b)


def matmul(a: Operand, b: Operand) -> Tensor:
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
    a, b = constants(a, b)
    left, right = a.shape, b.shape
    if not left or not right:
        raise ValueError(
            f"matmul() needs matrices; use * for numbers. Received: shapes {left} and {right}"
        )
    if left[-1] != right[-2 if len(right) > 1 else 0]:
        raise ValueError(
            f"matmul() needs as many columns on the left as rows on the right. "
            f"Received: shapes {left} and {right}"
        )
    if len(left) > 1 and len(right) > 1:
        try:
            return _matmul(a, b)
        except ValueError:
            raise ValueError(
                f"matmul() needs leading axes that broadcast. Received: shapes {left} and {right}"
            ) from None
    if len(left) == 1:
        a = _reshape(a, (1, left[0]))
    if len(right) == 1:
        b = _reshape(b, (right[0], 1))
    result = _matmul(a, b)
    lead = result.shape[:-2]
    rows = () if len(left) == 1 else (left[-2],)
    columns = () if len(right) == 1 else (right[-1],)
    return _reshape(result, (*lead, *rows, *columns))


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
    inner = int(np.prod(sizes, dtype=int))
    rows, columns = int(np.prod(shape_a, dtype=int)), int(np.prod(shape_b, dtype=int))
    left = _reshape(_transpose(a, tuple(rest_a + ours)), (rows, inner))
    right = _reshape(_transpose(b, tuple(theirs + rest_b)), (inner, columns))
    return _reshape(_matmul(left, right), (*shape_a, *shape_b))


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
    return tensordot(a, b, axes=([-1], [-2 if b.ndim > 1 else 0]))

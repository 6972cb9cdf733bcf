"""Taking elements by position, and the transpose of that: adding them up at their positions."""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.autograd import Tensor, constant, primitive, wrap
from minigrad.autograd.convert import explained, number_type
from minigrad.config import resolve_dtype
from minigrad.kernels.devices import is_array, to_device
from minigrad.ops._common import Operand, Shape, normalize_axis, sizes

Index = Any  # what NumPy allows between square brackets
_SIMPLE = (int, slice)  # types of what can be used as it is


@primitive(x=lambda g, in_shape, key: _put_add(g, key, in_shape))
def _getitem(x: Any, key: Index) -> Any:
    return x[key]


@primitive(x=lambda g, key: g[key], plain=True)
def _put_add(x: Any, key: Index, shape: Shape) -> Any:
    if not _repeats(key):
        result = np.zeros(shape, x.dtype, like=x)
        result[key] = x
        return result
    # Where integer arrays may name a position twice, assignment would keep the last value only.
    # Counting with weights adds them all, in order, and much faster than np.add.at.
    size = math.prod(shape)
    places = np.arange(size, like=x).reshape(shape)[key]
    weights = np.broadcast_to(x, places.shape).ravel()
    return np.bincount(places.ravel(), weights, size).astype(x.dtype).reshape(shape)


def _repeats(index: Index) -> bool:
    """Whether an index could name one position twice: whether it holds integer arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(is_array(part) and part.dtype.kind in "iu" and part.ndim for part in parts)


def _frozen(index: Index, x: Tensor) -> Index:
    """Return an index for x whose tensors and sequences are arrays of our own, of checked types."""
    if isinstance(index, tuple):
        return tuple([_frozen_part(part, x) for part in index])
    return _frozen_part(index, x)


def _frozen_part(part: Any, x: Tensor) -> Any:
    """Return one part of an index; a tuple or a range inside an index counts as an array."""
    if isinstance(part, (Tensor, list, tuple, range, np.ndarray)):
        try:
            array = part.data if isinstance(part, Tensor) else np.array(part)
        except ValueError as error:  # lists of different lengths
            raise explained(error, part) from None
        if not array.size and not isinstance(part, (Tensor, np.ndarray)):
            array = array.astype(np.intp)
        if array.dtype.kind not in "iub":
            raise TypeError(
                f"An index must hold integers or booleans. Received: an array of {array.dtype}"
            )
        return array if type(array) is type(x.data) else to_device(array, x.device)
    return part


def getitem(x: Operand, index: Index) -> Tensor:
    """Return x[index], with NumPy's rules.

    Parameters
    ----------
    x : Tensor or array_like
    index : int, slice, Ellipsis, None, array of integers or booleans, or a tuple of these
        Tensors of integers or booleans are allowed too. The gradient of a position that is taken
        several times is the sum of the gradients.

    Raises
    ------
    IndexError
        If the index lies outside or does not fit the shape.
    TypeError
        If an index array holds neither integers nor booleans.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = x[[0, 2, 2]]
    >>> y.sum().backward()
    >>> y.numpy(), x.grad.numpy()
    (array([1., 3., 3.], dtype=float32), array([1., 0., 2.], dtype=float32))
    """
    x = constant(x)
    try:
        return _getitem(x, index if type(index) in _SIMPLE else _frozen(index, x))
    except IndexError as error:
        raise explained(error, index) from None


def put_add(x: Operand, index: Index, shape: Any) -> Tensor:
    """Return zeros of the given shape, to which x is added at the positions ``index``.

    It is the transpose of `getitem`: values that go to the same position are added up.

    Parameters
    ----------
    x : Tensor or array_like
        It broadcasts to the shape of ``zeros(shape)[index]``.
    index : as for `getitem`
    shape : int or tuple of int

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.put_add(mg.tensor([1.0, 2.0, 4.0]), [0, 2, 2], 3).numpy()
    array([1., 0., 6.], dtype=float32)
    """
    x = constant(x)
    index = _frozen(index, x)
    whole = sizes(shape)
    try:
        target = np.broadcast_to(np.empty((), x.dtype, like=x.data), whole)[index].shape
    except IndexError as error:
        raise explained(error, index) from None
    if x.shape != target:
        from minigrad.ops.shape import broadcast_to

        x = broadcast_to(x, target)
    return _put_add(x, index, whole)


def take(x: Operand, indices: Operand, axis: int | None = None) -> Tensor:
    """Return the elements of x at integer positions along an axis (of x flattened, by default).

    Raises
    ------
    IndexError
        If a position lies outside.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.take(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), [1, 1, 0], axis=1).numpy()
    array([[2., 2., 1.],
           [4., 4., 3.]], dtype=float32)
    """
    x = constant(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    place = normalize_axis(axis, x.ndim)
    return _getitem(x, (slice(None),) * place + (_integers("take", indices, x),))


def take_along_axis(x: Operand, indices: Operand, axis: int) -> Tensor:
    """Return for each position along the other axes the elements of x that ``indices`` names.

    Parameters
    ----------
    x : Tensor or array_like
    indices : array_like of int
        As many axes as x; sizes that broadcast to those of x along the axes other than ``axis``.
    axis : int

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.take_along_axis(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1).numpy()
    array([[2.],
           [3.]], dtype=float32)
    """
    x = constant(x)
    positions = _integers("take_along_axis", indices, x)
    place = normalize_axis(axis, x.ndim)
    if positions.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis() needs indices with as many axes as x. "
            f"Received: shapes {positions.shape} and {x.shape}"
        )
    grid: list[Any] = [
        np.arange(size, like=positions).reshape([-1 if i == j else 1 for j in range(x.ndim)])
        for i, size in enumerate(x.shape)
    ]
    grid[place] = positions
    return _getitem(x, tuple(grid))


def _integers(name: str, indices: Operand, x: Tensor | None) -> Any:
    array = constant(indices, x)._data
    if not array.size:
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}() needs integer indices. Received: an array of {array.dtype}")
    return array


def one_hot(indices: Operand, depth: int, dtype: Any = None) -> Tensor:
    """Return a 1 at each index, and 0 elsewhere, along a new last axis.

    Parameters
    ----------
    indices : array_like of int
        From 0 to depth - 1.
    depth : int
        Size of the new axis.
    dtype : str or numpy dtype, optional
        floatx when left out.

    Raises
    ------
    ValueError
        If an index lies outside.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.one_hot([0, 2], 3).numpy()
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    array = _integers("one_hot", indices, None)
    (depth,) = sizes((depth,), "depth")
    if array.size and array.astype(np.uint64).max() >= depth:  # negative ones become large
        raise ValueError(
            f"one_hot() needs indices from 0 to {depth - 1}. "
            f"Received: indices from {int(array.min())} to {int(array.max())}"
        )
    kind = resolve_dtype(None) if dtype is None else number_type(dtype)
    return wrap((array[..., None] == np.arange(depth, like=array)).astype(kind))

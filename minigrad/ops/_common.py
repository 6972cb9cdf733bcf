"""What several operations share: axes given in NumPy's ways, turned into one plain form."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad.autograd import Tensor, constant, wrap

Operand = Any
"""A tensor, a NumPy array, a number, or nested lists of numbers."""
Axis = Any
"""An int, a tuple of ints, or None for all axes."""
Shape = tuple[int, ...]


def values(x: Operand) -> Any:
    """Return the array of a tensor, and anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def times(g: Any, factor: Any) -> Any:
    """Return a gradient, a tensor or an array, times an array that has no history."""
    return g * (wrap(factor) if isinstance(g, Tensor) else factor)


def constants(*operands: Operand) -> list[Tensor]:
    """Return operands as tensors; those that were none go to the device of the first that was one.

    Examples
    --------
    >>> import minigrad as mg
    >>> [x.shape for x in constants(mg.tensor([1.0, 2.0]), 3.0)]
    [(2,), ()]
    """
    for first in operands:
        if isinstance(first, Tensor):
            return [x if isinstance(x, Tensor) else constant(x, first) for x in operands]
    return [constant(x) for x in operands]


def identity(size: int, like: Any) -> Any:
    """Return the identity matrix as booleans, on the device of an array."""
    places = np.arange(size, like=like)  # np.eye(like=...) passes on more than CuPy understands
    return places[:, None] == places


def normalize_axis(axis: Any, ndim: int) -> int:
    """Return one axis as an int from 0 to ndim - 1.

    Raises
    ------
    TypeError
        If ``axis`` is not an integer.
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> normalize_axis(-1, 3)
    2
    """
    if type(axis) is not int and (
        isinstance(axis, (bool, np.bool_)) or not isinstance(axis, (int, np.integer))
    ):
        raise TypeError(f"An axis must be an integer. Received: axis={brief(axis)}")
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"There is no such axis in a tensor with {ndim} axes. Received: axis={axis}"
        )
    return int(axis) % ndim


def sizes(value: Any, name: str = "shape", minimum: int = 0) -> Shape:
    """Return one size or several as a tuple of ints that are at least ``minimum``.

    Raises
    ------
    TypeError
        If these are not integers.
    ValueError
        If one is too small, or larger than any array.

    Examples
    --------
    >>> sizes(3), sizes([2, np.int64(3)])
    ((3,), (2, 3))
    """
    given = value if isinstance(value, (tuple, list)) else (value,)
    for size in given:
        if type(size) is not int or not minimum <= size <= sys.maxsize:
            return _converted(value, name, minimum)
    return tuple(given)


def _converted(value: Any, name: str, minimum: int) -> Shape:
    """Return what NumPy takes for sizes as `sizes` does: its integers, its arrays, ranges."""
    several = isinstance(value, (tuple, list, range)) or getattr(value, "ndim", 0) == 1
    numbers = []
    for size in value if several else (value,):
        try:
            numbers.append(operator.index(size))
        except TypeError:
            numbers = []
            break
        if isinstance(size, (bool, np.bool_)):
            numbers = []
            break
    if not numbers:
        raise TypeError(f"{name} must be made of integers. Received: {name}={brief(value)}")
    if min(numbers) < minimum or max(numbers) > sys.maxsize:
        raise ValueError(
            f"{name} must be made of integers >= {minimum}. Received: {name}={brief(value)}"
        )
    return tuple(numbers)


ANY = -sys.maxsize
"""The smallest size where negative ones count from the end."""
_ALL = [tuple(range(ndim)) for ndim in range(65)]  # NumPy has 64 axes at most


def normalize_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return axes as a sorted tuple of ints from 0 to ndim - 1; None means all of them.

    Examples
    --------
    >>> normalize_axes(None, 3), normalize_axes((-1, 0), 3)
    ((0, 1, 2), (0, 2))
    """
    if axis is None:
        return _ALL[ndim]
    if not isinstance(axis, (tuple, list)):
        return (normalize_axis(axis, ndim),)
    axes = tuple(sorted([normalize_axis(one, ndim) for one in axis]))
    if len(set(axes)) != len(axes):
        raise ValueError(f"An axis was given twice. Received: axis={axis}")
    return axes


def kept_shape(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Return ``shape`` with size 1 at ``axes``: what a reduction with keepdims=True leaves."""
    return tuple([1 if i in axes else size for i, size in enumerate(shape)])


def count(shape: Shape, axes: Iterable[int]) -> int:
    """Return how many elements lie along ``axes``."""
    return math.prod([shape[axis] for axis in axes])

"""Comparisons and tests: tensors of booleans, to which no gradient flows."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.primitive import primitive
from minigrad.ops._common import Operand


@primitive()
def equal(a: Operand, b: Operand) -> Any:
    """Return whether a == b, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.equal(mg.tensor([1.0, 2.0]), 2.0).numpy()
    array([False,  True])
    """
    return np.equal(a, b)


@primitive()
def not_equal(a: Operand, b: Operand) -> Any:
    """Return whether a != b, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.not_equal(mg.tensor([1.0, 2.0]), 2.0).numpy()
    array([ True, False])
    """
    return np.not_equal(a, b)


@primitive()
def less(a: Operand, b: Operand) -> Any:
    """Return whether a < b, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.less(mg.tensor([1.0, 2.0]), 2.0).numpy()
    array([ True, False])
    """
    return np.less(a, b)


@primitive()
def less_equal(a: Operand, b: Operand) -> Any:
    """Return whether a <= b, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.less_equal(mg.tensor([1.0, 2.0]), 2.0).numpy()
    array([ True,  True])
    """
    return np.less_equal(a, b)


@primitive()
def greater(a: Operand, b: Operand) -> Any:
    """Return whether a > b, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.greater(mg.tensor([1.0, 2.0]), 1.0).numpy()
    array([False,  True])
    """
    return np.greater(a, b)


@primitive()
def greater_equal(a: Operand, b: Operand) -> Any:
    """Return whether a >= b, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.greater_equal(mg.tensor([1.0, 2.0]), 1.0).numpy()
    array([ True,  True])
    """
    return np.greater_equal(a, b)


@primitive()
def isnan(x: Operand) -> Any:
    """Return whether x is NaN, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.isnan(mg.tensor([1.0, float("nan")])).numpy()
    array([False,  True])
    """
    return np.isnan(x)


@primitive()
def isfinite(x: Operand) -> Any:
    """Return whether x is neither NaN nor infinite, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.isfinite(mg.tensor([1.0, float("inf")])).numpy()
    array([ True, False])
    """
    return np.isfinite(x)


@primitive()
def logical_not(x: Operand) -> Any:
    """Return whether x is false (or 0), element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.logical_not(mg.tensor([True, False])).numpy()
    array([False,  True])
    """
    return np.logical_not(x)


@primitive()
def logical_and(a: Operand, b: Operand) -> Any:
    """Return whether a and b are both true, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.logical_and(mg.tensor([True, False]), mg.tensor([True, True])).numpy()
    array([ True, False])
    """
    return np.logical_and(a, b)


@primitive()
def logical_or(a: Operand, b: Operand) -> Any:
    """Return whether a or b or both are true, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.logical_or(mg.tensor([True, False]), mg.tensor([True, True])).numpy()
    array([ True,  True])
    """
    return np.logical_or(a, b)


@primitive()
def logical_xor(a: Operand, b: Operand) -> Any:
    """Return whether one of a and b is true, element by element.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.logical_xor(mg.tensor([True, False]), mg.tensor([True, True])).numpy()
    array([False,  True])
    """
    return np.logical_xor(a, b)

"""Arithmetic with broadcasting: each operation stands beside its derivatives.

The upstream gradient is ``g``; gradients are summed back over broadcast axes by the engine, so the formulas here are
those of single numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import primitive

Operand = Any  # a Tensor, a NumPy array or a number


@primitive(a=lambda g: g, b=lambda g: g, broadcasts=True)
def add(a: Operand, b: Operand) -> Any:
    """Return a + b.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.add(mg.tensor([1.0, 2.0]), 3.0).numpy()
    array([4., 5.], dtype=float32)
    """
    return np.add(a, b)


@primitive(a=lambda g: g, b=lambda g: -g, broadcasts=True)
def subtract(a: Operand, b: Operand) -> Any:
    """Return a - b.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.subtract(mg.tensor([1.0, 2.0]), 3.0).numpy()
    array([-2., -1.], dtype=float32)
    """
    return np.subtract(a, b)


@primitive(a=lambda g, b: g * b, b=lambda g, a: g * a, broadcasts=True)
def multiply(a: Operand, b: Operand) -> Any:
    """Return a * b.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.multiply(mg.tensor([1.0, 2.0]), 3.0).numpy()
    array([3., 6.], dtype=float32)
    """
    return np.multiply(a, b)


@primitive(a=lambda g, b: g / b, b=lambda g, out, b: -g * out / b, broadcasts=True)
def divide(a: Operand, b: Operand) -> Any:
    """Return a / b.

    Division by zero follows IEEE 754: it gives inf or NaN, with NumPy's warning.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.divide(mg.tensor([1.0, 2.0]), 4.0).numpy()
    array([0.25, 0.5 ], dtype=float32)
    """
    return np.divide(a, b)


@primitive(x=lambda g: -g)
def negative(x: Operand) -> Any:
    """Return -x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.negative(mg.tensor([1.0, -2.0])).numpy()
    array([-1.,  2.], dtype=float32)
    """
    return np.negative(x)

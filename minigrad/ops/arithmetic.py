"""Arithmetic with broadcasting: each operation stands beside its derivatives.

The upstream gradient is ``g``; gradients are summed back over broadcast axes by the engine, so the
formulas here are those of single numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import primitive, wrap
from minigrad.kernels.choice import compiled
from minigrad.ops._common import Operand, values
from minigrad.ops.elementwise import log
from minigrad.ops.piecewise import where


@primitive(a=lambda g: g, b=lambda g: g, broadcasts=True, plain=True)
def add(a: Operand, b: Operand) -> Any:
    """Return a + b.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.add(mg.tensor([1.0, 2.0]), 3.0).numpy()
    array([4., 5.], dtype=float32)
    """
    return np.add(a, b)


@primitive(a=lambda g: g, b=lambda g: g, broadcasts=True, plain=True)
def add_images(a: Any, b: Any) -> Any:
    """Return a + b for layers: on all threads if both are large, which `add` takes no time to ask.

    Its arguments are arrays or tensors.
    """
    if compiled(a, b) and a.shape == b.shape:
        from minigrad.kernels.cpu import elementwise  # imported when it is needed

        return elementwise.add(a, b)
    return np.add(a, b)


@primitive(a=lambda g: g, b=lambda g: -g, broadcasts=True, plain=True)
def subtract(a: Operand, b: Operand) -> Any:
    """Return a - b.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.subtract(mg.tensor([1.0, 2.0]), 3.0).numpy()
    array([-2., -1.], dtype=float32)
    """
    return np.subtract(a, b)


@primitive(a=lambda g, b: g * b, b=lambda g, a: g * a, broadcasts=True, plain=True)
def multiply(a: Operand, b: Operand) -> Any:
    """Return a * b.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.multiply(mg.tensor([1.0, 2.0]), 3.0).numpy()
    array([3., 6.], dtype=float32)
    """
    return np.multiply(a, b)


@primitive(a=lambda g, b: g / b, b=lambda g, out, b: -g * out / b, broadcasts=True, plain=True)
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


@primitive(x=lambda g: -g, plain=True)
def negative(x: Operand) -> Any:
    """Return -x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.negative(mg.tensor([1.0, -2.0])).numpy()
    array([-1.,  2.], dtype=float32)
    """
    return np.negative(x)


@primitive(x=lambda g, x: g * (2 * x), plain=True)
def square(x: Operand) -> Any:
    """Return x².

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.square(mg.tensor([1.0, -2.0])).numpy()
    array([1., 4.], dtype=float32)
    """
    return np.square(x)


@primitive(x=lambda g, out: -g * (out * out), plain=True)
def reciprocal(x: Operand) -> Any:
    """Return 1 / x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.reciprocal(mg.tensor([1.0, -2.0])).numpy()
    array([ 1. , -0.5], dtype=float32)
    """
    return np.divide(1.0, x)


def _power_base(g: Any, a: Any, b: Any) -> Any:
    """Return g b a^(b-1), which is 0 for b = 0 even where a = 0."""
    if not hasattr(b, "dtype"):  # a plain number, which is what an exponent usually is
        return g * 0.0 if b == 0 else g * (b * power(a, b - 1))
    # 0 * 0^(-1) would be NaN; a^0 is 1 for every a. Only there, so that the mixed second
    # derivative stays right where b = 0 and a is not.
    constant = wrap(np.logical_and(b.data == 0, np.equal(values(a), 0)))
    return g * (b * power(a, where(constant, 0.0, b - 1.0)))


def _power_exponent(g: Any, a: Any, b: Any, out: Any) -> Any:
    """Return g a^b log(a), which is 0 where a = 0 and b >= 0."""
    if not hasattr(a, "dtype"):  # a plain number takes part in the exponent's precision
        a = wrap(np.asarray(a, b.dtype, like=b.data))
    flat = wrap(np.logical_and(a.data == 0, b.data >= 0))
    return g * (out * log(where(flat, 1.0, a)))


@primitive(a=_power_base, b=_power_exponent, broadcasts=True)
def power(a: Operand, b: Operand) -> Any:
    """Return a to the power b.

    The derivative for ``a`` is b a^(b-1), and 0 where b = 0 (also at a = 0). The derivative for
    ``b`` is a^b log(a), 0 where a = 0 and b >= 0, and NaN where a < 0, as in PyTorch. A negative
    ``a`` to a power that is not a whole number is NaN, with NumPy's warning.

    Raises
    ------
    ValueError
        For integers to a negative integer power.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.power(mg.tensor([1.0, -2.0]), 3).numpy()
    array([ 1., -8.], dtype=float32)
    """
    return a**b

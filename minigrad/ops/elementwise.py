"""Exponentials, logarithms, roots and the smooth step functions, each beside its derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.autograd.primitive import primitive
from minigrad.ops._common import Operand


@primitive(x=lambda g, out: g * out, plain=True)
def exp(x: Operand) -> Any:
    """Return e to the power x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.exp(mg.tensor([0.0, 1.0])).numpy()
    array([1.      , 2.718282], dtype=float32)
    """
    return np.exp(x)


@primitive(x=lambda g, out: g * (out + 1.0), plain=True)
def expm1(x: Operand) -> Any:
    """Return e to the power x, minus 1, precisely for small x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.expm1(mg.tensor(1e-10, dtype="float64")).item()
    1.00000000005e-10
    """
    return np.expm1(x)


@primitive(x=lambda g, x: g / x, plain=True)
def log(x: Operand) -> Any:
    """Return the natural logarithm of x; at 0 and below it is -inf or NaN, with NumPy's warning.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.log(mg.tensor([1.0, 10.0])).numpy()
    array([0.       , 2.3025851], dtype=float32)
    """
    return np.log(x)


@primitive(x=lambda g, x: g / (x + 1.0), plain=True)
def log1p(x: Operand) -> Any:
    """Return the natural logarithm of 1 + x, precisely for small x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.log1p(mg.tensor(1e-10, dtype="float64")).item()
    9.999999999500001e-11
    """
    return np.log1p(x)


@primitive(x=lambda g, out: g * 0.5 / out, plain=True)
def sqrt(x: Operand) -> Any:
    """Return the square root of x; the derivative at 0 is inf, with NumPy's warning.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sqrt(mg.tensor([4.0, 9.0])).numpy()
    array([2., 3.], dtype=float32)
    """
    return np.sqrt(x)


_SLOPE = 2.0 / math.sqrt(math.pi)
_COMPILED = (np.float32, np.float64)


@primitive(x=lambda g, x: g * (_SLOPE * np.exp(-(x * x))), plain=True)
def erf(x: Operand) -> Any:
    """Return the error function, 2 / sqrt(π) times the integral of exp(-t²) from 0 to x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.erf(mg.tensor([0.0, 1.0], dtype="float64")).numpy()
    array([0.        , 0.84270079])
    """
    if not isinstance(x, np.ndarray):
        from minigrad.kernels.cuda.runtime import special  # as well

        return special("erf", x)
    from minigrad.kernels.cpu import elementwise  # compiled: imported when it is needed

    return elementwise.erf(x if x.dtype in _COMPILED else x.astype(np.float64))


@primitive(x=lambda g, out: g * (out * (1.0 - out)), plain=True)
def sigmoid(x: Operand) -> Any:
    """Return 1 / (1 + e^-x), without overflow and with full precision for x < 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sigmoid(mg.tensor([0.0, 1.0])).numpy()
    array([0.5      , 0.7310586], dtype=float32)
    """
    power = np.exp(np.minimum(x, 40))  # which cannot overflow: from there on, the result is 1
    return power / (power + 1)


@primitive(x=lambda g, x: g * sigmoid(x))
def softplus(x: Operand) -> Any:
    """Return log(1 + e^x), without overflow.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.softplus(mg.tensor([0.0, 100.0])).numpy()
    array([  0.6931472, 100.       ], dtype=float32)
    """
    return np.logaddexp(x, 0.0)

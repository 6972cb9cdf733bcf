"""Trigonometric and hyperbolic functions and their inverses, each beside its derivative."""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.primitive import primitive
from minigrad.ops._common import Operand


@primitive(x=lambda g, x: g * np.cos(x), plain=True)
def sin(x: Operand) -> Any:
    """Return the sine of x (radians).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sin(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([0.      , 0.841471], dtype=float32)
    """
    return np.sin(x)


@primitive(x=lambda g, x: -g * np.sin(x), plain=True)
def cos(x: Operand) -> Any:
    """Return the cosine of x (radians).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.cos(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([1.      , 0.540302], dtype=float32)
    """
    return np.cos(x)


@primitive(x=lambda g, out: g * (1.0 + out * out), plain=True)
def tan(x: Operand) -> Any:
    """Return the tangent of x (radians).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.tan(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([0.      , 1.557408], dtype=float32)
    """
    return np.tan(x)


@primitive(x=lambda g, x: g / np.sqrt(1.0 - x * x), plain=True)
def arcsin(x: Operand) -> Any:
    """Return the angle in [-π/2, π/2] whose sine is x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.arcsin(mg.tensor([0.0, 0.5])).numpy().round(6)
    array([0.      , 0.523599], dtype=float32)
    """
    return np.arcsin(x)


@primitive(x=lambda g, x: -g / np.sqrt(1.0 - x * x), plain=True)
def arccos(x: Operand) -> Any:
    """Return the angle in [0, π] whose cosine is x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.arccos(mg.tensor([0.0, 0.5])).numpy().round(6)
    array([1.570796, 1.047198], dtype=float32)
    """
    return np.arccos(x)


@primitive(x=lambda g, x: g / (1.0 + x * x), plain=True)
def arctan(x: Operand) -> Any:
    """Return the angle in (-π/2, π/2) whose tangent is x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.arctan(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([0.      , 0.785398], dtype=float32)
    """
    return np.arctan(x)


@primitive(x=lambda g, x: g * np.cosh(x), plain=True)
def sinh(x: Operand) -> Any:
    """Return the hyperbolic sine of x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sinh(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([0.      , 1.175201], dtype=float32)
    """
    return np.sinh(x)


@primitive(x=lambda g, x: g * np.sinh(x), plain=True)
def cosh(x: Operand) -> Any:
    """Return the hyperbolic cosine of x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.cosh(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([1.      , 1.543081], dtype=float32)
    """
    return np.cosh(x)


@primitive(x=lambda g, out: g * (1.0 - out * out), plain=True)
def tanh(x: Operand) -> Any:
    """Return the hyperbolic tangent of x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.tanh(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([0.      , 0.761594], dtype=float32)
    """
    return np.tanh(x)


@primitive(x=lambda g, x: g / np.sqrt(x * x + 1.0), plain=True)
def arcsinh(x: Operand) -> Any:
    """Return the number whose hyperbolic sine is x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.arcsinh(mg.tensor([0.0, 1.0])).numpy().round(6)
    array([0.      , 0.881374], dtype=float32)
    """
    return np.arcsinh(x)


@primitive(x=lambda g, x: g / np.sqrt(x * x - 1.0), plain=True)
def arccosh(x: Operand) -> Any:
    """Return the number >= 0 whose hyperbolic cosine is x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.arccosh(mg.tensor([1.0, 2.0])).numpy().round(6)
    array([0.      , 1.316958], dtype=float32)
    """
    return np.arccosh(x)


@primitive(x=lambda g, x: g / (1.0 - x * x), plain=True)
def arctanh(x: Operand) -> Any:
    """Return the number whose hyperbolic tangent is x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.arctanh(mg.tensor([0.0, 0.5])).numpy().round(6)
    array([0.      , 0.549306], dtype=float32)
    """
    return np.arctanh(x)

"""Functions with kinks and choices: absolute value, sign, maximum, minimum, clip, where, relu.

At a kink there is no derivative, so a convention is needed. Here: ``abs`` and ``relu`` have slope
0 at 0; ``maximum`` and ``minimum`` give half of the gradient to each of two equal arguments (so
that the derivative does not depend on their order); ``clip`` has slope 1 on the closed interval.
"""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Tensor, constant, primitive
from minigrad.autograd.convert import as_array
from minigrad.kernels.choice import compiled
from minigrad.kernels.devices import to_device
from minigrad.ops._common import Operand, times, values


@primitive(x=lambda g, x: g * np.sign(x), plain=True)
def abs(x: Operand) -> Any:
    """Return |x|; the derivative at 0 is 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.abs(mg.tensor([1.0, -2.0])).numpy()
    array([1., 2.], dtype=float32)
    """
    return np.abs(x)


@primitive(x=lambda g: g * 0.0, plain=True)
def sign(x: Operand) -> Any:
    """Return -1, 0 or 1; the derivative is 0 everywhere.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sign(mg.tensor([3.0, 0.0, -2.0])).numpy()
    array([ 1.,  0., -1.], dtype=float32)
    """
    return np.sign(x)


def where_positive(upstream: Any, y: Any, spare: bool = False) -> Any:
    """Return an array where y is positive, 0 elsewhere; in its place if it is spare."""
    if compiled(y) and upstream.dtype == y.dtype:
        from minigrad.kernels.cpu import activations  # imported when it is needed

        return activations.where_positive(upstream, y, spare)
    return np.where(y > 0, upstream, upstream.dtype.type(0))


@primitive(upstream=lambda g, y: pass_positive(g, y))
def pass_positive(upstream: Any, y: Any) -> Any:
    """Return the same of a tensor, which can be differentiated again."""
    return where_positive(upstream, y)


@primitive(
    x=lambda g, out: pass_positive(g, out.data),
    fused=lambda g, out, spare: (where_positive(g, out, spare),),
)
def relu(x: Operand) -> Any:
    """Return max(x, 0); the derivative at 0 is 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.relu(mg.tensor([1.0, -2.0])).numpy()
    array([1., 0.], dtype=float32)
    """
    if compiled(x):
        from minigrad.kernels.cpu import activations  # imported when it is needed

        return activations.relu(x)
    return np.maximum(x, 0)


def _winners(g: Any, a: Any, b: Any) -> Any:
    """Return ``g`` where a > b, half of it where they are equal, and 0 elsewhere."""
    a, b = values(a), values(b)
    return times(g, np.add(a > b, a >= b, dtype=g.dtype) * 0.5)


@primitive(a=_winners, b=lambda g, a, b: _winners(g, b, a), broadcasts=True, plain=True)
def maximum(a: Operand, b: Operand) -> Any:
    """Return the larger of a and b, element by element; NaN wins.

    Equal arguments get half of the gradient each.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.maximum(mg.tensor([1.0, 3.0]), 2.0).numpy()
    array([2., 3.], dtype=float32)
    """
    return np.maximum(a, b)


@primitive(a=lambda g, a, b: _winners(g, b, a), b=_winners, broadcasts=True, plain=True)
def minimum(a: Operand, b: Operand) -> Any:
    """Return the smaller of a and b, element by element; NaN wins.

    Equal arguments get half of the gradient each.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.minimum(mg.tensor([1.0, 3.0]), 2.0).numpy()
    array([1., 2.], dtype=float32)
    """
    return np.minimum(a, b)


@primitive(
    a=lambda g, condition: _where(condition, g, 0.0),
    b=lambda g, condition: _where(condition, 0.0, g),
    broadcasts=True,
)
def _where(condition: Any, a: Any, b: Any) -> Any:
    out = np.where(condition, a, b)
    if out.dtype.kind not in "fiubc":
        raise TypeError  # which the engine explains
    return out


def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """Return a where the condition holds, b elsewhere.

    Both branches are computed before the choice is made. If the branch that is not taken has an
    infinite derivative, 0 * inf = NaN reaches its arguments: write
    ``where(x > 0, log(where(x > 0, x, 1.0)), 0.0)``, not ``where(x > 0, log(x), 0.0)``.

    Parameters
    ----------
    condition : array_like of bool
        No gradient flows to it.
    a, b : Tensor or array_like
        All three broadcast against each other.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, -2.0])
    >>> mg.ops.where(x > 0, x, 0.1 * x).numpy()
    array([ 1. , -0.2], dtype=float32)
    """
    if not isinstance(condition, Tensor):
        home = a if isinstance(a, Tensor) else b
        condition = constant(condition, home if isinstance(home, Tensor) else None)
    return _where(condition, a, b)


@primitive(
    x=lambda g, x, low, high: times(g, _inside(values(x), low, high).astype(g.dtype)), plain=True
)
def _clip(x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _inside(x: Any, low: Any, high: Any) -> Any:
    inside = x == x if low is None else x >= values(low)
    return inside if high is None else inside & (x <= values(high))


def clip(x: Operand, low: Any = None, high: Any = None) -> Tensor:
    """Return x, but at least low and at most high.

    The gradient passes where low <= x <= high, the bounds included, and is 0 elsewhere.

    Parameters
    ----------
    x : Tensor or array_like
    low, high : number or array_like, optional
        They broadcast to the shape of x and get no gradient; see `maximum` and `minimum` for
        bounds that do. Integers between fractions have the dtype of these, which is floatx for
        Python numbers, in lists as well.

    Raises
    ------
    TypeError
        If a bound requires gradients.
    ValueError
        If the bounds do not broadcast to the shape of x.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.clip(mg.tensor([1.0, -2.0, 7.0]), 0.0, 5.0).numpy()
    array([1., 0., 5.], dtype=float32)
    """
    x = constant(x)
    if x.dtype.kind in "iub":
        bounds = [constant(bound).dtype for bound in (low, high) if bound is not None]
        if fractions := [dtype for dtype in bounds if dtype.kind == "f"]:
            x = x.astype(np.result_type(*fractions))
    return _clip(x, _bound("low", low, x), _bound("high", high, x))


def _bound(name: str, bound: Any, x: Tensor) -> Any:
    if bound is None or (type(bound) in (int, float) and x.dtype.kind == "f"):
        return bound
    if isinstance(bound, Tensor) and bound.requires_grad:
        raise TypeError(
            f"clip() gives its bounds no gradient; use maximum() and minimum(). "
            f"Received: {name} that requires gradients"
        )
    kind = x.dtype if x.dtype.kind == "f" else None
    constant(bound)  # refuses what holds no numbers
    array = to_device(as_array(bound, kind), x.device)
    try:
        np.broadcast_to(array, x.shape)
    except ValueError:
        raise ValueError(
            f"The bounds of clip() must broadcast to shape {x.shape}. "
            f"Received: {name} of shape {array.shape}"
        ) from None
    return array

"""Constraints: what weights are projected onto after each step of an optimizer.

A constraint maps a tensor or array to a tensor of the same shape and dtype; nothing is recorded.
The optimizer applies it right after it has updated the weight, and nobody else does: not the
initializer, not `set_weights`, not the forward pass.

Norms are taken over `axis`, an int or a list of ints. Keras' default, 0, is meant for the (inputs,
units) kernel of a dense layer. On a convolution kernel it is the kernel's *height*, which is almost
never wanted. For one norm per filter use ``axis=[0, 1]`` on a depthwise kernel (kh, kw, C, M), and
``axis=[0, 1, 2]`` on a pointwise or an ordinary kernel (kh, kw, C, F).

Source: https://keras.io/api/layers/constraints/ and TF 2.4's `tf.keras.constraints`.

Examples
--------
>>> import minigrad as mg
>>> mg.constraints.get("non_neg")(mg.tensor([-1.0, 2.0])).numpy() + 0.0
array([0., 2.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import config
from minigrad._brief import brief
from minigrad._configurable import Configurable
from minigrad._registry import Registry
from minigrad._validate import is_integer, number
from minigrad.autograd import Tensor, constant, wrap

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "RadialConstraint",
    "UnitNorm",
    "deserialize",
    "get",
    "register",
    "serialize",
]

Array = np.ndarray[Any, Any]

registry = Registry("constraint")
register = registry.register
get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize


class Constraint(Configurable):
    """A projection of weights; this one changes nothing.

    Derive from it, write ``__call__`` (or ``project``, which works on arrays), and register the
    class. Arguments of the constructor are kept in attributes of the same names.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Halve(mg.constraints.Constraint):
    ...     def project(self, w):
    ...         return w / 2
    >>> Halve()([2.0, 4.0]).numpy()
    array([1., 2.], dtype=float32)
    """

    def __call__(self, w: Any) -> Tensor:
        """Return the projected weight.

        Parameters
        ----------
        w : Tensor or array_like
            Of a floating point dtype.

        Returns
        -------
        Tensor
            A new tensor of w's shape and dtype, not recorded.

        Raises
        ------
        ValueError
            For weights of another dtype, or of a shape that this constraint cannot handle.
        """
        w = constant(w)
        if w.dtype.kind != "f":
            raise ValueError(
                f"A constraint is for floating point weights. Received: dtype={w.dtype}"
            )
        return wrap(np.array(self.project(w.data), dtype=w.dtype, like=w.data))

    def project(self, w: Array) -> Array:
        """Return the projection of an array, of the same shape; `w` is read-only."""
        return w


class _OverAxis(Constraint):
    """A constraint that looks at norms over `axis`."""

    axis: int | list[int]

    def norm(self, w: Array) -> tuple[Array, Array]:
        """Return the norms over the axes (kept), and the divisor: the norms plus epsilon."""
        axes = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        try:
            squares = np.sum(np.square(w), axis=axes, keepdims=True)
        except (ValueError, np.exceptions.AxisError):
            raise ValueError(
                f"The axes of a constraint must be different axes of the weight. "
                f"Received: axis={self.axis} for a weight of shape {w.shape}"
            ) from None
        norms = np.sqrt(squares)
        return norms, w.dtype.type(config.epsilon()) + norms


class MaxNorm(_OverAxis):
    """Scale down what is longer than `max_value`: w · clip(n, 0, max_value) / (ε + n).

    Everything shrinks slightly, by the factor n / (ε + n), and zero stays zero.

    Identifiers: ``"max_norm"``, ``"maxnorm"``, ``"MaxNorm"``.

    Parameters
    ----------
    max_value : float
        The largest norm, >= 0.
    axis : int or sequence of int
        The axes to take norms over; see the head of this module.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.constraints.MaxNorm(2.0)(np.array([[3.0, -1.0], [4.0, -1.0]])).numpy().round(4)
    array([[ 1.2, -1. ],
           [ 1.6, -1. ]])
    """

    def __init__(self, max_value: float = 2, axis: int | Iterable[int] = 0) -> None:
        self.max_value = number(max_value, "max_value", minimum=0)
        self.axis = _axes(axis)

    def project(self, w: Array) -> Array:
        """Return the projection of an array."""
        norms, divisor = self.norm(w)
        scaled: Array = w * (np.clip(norms, 0, self.max_value) / divisor)
        return scaled


class NonNeg(Constraint):
    """Set negative weights to zero: w · (w >= 0), so that they become -0.0 and NaN stays NaN.

    Identifiers: ``"non_neg"``, ``"nonneg"``, ``"NonNeg"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.constraints.NonNeg()([-1.0, 2.0]).numpy()
    array([-0.,  2.], dtype=float32)
    """

    def project(self, w: Array) -> Array:
        """Return the projection of an array."""
        kept: Array = w * (w >= 0).astype(w.dtype)
        return kept


class UnitNorm(_OverAxis):
    """Scale to norm 1: w / (ε + n).

    Identifiers: ``"unit_norm"``, ``"unitnorm"``, ``"UnitNorm"``.

    Parameters
    ----------
    axis : int or sequence of int
        The axes to take norms over; see the head of this module.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.constraints.UnitNorm()(np.array([[3.0], [4.0]])).numpy().round(4)
    array([[0.6],
           [0.8]])
    """

    def __init__(self, axis: int | Iterable[int] = 0) -> None:
        self.axis = _axes(axis)

    def project(self, w: Array) -> Array:
        """Return the projection of an array."""
        scaled: Array = w / self.norm(w)[1]
        return scaled


class MinMaxNorm(_OverAxis):
    """Pull norms into [min_value, max_value]: w·(rate·clip(n, min, max) + (1-rate)·n) / (ε + n).

    Identifiers: ``"min_max_norm"``, ``"MinMaxNorm"``.

    Parameters
    ----------
    min_value, max_value : float
        The bounds, 0 <= min_value <= max_value.
    rate : float
        How much of the way is gone at once, in [0, 1].
    axis : int or sequence of int
        The axes to take norms over; see the head of this module.

    Examples
    --------
    >>> import minigrad as mg
    >>> half_way = mg.constraints.MinMaxNorm(1.0, 2.0, rate=0.5)
    >>> half_way(np.array([[3.0], [4.0]])).numpy().round(4)
    array([[2.1],
           [2.8]])
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Iterable[int] = 0,
    ) -> None:
        self.min_value = number(min_value, "min_value", minimum=0)
        self.max_value = number(max_value, "max_value", minimum=self.min_value)
        self.rate = number(rate, "rate", minimum=0, maximum=1)
        self.axis = _axes(axis)

    def project(self, w: Array) -> Array:
        """Return the projection of an array."""
        norms, divisor = self.norm(w)
        clipped = np.clip(norms, self.min_value, self.max_value)
        scaled: Array = w * ((self.rate * clipped + (1 - self.rate) * norms) / divisor)
        return scaled


class RadialConstraint(Constraint):
    """Make square kernels (k, k, ..., ...) constant along each square ring around the centre.

    Every ring takes one entry of the diagonal, and which one follows Keras 2. With s = k // 2, the
    core (the centre of an odd kernel, the 2×2 middle of an even one) takes the entry at [s-1, s-1].
    For an odd kernel that is *not* the centre itself, and the rings around it take the entries
    s, s+1, ..., each one place short of its own corner. The rings of an even kernel take the
    entries s+1, s+2, ..., which are their corners.

    Identifiers: ``"radial_constraint"``, ``"RadialConstraint"``. Keras 3 does not have it.

    Raises
    ------
    ValueError
        When it is called with a weight that does not have 4 axes, or is not square.

    Examples
    --------
    >>> import minigrad as mg
    >>> kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    >>> mg.constraints.RadialConstraint()(kernel).numpy()[:, :, 0, 0]
    array([[4., 4., 4.],
           [4., 0., 4.],
           [4., 4., 4.]])
    """

    def project(self, w: Array) -> Array:
        """Return the projection of an array."""
        if w.ndim != 4 or w.shape[0] != w.shape[1]:
            raise ValueError(
                "RadialConstraint needs square kernels of shape (k, k, C, M). "
                f"Received: shape={w.shape}"
            )
        size = w.shape[0]
        offset = np.abs(2 * np.arange(size) - (size - 1))  # twice the distance from the centre
        ring = np.maximum.outer(offset, offset) // 2
        diagonal = size // 2 - 1 + ring
        if size % 2 == 0:
            diagonal += ring > 0
        rings: Array = w[diagonal, diagonal]
        return rings


def _axes(axis: int | Iterable[int]) -> int | list[int]:
    """Return `axis` as an int or a list of ints (JSON knows no tuples)."""
    members = [axis] if isinstance(axis, (int, np.integer)) else axis
    if isinstance(members, Iterable) and not isinstance(members, (str, bytes)):
        members = list(members)
        if members and all(map(is_integer, members)):
            plain = [int(m) for m in members]
            return plain[0] if isinstance(axis, (int, np.integer)) else plain
    raise ValueError(
        "The `axis` argument must be an integer or a list of integers. "
        f"Received: axis={brief(axis)}"
    )


register(MaxNorm, "maxnorm")
register(NonNeg, "nonneg")
register(UnitNorm, "unitnorm")
register(MinMaxNorm)
register(RadialConstraint)

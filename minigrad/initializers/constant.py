"""Initializers that do not draw: zeros, ones, any constant, the identity matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad._validate import number
from minigrad.autograd import Tensor
from minigrad.initializers.base import Array, Initializer, checked_dtype, checked_shape, register


class Zeros(Initializer):
    """All zeros.

    Identifiers: ``"zeros"``, ``"zero"``, ``"Zeros"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.initializers.Zeros()(2)
    array([0., 0.], dtype=float32)
    """

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return zeros of any numeric or boolean dtype; see `Initializer.__call__`."""
        return np.zeros(checked_shape(shape), checked_dtype(dtype, "fiub"))


class Ones(Initializer):
    """All ones.

    Identifiers: ``"ones"``, ``"one"``, ``"Ones"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.initializers.Ones()((1, 2), dtype="float64")
    array([[1., 1.]])
    """

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return ones of any numeric or boolean dtype; see `Initializer.__call__`."""
        return np.ones(checked_shape(shape), checked_dtype(dtype, "fiub"))


class Constant(Initializer):
    """One number everywhere, or the values of a given array.

    Identifiers: ``"constant"``, ``"Constant"``. An array or tensor given where an initializer is
    expected stands for ``Constant(array)``.

    Parameters
    ----------
    value : number or array_like
        An array must have exactly the shape that is asked for.

    Raises
    ------
    ValueError
        If `value` is not numeric.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.initializers.Constant(0.25)(3)
    array([0.25, 0.25, 0.25], dtype=float32)
    """

    def __init__(self, value: Any = 0) -> None:
        try:
            array = np.array(value)
        except ValueError:
            array = np.array(None)
        if array.dtype.kind not in "fiub":
            raise ValueError(
                f"The `value` argument must be a number or an array of numbers. "
                f"Received: value={brief(value)}"
            )
        self.value = array.item() if array.ndim == 0 else array

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return the constant; see `Initializer.__call__`."""
        sizes = checked_shape(shape)
        if np.ndim(self.value) > 0 and np.shape(self.value) != sizes:
            raise ValueError(
                f"The array of an initializer must have the shape of the weight. "
                f"Expected {sizes}, received {np.shape(self.value)}."
            )
        return np.full(sizes, self.value, checked_dtype(dtype, "fiub"))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; an array as nested lists."""
        return {"value": np.asarray(self.value).tolist()}


class Identity(Initializer):
    """A multiple of the identity matrix; a rectangular one is cut off or filled with zeros.

    Identifiers: ``"identity"``, ``"Identity"``.

    Parameters
    ----------
    gain : float
        The value on the diagonal.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.initializers.Identity(2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = number(gain, "gain")

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return the matrix; see `Initializer.__call__`."""
        sizes = checked_shape(shape)
        if len(sizes) != 2:
            raise ValueError(
                f"Identity makes matrices: the shape must have 2 axes. Received: shape={sizes}"
            )
        kind = checked_dtype(dtype, "fiub")
        return (self.gain * np.eye(*sizes)).astype(kind)


def as_initializer(identifier: Any) -> Any:
    """Return arrays and tensors as `Constant`, anything else unchanged."""
    if isinstance(identifier, Tensor):
        identifier = identifier.numpy()
    return Constant(identifier) if isinstance(identifier, np.ndarray) else identifier


register(Zeros, "zero", "ZerosV2")
register(Ones, "one", "OnesV2")
register(Constant, "ConstantV2")
register(Identity, "IdentityV2")

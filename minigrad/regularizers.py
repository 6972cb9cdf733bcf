"""Regularizers: penalties on weights or outputs (https://keras.io/api/layers/regularizers/).

A regularizer maps a tensor to a scalar tensor that is added to the loss; it is differentiable.

Examples
--------
>>> import minigrad as mg
>>> mg.regularizers.L2(0.5)(mg.tensor([[1.0, -2.0], [3.0, -4.0]])).item()
15.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad._configurable import Configurable
from minigrad._registry import Registry
from minigrad._validate import number
from minigrad.autograd import Tensor, constant, wrap

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1_l2",
    "register",
    "serialize",
]

registry = Registry("regularizer")
register = registry.register
get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize


class Regularizer(Configurable):
    """A penalty: ``regularizer(x)`` returns a scalar tensor of x's dtype; this one is always 0.

    Derive from it, write ``__call__``, and register the class. Arguments of the constructor are
    kept in attributes of the same names.

    Examples
    --------
    >>> import minigrad as mg
    >>> @mg.regularizers.register
    ... class Mean(mg.regularizers.Regularizer):
    ...     def __call__(self, x):
    ...         return 0.1 * x.mean()
    >>> mg.regularizers.get("mean")
    Mean()
    """

    def __call__(self, x: Any) -> Tensor:
        """Return the penalty on `x`.

        Parameters
        ----------
        x : Tensor or array_like
            Of a floating point dtype.

        Returns
        -------
        Tensor
            Of shape () and x's dtype.
        """
        return _zero_like(constant(x))


class L1L2(Regularizer):
    """The sum of absolute values times `l1` plus the sum of squares (no ½) times `l2`.

    Identifiers: ``"L1L2"`` (both factors 0) and ``"l1_l2"`` (both 0.01), as in Keras 2.

    Parameters
    ----------
    l1, l2 : float
        The factors; None means 0. Negative ones are allowed.

    Raises
    ------
    ValueError
        If a factor is not a finite number.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.regularizers.L1L2(0.5, 0.25)(mg.tensor([[1.0, -2.0], [3.0, -4.0]])).item()
    12.5
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor(l1, "l1", 0.0)
        self.l2 = _factor(l2, "l2", 0.0)

    def __call__(self, x: Any) -> Tensor:
        """Return l1·Σ|x| + l2·Σx²; see `Regularizer.__call__`."""
        x = constant(x)
        result = None
        if self.l1:
            result = self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            squares = self.l2 * ops.sum(ops.square(x))
            result = squares if result is None else result + squares
        return _zero_like(x) if result is None else result


class L1(L1L2):
    """The sum of absolute values times `l1`.

    Identifiers: ``"l1"``, ``"L1"``.

    Parameters
    ----------
    l1 : float
        The factor; None means 0.01.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.regularizers.L1(0.5)(mg.tensor([[1.0, -2.0], [3.0, -4.0]])).item()
    5.0
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=_factor(l1, "l1", 0.01))


class L2(L1L2):
    """The sum of squares times `l2`; there is no factor ½.

    Identifiers: ``"l2"``, ``"L2"``.

    Parameters
    ----------
    l2 : float
        The factor; None means 0.01.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.regularizers.L2(0.5)(mg.tensor([[1.0, -2.0], [3.0, -4.0]])).item()
    15.0
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=_factor(l2, "l2", 0.01))


def l1_l2(l1: float | None = 0.01, l2: float | None = 0.01) -> L1L2:
    """Return an `L1L2` whose factors are 0.01 unless given; ``"l1_l2"`` stands for it.

    Examples
    --------
    >>> from minigrad import regularizers
    >>> regularizers.get("l1_l2"), regularizers.get("L1L2")
    (L1L2(l1=0.01, l2=0.01), L1L2(l1=0.0, l2=0.0))
    """
    return L1L2(l1, l2)


class OrthogonalRegularizer(Regularizer):
    """The mean absolute cosine between different rows (or columns) of a matrix, times `factor`.

    It came to Keras after 2.4. Kernels with four axes are rejected, as in Keras.

    Identifiers: ``"orthogonal_regularizer"``, ``"OrthogonalRegularizer"``.

    Parameters
    ----------
    factor : float
        The factor.
    mode : {"rows", "columns"}
        Which vectors are made orthogonal.

    Raises
    ------
    ValueError
        For another mode, a factor that is not finite, or an input without exactly 2 axes.

    Examples
    --------
    >>> import minigrad as mg
    >>> penalty = mg.regularizers.OrthogonalRegularizer(1.0, mode="rows")
    >>> round(penalty(mg.tensor([[1.0, -2.0], [3.0, -4.0]])).item(), 5)
    0.98387
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = number(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(f"The `mode` must be 'rows' or 'columns'. Received: mode={mode!r}")
        self.mode = mode

    def __call__(self, x: Any) -> Tensor:
        """Return factor · mean over pairs i < j of ⟨v_i, v_j⟩, the v normalized."""
        x = constant(x)
        if x.ndim != 2:
            raise ValueError(
                "OrthogonalRegularizer needs a matrix: an input with 2 axes. "
                f"Received: shape={x.shape}"
            )
        vectors = x if self.mode == "rows" else ops.transpose(x)
        count = vectors.shape[0]
        if count < 2:
            return _zero_like(x)
        # Where a vector is zero its cosines are taken as zero, like tf.math.l2_normalize does.
        squares = ops.sum(ops.square(vectors), axis=1, keepdims=True)
        unit = vectors / ops.sqrt(ops.maximum(squares, 1e-12))
        cosines = ops.matmul(unit, ops.transpose(unit))
        off_diagonal = 1.0 - np.eye(count, dtype=x.dtype)
        return self.factor / (count * (count - 1)) * ops.sum(ops.abs(cosines * off_diagonal))


def _factor(value: float | None, name: str, default: float) -> float:
    return float(default if value is None else number(value, name))


def _zero_like(x: Tensor) -> Tensor:
    return wrap(np.zeros((), x.dtype, like=x.data))


register(L1)
register(L2)
register(L1L2)
register(l1_l2)
register(OrthogonalRegularizer)

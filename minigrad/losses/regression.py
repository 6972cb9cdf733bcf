"""Losses for numbers: squared and absolute errors."""

from __future__ import annotations

from typing import Any

from minigrad import ops
from minigrad.autograd import Tensor
from minigrad.losses.base import Loss, predictions, registry, targets


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """Return the mean of (y_pred - y_true)² over the last axis.

    Parameters
    ----------
    y_true, y_pred : Tensor or array_like, (N, ..., K)

    Returns
    -------
    Tensor, (N, ...)

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.mean_squared_error([[0.0, 1.0]], mg.tensor([[2.0, 1.0]])).numpy()
    array([2.], dtype=float32)
    """
    y_pred = predictions(y_pred)
    return ops.mean(ops.square(y_pred - targets(y_true, y_pred)), axis=_last(y_pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """Return the mean of |y_pred - y_true| over the last axis.

    Parameters
    ----------
    y_true, y_pred : Tensor or array_like, (N, ..., K)

    Returns
    -------
    Tensor, (N, ...)

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.mean_absolute_error([[0.0, 1.0]], mg.tensor([[2.0, 1.0]])).numpy()
    array([1.], dtype=float32)
    """
    y_pred = predictions(y_pred)
    return ops.mean(ops.abs(y_pred - targets(y_true, y_pred)), axis=_last(y_pred))


class MeanSquaredError(Loss):
    """The mean of squared differences.

    Identifiers: ``"mse"``, ``"MSE"``, ``"mean_squared_error"``, ``"MeanSquaredError"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.MeanSquaredError()([[0.0], [1.0]], mg.tensor([[2.0], [1.0]])).item()
    2.0
    """

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return mean_squared_error(y_true, y_pred)


class MeanAbsoluteError(Loss):
    """The mean of absolute differences.

    Identifiers: ``"mae"``, ``"MAE"``, ``"mean_absolute_error"``, ``"MeanAbsoluteError"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.MeanAbsoluteError()([[0.0], [1.0]], mg.tensor([[2.0], [1.0]])).item()
    1.0
    """

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return mean_absolute_error(y_true, y_pred)


def _last(y_pred: Tensor) -> int:
    if y_pred.ndim == 0:
        raise ValueError("Predictions need at least one axis. Received: y_pred of shape ()")
    return -1


registry.register(MeanSquaredError, "mse", "MSE")
registry.register(MeanAbsoluteError, "mae", "MAE")

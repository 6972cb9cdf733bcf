"""Losses for numbers: squared, absolute and Huber's errors; and the divergence of distributions."""

from __future__ import annotations

from typing import Any

from minigrad import config, ops
from minigrad._validate import number
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


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Return the mean over the last axis of a loss that grows like e²/2, beyond `delta` linearly.

    Source: Huber 1964, https://doi.org/10.1214/aoms/1177703732

    Parameters
    ----------
    y_true, y_pred : Tensor or array_like, (N, ..., K)
    delta : float
        Positive.

    Returns
    -------
    Tensor, (N, ...)

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.huber([[0.0], [0.0]], mg.tensor([[0.5], [3.0]])).numpy()
    array([0.125, 2.5  ], dtype=float32)
    """
    y_pred = predictions(y_pred)
    error = y_pred - targets(y_true, y_pred)
    size = ops.abs(error)
    each = ops.where(size <= delta, ops.square(error) * 0.5, size * delta - 0.5 * delta * delta)
    return ops.mean(each, axis=_last(y_pred))


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Return the sum of y_true log(y_true / y_pred) over the last axis.

    Both are clipped to [epsilon, 1], with ``config.epsilon()``, as in Keras; clipped predictions
    get no gradient.

    Parameters
    ----------
    y_true, y_pred : Tensor or array_like, (N, ..., K)
        Probabilities.

    Returns
    -------
    Tensor, (N, ...)

    Examples
    --------
    >>> import minigrad as mg
    >>> loss = mg.losses.kl_divergence([[1.0, 0.0]], mg.tensor([[0.5, 0.5]]))
    >>> round(loss.item(), 5)
    0.69315
    """
    y_pred = predictions(y_pred)
    labels = ops.clip(targets(y_true, y_pred), config.epsilon(), 1.0)
    scores = ops.clip(y_pred, config.epsilon(), 1.0)
    return ops.sum(labels * ops.log(labels / scores), axis=_last(y_pred))


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


class Huber(Loss):
    """Squared errors that are small, absolute errors that are large; see `huber`.

    Identifiers: ``"huber"``, ``"Huber"``, ``"huber_loss"``.

    Parameters
    ----------
    delta : float
        Where the one becomes the other.
    reduction, name
        See `Loss`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.Huber()([[0.0], [0.0]], mg.tensor([[1.0], [3.0]])).item()
    1.5
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, "huber_loss" if name is None else name)
        self.delta = number(delta, "delta", above=0)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return huber(y_true, y_pred, self.delta)


class KLDivergence(Loss):
    """How far predicted probabilities are from the true ones; see `kl_divergence`.

    Identifiers: ``"kld"``, ``"KLD"``, ``"kl_divergence"``, ``"kullback_leibler_divergence"``,
    ``"KLDivergence"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.losses.KLDivergence()([[0.5, 0.5]], mg.tensor([[0.5, 0.5]])).item()
    0.0
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None
    ) -> None:
        super().__init__(reduction, "kl_divergence" if name is None else name)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return kl_divergence(y_true, y_pred)


def _last(y_pred: Tensor) -> int:
    if y_pred.ndim == 0:
        raise ValueError("Predictions need at least one axis. Received: y_pred of shape ()")
    return -1


registry.register(MeanSquaredError, "mse", "MSE")
registry.register(MeanAbsoluteError, "mae", "MAE")
registry.register(Huber, "huber", "huber_loss")
registry.register(KLDivergence, "kld", "KLD", "kl_divergence", "kullback_leibler_divergence")

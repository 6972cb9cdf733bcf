"""What all losses share: the reduction to one number, weights of examples, checks, the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from minigrad import ops
from minigrad._brief import brief
from minigrad._configurable import Configurable
from minigrad._registry import Registry, snake_case
from minigrad._validate import weights_shape
from minigrad.autograd import Tensor, constant

registry = Registry("loss", functions=True)

REDUCTIONS = ("sum_over_batch_size", "sum", "none")


class Loss(Configurable):
    """How wrong predictions are, as one number. Derive from it and write `call`.

    Source: https://keras.io/api/losses/

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "sum", "none"}
        ``"sum_over_batch_size"`` (also ``"auto"``) is the sum divided by the *number* of losses,
        not by the sum of the weights. ``"none"`` (also None) gives one number per example.
    name : str, optional
        The name of the class in snake case by default.

    Raises
    ------
    ValueError
        For another reduction.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Median(mg.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return mg.ops.abs(y_true - y_pred).sum(axis=-1)
    >>> Median(reduction="sum")(mg.tensor([[1.0], [2.0]]), mg.tensor([[2.0], [4.0]])).item()
    3.0
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None
    ) -> None:
        reduction = {None: "none", "auto": "sum_over_batch_size"}.get(reduction, reduction)
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"The `reduction` must be one of {REDUCTIONS}. "
                f"Received: reduction={brief(reduction)}"
            )
        self.reduction = reduction
        self.name = snake_case(type(self).__name__) if name is None else name

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        y_true : Tensor or array_like
            What should have been predicted.
        y_pred : Tensor or array_like
            What was predicted, of a floating point dtype.
        sample_weight : array_like, optional
            Factors for the losses of the examples: one number, one per example, or an array that
            broadcasts to the losses (a missing or superfluous last axis of size 1 is mended).

        Returns
        -------
        Tensor
            Of shape () and y_pred's dtype, or one number per example without reduction.

        Raises
        ------
        ValueError
            If the shapes do not match, or the labels are not what they should be.
        """
        losses = self.call(y_true, y_pred)
        if sample_weight is not None:
            losses = losses * fitted_weights(sample_weight, losses)
        if self.reduction == "none":
            return losses
        if self.reduction == "sum" or not losses.size:
            return ops.sum(losses)
        number = self._count(y_true, losses)
        return ops.mean(losses) if number == losses.size else ops.sum(losses) / max(number, 1)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred).")

    def _count(self, y_true: Any, losses: Tensor) -> int:
        """Return by what the sum is divided."""
        return losses.size

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a loss from a configuration, by Keras 2 or 3 as well."""
        # Keras 2.21 adds the name of its function, Keras 3 a dtype.
        return cls(**{k: v for k, v in config.items() if k not in ("fn", "dtype")})


class FunctionLoss(Loss):
    """A loss made of a function ``function(y_true, y_pred)`` that returns one number per example.

    `get` makes it of any callable that is not a loss.

    Examples
    --------
    >>> import minigrad as mg
    >>> def distance(y_true, y_pred):
    ...     return mg.ops.abs(mg.ops.subtract(y_true, y_pred))
    >>> mg.losses.get(distance)([1.0, 2.0], mg.tensor([2.0, 4.0])).item()
    1.5
    """

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        label = getattr(function, "__name__", type(function).__name__)
        super().__init__(reduction, label if name is None else name)
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return constant(self.function(y_true, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; the function must be registered to be read."""
        return {**super().get_config(), "function": registry.serialize(self.function)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a loss from its configuration."""
        return cls(**{**config, "function": registry.get(config["function"])})


def fitted_weights(sample_weight: Any, losses: Tensor) -> Tensor:
    """Return weights that broadcast to losses."""
    weights: Tensor = constant(sample_weight, losses).astype(losses.dtype).detach()
    if np.isnan(weights.data).any():
        raise ValueError(
            f"`sample_weight` must not contain NaN. "
            f"Received: NaN at {first(np.isnan(weights.data))}"
        )
    what = "one number, or one per example: losses"
    return weights.reshape(weights_shape(weights.shape, losses.shape, what))


def predictions(y_pred: Any) -> Tensor:
    """Return predictions as a tensor of a floating point dtype."""
    scores = constant(y_pred)
    if scores.dtype.kind != "f":
        raise ValueError(
            f"Predictions must be floating point numbers. Received: y_pred of dtype {scores.dtype}"
        )
    return scores


def targets(y_true: Any, y_pred: Tensor, hint: str = "") -> Tensor:
    """Return targets in the shape and dtype of predictions; NaN is an error."""
    y_true = constant(y_true, y_pred)
    received = y_true.shape
    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        y_true = y_true.reshape((*y_true.shape, 1))
    elif y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        y_true = y_true.reshape(y_true.shape[:-1])
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape.{hint} "
            f"Received: y_true {received}, y_pred {y_pred.shape}"
        )
    labels: Tensor = y_true.astype(y_pred.dtype)
    unknown = np.isnan(labels.data)
    if unknown.any():
        raise ValueError(
            f"y_true must not contain NaN. Received: NaN at {first(unknown)} of shape {received}"
        )
    return labels


def first(where: Any) -> tuple[int, ...]:
    """Return the index of the first true element."""
    return tuple(int(i) for i in np.argwhere(where)[0])

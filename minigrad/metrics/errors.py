"""Metrics that are means of differences, or of anything a function returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from minigrad.metrics.base import Array, MeanScore, aligned, as_array, registry, row_means


class MeanSquaredError(MeanScore):
    """The mean of squared differences, over the last axis and the examples.

    Identifiers: ``"mse"``, ``"MSE"``, ``"mean_squared_error"``, ``"MeanSquaredError"``.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.get("mse")([[0.0], [1.0]], [[2.0], [1.0]])
    2.0
    """

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return the mean squared difference of each example."""
        difference = aligned(y_true, y_pred) - y_pred
        return row_means(np.square(difference))


class MeanAbsoluteError(MeanScore):
    """The mean of absolute differences, over the last axis and the examples.

    Identifiers: ``"mae"``, ``"MAE"``, ``"mean_absolute_error"``, ``"MeanAbsoluteError"``.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.get("mae")([[0.0], [1.0]], [[2.0], [1.0]])
    1.0
    """

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return the mean absolute difference of each example."""
        return row_means(np.abs(aligned(y_true, y_pred) - y_pred))


class FunctionMetric(MeanScore):
    """The mean of what a function ``function(y_true, y_pred)`` returns.

    `get` makes it of any callable that is not a metric.

    Examples
    --------
    >>> from minigrad import metrics
    >>> def off_by_one(y_true, y_pred):
    ...     return abs(y_true - y_pred) == 1
    >>> metrics.get(off_by_one)([1, 2], [2, 4])
    0.5
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        label = getattr(function, "__name__", type(function).__name__)
        super().__init__(label if name is None else name)
        self.function = function

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return what the function returns."""
        return as_array(self.function(y_true, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; the function must be registered to be read."""
        return {**super().get_config(), "function": registry.serialize(self.function)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric from its configuration."""
        return cls(**{**config, "function": registry.get(config["function"])})


registry.register(FunctionMetric)
registry.register(MeanSquaredError, "mse", "MSE")
registry.register(MeanAbsoluteError, "mae", "MAE")

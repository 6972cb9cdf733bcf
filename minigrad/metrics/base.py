"""What all metrics share: collecting a weighted mean over batches, and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from minigrad._configurable import Configurable
from minigrad._registry import Registry, snake_case
from minigrad._validate import weights_shape
from minigrad.autograd import constant
from minigrad.kernels.devices import to_host

Array = np.ndarray[Any, Any]


class Metric(Configurable):
    """A number that is collected over batches.

    Derive from it and write `update_state`, `result` and `reset_state`.

    Parameters
    ----------
    name : str, optional
        The name of the class in snake case by default.

    Examples
    --------
    >>> from minigrad import metrics
    >>> class Examples(metrics.Metric):
    ...     seen = 0
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.seen += len(y_pred)
    ...     def result(self):
    ...         return float(self.seen)
    ...     def reset_state(self):
    ...         self.seen = 0
    >>> Examples()([1, 2], [1.0, 2.0])
    2.0
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = snake_case(type(self).__name__) if name is None else name

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch.

        Parameters
        ----------
        y_true, y_pred : Tensor or array_like
            What should have been predicted, and what was.
        sample_weight : array_like, optional
            One number per example.

        Raises
        ------
        ValueError
            If the shapes do not match; the state stays as it was.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update_state().")

    def result(self) -> float:
        """Return the number over all batches since the last reset; 0.0 if there were none."""
        raise NotImplementedError(f"{type(self).__name__} must define result().")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} must define reset_state().")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """Take in one batch and return the number so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric from a configuration; Keras' ``dtype`` does not matter here."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


class WeightedMean(Metric):
    """A metric that is a mean of numbers."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        self.total = 0.0
        self.count = 0.0

    def result(self) -> float:
        """Return the mean; 0.0 if nothing was taken in, or with weight 0 only."""
        return self.total / self.count if self.count else 0.0

    def _add(self, values: Array, sample_weight: Any) -> None:
        if sample_weight is None:
            total, count = values.sum(dtype=np.float64), float(values.size)
        else:
            weights = weights_for(sample_weight, values.shape)
            total = (values * weights).sum(dtype=np.float64)
            count = float(weights.sum(dtype=np.float64))
        self.total += float(total)
        self.count += count


class Mean(WeightedMean):
    """The weighted mean of numbers: of losses, for instance.

    Examples
    --------
    >>> from minigrad import metrics
    >>> mean = metrics.Mean("loss")
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state(5.0)
    >>> mean.result()
    3.0
    """

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Take in numbers.

        Parameters
        ----------
        values : Tensor or array_like
            Of any shape.
        sample_weight : array_like, optional
            One number for each value, or for each row of values.
        """
        self._add(as_array(values), sample_weight)

    def __call__(self, values: Any, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Take in numbers and return the mean so far."""
        self.update_state(values, sample_weight)
        return self.result()


class MeanScore(WeightedMean):
    """The mean of a score that each example gets."""

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return one number per example."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch; see `Metric.update_state`."""
        self._add(self.score(as_array(y_true), as_array(y_pred)), sample_weight)


def as_array(values: Any) -> Array:
    """Return the values of a tensor, or numbers, as an array: metrics are computed on the CPU."""
    return to_host(constant(values).data)


def row_means(values: Array) -> Array:
    """Return one number per example: the mean over the last axis, where there is a second."""
    return np.asarray(values.mean(axis=-1)) if values.ndim > 1 else values


def aligned(y_true: Array, y_pred: Array) -> Array:
    """Return labels in the shape of the predictions; one axis of size 1 may differ."""
    if y_true.shape == y_pred.shape:
        return y_true
    if y_pred.shape == (*y_true.shape, 1) or y_true.shape == (*y_pred.shape, 1):
        return y_true.reshape(y_pred.shape)
    raise mismatch(y_true, y_pred, "the same shape")


def mismatch(y_true: Array, y_pred: Array, wanted: str) -> ValueError:
    """Return the error for shapes that do not go together."""
    return ValueError(
        f"y_true and y_pred do not match: a metric needs {wanted}. "
        f"Received: y_true of shape {y_true.shape}, y_pred of shape {y_pred.shape}"
    )


def weights_for(sample_weight: Any, shape: tuple[int, ...]) -> Array:
    """Return weights in the shape of the values that they belong to; 1 for None."""
    weights = as_array(1.0 if sample_weight is None else sample_weight)
    fitting = weights_shape(weights.shape, shape, "one number, or one per value: values")
    return np.broadcast_to(weights.reshape(fitting), shape)


registry = Registry("metric", functions=True, base=Metric)
registry.register(Mean)

"""Metrics: what to report about predictions (https://keras.io/api/metrics/).

A metric collects over batches: `update_state` for each batch, `result` for the number so far,
`reset_state` before the next epoch. Sums are kept in double precision; nothing is differentiable.

Examples
--------
>>> from minigrad import metrics
>>> accuracy = metrics.get("accuracy")
>>> accuracy.update_state([0, 1], [[0.9, 0.1], [0.8, 0.2]])
>>> accuracy.result()
0.5
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from minigrad._registry import Configurable, Registry, snake_case
from minigrad._validate import number
from minigrad.autograd import Tensor, constant

__all__ = [
    "Accuracy",
    "AutoAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "FunctionMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "deserialize",
    "get",
    "register",
    "serialize",
]

Array = np.ndarray[Any, Any]


class Metric(Configurable):
    """A number that is collected over batches.

    Derive from it and write `update_state`, `result` and `reset_state`.

    Parameters
    ----------
    name : str, optional
        The name of the class in snake case by default.
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

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric from a configuration; Keras' ``dtype`` does not matter here."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


class _WeightedMean(Metric):
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
            weights = _weights(sample_weight, values.shape)
            total = (values * weights).sum(dtype=np.float64)
            count = float(np.broadcast_to(weights, values.shape).sum(dtype=np.float64))
        self.total += float(total)
        self.count += count


class Mean(_WeightedMean):
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
        self._add(_array(values), sample_weight)

    def __call__(self, values: Any, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Take in numbers and return the mean so far."""
        self.update_state(values, sample_weight)
        return self.result()


class _MeanScore(_WeightedMean):
    """The mean of a score that each example gets."""

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return one number per example."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch; see `Metric.update_state`."""
        self._add(self.score(_array(y_true), _array(y_pred)), sample_weight)


class Accuracy(_MeanScore):
    """How often predicted labels are equal to the labels.

    This is the class; the *string* ``"accuracy"`` stands for `AutoAccuracy`, as in Keras.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75
    """

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return 1.0 for each equal pair, else 0.0."""
        return (_aligned(y_true, y_pred) == y_pred).astype(np.float64)


class BinaryAccuracy(_MeanScore):
    """How often predictions are on the right side of a threshold.

    Identifiers: ``"binary_accuracy"``, ``"BinaryAccuracy"``. Of several outputs, each example
    scores the mean. A prediction equal to the threshold counts as 0. Logits need threshold 0.

    Parameters
    ----------
    name : str, optional
        ``"binary_accuracy"`` by default.
    threshold : float
        Predictions above it count as 1.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]])
    0.75
    """

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = number(threshold, "threshold")

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return the share of right answers for each example."""
        right: Array = _aligned(y_true, y_pred) == (y_pred > self.threshold)
        return right.mean(axis=-1) if right.ndim else right.astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "threshold": self.threshold}


class CategoricalAccuracy(_MeanScore):
    """How often the largest prediction is that of the one-hot label; the first maximum counts.

    Identifiers: ``"categorical_accuracy"``, ``"CategoricalAccuracy"``.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return 1.0 for each right class, else 0.0."""
        if y_true.shape != y_pred.shape:
            raise _mismatch(y_true, y_pred, "the same shape")
        return (_best(y_true) == _best(y_pred)).astype(np.float64)


class SparseCategoricalAccuracy(_MeanScore):
    """How often the largest prediction is that of the label's class; the first maximum counts.

    Identifiers: ``"sparse_categorical_accuracy"``, ``"SparseCategoricalAccuracy"``.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return 1.0 for each right class, else 0.0."""
        best = _best(y_pred)
        if y_true.shape == (*best.shape, 1):
            y_true = y_true.reshape(best.shape)
        if y_true.shape != best.shape:
            raise _mismatch(y_true, y_pred, "one label per example")
        return (y_true == best).astype(np.float64)


class AutoAccuracy(_MeanScore):
    """The accuracy that fits the shapes of the first batch; the string ``"accuracy"`` makes it.

    Predictions with one output get `BinaryAccuracy`, labels without an axis of classes
    `SparseCategoricalAccuracy`, others `CategoricalAccuracy`.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.get("accuracy")([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__("accuracy" if name is None else name)

    def reset_state(self) -> None:
        """Forget all batches."""
        super().reset_state()
        self._chosen: _MeanScore | None = None

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return the score of each example."""
        if self._chosen is None:
            chosen = accuracy_for(y_true.shape, y_pred.shape)
            scores = chosen.score(y_true, y_pred)
            self._chosen = chosen
            return scores
        return self._chosen.score(y_true, y_pred)


class MeanSquaredError(_MeanScore):
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
        difference = _aligned(y_true, y_pred) - y_pred
        return np.asarray(np.square(difference).mean(axis=-1))


class MeanAbsoluteError(_MeanScore):
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
        return np.asarray(np.abs(_aligned(y_true, y_pred) - y_pred).mean(axis=-1))


class FunctionMetric(_MeanScore):
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
        return _array(self.function(y_true, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; the function must be registered to be read."""
        return {"function": registry.serialize(self.function), **super().get_config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric from its configuration."""
        return cls(**{**config, "function": registry.get(config["function"])})


registry = Registry("metric", functions=True, base=Metric)
for _class in (
    Mean,
    Accuracy,
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    FunctionMetric,
):
    registry.register(_class)
registry.register(MeanSquaredError, "mse", "MSE")
registry.register(MeanAbsoluteError, "mae", "MAE")

register = registry.register
serialize = registry.serialize


def get(identifier: Any) -> Metric | None:
    """Return the metric that `identifier` stands for; always a `Metric`, or None for None.

    ``"accuracy"``, ``"acc"`` and ``"ACC"`` give an `AutoAccuracy`, ``"Accuracy"`` the class of that
    name.

    Parameters
    ----------
    identifier : None, str, dict, class, callable or Metric

    Raises
    ------
    ValueError
        For an unknown string or another type.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.get("acc").name
    'acc'
    """
    if isinstance(identifier, str) and identifier in ("accuracy", "acc", "ACC"):
        return AutoAccuracy(identifier.lower())
    found = registry.get(identifier)
    return found if found is None or isinstance(found, Metric) else FunctionMetric(found)


def deserialize(config: Any) -> Metric | None:
    """Return the metric that `serialize` was given; see `get`."""
    return get(config if isinstance(config, str) else registry.deserialize(config))


def accuracy_for(y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> _MeanScore:
    """Return the accuracy for labels and predictions of these shapes, chosen as Keras does.

    Examples
    --------
    >>> from minigrad.metrics import accuracy_for
    >>> accuracy_for((8,), (8, 10)).name, accuracy_for((8,), (8, 1)).name
    ('sparse_categorical_accuracy', 'binary_accuracy')
    """
    if not y_pred or y_pred[-1] == 1:
        return BinaryAccuracy()
    if len(y_true) < len(y_pred) or y_true[-1] == 1:
        return SparseCategoricalAccuracy()
    return CategoricalAccuracy()


def _array(values: Any) -> Array:
    if isinstance(values, Tensor):
        return np.asarray(values)
    array = constant(values).data
    return np.asarray(array)


def _best(scores: Array) -> Array:
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ValueError(f"Predictions need an axis of classes. Received: shape={scores.shape}")
    return np.asarray(scores.argmax(axis=-1))


def _aligned(y_true: Array, y_pred: Array) -> Array:
    """Return labels in the shape of the predictions; one axis of size 1 may differ."""
    if y_true.shape == y_pred.shape:
        return y_true
    if y_pred.shape == (*y_true.shape, 1) or y_true.shape == (*y_pred.shape, 1):
        return y_true.reshape(y_pred.shape)
    raise _mismatch(y_true, y_pred, "the same shape")


def _mismatch(y_true: Array, y_pred: Array, wanted: str) -> ValueError:
    return ValueError(
        f"y_true and y_pred do not match: a metric needs {wanted}. "
        f"Received: y_true of shape {y_true.shape}, y_pred of shape {y_pred.shape}"
    )


def _weights(sample_weight: Any, shape: tuple[int, ...]) -> Array:
    """Return weights that broadcast to values of `shape`."""
    weights = _array(sample_weight)
    received = weights.shape
    if weights.ndim == len(shape) + 1 and received[-1] == 1:
        weights = weights.reshape(received[:-1])
    elif 0 < weights.ndim == len(shape) - 1:
        weights = weights.reshape((*received, 1))
    try:
        fits = np.broadcast_shapes(weights.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"`sample_weight` must be one number, or one per value: values have shape {shape}. "
            f"Received: shape={received}"
        )
    return weights

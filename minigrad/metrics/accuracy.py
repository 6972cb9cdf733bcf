"""Accuracies: how often a prediction is right."""

from __future__ import annotations

import numpy as np

from minigrad._validate import number
from minigrad.metrics.base import Array, MeanScore, aligned, mismatch, registry, row_means


class Accuracy(MeanScore):
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
        return np.equal(aligned(y_true, y_pred), y_pred).astype(np.float64)


class BinaryAccuracy(MeanScore):
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
        right = np.equal(aligned(y_true, y_pred), y_pred > self.threshold).astype(np.float64)
        return row_means(right)


class CategoricalAccuracy(MeanScore):
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
            raise mismatch(y_true, y_pred, "the same shape")
        return np.equal(best_class(y_true), best_class(y_pred)).astype(np.float64)


class SparseCategoricalAccuracy(MeanScore):
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
        best = best_class(y_pred)
        if y_true.shape == (*best.shape, 1):
            y_true = y_true.reshape(best.shape)
        if y_true.shape != best.shape:
            raise mismatch(y_true, y_pred, "one label per example")
        return np.equal(y_true, best).astype(np.float64)


class AutoAccuracy(MeanScore):
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
        self._chosen: MeanScore | None = None

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return the score of each example."""
        if self._chosen is None:
            chosen = accuracy_for(y_true.shape, y_pred.shape)
            scores = chosen.score(y_true, y_pred)
            self._chosen = chosen
            return scores
        return self._chosen.score(y_true, y_pred)


def accuracy_for(y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> MeanScore:
    """Return the accuracy for labels and predictions of these shapes, chosen as Keras does.

    Examples
    --------
    >>> from minigrad.metrics.accuracy import accuracy_for
    >>> accuracy_for((8,), (8, 10)).name, accuracy_for((8,), (8, 1)).name
    ('sparse_categorical_accuracy', 'binary_accuracy')
    """
    if len(y_pred) < 2 or y_pred[-1] == 1:
        return BinaryAccuracy()
    if len(y_true) < len(y_pred) or y_true[-1] == 1:
        return SparseCategoricalAccuracy()
    return CategoricalAccuracy()


def best_class(scores: Array) -> Array:
    """Return where the scores are largest; the first maximum counts."""
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ValueError(f"Predictions need an axis of classes. Received: shape={scores.shape}")
    return np.asarray(scores.argmax(axis=-1))


for _class in (
    Accuracy,
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
):
    registry.register(_class)

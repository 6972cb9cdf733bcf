"""Top-k accuracies: how often the right class is among the k best."""

from __future__ import annotations

import numpy as np

from minigrad._validate import positive_int
from minigrad.metrics.accuracy import best_class
from minigrad.metrics.base import Array, MeanScore, mismatch, registry


class TopKCategoricalAccuracy(MeanScore):
    """How often the class of a one-hot label is among the `k` largest predictions.

    Classes with the same prediction as the right one do not stand before it.

    Identifiers: ``"top_k_categorical_accuracy"``, ``"TopKCategoricalAccuracy"``.

    Parameters
    ----------
    k : int
    name : str, optional

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.TopKCategoricalAccuracy(k=2)([[1, 0, 0], [0, 0, 1]], [[0.3, 0.5, 0.2]] * 2)
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = positive_int(k, "k")

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return 1.0 for each right class among the best k, else 0.0."""
        if y_true.shape != y_pred.shape:
            raise mismatch(y_true, y_pred, "the same shape")
        return among_best(best_class(y_true), y_pred, self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often the label's class is among the `k` largest predictions.

    Identifiers: ``"sparse_top_k_categorical_accuracy"``, ``"SparseTopKCategoricalAccuracy"``.

    Parameters
    ----------
    k : int
    name : str, optional

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.SparseTopKCategoricalAccuracy(k=2)([0, 2], [[0.3, 0.5, 0.2]] * 2)
    0.5
    """

    def score(self, y_true: Array, y_pred: Array) -> Array:
        """Return 1.0 for each right class among the best k, else 0.0."""
        if y_true.shape == (*y_pred.shape[:-1], 1):
            y_true = y_true.reshape(y_pred.shape[:-1])
        if y_true.shape != y_pred.shape[:-1]:
            raise mismatch(y_true, y_pred, "one label per example")
        return among_best(y_true, y_pred, self.k)


def among_best(labels: Array, scores: Array, k: int) -> Array:
    """Return 1.0 where fewer than k scores are larger than that of the label, else 0.0."""
    classes = scores.shape[-1]
    known = (labels >= 0) & (labels < classes)
    places = np.where(known, labels, 0).astype(np.int64)[..., None]
    own = np.take_along_axis(scores, places, axis=-1)
    found = (scores > own).sum(axis=-1) < k
    return np.asarray(found & known & np.isfinite(own[..., 0])).astype(np.float64)


for _class in (TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy):
    registry.register(_class)

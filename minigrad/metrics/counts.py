"""Metrics that count hits and misses: precision, recall, F1, and the table behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad._validate import number, positive_int
from minigrad.metrics.accuracy import best_class
from minigrad.metrics.base import Array, Metric, aligned, as_array, mismatch, registry, weights_for

AVERAGES = ("micro", "macro", "weighted", None)


class Hits(Metric):
    """Counts, for predictions that are yes or no; the base of `Precision` and `Recall`."""

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.thresholds: Any = thresholds
        if isinstance(thresholds, (list, tuple)) and thresholds:
            self.thresholds = [number(each, "thresholds") for each in thresholds]
        elif thresholds is not None:
            self.thresholds = number(thresholds, "thresholds")
        self.top_k = None if top_k is None else positive_int(top_k, "top_k")
        self.class_id = None if class_id is None else int(number(class_id, "class_id", minimum=0))
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        zero = np.zeros(np.shape(self.thresholds) if self.thresholds is not None else ())
        self.true_positives: Any = zero
        self.false_positives: Any = zero
        self.false_negatives: Any = zero

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch; see `Metric.update_state`."""
        scores = as_array(y_pred)
        labels = aligned(as_array(y_true), scores).astype(bool)
        weights = weights_for(sample_weight, scores.shape)
        chosen = np.ones(scores.shape, bool)
        if self.top_k is not None:
            # Of equal scores the first counts, as in a stable sort.
            order = np.argsort(-scores, axis=-1, kind="stable")
            np.put_along_axis(chosen, order[..., self.top_k :], False, axis=-1)
        if self.class_id is not None:
            if scores.ndim < 2 or self.class_id >= scores.shape[-1]:
                raise ValueError(
                    f"There is no class {self.class_id} in predictions of shape {scores.shape}. "
                    f"Received: class_id={self.class_id}"
                )
            parts = (labels, chosen, scores, weights)
            labels, chosen, scores, weights = (part[..., self.class_id] for part in parts)
        default = 0.5 if self.top_k is None else -np.inf
        limits = np.asarray(default if self.thresholds is None else self.thresholds)
        if scores.dtype.kind == "f":  # 0.2 is not above 0.2 in float32
            limits = limits.astype(scores.dtype)
        found = chosen & (scores > limits.reshape(limits.shape + (1,) * scores.ndim))
        axes = tuple(range(limits.ndim, found.ndim))
        self.true_positives = self.true_positives + (weights * (labels & found)).sum(axes)
        self.false_positives = self.false_positives + (weights * (~labels & found)).sum(axes)
        self.false_negatives = self.false_negatives + (weights * (labels & ~found)).sum(axes)

    def _share(self, wrong: Any) -> Any:
        """Return the share of the right ones: a number, or an array with one for each threshold."""
        whole = self.true_positives + wrong
        found = self.true_positives / np.where(whole, whole, 1.0)
        return found if found.size > 1 else float(found.item())


class Precision(Hits):
    """How many of those predicted are right.

    Identifiers: ``"precision"``, ``"Precision"``.

    Parameters
    ----------
    thresholds : float or list of float, optional
        Predictions above it count as yes; 0.5 by default. With several, `result` is an array with
        one number for each, which `compile` does not take.
    top_k : int, optional
        The k largest predictions of each example count as yes.
    class_id : int, optional
        Look at this class only.
    name : str, optional

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.Precision()([0, 1, 1, 1], [1.0, 0.0, 1.0, 0.8])
    0.6666666666666666
    """

    def result(self) -> Any:
        """Return the share; 0.0 if nothing was predicted."""
        return self._share(self.false_positives)


class Recall(Hits):
    """How many of those that are there are predicted.

    Identifiers: ``"recall"``, ``"Recall"``.

    Parameters
    ----------
    thresholds, top_k, class_id, name
        See `Precision`.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.Recall()([0, 1, 1], [1.0, 0.0, 1.0])
    0.5
    """

    def result(self) -> Any:
        """Return the share; 0.0 if there is nothing to be found."""
        return self._share(self.false_negatives)


class F1Score(Metric):
    """The harmonic mean of precision and recall.

    Labels are one-hot, or several classes at once with a threshold.

    Identifiers: ``"f1_score"``, ``"F1Score"``.

    Parameters
    ----------
    average : "micro", "macro", "weighted" or None
        Over all decisions; the mean over the classes, equally or by how often they occur; or
        `result` is an array with one number per class. Keras' default is None; here it is "macro",
        one number as all other metrics give.
    threshold : float, optional
        Predictions above it count as yes; by default the largest does, and others as large.
    name : str, optional

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.F1Score()([[1, 0], [0, 1], [0, 1]], [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    0.6666666666666666
    """

    def __init__(
        self,
        average: str | None = "macro",
        threshold: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if average not in AVERAGES:
            raise ValueError(
                f"`average` must be one of {AVERAGES}. Received: average={brief(average)}"
            )
        self.average = average
        self.threshold = None if threshold is None else number(threshold, "threshold")
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        self._counts: Any = 0.0  # then (3, classes): true positives, predicted, present

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch; see `Metric.update_state`."""
        labels, scores = as_array(y_true), as_array(y_pred)
        if labels.shape != scores.shape or scores.ndim != 2:
            raise mismatch(labels, scores, "the same shape, (examples, classes),")
        classes = scores.shape[1]
        if not np.isscalar(self._counts) and self._counts.shape[1] != classes:
            raise ValueError(
                f"The number of classes must stay the same, {self._counts.shape[1]}. "
                f"Received: y_pred of shape {scores.shape}"
            )
        if self.threshold is None:
            best = scores.max(axis=-1, keepdims=True)
            found = ((scores == best) & (np.abs(scores) > 1e-9)).astype(np.float64)  # as in Keras
        else:
            found = (scores > self.threshold).astype(np.float64)
        present = labels.astype(bool).astype(np.float64)
        weights = weights_for(sample_weight, scores.shape)
        parts = [found * present, found, present]
        self._counts = self._counts + np.stack([(part * weights).sum(axis=0) for part in parts])

    def result(self) -> Any:
        """Return the score; 0.0 where there is nothing to be found."""
        if np.isscalar(self._counts):
            return np.zeros(0) if self.average is None else 0.0
        counts = (
            self._counts.sum(axis=1, keepdims=True) if self.average == "micro" else self._counts
        )
        hits, found, present = counts
        scores = np.divide(
            2 * hits, found + present, out=np.zeros_like(hits), where=found + present > 0
        )
        if self.average is None:
            return scores
        if self.average == "weighted":
            return ratio(float((scores * present).sum()), float(present.sum()))
        return float(scores.mean())


class ConfusionMatrix(Metric):
    """How often which class was taken for which.

    Parameters
    ----------
    num_classes : int
    name : str, optional

    Notes
    -----
    `result` is an array of shape (num_classes, num_classes): rows are the right classes, columns
    the predicted ones, as in scikit-learn. It is no single number, so `compile` does not take it.

    Examples
    --------
    >>> from minigrad import metrics
    >>> table = metrics.ConfusionMatrix(2)
    >>> table.update_state([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    >>> table.result()
    array([[1., 1.],
           [0., 1.]])
    """

    def __init__(self, num_classes: int, name: str | None = None) -> None:
        super().__init__(name)
        self.num_classes = positive_int(num_classes, "num_classes")
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        self._table = np.zeros((self.num_classes, self.num_classes))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels or one-hot labels, and predicted labels or one score per class."""
        rows, columns = (self._classes(value) for value in (y_true, y_pred))
        if rows.shape != columns.shape:
            raise mismatch(rows, columns, "one label per example")
        weights = weights_for(sample_weight, rows.shape)
        np.add.at(self._table, (rows, columns), weights)

    def result(self) -> Any:
        """Return the table."""
        return self._table.copy()

    def _classes(self, value: Any) -> Array:
        array = as_array(value)
        if array.ndim > 1 and array.shape[-1] == self.num_classes:
            return best_class(array)
        classes = array.astype(np.int64)
        if (classes != array).any() or classes.min(initial=0) < 0:
            raise ValueError("Classes must be integers >= 0, or have an axis with scores.")
        if classes.max(initial=0) >= self.num_classes:
            raise ValueError(
                f"Classes must be less than num_classes={self.num_classes}. "
                f"Received: {classes.max()}"
            )
        return classes


def ratio(part: float, whole: float) -> float:
    """Return part / whole, and 0.0 of nothing."""
    return part / whole if whole else 0.0


for _class in (ConfusionMatrix, Precision, Recall):
    registry.register(_class)
registry.register(F1Score, "f1_score")

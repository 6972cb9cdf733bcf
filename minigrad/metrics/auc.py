"""`AUC`: the area under a curve of hits and false alarms, one point for each threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad._validate import positive_int
from minigrad.metrics.base import Array, Metric, aligned, as_array, registry, weights_for

CURVES = ("ROC", "PR")
METHODS = ("interpolation", "minoring", "majoring")


class AUC(Metric):
    """The area under the ROC curve, or that of precision over recall.

    As in Keras, it is computed from counts at evenly spaced thresholds, so that batches can be
    added up; more thresholds make it more precise.

    Identifiers: ``"auc"``, ``"AUC"``.

    Parameters
    ----------
    num_thresholds : int
        At least 2.
    curve : "ROC" or "PR"
    summation_method : "interpolation", "minoring" or "majoring"
        Trapezoids (for precision and recall: Davis and Goadrich's interpolation,
        https://doi.org/10.1145/1143844.1143874), or the smaller or larger side of each.
    name : str, optional
    from_logits : bool
        Apply the sigmoid first; otherwise predictions must be from 0 to 1.

    Examples
    --------
    >>> from minigrad import metrics
    >>> metrics.AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
    0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name)
        self.num_thresholds = positive_int(num_thresholds, "num_thresholds")
        if self.num_thresholds < 2:
            raise ValueError(f"num_thresholds must be >= 2. Received: {num_thresholds}")
        if curve not in CURVES:
            raise ValueError(f"curve must be one of {CURVES}. Received: curve={brief(curve)}")
        if summation_method not in METHODS:
            raise ValueError(
                f"summation_method must be one of {METHODS}. Received: {brief(summation_method)}"
            )
        self.curve, self.summation_method = curve, summation_method
        self.from_logits = bool(from_logits)
        inner = np.arange(1, self.num_thresholds - 1) / (self.num_thresholds - 1)
        # A little beyond both ends, so that 0 and 1 lie between.
        self._thresholds = np.concatenate([[-1e-7], inner, [1 + 1e-7]])
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        self._above = np.zeros((2, self.num_thresholds))  # weight of (false, true) above each
        self._all = np.zeros(2)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch; see `Metric.update_state`."""
        scores = as_array(y_pred).astype(np.float64)
        labels = aligned(as_array(y_true), scores).astype(bool)
        weights = weights_for(sample_weight, scores.shape)
        if self.from_logits:
            scores = 1 / (1 + np.exp(-np.clip(scores, -700, 700)))
        elif not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError(
                "AUC needs predictions from 0 to 1, or from_logits=True. Received: from "
                f"{scores.min()} to {scores.max()}"
            )
        for kind in (0, 1):
            chosen = labels == bool(kind)
            # Every score is above the thresholds before its place in their order.
            places = np.searchsorted(self._thresholds, scores[chosen], side="left")
            counts = np.bincount(places, weights[chosen], minlength=self.num_thresholds + 1)
            self._above[kind] += counts[::-1].cumsum()[::-1][1:]
            self._all[kind] += counts.sum()

    def result(self) -> float:
        """Return the area; 0.0 if there were no examples."""
        false_positives, true_positives = self._above
        negatives, positives = self._all
        recall = _ratio(true_positives, np.full_like(true_positives, positives))
        if self.curve == "PR" and self.summation_method == "interpolation":
            return float(_interpolated(true_positives, false_positives, positives))
        if self.curve == "ROC":
            x = _ratio(false_positives, np.full_like(false_positives, negatives))
            y = recall
        else:
            x, y = recall, _ratio(true_positives, true_positives + false_positives)
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }
        return float(((x[:-1] - x[1:]) * heights[self.summation_method]).sum())


def _interpolated(true: Array, false: Array, positives: float) -> Array:
    """Return the area below precision over recall, with both counts linear between thresholds.

    Between two thresholds, t true positives among p predicted lie on a line t = a + s p. The area
    is the integral of t / p dt, divided by the number of positives.
    """
    predicted = true + false
    steps = true[:-1] - true[1:]
    slope = _ratio(steps, np.maximum(predicted[:-1] - predicted[1:], 0))
    start = true[1:] - slope * predicted[1:]
    both = (predicted[:-1] > 0) & (predicted[1:] > 0)
    quotient = np.where(both, _ratio(predicted[:-1], np.maximum(predicted[1:], 0)), 1.0)
    area = slope * (steps + start * np.log(quotient))
    return np.asarray(_ratio(area, np.full_like(area, positives)).sum())


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


registry.register(AUC, "auc")

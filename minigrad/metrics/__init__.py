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

from typing import Any

from minigrad.metrics.accuracy import (
    Accuracy,
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
)
from minigrad.metrics.auc import AUC
from minigrad.metrics.base import Mean, Metric, registry
from minigrad.metrics.counts import ConfusionMatrix, F1Score, Precision, Recall
from minigrad.metrics.errors import FunctionMetric, MeanAbsoluteError, MeanSquaredError
from minigrad.metrics.ranking import SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy

__all__ = [
    "AUC",
    "Accuracy",
    "AutoAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "ConfusionMatrix",
    "F1Score",
    "FunctionMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "deserialize",
    "get",
    "register",
    "serialize",
]

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

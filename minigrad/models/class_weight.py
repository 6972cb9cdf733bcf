"""Weights for classes: what `fit` makes of ``class_weight``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad._validate import is_integer, number
from minigrad.models.data import Array, Batch, Several

__all__ = ["class_weighted", "class_weighting"]


def class_weighting(class_weight: Any) -> Callable[[Batch], Batch]:
    """Return a function that puts the weights of classes into a batch; None changes nothing."""

    def weigh(batch: Batch) -> Batch:
        x, y, sample_weight = batch
        if isinstance(y, Several) or isinstance(sample_weight, Several):
            raise ValueError(
                "class_weight is for models with one output; give sample_weight, a list or a dict "
                f"with one array for each output. Received: class_weight={brief(class_weight)}"
            )
        return x, y, class_weighted(y, class_weight, sample_weight)

    return weigh if class_weight is not None else lambda batch: batch


def class_weighted(labels: Array, class_weight: Any, sample_weight: Array | None = None) -> Array:
    """Return the weight of each example: that of its class, times its own.

    Parameters
    ----------
    labels : ndarray, (N,), (N, 1) or (N, classes)
        Numbers of classes, or one-hot rows (the largest element counts).
    class_weight : mapping of int to float
        Weights >= 0; classes that it does not have weigh 1, as in Keras 3.
    sample_weight : ndarray, (N,), optional
        Weights of the examples.

    Raises
    ------
    TypeError
        If `class_weight` is not a mapping.
    ValueError
        If it is empty, a class is not an integer >= 0 or a weight not a number >= 0, or the labels
        are not classes.

    Examples
    --------
    >>> class_weighted(np.array([0, 2, 1]), {0: 0.5, 1: 3.0}).tolist()
    [0.5, 1.0, 3.0]
    >>> class_weighted(np.eye(2), {1: 3.0}, sample_weight=np.array([1.0, 2.0])).tolist()
    [1.0, 6.0]
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            "class_weight must be a dict from the number of a class to its weight. "
            f"Received: {type(class_weight).__name__}"
        )
    for each, weight in class_weight.items():
        if not is_integer(each) or each < 0:
            raise ValueError(
                f"A class in class_weight must be an integer >= 0. Received: {brief(each)}"
            )
        number(weight, f"class_weight[{each}]", minimum=0)
    if not class_weight:
        raise ValueError("class_weight must have a class at least. Received: {}")
    classes = labels
    if labels.ndim == 2:
        classes = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(axis=1)
    if classes.ndim != 1 or not (classes == np.floor(classes)).all() or (classes < 0).any():
        raise ValueError(
            "class_weight needs one class per example in y: its number >= 0, or a one-hot row. "
            f"Received: y of shape {labels.shape} and dtype {labels.dtype}"
        )
    weights = np.ones(len(classes))
    for each, weight in class_weight.items():
        weights[classes == each] = weight
    return weights if sample_weight is None else weights * sample_weight

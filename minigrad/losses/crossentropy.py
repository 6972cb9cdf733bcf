"""Losses for classes: cross-entropies, from logits or from probabilities.

Prefer logits: they lose no precision and need no clipping. Probabilities are clipped to
[ε, 1 - ε], ε being ``config.epsilon()``, and pass no gradient where they are clipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import config, ops
from minigrad._validate import number
from minigrad.autograd import Tensor, constant
from minigrad.losses.base import Loss, first, predictions, registry, targets


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Return -Σ y_true · log(y_pred) over the classes.

    Parameters
    ----------
    y_true : Tensor or array_like, (N, ..., K)
        Probabilities of the K classes, one-hot for instance.
    y_pred : Tensor or array_like, (N, ..., K)
        Logits, or probabilities, which are divided by their sum first.
    from_logits : bool
        Which of the two they are.
    label_smoothing : float
        In [0, 1]: mix the labels with this much of the uniform distribution.
    axis : int
        Where the classes are.

    Returns
    -------
    Tensor, (N, ...)

    Raises
    ------
    ValueError
        If the shapes differ, or a label is not in [0, 1].

    Examples
    --------
    >>> import minigrad as mg
    >>> p = mg.tensor([[0.5, 0.25, 0.25]])
    >>> mg.losses.categorical_crossentropy([[1.0, 0.0, 0.0]], p).numpy()
    array([0.6931472], dtype=float32)
    """
    y_pred = predictions(y_pred)
    hint = " For labels that are class numbers use sparse_categorical_crossentropy."
    y_true = _probabilities(targets(y_true, y_pred, hint))
    if axis not in (-1, y_pred.ndim - 1):
        y_true, y_pred = ops.moveaxis(y_true, axis, -1), ops.moveaxis(y_pred, axis, -1)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[-1]
    if from_logits:
        return ops.softmax_cross_entropy(y_pred, y_true)
    normalized = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
    return -ops.sum(y_true * ops.log(_clipped(normalized)), axis=-1)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    axis: int = -1,
    ignore_class: int | None = None,
) -> Tensor:
    """Return -log(y_pred) of the class that the label names.

    Parameters
    ----------
    y_true : Tensor or array_like, (N, ...) or (N, ..., 1)
        Class numbers from 0 to K - 1; integers, or floats without a fraction.
    y_pred : Tensor or array_like, (N, ..., K)
        Logits, or probabilities, which are clipped and then divided by their sum.
    from_logits : bool
        Which of the two they are.
    axis : int
        Where the classes are.
    ignore_class : int, optional
        Examples with this label have loss 0.

    Returns
    -------
    Tensor, (N, ...)

    Raises
    ------
    ValueError
        If the shapes do not match, or a label is NaN, has a fraction or is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> p = mg.tensor([[0.5, 0.25, 0.25]])
    >>> mg.losses.sparse_categorical_crossentropy([0], p).numpy()
    array([0.6931472], dtype=float32)
    """
    y_pred = predictions(y_pred)
    if y_pred.ndim == 0:
        raise ValueError("Predictions need an axis of classes. Received: y_pred of shape ()")
    if axis not in (-1, y_pred.ndim - 1):
        y_pred = ops.moveaxis(y_pred, axis, -1)
    labels = _class_numbers(y_true, y_pred.shape, ignore_class)
    logits = y_pred if from_logits else ops.log(_clipped(y_pred))
    if ignore_class is None:
        return ops.softmax_cross_entropy(logits, labels)
    valid = labels != ignore_class
    losses = ops.softmax_cross_entropy(logits, np.where(valid, labels, 0))
    return ops.where(valid, losses, 0.0)


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Return the mean of -y_true·log(y_pred) - (1 - y_true)·log(1 - y_pred) over an axis.

    Parameters
    ----------
    y_true : Tensor or array_like, (N, ..., K)
        Each in [0, 1].
    y_pred : Tensor or array_like, (N, ..., K)
        Logits, or probabilities. These are clipped, and ε is added inside the logarithms as well:
        so did Keras 2, and Keras 3 does not (the loss differs by about ε / p).
    from_logits : bool
        Which of the two they are.
    label_smoothing : float
        In [0, 1]: move the labels this far towards ½.
    axis : int
        Where to take the mean.

    Returns
    -------
    Tensor, (N, ...)

    Raises
    ------
    ValueError
        If the shapes differ, or a label is not in [0, 1].

    Examples
    --------
    >>> import minigrad as mg
    >>> logits = mg.tensor([[50.0], [-1000.0]])
    >>> mg.losses.binary_crossentropy([[0], [1]], logits, from_logits=True).numpy()
    array([  50., 1000.], dtype=float32)
    """
    y_pred = predictions(y_pred)
    y_true = _probabilities(targets(y_true, y_pred))
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:  # -log(sigmoid(x)) = softplus(-x), and 1 - sigmoid(x) = sigmoid(-x)
        yes, no = ops.softplus(-y_pred), ops.softplus(y_pred)
    else:
        probability = _clipped(y_pred)
        yes = -ops.log(probability + config.epsilon())
        no = -ops.log(1.0 - probability + config.epsilon())
    return ops.mean(y_true * yes + (1.0 - y_true) * no, axis=axis)


class CategoricalCrossentropy(Loss):
    """Cross-entropy with labels that are probabilities; see `categorical_crossentropy`.

    Identifiers: ``"categorical_crossentropy"``, ``"CategoricalCrossentropy"``.

    Parameters
    ----------
    from_logits, label_smoothing, axis
        See `categorical_crossentropy`.
    reduction, name
        See `Loss`.

    Examples
    --------
    >>> import minigrad as mg
    >>> loss = mg.losses.CategoricalCrossentropy(from_logits=True)
    >>> round(loss([[1.0, 0.0]], mg.tensor([[0.0, 0.0]])).item(), 6)
    0.693147
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits = bool(from_logits)
        self.label_smoothing = number(label_smoothing, "label_smoothing", minimum=0, maximum=1)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class BinaryCrossentropy(CategoricalCrossentropy):
    """Cross-entropy of independent yes-or-no questions; see `binary_crossentropy`.

    Identifiers: ``"binary_crossentropy"``, ``"bce"``, ``"BCE"``, ``"BinaryCrossentropy"``.

    Parameters
    ----------
    from_logits, label_smoothing, axis
        See `binary_crossentropy`.
    reduction, name
        See `Loss`.

    Examples
    --------
    >>> import minigrad as mg
    >>> loss = mg.losses.BinaryCrossentropy(from_logits=True)
    >>> round(loss([[1.0, 0.0]], mg.tensor([[0.0, 0.0]])).item(), 6)
    0.693147
    """

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return binary_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy with labels that are class numbers; see `sparse_categorical_crossentropy`.

    Identifiers: ``"sparse_categorical_crossentropy"``, ``"SparseCategoricalCrossentropy"``.

    Parameters
    ----------
    from_logits, ignore_class, axis
        See `sparse_categorical_crossentropy`. Ignored examples do not count in the mean.
    reduction, name
        See `Loss`.

    Examples
    --------
    >>> import minigrad as mg
    >>> loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> round(loss([1], mg.tensor([[0.0, 0.0]])).item(), 6)
    0.693147
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits = bool(from_logits)
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each example."""
        return sparse_categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.axis, self.ignore_class
        )

    def _count(self, y_true: Any, losses: Tensor) -> int:
        if self.ignore_class is None:
            return losses.size
        return int(np.count_nonzero(constant(y_true).data != self.ignore_class))


def _clipped(probabilities: Tensor) -> Tensor:
    return ops.clip(probabilities, config.epsilon(), 1.0 - config.epsilon())


def _probabilities(labels: Tensor) -> Tensor:
    """Return labels after a check that they are in [0, 1]."""
    outside = (labels.data < 0) | (labels.data > 1)
    if outside.any():
        where = first(outside)
        raise ValueError(
            f"Labels of a cross-entropy must be in [0, 1]. Received: {labels.data[where]} at "
            f"{where}"
        )
    return labels


def _class_numbers(y_true: Any, shape: tuple[int, ...], ignore_class: int | None) -> Any:
    """Return checked labels as an integer array of shape ``shape[:-1]``."""
    labels = constant(y_true).data
    wanted, classes = shape[:-1], shape[-1]
    if labels.shape == (*wanted, 1):
        labels = labels.reshape(wanted)
    if labels.shape != wanted:
        hint = ""
        if labels.shape == shape:
            hint = " For one-hot labels use categorical_crossentropy."
        raise ValueError(
            f"There must be one label per example: y_true needs the shape {wanted} to go with "
            f"y_pred of shape {shape}.{hint} Received: y_true of shape {labels.shape}"
        )
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            fraction = ~(np.floor(labels) == labels)  # true for NaN too
        if fraction.any():
            where = first(fraction)
            raise ValueError(
                f"Labels must be class numbers: integers from 0 to {classes - 1}. "
                f"Received: {labels[where]} at {where}"
            )
    outside = (labels < 0) | (labels >= classes)
    if ignore_class is not None:
        outside &= labels != ignore_class
    if outside.any():
        where = first(outside)
        raise ValueError(
            f"Labels must be class numbers from 0 to {classes - 1}, as y_pred has {classes} "
            f"classes. Received: {labels[where]} at {where}"
        )
    return labels.astype(np.int64)


registry.register(CategoricalCrossentropy)
registry.register(SparseCategoricalCrossentropy)
registry.register(BinaryCrossentropy, "bce", "BCE")

"""Losses: how wrong predictions are (https://keras.io/api/losses/).

Each loss comes as a class, which reduces to one number, and as a function, which gives one number
per example.

Examples
--------
>>> from minigrad import losses
>>> losses.get("mse")
MeanSquaredError(reduction='sum_over_batch_size', name='mean_squared_error')
"""

from __future__ import annotations

from typing import Any

from minigrad.losses.base import FunctionLoss, Loss, registry
from minigrad.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from minigrad.losses.regression import (
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    huber,
    kl_divergence,
    mean_absolute_error,
    mean_squared_error,
)

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "FunctionLoss",
    "Huber",
    "KLDivergence",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "kl_divergence",
    "mean_absolute_error",
    "mean_squared_error",
    "register",
    "serialize",
    "sparse_categorical_crossentropy",
]

register = registry.register
serialize = registry.serialize
registry.register(FunctionLoss)

_CLASSES: dict[Any, type[Loss]] = {
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    huber: Huber,
    kl_divergence: KLDivergence,
    binary_crossentropy: BinaryCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Loss | None:
    """Return the loss that `identifier` stands for.

    Unlike Keras, which gives the function for ``"mse"`` and the class for ``"MeanSquaredError"``,
    this always gives a `Loss`; other callables are wrapped in a `FunctionLoss`.

    Parameters
    ----------
    identifier : None, str, dict, class, callable or Loss
        None gives None.

    Raises
    ------
    ValueError
        For an unknown string or another type.

    Examples
    --------
    >>> from minigrad import losses
    >>> losses.get(losses.mean_squared_error).name
    'mean_squared_error'
    """
    found = registry.get(identifier)
    if found is None or isinstance(found, Loss):
        return found
    for function, loss in _CLASSES.items():
        if found is function:
            return loss()
    return FunctionLoss(found)


def deserialize(config: Any) -> Loss | None:
    """Return the loss that `serialize` was given; see `get`."""
    return get(registry.deserialize(config))

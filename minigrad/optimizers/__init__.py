"""Optimizers, with the formulas of Keras 3 (https://keras.io/api/optimizers/).

Examples
--------
>>> from minigrad import optimizers
>>> optimizers.get("adam").learning_rate
0.001
"""

from __future__ import annotations

from typing import Any

from minigrad.optimizers import schedules
from minigrad.optimizers.adagrad import Adagrad
from minigrad.optimizers.adam import Adam, AdamW
from minigrad.optimizers.base import Optimizer, registry
from minigrad.optimizers.lion import Lion
from minigrad.optimizers.nadam import Nadam
from minigrad.optimizers.rmsprop import RMSprop
from minigrad.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "register",
    "schedules",
    "serialize",
]

register = registry.register

serialize = registry.serialize
deserialize = registry.deserialize


def get(identifier: Any) -> Any:
    """Return the optimizer that `identifier` stands for; names may be in any letter case.

    Parameters
    ----------
    identifier : None, str, dict, class or Optimizer
        None gives None.

    Raises
    ------
    ValueError
        For an unknown string or another type.

    Examples
    --------
    >>> from minigrad import optimizers
    >>> optimizers.get("ADAM").name
    'adam'
    """
    if isinstance(identifier, str) and identifier.lower() in registry:
        identifier = identifier.lower()
    return registry.get(identifier)

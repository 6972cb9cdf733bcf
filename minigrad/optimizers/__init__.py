"""Optimizers, with the formulas of Keras 3 (https://keras.io/api/optimizers/).

Examples
--------
>>> from minigrad import optimizers
>>> optimizers.get("adam").learning_rate
0.001
"""

from __future__ import annotations

from minigrad.optimizers.adam import Adam, AdamW
from minigrad.optimizers.base import Optimizer, registry, schedules
from minigrad.optimizers.rmsprop import RMSprop
from minigrad.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "register",
    "schedules",
    "serialize",
]

register = registry.register
get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

"""Initializers: the first values of weights (https://keras.io/api/layers/initializers/).

An initializer is called with a shape and a dtype and returns a NumPy array.

Examples
--------
>>> from minigrad import initializers
>>> initializers.get("he_normal")
HeNormal(seed=None)
>>> initializers.serialize(initializers.Constant(2))
{'class_name': 'Constant', 'config': {'value': 2}}
"""

from __future__ import annotations

from typing import Any

from minigrad.initializers.base import Initializer, RandomInitializer, register, registry
from minigrad.initializers.constant import Constant, Identity, Ones, Zeros, as_initializer
from minigrad.initializers.draws import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from minigrad.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "get",
    "register",
    "serialize",
]

serialize = registry.serialize
deserialize = registry.deserialize


def get(identifier: Any) -> Any:
    """Return the initializer that `identifier` stands for; an array stands for its values.

    Parameters
    ----------
    identifier : None, str, dict, class, callable, array or Tensor
        A string makes a new instance. None gives None: what that means is up to the layer (Keras'
        layers fall back to ``"glorot_uniform"``, even for a bias).

    Raises
    ------
    ValueError
        For an unknown string or another type.

    Examples
    --------
    >>> from minigrad import initializers
    >>> initializers.get("zero")(2)
    array([0., 0.], dtype=float32)
    """
    return registry.get(as_initializer(identifier))

"""Activations: functions from a tensor to a tensor (https://keras.io/api/layers/activations/).

The names are TF 2.4's, with ``leaky_relu``, ``relu6``, ``silu``, ``mish`` and ``log_softmax`` from
later versions. Layers that are activations (``"ReLU"``) are known by their class names, as soon as
they have registered themselves here.

Examples
--------
>>> from minigrad import activations
>>> activations.get("relu") is activations.relu
True
>>> activations.serialize(activations.silu)
'swish'
"""

from __future__ import annotations

from typing import Any

from minigrad.activations.piecewise import (
    elu,
    hard_sigmoid,
    leaky_relu,
    linear,
    registry,
    relu,
    relu6,
    selu,
)
from minigrad.activations.smooth import (
    exponential,
    gelu,
    log_softmax,
    mish,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    swish,
    tanh,
)

__all__ = [
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "register",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

register = registry.register
get = registry.get
deserialize = registry.deserialize


def serialize(activation: Any) -> Any:
    """Return an activation's name, or the configuration of a layer; ``None`` is ``"linear"``.

    Raises
    ------
    ValueError
        For what could not be read back, such as a lambda.

    Examples
    --------
    >>> from minigrad import activations
    >>> activations.serialize(activations.gelu)
    'gelu'
    """
    return registry.serialize(linear if activation is None else activation)

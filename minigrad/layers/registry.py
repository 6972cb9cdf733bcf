"""Layers by name: writing and reading their configurations.

Examples
--------
>>> from minigrad import layers
>>> config = layers.serialize(layers.ReLU(max_value=6.0, name="relu6"))
>>> config["class_name"], config["config"]["max_value"]
('ReLU', 6.0)
>>> layers.deserialize(config).name
'relu6'
"""

from __future__ import annotations

from minigrad._registry import Registry
from minigrad.layers.base import Layer

__all__ = ["deserialize", "get", "register", "serialize"]

registry = Registry("layer", base=Layer)

register = registry.register
get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

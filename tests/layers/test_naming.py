"""Parameters, names of layers, the registry, and configurations written elsewhere."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from minigrad import layers

# ---------------------------------------------------------------------- parameters


def test_a_parameter_keeps_its_facts_in_copies() -> None:
    constraint = lambda w: w  # noqa: E731
    p = layers.Parameter(np.ones(2), "p", trainable=False, constraint=constraint, path="a/p")
    twin = copy.deepcopy(p)
    assert (twin.name, twin.path, twin.trainable) == ("p", "a/p", False)
    assert twin.constraint is constraint and twin.regularizer is None
    p.assign(np.zeros(2))
    assert twin.numpy().tolist() == [1.0, 1.0]


def test_trainable_and_requires_grad_are_one_switch() -> None:
    p = layers.Parameter(np.ones(2))
    assert p.trainable and p.requires_grad
    p.trainable = False
    assert not p.requires_grad
    p.requires_grad = True
    assert p.trainable
    with pytest.raises(TypeError, match=r"can require gradients\. Received: dtype=int64"):
        layers.Parameter([1, 2])


# ---------------------------------------------------------------------- names and registry


def test_names_count_per_class() -> None:
    made = [layers.SeparableConv2D(1, 1).name for _ in range(3)]
    assert made == ["separable_conv2d", "separable_conv2d_1", "separable_conv2d_2"]
    assert layers.ReLU().name == "re_lu" and layers.MaxPooling2D().name == "max_pooling2d"
    assert layers.GlobalAveragePooling2D().name == "global_average_pooling2d"
    assert layers.BatchNormalization().name == "batch_normalization"
    assert layers.SeparableConv2D(1, 1, name="mine").name == "mine"
    assert layers.SeparableConv2D(1, 1).name == "separable_conv2d_3"
    layers.reset_names()
    assert layers.SeparableConv2D(1, 1).name == "separable_conv2d"


def test_own_layers_can_be_registered_and_read_back() -> None:
    class TestOnlyLayer(layers.Layer):
        def __init__(self, size: int, **kwargs: Any) -> None:
            self.size = size
            super().__init__(**kwargs)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "size": self.size}

    layers.register(TestOnlyLayer)
    found = layers.serialize(TestOnlyLayer(3, name="x"))
    assert found["config"] == {"name": "x", "trainable": True, "dtype": "float32", "size": 3}
    assert layers.deserialize(found).size == 3
    layer = layers.Dense(1)
    assert layers.get(layer) is layer
    assert isinstance(layers.get("max_pooling2d"), layers.MaxPooling2D)


def test_the_activity_regularizer_of_any_layer_is_in_its_configuration() -> None:
    layer = layers.Flatten(activity_regularizer="l2")
    found = layer.get_config()
    assert found["activity_regularizer"]["class_name"] == "L2"
    assert layers.Flatten.from_config(found).get_config() == found
    assert "activity_regularizer" not in layers.Flatten().get_config()


def test_configurations_that_would_change_the_computation_are_refused() -> None:
    plain = layers.BatchNormalization(name="n").get_config()
    layers.BatchNormalization.from_config({**plain, "renorm": False, "fused": True})
    with pytest.raises(TypeError, match="unexpected keyword argument 'renorm'"):
        layers.BatchNormalization.from_config({**plain, "renorm": True})
    assert layers.BatchNormalization.from_config({**plain, "axis": [3]}).axis == 3


def test_repr() -> None:
    assert repr(layers.Dense(1)) == "<Dense name='dense', built=False>"

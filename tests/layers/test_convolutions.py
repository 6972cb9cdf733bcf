"""Conv2D beside the other convolutions, and layers as activations of layers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from minigrad import layers
from minigrad.autograd import tensor


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def built(layer: Any, *shape: int) -> Any:
    layer.build(shape)
    layer.set_weights([normal(*p.shape, seed=i) for i, p in enumerate(layer.weights)])
    return layer


WAYS: list[dict[str, Any]] = [
    {},
    {"strides": 2, "padding": "same"},
    {"dilation_rate": 2, "use_bias": False},
    {"activation": "tanh", "data_format": "channels_first"},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_separable_layer_is_a_full_one(way: dict[str, Any]) -> None:
    shape = (2, 3, 7, 8) if "data_format" in way else (2, 7, 8, 3)
    layer = built(
        layers.SeparableConv2D(5, (3, 2), depth_multiplier=2, dtype="float64", **way), *shape
    )
    whole = layer.to_conv2d()
    assert whole.get_build_config() == layer.get_build_config() and whole.dtype == "float64"
    x = normal(*shape)
    np.testing.assert_allclose(whole(x).numpy(), layer(x).numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_full_layer_is_nearly_separable(way: dict[str, Any]) -> None:
    shape = (2, 3, 7, 8) if "data_format" in way else (2, 7, 8, 3)
    layer = built(layers.Conv2D(5, (3, 2), dtype="float64", **way), *shape)
    x, y = normal(*shape), layer(normal(*shape)).numpy()
    norm = np.linalg.norm(layer.kernel.numpy())
    errors = []
    for rank in range(1, 6):
        separable, error = layer.to_separable(rank)
        assert separable.depth_multiplier == rank
        lost = np.linalg.norm(separable.to_conv2d().kernel.numpy() - layer.kernel.numpy())
        assert error == pytest.approx(lost / norm, abs=1e-12)
        errors.append(error)
    assert errors == sorted(errors, reverse=True) and 0.1 < errors[0] < 1
    assert errors[-1] < 1e-12
    np.testing.assert_allclose(separable(x).numpy(), y, rtol=1e-10, atol=1e-10)


def test_no_separable_layer_comes_nearer() -> None:
    """A kernel of rank 2 and a small rest: the rest is what is lost (Eckart and Young)."""
    whole = built(layers.SeparableConv2D(6, 3, depth_multiplier=2, dtype="float64"), 1, 5, 5, 4)
    layer = whole.to_conv2d()
    exact, error = layer.to_separable(2)
    assert error < 1e-12
    np.testing.assert_allclose(exact.to_conv2d().kernel.numpy(), layer.kernel.numpy(), atol=1e-12)
    layer.kernel.assign(layer.kernel.numpy() + 1e-3 * normal(*layer.kernel.shape, seed=9))
    change = 1e-3 * np.linalg.norm(normal(*layer.kernel.shape, seed=9))
    assert 0 < layer.to_separable(2).error * np.linalg.norm(layer.kernel.numpy()) < change


def test_a_kernel_of_zeros_is_separable() -> None:
    layer = layers.Conv2D(2, 3, kernel_initializer="zeros")
    layer.build((None, 5, 5, 1))
    separable, error = layer.to_separable(1)
    assert error == 0.0
    assert not separable.to_conv2d().kernel.numpy().any()


def test_groups_are_convolutions_of_their_own() -> None:
    x = normal(2, 6, 5, 4)
    layer = built(layers.Conv2D(6, 3, groups=2, padding="same", dtype="float64"), *x.shape)
    kernel, bias = layer.get_weights()
    halves = []
    for i in range(2):
        half = layers.Conv2D(3, 3, padding="same", dtype="float64")
        half.build((2, 6, 5, 2))
        half.set_weights([kernel[..., 3 * i : 3 * i + 3], bias[3 * i : 3 * i + 3]])
        halves.append(half(x[..., 2 * i : 2 * i + 2]).numpy())
    np.testing.assert_allclose(layer(x).numpy(), np.concatenate(halves, -1), rtol=1e-12)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_group_for_each_channel_is_depthwise(data_format: str) -> None:
    shape = (2, 3, 6, 5) if data_format == "channels_first" else (2, 6, 5, 3)
    options: dict[str, Any] = {"data_format": data_format, "dtype": "float64"}
    layer = built(layers.Conv2D(6, 3, groups=3, **options), *shape)
    depthwise = layers.DepthwiseConv2D(3, depth_multiplier=2, **options)
    depthwise.build(shape)
    kernel, bias = layer.get_weights()
    depthwise.set_weights([kernel.reshape(3, 3, 3, 2), bias])
    np.testing.assert_array_equal(layer(normal(*shape)).numpy(), depthwise(normal(*shape)).numpy())


# ---------------------------------------------------------------------- layers as activations

ACTIVATIONS = [
    "leaky_relu",
    "LeakyReLU",
    "ELU",
    "PReLU",
    layers.LeakyReLU(0.25),
    layers.ELU(0.5),
    layers.Softmax(axis=1),
    layers.PReLU("ones"),
    layers.ReLU(max_value=6),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("cls", [layers.Dense, layers.Activation])
def test_an_activation_may_be_a_layer(cls: Any, activation: Any) -> None:
    options = {"units": 4} if cls is layers.Dense else {}
    layer = cls(activation=activation, dtype="float64", **options)
    x = tensor(normal(3, 5, 4), requires_grad=True)
    twin = cls.from_config(json.loads(json.dumps(layer.get_config())))
    for each in (layer, twin):
        each.build(x.shape)
    twin.set_weights(layer.get_weights())
    y = layer(x)
    assert y.dtype == "float64", "an activation computes in the dtype of its layer"
    np.testing.assert_array_equal(twin(x).numpy(), y.numpy())
    assert twin.get_config() == layer.get_config()
    y.backward(normal(3, 5, 4, seed=1))
    assert all(p.grad is not None and p.grad.numpy().any() for p in layer.trainable_weights)


def test_the_weights_of_an_activation_are_those_of_its_layer() -> None:
    layer = layers.Dense(3, activation=layers.PReLU())
    layer.build((None, 2))
    assert [p.name for p in layer.weights] == ["kernel", "bias", "alpha"]
    assert layer.count_params() == 6 + 3 + 3
    layer.trainable = False
    assert layer.trainable_weights == []


def test_names_of_functions_stay_functions() -> None:
    from minigrad import activations

    assert activations.get("elu") is activations.elu
    assert activations.get("softmax") is activations.softmax
    assert isinstance(activations.get("ELU"), layers.ELU)
    assert activations.serialize(layers.Softmax(1, name="s"))["class_name"] == "Softmax"

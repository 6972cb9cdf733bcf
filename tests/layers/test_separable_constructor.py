"""SeparableConv2D: what the constructor takes, and what becomes of it."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

from minigrad import activations, constraints, initializers, layers, regularizers

SIGNATURE = [
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "depth_multiplier",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "pointwise_initializer",
    "bias_initializer",
    "depthwise_regularizer",
    "pointwise_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "depthwise_constraint",
    "pointwise_constraint",
    "bias_constraint",
]
DEFAULTS = {
    "strides": (1, 1),
    "padding": "valid",
    "data_format": None,
    "dilation_rate": (1, 1),
    "depth_multiplier": 1,
    "activation": None,
    "use_bias": True,
    "depthwise_initializer": "glorot_uniform",
    "pointwise_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
}


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(float)


def test_the_signature_is_that_of_the_page() -> None:
    parameters = inspect.signature(layers.SeparableConv2D.__init__).parameters
    names = list(parameters)[1:]
    assert names == [*SIGNATURE, "kwargs"]
    for name in SIGNATURE:
        assert parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        expected = DEFAULTS.get(name, None if name not in ("filters", "kernel_size") else ...)
        if expected is not ...:
            assert parameters[name].default == expected, name


def test_all_19_arguments_by_position() -> None:
    values = (
        4,
        (3, 2),
        (2, 1),
        "same",
        "channels_first",
        (1, 1),
        2,
        "relu",
        False,
        "he_normal",
        "lecun_uniform",
        "ones",
        "l1",
        "l2",
        "l1_l2",
        "l2",
        "non_neg",
        "unit_norm",
        "max_norm",
    )
    by_position = layers.SeparableConv2D(*values, name="x")
    by_keyword = layers.SeparableConv2D(**dict(zip(SIGNATURE, values, strict=True)), name="x")
    assert by_position.get_config() == by_keyword.get_config()
    found = by_position.get_config()
    assert [found[name] for name in SIGNATURE[:9]] == list(values[:9])
    classes = [found[name]["class_name"] for name in SIGNATURE[9:]]
    assert classes == [
        "HeNormal",
        "LecunUniform",
        "Ones",
        "L1",
        "L2",
        "L1L2",
        "L2",
        "NonNeg",
        "UnitNorm",
        "MaxNorm",
    ]


@pytest.mark.parametrize("missing", ["filters", "kernel_size"])
def test_filters_and_kernel_size_are_required(missing: str) -> None:
    options = {"filters": 4, "kernel_size": 3}
    del options[missing]
    with pytest.raises(TypeError, match=f"missing 1 required positional argument: '{missing}'"):
        layers.SeparableConv2D(**options)


def test_the_alias_is_the_class_itself() -> None:
    assert layers.SeparableConvolution2D is layers.SeparableConv2D
    assert layers.SeparableConvolution2D.__name__ == "SeparableConv2D"
    for name in ("SeparableConv2D", "SeparableConvolution2D"):
        made = layers.deserialize({"class_name": name, "config": {"filters": 1, "kernel_size": 1}})
        assert type(made) is layers.SeparableConv2D


ACCEPTED = [
    ("filters", 4, 4),
    ("filters", 4.0, 4),
    ("filters", np.int64(4), 4),
    ("filters", np.float32(4.0), 4),
    ("kernel_size", 3, (3, 3)),
    ("kernel_size", np.int64(3), (3, 3)),
    ("kernel_size", (3, 2), (3, 2)),
    ("kernel_size", [3, 2], (3, 2)),
    ("kernel_size", np.array([3, 2]), (3, 2)),
    ("kernel_size", (3.0, 2.0), (3, 2)),
    ("kernel_size", (size for size in (3, 2)), (3, 2)),
    ("kernel_size", {3, 2}, (2, 3)),
    ("strides", 2, (2, 2)),
    ("strides", [1, 2], (1, 2)),
    ("strides", (2.0, 2.0), (2, 2)),
    ("strides", np.int32(2), (2, 2)),
    ("dilation_rate", 2, (2, 2)),
    ("dilation_rate", (1, 2), (1, 2)),
    ("padding", "VALID", "valid"),
    ("padding", "Same", "same"),
    ("data_format", None, "channels_last"),
    ("data_format", "CHANNELS_FIRST", "channels_first"),
    ("depth_multiplier", 2.0, 2),
    ("depth_multiplier", np.int64(2), 2),
    ("use_bias", np.bool_(False), False),
]


@pytest.mark.parametrize(("name", "value", "expected"), ACCEPTED, ids=repr)
def test_accepted_spellings_become_plain_values(name: str, value: Any, expected: Any) -> None:
    layer = layers.SeparableConv2D(**{"filters": 4, "kernel_size": 3, name: value})
    found = getattr(layer, name)
    assert found == expected and type(found) is type(expected)
    if isinstance(found, tuple):
        assert [type(member) for member in found] == [int, int]
    json.dumps(layer.get_config())


def test_activation_can_be_nothing_a_name_a_function_a_layer_or_a_class() -> None:
    def make(activation: Any) -> Any:
        return layers.SeparableConv2D(1, 1, activation=activation).activation

    assert make(None) is activations.linear
    assert make("relu") is activations.relu
    function = np.tanh
    assert make(function) is function
    layer = layers.ReLU(max_value=1.0)
    assert make(layer) is layer
    assert isinstance(make(layers.ReLU), layers.ReLU)
    assert isinstance(make("ReLU"), layers.ReLU)


def test_a_layer_as_activation_survives_the_round_trip() -> None:
    layer = layers.SeparableConv2D(1, 1, activation=layers.ReLU(max_value=2.0))
    found = json.loads(json.dumps(layer.get_config()))
    assert found["activation"]["class_name"] == "ReLU"
    twin = layers.SeparableConv2D.from_config(found)
    assert twin.activation.max_value == 2.0
    ones = [np.full((1, 1, 1, 1), 3.0), np.ones((1, 1, 1, 1)), np.zeros(1)]
    twin.build((None, None, None, 1))
    twin.set_weights(ones)
    assert twin(np.ones((1, 1, 1, 1))).item() == 2.0


INITIALIZERS = [
    ("zeros", 0.0),
    (initializers.Constant(3.0), 3.0),
    (initializers.Ones, 1.0),
    ({"class_name": "Constant", "config": {"value": 2.0}}, 2.0),
    (lambda shape, dtype=None: np.full(shape, 5.0, dtype), 5.0),
]


@pytest.mark.parametrize(
    ("initializer", "value"), INITIALIZERS, ids=["name", "instance", "class", "dict", "function"]
)
@pytest.mark.parametrize("kind", ["depthwise", "pointwise", "bias"])
def test_initializers_in_all_forms(kind: str, initializer: Any, value: float) -> None:
    layer = layers.SeparableConv2D(2, 3, **{f"{kind}_initializer": initializer})
    layer.build((None, 5, 5, 3))
    weight = layer.bias if kind == "bias" else getattr(layer, f"{kind}_kernel")
    assert weight is not None
    np.testing.assert_array_equal(weight.numpy(), np.full(weight.shape, value))


def test_an_array_as_initializer() -> None:
    kernel = numbers((1, 1, 3, 2))
    layer = layers.SeparableConv2D(2, 3, pointwise_initializer=kernel)
    layer.build((None, 5, 5, 3))
    np.testing.assert_array_equal(layer.pointwise_kernel.numpy(), kernel)
    twin = layers.SeparableConv2D.from_config(json.loads(json.dumps(layer.get_config())))
    twin.build((None, 5, 5, 3))
    np.testing.assert_array_equal(twin.pointwise_kernel.numpy(), kernel)
    with pytest.raises(ValueError, match="shape"):
        layer = layers.SeparableConv2D(5, 3, pointwise_initializer=kernel)
        layer.build((None, 5, 5, 3))


def test_no_initializer_means_glorot_uniform_for_the_bias_too() -> None:
    layer = layers.SeparableConv2D(64, 3, bias_initializer=None)
    layer.build((None, 5, 5, 3))
    assert layer.get_config()["bias_initializer"] is None
    bias = layer.bias.numpy()  # type: ignore[union-attr]
    limit = np.sqrt(6 / 128)  # the fans of (64,) are 64 and 64
    assert 0.8 * limit < np.abs(bias).max() <= limit


def test_regularizers_and_constraints_in_all_forms() -> None:
    def double(w: Any) -> Any:
        return w * 2.0

    layer = layers.SeparableConv2D(
        1,
        1,
        depthwise_regularizer=regularizers.L2,
        pointwise_regularizer={"class_name": "L1", "config": {"l1": 0.5}},
        bias_regularizer=lambda w: 7,
        depthwise_constraint=constraints.NonNeg,
        pointwise_constraint="max_norm",
        bias_constraint=double,
    )
    layer.build((None, 1, 1, 1))
    layer.set_weights([np.full((1, 1, 1, 1), 3.0), np.full((1, 1, 1, 1), -4.0), np.ones(1)])
    assert [loss.item() for loss in layer.losses] == pytest.approx([0.09, 2.0, 7.0])
    found = [p.constraint for p in layer.weights]
    assert isinstance(found[0], constraints.NonNeg) and isinstance(found[1], constraints.MaxNorm)
    assert found[2] is double


def test_keyword_arguments_of_all_layers() -> None:
    layer = layers.SeparableConv2D(
        2, 1, name="n", trainable=False, dtype=np.float64, dynamic=False, autocast=True,
        implementation=1,
    )  # fmt: skip
    assert (layer.name, layer.trainable, layer.dtype) == ("n", False, "float64")
    made = [
        ({"input_shape": (8, 8, 3)}, (None, 8, 8, 3)),
        ({"input_shape": [8, 8, 3], "batch_size": 2}, (2, 8, 8, 3)),
        ({"batch_input_shape": (4, 8, 8, 3), "input_shape": (1, 1, 1)}, (4, 8, 8, 3)),
        ({"input_shape": np.array([8, 8, 3])}, (None, 8, 8, 3)),
        ({"input_dim": np.int64(3)}, (None, 3)),
        ({}, None),
    ]
    for options, shape in made:
        layer = layers.SeparableConv2D(2, 1, **options)
        assert layer.batch_input_shape == shape
        assert layer.get_config().get("batch_input_shape") == shape
        again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
        assert again.batch_input_shape == shape


def test_weights_given_to_the_constructor_are_set_at_the_first_build() -> None:
    values = [numbers((3, 3, 2, 1)), numbers((1, 1, 2, 4)), numbers((4,))]
    for start in (
        lambda layer: layer(np.zeros((1, 3, 3, 2))),
        lambda layer: layer.build((None, 3, 3, 2)),
    ):
        layer = layers.SeparableConv2D(4, 3, weights=values)
        assert layer.weights == []
        start(layer)
        for array, value in zip(layer.get_weights(), values, strict=True):
            np.testing.assert_array_equal(array, value)
    assert "weights" not in layer.get_config()


def test_weights_that_do_not_fit_leave_the_layer_unbuilt() -> None:
    layer = layers.SeparableConv2D(4, 3, weights=[np.zeros((3, 3, 2, 1))])
    with pytest.raises(ValueError, match=r"has 3 weights\. Received: 1 arrays"):
        layer(np.zeros((1, 3, 3, 2)))
    assert not layer.built and layer.weights == [] and not hasattr(layer, "depthwise_kernel")

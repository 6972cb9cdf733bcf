"""Sequential: building, changing, and refusing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.layers import Layer
from minigrad.models import Sequential


def stack(**first: Any) -> list[Layer]:
    conv = layers.SeparableConv2D(4, 3, name="conv", **first)
    return [conv, layers.Flatten(), layers.Dense(2, name="head")]


def test_weights_are_made_by_the_first_batch() -> None:
    model = Sequential(stack())
    assert not model.built and model.weights == []
    assert model.input_shape is None and model.output_shape is None
    assert model(np.zeros((5, 6, 6, 1), np.float32)).shape == (5, 2)
    assert model.built and all(layer.built for layer in model.layers)
    assert model.input_shape == (None, 6, 6, 1) and model.output_shape == (None, 2)
    assert [w.shape for w in model.weights] == [(3, 3, 1, 1), (1, 1, 1, 4), (4,), (64, 2), (2,)]


@pytest.mark.parametrize("how", ["first layer", "model", "build"])
def test_weights_are_made_at_once_where_the_shape_is_known(how: str) -> None:
    if how == "first layer":
        model = Sequential(stack(input_shape=(6, 6, 1)))
    elif how == "model":
        model = Sequential(stack(), input_shape=(6, 6, 1))
    else:
        model = Sequential(stack())
        model.build([None, 6, 6, 1])
    assert model.built and model.count_params() == 9 + 4 + 4 + 130
    assert model.input_shape == (None, 6, 6, 1)


def test_add_builds_one_layer_at_a_time_where_the_shape_is_known() -> None:
    model = Sequential()
    for layer in stack(input_shape=(6, 6, 1)):
        model.add(layer)
        assert layer.built
    assert model.output_shape == (None, 2)
    kernel = model.layers[0].weights[0].numpy()
    model.add(layers.Dense(3))
    assert model.output_shape == (None, 3)
    assert np.array_equal(model.layers[0].weights[0].numpy(), kernel)


def test_pop_removes_the_last_layer() -> None:
    model = Sequential(stack(input_shape=(6, 6, 1)))
    last = model.layers[-1]
    assert model.pop() is last
    assert model.output_shape == (None, 64) and len(model.layers) == 2
    assert model(np.zeros((1, 6, 6, 1), np.float32)).shape == (1, 64)
    model.pop()
    model.pop()
    assert not model.built and model.weights == []
    model.add(layers.Dense(2))
    assert model(np.zeros((1, 3), np.float32)).shape == (1, 2)  # free for another shape
    model.pop()
    with pytest.raises(TypeError, match=r"There are no layers in the model .* to pop"):
        model.pop()


def test_the_list_of_layers_is_a_copy() -> None:
    model = Sequential(stack())
    model.layers.clear()
    assert len(model.layers) == 3


def test_it_computes_what_its_layers_compute() -> None:
    parts = stack()
    model = Sequential(parts)
    x = mg.tensor(np.random.default_rng(0).standard_normal((2, 6, 6, 1)), dtype="float32")
    out = model(x)
    expected: Any = x
    for part in parts:
        expected = part(expected)
    assert np.array_equal(out.data, expected.data)


def test_training_reaches_the_layers_inside() -> None:
    inner = Sequential([layers.Dropout(0.5, seed=1)])
    model = Sequential([inner, layers.Flatten()])
    x = np.ones((4, 10), np.float32)
    assert np.array_equal(model(x).data, x)
    assert set(np.unique(model(x, training=True).data)) == {0.0, 2.0}


def test_models_are_layers_of_models() -> None:
    inner = Sequential([layers.Dense(3), layers.Dense(2)])
    model = Sequential([inner, layers.Dense(1)])
    assert model(np.zeros((2, 5), np.float32)).shape == (2, 1)
    assert len(model.weights) == 6 and len(model.layers) == 2
    inner.trainable = False
    assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 4
    model.trainable = False
    assert model.trainable_weights == []
    model.trainable = True
    assert len(model.trainable_weights) == 6


def test_layers_keep_their_own_dtypes() -> None:
    model = Sequential([layers.Dense(1, kernel_initializer="ones", dtype="float64")])
    assert model(np.array([[1 / 3]])).data[0, 0] == 1 / 3


def test_height_and_width_may_be_unknown_and_vary() -> None:
    model = Sequential([layers.SeparableConv2D(4, 3), layers.GlobalAveragePooling2D()])
    model.build((None, None, None, 2))
    for size in (3, 9):
        assert model(np.zeros((1, size, size, 2), np.float32)).shape == (1, 4)


def test_own_layers_without_output_shapes() -> None:
    class Twice(Layer):
        def call(self, inputs: Any) -> Any:
            return mg.ops.concatenate([inputs, inputs], axis=-1)

    model = Sequential([Twice(), layers.Dense(1)], input_shape=(3,))
    assert model.weights[0].shape == (6, 1) and model.output_shape == (None, 1)
    assert model.losses == []


def test_empty_model_passes_its_input_on() -> None:
    x = np.ones((2, 3), np.float32)
    assert np.array_equal(Sequential()(x).data, x)


def test_configuration_round_trip() -> None:
    model = Sequential(stack(input_shape=(6, 6, 1)), name="net")
    config = model.get_config()
    again = Sequential.from_config(config)
    assert again.get_config() == config and again.built and again.name == "net"
    assert config == model.get_config()


# ------------------------------------------------------------------------- errors


class Stranger:
    pass


@pytest.mark.parametrize(
    "parts, text",
    [
        ([Stranger()], r"Only layers can be added to the model '.*'\. Received: <.*Stranger"),
        ([layers.Dense], r"Make an instance: Dense\(\.\.\.\)\."),
        (["dense"], r"Only layers can be added .* Received: 'dense'"),
        ([layers.Flatten(name="a"), layers.Flatten(name="a")], r"Another layer named 'a' is in"),
        ([same := layers.Flatten(name="b"), same], r"The same layer named 'b' is in"),
        (layers.Flatten(), r"Sequential takes a list of layers\. Received: <Flatten"),
    ],
)
def test_what_is_no_stack_of_layers(parts: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        Sequential(parts)
    if isinstance(parts, list):
        model = Sequential(parts[:-1])
        with pytest.raises((TypeError, ValueError), match=text):
            model.add(parts[-1])
        assert model.layers == parts[:-1]


def test_a_model_is_no_layer_of_itself() -> None:
    model = Sequential([layers.Flatten()])
    with pytest.raises(ValueError, match="cannot be a layer of itself"):
        model.add(model)
    with pytest.raises(ValueError, match="cannot be a layer of itself"):
        model.add(Sequential([model]))


def test_shape_errors_name_the_layer_and_both_shapes() -> None:
    model = Sequential(
        [
            layers.SeparableConv2D(4, 3, name="first"),
            layers.SeparableConv2D(8, 5, name="second"),
            layers.Flatten(),
        ],
        name="net",
    )
    with pytest.raises(ValueError) as caught:
        model.build((None, 6, 6, 1))
    text = str(caught.value)
    assert "Layer 1 of the model 'net', 'second' (SeparableConv2D)" in text
    assert "input of shape (None, 4, 4, 4) (the model's input has shape (None, 6, 6, 1))" in text
    assert not model.built and model.weights == []
    assert not any(layer.built for layer in model.layers)
    with pytest.raises(ValueError, match="'second'"):
        model(np.zeros((2, 6, 6, 1), np.float32))
    assert not model.built and not any(layer.built for layer in model.layers)
    model.build((None, 8, 8, 1))
    assert model.output_shape == (None, 32)


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = Sequential([layers.Flatten()], input_shape=(4, 4, 2))
    before = model.get_config()
    with pytest.raises(ValueError, match="'late'"):
        model.add(layers.SeparableConv2D(2, 3, name="late"))
    assert model.get_config() == before and model.output_shape == (None, 32)


def test_failing_build_inside_own_layer_leaves_all_layers_unbuilt() -> None:
    class Broken(Layer):
        def build(self, input_shape: Any) -> None:
            raise RuntimeError("no")

        def call(self, inputs: Any) -> Any:
            return inputs

    model = Sequential([layers.Dense(2), Broken()])
    for attempt in (lambda: model.build((None, 3)), lambda: model(np.zeros((1, 3), np.float32))):
        with pytest.raises(RuntimeError, match="no"):
            attempt()
        assert not model.built and model.weights == [] and not model.layers[0].built


@pytest.mark.parametrize(
    "x, text",
    [
        (np.zeros((2, 6, 6), np.float32), r"Layer 0 .*'conv' .* shape \(2, 6, 6\) .*4 axes"),
        (
            np.zeros((2, 6, 6, 2), np.float32),
            r"'conv' .* shape \(2, 6, 6, 2\) .* size 1 on axis -1",
        ),
        (np.zeros((2, 2, 2, 1), np.float32), r"'conv' .* shape \(2, 2, 2, 1\) .*smaller than the"),
        (np.zeros((2, 6, 6, 1), np.uint8), r"'conv' .*floating point"),
        (np.zeros((2, 7, 7, 1), np.float32), r"Layer 2 .*'head' .* shape \(2, 100\).*64"),
    ],
)
def test_bad_inputs_of_a_built_model(x: Any, text: str) -> None:
    model = Sequential(stack(input_shape=(6, 6, 1)))
    before = model.get_weights()
    with pytest.raises((ValueError, TypeError), match=text):
        model(x)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_finding_a_shape_leaves_no_losses_behind() -> None:
    """An own layer is called on zeros to know its output; losses inside it are forgotten."""

    class Inner(layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(1.0)
            return inputs

    class Outer(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    model = Sequential([Outer(), layers.Dense(1)])
    model.build((None, 3))
    assert model.losses == []


def test_a_model_in_front_tells_the_shape() -> None:
    x = mg.Input((8, 8, 2))
    base = mg.Model(x, layers.GlobalAveragePooling2D()(layers.SeparableConv2D(3, 3)(x)))
    model = Sequential([base, layers.Dense(2)])
    assert model.built and model.output_shape == (None, 2) and len(model.weights) == 5

"""Model: finding layers, building by calling, and its summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.models import Model, Sequential, summarize


class Net(Model):
    """Layers in attributes, lists, and a nested model."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = layers.SeparableConv2D(4, 3, padding="same")
        self.blocks = [Sequential([layers.BatchNormalization(), layers.ReLU()]) for _ in range(2)]
        self.head = layers.Dense(3)
        self.pool = layers.GlobalAveragePooling2D()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self.stem(inputs)
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.pool(x))


X = np.random.default_rng(0).standard_normal((4, 6, 6, 2)).astype(np.float32)


def test_layers_are_found_and_built_by_the_first_call() -> None:
    net = Net()
    assert net.weights == [] and not net.built
    assert net(X).shape == (4, 3)
    assert [type(layer).__name__ for layer in net.layers] == [
        "SeparableConv2D",
        "Sequential",
        "Sequential",
        "Dense",
        "GlobalAveragePooling2D",
    ]
    assert net.count_params() == (18 + 8 + 4) + 2 * 16 + 15
    assert len(net.trainable_weights) == 3 + 4 + 2 and len(net.non_trainable_weights) == 4


def test_build_makes_the_weights_without_data() -> None:
    net = Net()
    net.build((None, 6, 6, 2))
    assert net.built and net.count_params() == 77
    assert net.losses == []
    assert net.compute_output_shape((None, 6, 6, 2)) == (None, 3)
    moving = [w.numpy() for w in net.non_trainable_weights]
    assert set(np.concatenate(moving)) == {0.0, 1.0}  # the zeros were no training data


def test_building_leaves_no_activity_losses() -> None:
    class Active(Model):
        def __init__(self) -> None:
            super().__init__()
            self.inside = layers.Dense(2, activity_regularizer="l2")

        def call(self, inputs: Any) -> Any:
            return self.inside(inputs)

    model, stack = Active(), Sequential([Active()])
    model.build((None, 3))
    stack.build((None, 3))
    assert model.losses == stack.losses == []
    model(np.ones((1, 3), np.float32))
    assert len(model.losses) == 1


def test_build_needs_sizes() -> None:
    with pytest.raises(ValueError, match=r"must be known.*=\(None, None, 6, 2\)"):
        Net().build((None, None, 6, 2))
    with pytest.raises(TypeError, match="A shape must be a tuple"):
        Net().build(None)
    with pytest.raises(NotImplementedError, match="is known once it is built"):
        Net().compute_output_shape((None, 6, 6, 2))


@pytest.mark.parametrize("attempt", [lambda m: m(X), lambda m: m.build((None, 6, 6, 2))])
def test_a_failing_first_call_leaves_no_weights(attempt: Any) -> None:
    class Broken(Net):
        fail = True

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            out = super().call(inputs, training)
            if self.fail:
                raise RuntimeError("too late")
            return out

    net = Broken()
    with pytest.raises(RuntimeError, match="too late"):
        attempt(net)
    assert net.weights == [] and not net.built
    assert not any(layer.built for layer in net.layers)
    net.fail = False
    assert net(X).shape == (4, 3) and net.built


def test_models_without_call_say_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Model does not define call\(\)"):
        Model()(X)


def test_it_trains() -> None:
    net = Net()
    net.compile(mg.optimizers.Adam(0.01), "mse")
    y = np.stack([X.mean((1, 2, 3)), X.max((1, 2, 3)), X.min((1, 2, 3))], axis=1)
    history = net.fit(X, y, epochs=30, verbose=0, seed=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_get_and_set_weights() -> None:
    first, second = Net(), Net()
    first(X)
    second(X)
    assert not np.array_equal(first(X).data, second(X).data)
    second.set_weights(first.get_weights())
    assert np.array_equal(first(X).data, second(X).data)


# ------------------------------------------------------------------------- summary


def small() -> Sequential:
    frozen = layers.Dense(3, name="head", trainable=False)
    return Sequential(
        [
            layers.SeparableConv2D(4, 3, depth_multiplier=2, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flat"),
            frozen,
        ],
        name="net",
        input_shape=(8, 8, 2),
    )


def test_numbers_of_a_summary() -> None:
    found = summarize(small())
    rows = [(r.name, r.output_shape, r.params, r.trainable_params, r.macs) for r in found.rows]
    conv_macs = 6 * 6 * (9 * 2 * 2 + 4 * 4)
    assert rows == [
        ("conv", (None, 6, 6, 4), 36 + 16 + 4, 56, conv_macs),
        ("norm", (None, 6, 6, 4), 16, 8, rows[1][4]),
        ("flat", (None, 144), 0, 0, 0),
        ("head", (None, 3), 435, 0, 432),
    ]
    assert found.params == 56 + 16 + 435 == small().count_params()
    assert found.trainable_params == 64 and found.non_trainable_params == 8 + 435
    assert found.macs == sum(row.macs for row in found.rows)
    assert next(row.class_name for row in found.rows) == "SeparableConv2D"


def test_printed_summary(capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    assert model.summary() is None
    printed = capsys.readouterr().out
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "\n".join(lines) + "\n" == printed == str(summarize(model)) + "\n"
    assert lines[0] == 'Model "net" (Sequential)'
    assert lines[2].split("  ")[0].strip() == "Layer (type)"
    assert "conv (SeparableConv2D)" in lines[4] and "(None, 6, 6, 4)" in lines[4]
    assert "Parameters: 507 (trainable 64, not trainable 443)" in printed
    assert "multiply-adds for one example" in lines[-1]
    # A Conv2D with the same window: 6 * 6 places, 3 * 3 * 2 * 4 products in each.
    assert lines[4].split()[-7:] == ["56", "1,872", "576", "B", "2.85", "2,592", "MACs"]
    assert "With Conv2D in place of separable and depthwise layers: 527 parameters, " in printed
    assert "Outputs of all layers: 1.74 kB for one example" in printed


def test_what_a_layer_moves() -> None:
    conv, norm, flat, head = summarize(small()).rows
    assert conv.activation_bytes == norm.activation_bytes == flat.activation_bytes == 4 * 144
    assert conv.intensity == 2 * conv.macs / (4 * (8 * 8 * 2 + 144 + 56))
    assert (conv.conv2d_params, conv.conv2d_macs) == (9 * 2 * 4 + 4, 36 * 9 * 2 * 4)
    assert flat.intensity is None and norm.conv2d_macs is None
    assert head.activation_bytes == 12
    double = Sequential([layers.Dense(2, dtype="float64")], input_shape=(3,))
    assert summarize(double).activation_bytes == 16


def test_unknown_sizes_are_not_guessed() -> None:
    image = layers.Input((None, None, 2))
    model = Model(image, layers.GlobalAveragePooling2D()(layers.Activation("relu")(image)))
    _, relu, pool = summarize(model).rows
    assert relu.activation_bytes is None and pool.activation_bytes == 8
    assert "(None, None, None, 2)" in str(summarize(model))


def test_a_shared_layer_costs_as_often_as_it_is_called() -> None:
    image = layers.Input((6, 6, 2))
    conv = layers.SeparableConv2D(2, 3, padding="same")
    model = Model(image, conv(conv(image)))
    _, row = summarize(model).rows
    once = conv.macs((None, 6, 6, 2))
    assert row.macs == 2 * once == model.macs((None, 6, 6, 2)) and row.params == conv.count_params()
    assert row.activation_bytes == 2 * 4 * 72 and row.conv2d_macs == 2 * 36 * 9 * 4


def test_summary_of_a_model_with_nested_models() -> None:
    net = Net()
    net.build((None, 6, 6, 2))
    found = summarize(net)
    assert [row.output_shape for row in found.rows] == [
        (None, 6, 6, 4),
        (None, 6, 6, 4),
        (None, 6, 6, 4),
        (None, 3),
        (None, 4),
    ]
    assert found.rows[0].macs == 36 * (18 + 8) and found.rows[3].macs == 12
    assert found.params == 77


def test_nested_models_add_up_their_multiply_adds() -> None:
    class Inner(Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [layers.Dense(3), layers.Dense(2)]

        def call(self, inputs: Any) -> Any:
            return self.parts[1](self.parts[0](inputs))

    model = Sequential([Inner(), Sequential([layers.Dense(4)])])
    model(np.zeros((1, 5), np.float32))
    assert [row.macs for row in summarize(model).rows] == [15 + 6, 8]
    assert model.macs((None, 5)) == 29


def test_composite_layers_add_up_their_multiply_adds_once() -> None:
    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inside = Sequential([layers.Dense(3), layers.Dense(2)])

        def call(self, inputs: Any) -> Any:
            return self.inside(inputs)

    model = Sequential([Block()])
    model(np.zeros((1, 5), np.float32))
    assert summarize(model).macs == model.macs((None, 5)) == 15 + 6


def test_weights_that_layers_share_count_once() -> None:
    class Tied(Model):
        def __init__(self) -> None:
            super().__init__()
            self.a = layers.Dense(3)
            self.b = self.a

        def call(self, inputs: Any) -> Any:
            return self.b(self.a(inputs))

    model = Tied()
    model(np.zeros((1, 3), np.float32))
    assert summarize(model).params == 12 and len(summarize(model).rows) == 1


def test_summary_of_an_unbuilt_model() -> None:
    with pytest.raises(ValueError, match="is not built, so its shapes are not known"):
        Sequential([layers.Dense(2)]).summary()


def test_own_layers_without_output_shape_show_a_question_mark() -> None:
    class Same(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    model = Sequential([Same(name="same")])
    model(np.zeros((1, 3), np.float32))
    assert summarize(model).rows[0].output_shape is None
    assert "same (Same)   ? " in str(summarize(model))


def test_a_summary_says_what_it_does_not_know() -> None:
    x = mg.Input((None, None, 3))
    y = layers.GlobalAveragePooling2D()(layers.SeparableConv2D(4, 3, name="conv")(x))
    model = Model(x, layers.Dense(2)(y))
    found = summarize(model)
    _, conv, pool, dense = found.rows
    assert (conv.macs, conv.activation_bytes, conv.conv2d_params) == (None, None, 112)
    assert (pool.activation_bytes, dense.macs, found.macs) == (16, 8, None)
    text = str(found)
    assert "MACs: ? multiply-adds" in text and "parameters, ? MACs" in text
    assert "more than 24 B" in text and "? MACs" in text.splitlines()[5]
    stack = Sequential([mg.Input((None, 3)), layers.Dense(4), layers.Dense(2)])
    assert summarize(stack).macs is None

"""Layers and models: all weights are checked, nothing about the layer changes."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import check_layer, gradcheck


def test_a_layer_as_the_function():
    layer = mg.layers.SeparableConv2D(3, 3, depth_multiplier=2, name="conv")
    report = gradcheck(layer, (2, 5, 5, 2))
    assert report, report
    names = ["inputs", "depthwise_kernel", "pointwise_kernel", "bias"]
    assert [check.name for check in report.inputs] == names
    assert report.function == "conv"
    assert not layer.built and layer.dtype == "float32"


def test_the_layer_keeps_its_weights_dtype_and_gradients():
    layer = mg.layers.Dense(3)
    layer.build((None, 4))
    before = layer.get_weights()
    assert check_layer(layer, np.ones((2, 4)))
    assert layer.dtype == "float32"
    assert all(w.dtype == np.float32 and w.grad is None for w in layer.weights)
    for old, new in zip(before, layer.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_batch_normalization_in_both_modes():
    layer = mg.layers.BatchNormalization()
    x = np.random.default_rng(0).standard_normal((4, 3, 3, 2))
    layer.build(x.shape)
    for training in (False, True):
        report = check_layer(layer, x, training=training)
        assert report, report
    assert np.array_equal(layer.get_weights()[2], np.zeros(2))  # the moving mean


def test_frozen_weights_are_left_out():
    layer = mg.layers.Dense(3, trainable=False)
    assert [check.name for check in check_layer(layer, (2, 4)).inputs] == ["inputs"]


@pytest.mark.parametrize("seed", [None, 3])
def test_dropout_keeps_its_mask_during_the_check(seed):
    layer = mg.layers.Dropout(0.5, seed=seed)
    mg.set_random_seed(1)
    report = gradcheck(layer, (3, 4), training=True)
    assert report, report
    assert report.notes == ("the random numbers of the layer were the same in every call",)
    kept = mg.random.generator().random()
    mg.set_random_seed(1)
    assert kept == mg.random.generator().random()  # the check used up no random numbers
    assert gradcheck(layer, (3, 4)).notes == ()


def test_random_numbers_from_elsewhere_are_refused():
    source = np.random.default_rng(0)

    class Noise(mg.layers.Layer):
        def call(self, inputs):
            return inputs * source.random(inputs.shape)

    assert "two calls of the function with the same inputs" in str(gradcheck(Noise(), (3, 4)))


def test_a_layer_in_its_own_precision():
    layer = mg.layers.SeparableConv2D(3, 3, depth_multiplier=2)
    report = gradcheck(layer, (2, 5, 5, 2), precision="given")
    assert report, report
    assert [check.dtype for check in report.inputs] == ["float32"] * 4
    assert all(1e-7 < check.resolution < 0.05 for check in report.inputs)


def test_a_model_names_its_weights_by_their_layers():
    model = mg.Sequential(
        [
            mg.layers.SeparableConv2D(2, 3, activation="softplus", name="conv"),
            mg.layers.Flatten(),
            mg.layers.Dense(2, name="vote"),
        ]
    )
    report = check_layer(model, (2, 4, 4, 1), mode="fast")
    assert report, report
    names = [check.name for check in report.inputs]
    assert names == [
        "inputs",
        "conv/depthwise_kernel",
        "conv/pointwise_kernel",
        "conv/bias",
        "vote/kernel",
        "vote/bias",
    ]


class WrongScale(mg.layers.Layer):
    """Computes x * scale, but its derivative for the scale is that of x * scale / 2."""

    def build(self, input_shape):
        self.scale = self.add_weight("scale", (input_shape[-1],), "ones")

    def call(self, inputs):
        fixed = mg.ops.stop_gradient
        return inputs * (0.5 * self.scale + fixed(0.5 * self.scale))


def test_a_wrong_weight_gradient_is_blamed_on_the_weight():
    report = check_layer(WrongScale(), (2, 3))
    assert [check.name for check in report.inputs if not check.passed] == ["scale"]


def test_a_weight_that_gets_no_gradient_is_caught():
    class Cut(mg.layers.Dense):
        def call(self, inputs):
            return mg.ops.matmul(inputs, mg.ops.stop_gradient(self.kernel)) + self.bias

    report = check_layer(Cut(3), (2, 4))
    assert [check.name for check in report.inputs if not check.passed] == ["kernel"]


def test_the_shape_must_fit():
    layer = mg.layers.SeparableConv2D(3, 3)
    with pytest.raises(ValueError, match="4 axes"):
        check_layer(layer, (2, 5, 5))


def test_a_functional_model_with_several_inputs_and_outputs():
    """The check works on a deep copy, in which symbols are other objects."""
    a, b = mg.Input((3,)), mg.Input((2,))
    h = mg.layers.Concatenate()([a, b])
    model = mg.Model([a, b], [mg.layers.Dense(2)(h), mg.layers.Dense(1, activation="tanh")(h)])
    report = mg.gradcheck(model, [np.ones((3, 3)), np.arange(6.0).reshape(3, 2)])
    assert report, report
    assert [check.name for check in report.inputs][:2] == ["inputs 0", "inputs 1"]

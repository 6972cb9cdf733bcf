"""One test for each trap that a reimplementation of SeparableConv2D usually falls into."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from minigrad import initializers, layers, optimizers
from minigrad.autograd import tensor

FIRST = "channels_first"


def integers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def built(
    shape: tuple[int, ...], filters: int = 2, kernel: Any = 1, **options: Any
) -> layers.SeparableConv2D:
    """A layer in float64 with integers as weights."""
    layer = layers.SeparableConv2D(filters, kernel, dtype="float64", **options)
    layer.build(shape)
    layer.set_weights([integers(p.shape, seed) for seed, p in enumerate(layer.weights)])
    return layer


def test_channels_are_ordered_input_channel_first_then_multiplier() -> None:
    layer = layers.SeparableConv2D(6, 1, depth_multiplier=2, use_bias=False)
    layer.build((None, 1, 1, 3))
    kernel = np.array([[1, 2], [3, 4], [5, 6]], float).reshape(1, 1, 3, 2)
    layer.set_weights([kernel, np.eye(6).reshape(1, 1, 6, 6)])
    y = layer(np.array([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3))
    assert y.numpy().ravel().tolist() == [1, 2, 30, 40, 500, 600]
    depthwise = layers.DepthwiseConv2D(1, depth_multiplier=2, use_bias=False, weights=[kernel])
    y = depthwise(np.array([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3))
    assert y.numpy().ravel().tolist() == [1, 2, 30, 40, 500, 600]


def test_strides_and_dilation_do_not_touch_the_pointwise_step() -> None:
    for options in ({"strides": 2}, {"dilation_rate": 2}):
        layer = built((1, 9, 9, 2), filters=3, kernel=3, use_bias=False, **options)
        depthwise = layers.DepthwiseConv2D(3, use_bias=False, dtype="float64", **options)
        x = integers((1, 9, 9, 2), 7)
        depthwise.build(x.shape)
        depthwise.set_weights([layer.depthwise_kernel.numpy()])
        deep = depthwise(x).numpy()
        expected = deep @ layer.pointwise_kernel.numpy()[0, 0]
        np.testing.assert_array_equal(layer(x).numpy(), expected)


def test_one_bias_and_one_activation_both_after_the_pointwise_step() -> None:
    one = np.ones((1, 1, 1, 1))
    layer = layers.SeparableConv2D(1, 1, activation="relu", weights=[one, one, [-5.0]])
    assert layer(3 * one).item() == 0.0, "the activation comes after the bias"
    assert layer(7 * one).item() == 2.0
    layer = layers.SeparableConv2D(1, 1, activation="relu", weights=[-one, -one, [0.0]])
    assert layer(3 * one).item() == 3.0, "nothing is activated between the two steps"


def test_initializers_see_the_fans_of_keras() -> None:
    layer = layers.SeparableConv2D(64, 3, depth_multiplier=2)
    layer.build((None, 8, 8, 64))
    depthwise = np.abs(layer.depthwise_kernel.numpy()).max()
    pointwise = np.abs(layer.pointwise_kernel.numpy()).max()
    # kh kw C and kh kw M; C M and F: the limits are sqrt(6 / (fan_in + fan_out)).
    for found, limit in (
        (depthwise, np.sqrt(6 / (9 * 64 + 9 * 2))),
        (pointwise, np.sqrt(6 / (128 + 64))),
    ):
        assert 0.99 * limit < found <= limit * (1 + 1e-6)


def test_the_activity_loss_is_of_the_activated_output_per_example_and_per_call() -> None:
    one = np.ones((1, 1, 1, 1))
    layer = layers.SeparableConv2D(
        1, 1, activation="relu", activity_regularizer="l1", weights=[one, one, [0.0]]
    )
    assert layer.losses == []
    x = np.array([-100.0, 2.0, 4.0, 6.0]).reshape(4, 1, 1, 1)
    layer(x)
    assert [loss.item() for loss in layer.losses] == pytest.approx([0.01 * 12 / 4])
    layer(x[:2])
    layer(x[:2])
    assert [loss.item() for loss in layer.losses] == pytest.approx([0.01 * 2 / 2]), (
        "the last call replaces the loss, it does not add to it"
    )
    layer(x[:0])
    assert [loss.item() for loss in layer.losses] == [0.0], "an empty batch is not 0 / 0"


def test_the_activity_loss_has_gradients() -> None:
    one = np.ones((1, 1, 1, 1))
    layer = layers.SeparableConv2D(1, 1, activity_regularizer="l2", weights=[one, one, [0.0]])
    x = tensor(3 * np.ones((2, 1, 1, 1), "float32"), requires_grad=True)
    layer(x)
    layer.losses[0].backward()
    assert x.grad is not None and layer.bias is not None and layer.bias.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.full(x.shape, 0.01 * 2 * 3 / 2), rtol=1e-6)
    np.testing.assert_allclose(layer.bias.grad.numpy(), [0.01 * 2 * 3], rtol=1e-6)


def regularized(**options: Any) -> layers.SeparableConv2D:
    from minigrad import regularizers

    layer = layers.SeparableConv2D(
        4,
        3,
        depthwise_regularizer=regularizers.L2(0.1),
        pointwise_regularizer=regularizers.L1(0.2),
        bias_regularizer=regularizers.L2(1.0),
        activity_regularizer=regularizers.L2(0.01),
        depthwise_initializer="ones",
        pointwise_initializer="ones",
        bias_initializer="ones",
        **options,
    )
    return layer


def test_losses_come_in_the_order_activity_depthwise_pointwise_bias() -> None:
    layer = regularized()
    assert layer.losses == []
    layer.build((None, 7, 8, 3))
    expected = [252.3, 2.7, 2.4, 4.0]
    assert [loss.item() for loss in layer.losses] == pytest.approx(expected[1:])
    layer(np.full((4, 7, 8, 3), 0.5))
    assert [loss.item() for loss in layer.losses] == pytest.approx(expected, rel=1e-6)
    assert all(loss.shape == () for loss in layer.losses)


def test_losses_of_the_weights_follow_the_weights_and_stay_when_frozen() -> None:
    layer = regularized()
    layer.build((None, 7, 8, 3))
    layer.set_weights([2 * array for array in layer.get_weights()])
    doubled = [4 * 2.7, 2 * 2.4, 4 * 4.0]
    assert [loss.item() for loss in layer.losses] == pytest.approx(doubled)
    layer.trainable = False
    assert [loss.item() for loss in layer.losses] == pytest.approx(doubled)
    layer(np.full((4, 7, 8, 3), 0.5))
    assert len(layer.losses) == 4


def test_constraints_act_in_the_optimizer_and_nowhere_else() -> None:
    one = np.ones((1, 1, 1, 1))
    layer = layers.SeparableConv2D(
        1,
        1,
        depthwise_initializer=initializers.Constant(-1.0),
        pointwise_initializer=initializers.Constant(9.0),
        depthwise_constraint="non_neg",
        pointwise_constraint={"class_name": "MaxNorm", "config": {"max_value": 0.5, "axis": 2}},
        bias_constraint=lambda w: w * 0.0 + 0.25,
        dtype="float64",
    )
    layer.build((None, 1, 1, 1))
    assert [p.item() for p in layer.weights] == [-1.0, 9.0, 0.0], "not at initialization"
    layer.set_weights([-2 * one, 8 * one, [3.0]])
    assert layer(one).item() == -2 * 8 + 3, "not in set_weights, not in the forward pass"
    layer(one).backward(one)
    pairs = [(p.grad, p) for p in layer.trainable_weights]
    optimizers.SGD(learning_rate=0.0).apply_gradients(pairs)
    found = [p.item() for p in layer.weights]
    assert found[0] == 0.0 and found[2] == 0.25, "even with learning rate 0"
    assert found[1] == pytest.approx(8 * 0.5 / (1e-7 + 8), rel=1e-12)
    layer.trainable = False
    layer.set_weights([-2 * one, 8 * one, [3.0]])
    free = layers.Dense(1, dtype="float64")
    free(np.ones((1, 1))).backward([[1.0]])
    pairs = [(p.grad, p) for part in (layer, free) for p in part.trainable_weights]
    optimizers.SGD(learning_rate=0.0).apply_gradients(pairs)
    assert [p.item() for p in layer.weights] == [-2.0, 8.0, 3.0], "frozen weights stay"


@pytest.mark.parametrize(
    ("strides", "dilation_rate", "kernel_size"),
    [(2, 2, 3), ((2, 1), (1, 2), 3), ((1, 2), (2, 1), 3), (2, 2, 1), ((1, 3), 2, (1, 1))],
)
@pytest.mark.parametrize("cls", [layers.SeparableConv2D, layers.DepthwiseConv2D])
def test_strides_with_dilation_fail_in_the_constructor_whatever_the_axes(
    cls: Any, strides: Any, dilation_rate: Any, kernel_size: Any
) -> None:
    options = {"strides": strides, "dilation_rate": dilation_rate, "kernel_size": kernel_size}
    if cls is layers.SeparableConv2D:
        options["filters"] = 2
    with pytest.raises(ValueError, match=r"strides > 1 cannot be combined with dilation_rate > 1"):
        cls(**options)


@pytest.mark.parametrize("padding", ["causal", "CAUSAL", "Causal"])
def test_causal_padding_is_refused_in_any_letter_case(padding: str) -> None:
    for make in (lambda: layers.SeparableConv2D(2, 3, padding=padding),
                 lambda: layers.DepthwiseConv2D(3, padding=padding)):  # fmt: skip
        with pytest.raises(ValueError, match="'causal' is only for 1-D convolutions"):
            make()


def test_padding_is_stored_in_lower_case_and_white_space_is_not_trimmed() -> None:
    assert layers.SeparableConv2D(2, 3, padding="SAME").padding == "same"
    with pytest.raises(ValueError, match="Received: padding=' same'"):
        layers.SeparableConv2D(2, 3, padding=" same")


def test_numbers_of_numpy_become_ints_and_strings_and_fractions_are_refused() -> None:
    layer = layers.SeparableConv2D(np.int64(4), np.int64(3), strides=np.array([2, 1]))
    text = json.dumps(layer.get_config())
    assert json.loads(text)["kernel_size"] == [3, 3] and json.loads(text)["strides"] == [2, 1]
    for bad in (("3", "3"), (3.5, 3), "33", True, (True, 3)):
        with pytest.raises(ValueError, match="kernel_size"):
            layers.SeparableConv2D(4, bad)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 5, 4), (1, 3, 4, 4)])
def test_channels_first_is_a_transpose_of_channels_last(shape: tuple[int, ...]) -> None:
    """With as many filters as columns, as rows, and both: sizes must not decide about axes."""
    first = built(shape, filters=4, data_format=FIRST)
    last = built((shape[0], *shape[2:], shape[1]), filters=4)
    assert [p.shape for p in first.weights] == [p.shape for p in last.weights]
    x = integers(shape, 3)
    y = last(np.moveaxis(x, 1, -1)).numpy()
    np.testing.assert_array_equal(first(x).numpy(), np.moveaxis(y, -1, 1))


@pytest.mark.parametrize("size", [(6, 5), (5, 6), (6, 6)])
def test_the_bias_is_on_the_channel_axis_even_if_other_axes_are_as_long(
    size: tuple[int, int],
) -> None:
    bias = np.arange(6.0)
    expected = np.broadcast_to(bias[:, None, None], (2, 6, *size))
    zero = np.zeros((1, 1, 6, 1))
    layer = layers.SeparableConv2D(
        6, 1, data_format=FIRST, weights=[zero, np.zeros((1, 1, 6, 6)), bias]
    )
    np.testing.assert_array_equal(layer(np.ones((2, 6, *size))).numpy(), expected)
    depthwise = layers.DepthwiseConv2D(1, data_format=FIRST, weights=[zero, bias])
    x = tensor(np.ones((2, 6, *size), "float32"))
    y = depthwise(x)
    np.testing.assert_array_equal(y.numpy(), expected)
    g = integers(y.shape)
    y.backward(g)
    assert depthwise.bias is not None and depthwise.bias.grad is not None
    np.testing.assert_array_equal(depthwise.bias.grad.numpy(), g.sum((0, 2, 3)))


def test_softmax_acts_on_the_last_axis_with_channels_first_too() -> None:
    y = built((2, 3, 4, 5), data_format=FIRST, activation="softmax")(integers((2, 3, 4, 5)))
    np.testing.assert_allclose(y.numpy().sum(-1), np.ones((2, 2, 4)), rtol=1e-12)


def test_output_shapes_are_known_before_building_and_agree_with_calls() -> None:
    for n in range(1, 9):
        for kernel in (1, 2, 3, 5):
            for options in ({}, {"strides": 2}, {"strides": (1, 3)}, {"dilation_rate": 2}):
                for padding in ("valid", "same"):
                    layer = layers.SeparableConv2D(2, kernel, padding=padding, **options)
                    shape = (1, n, 8, 1)
                    try:
                        expected: Any = layer.compute_output_shape(shape)
                        unknown = layer.compute_output_shape((None, n, None, None))
                        assert unknown == (None, expected[1], None, 2)
                    except ValueError:
                        expected = None
                    assert not layer.built
                    if expected is None:
                        with pytest.raises(ValueError, match="would be empty"):
                            layer(np.ones(shape))
                    else:
                        assert layer(np.ones(shape)).shape == expected
                        assert min(expected) > 0


def test_an_empty_batch_goes_forward_and_backward() -> None:
    for options in ({}, {"data_format": FIRST}):
        shape = (0, 3, 5, 5) if options else (0, 5, 5, 3)
        layer = built((None, *shape[1:]), kernel=3, **options)
        x = tensor(np.zeros(shape), requires_grad=True)
        y = layer(x)
        assert y.shape == ((0, 2, 3, 3) if options else (0, 3, 3, 2))
        y.backward(np.zeros(y.shape))
        assert x.grad is not None and x.grad.shape == shape
        for p in layer.weights:
            assert p.grad is not None
            np.testing.assert_array_equal(p.grad.numpy(), np.zeros(p.shape))


@pytest.mark.parametrize("data_format", ["channels_last", FIRST])
def test_a_built_layer_refuses_other_channels_and_takes_other_sizes(data_format: str) -> None:
    def shape(h: int, w: int, c: int) -> tuple[int, ...]:
        return (1, c, h, w) if data_format == FIRST else (1, h, w, c)

    layer = built(shape(5, 6, 3), data_format=data_format)
    for h, w in ((1, 1), (9, 4), (5, 6)):
        assert layer(np.ones(shape(h, w, 3))).shape == shape(h, w, 2)
    axis = 1 if data_format == FIRST else -1
    text = rf"'separable_conv2d' must have size 3 on axis {axis}. Received: input_shape="
    before = layer.get_weights()
    for act in (lambda s: layer(np.ones(s)), layer.build, layer.compute_output_shape):
        with pytest.raises(ValueError, match=text) as caught:
            act(shape(5, 6, 4))
        assert str(shape(5, 6, 4)) in str(caught.value)
    layer.build(shape(7, 7, 3))
    assert len(layer.weights) == 3
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_get_weights_copies_and_set_weights_is_all_or_nothing() -> None:
    layer = built((None, 5, 5, 3), kernel=3)
    layer.get_weights()[0][...] = 99.0
    before = layer.get_weights()
    assert before[0].max() < 99.0
    new = [array + 1.0 for array in before]
    for bad in (new[:2], [new[0], new[1], np.zeros(5)], [new[0], new[1][0], new[2]]):
        with pytest.raises(ValueError):
            layer.set_weights(bad)
        for a, b in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)
    unbuilt = layers.SeparableConv2D(2, 3)
    with pytest.raises(ValueError, match=r"has 0 weights \(it is not built yet\)"):
        unbuilt.set_weights(before)
    new[0][0, 0, 0, 0] = np.nan
    layer.set_weights(new)
    assert np.isnan(layer.depthwise_kernel.numpy()[0, 0, 0, 0])
    new[0][...] = 55.0
    assert layer.depthwise_kernel.numpy()[1, 1, 1, 0] != 55.0, "set_weights copies"


def test_the_configuration_has_all_arguments_and_survives_json() -> None:
    layer = layers.SeparableConv2D(4, 3, strides=2, padding="SAME", name="x")
    found = layer.get_config()
    assert list(found) == ["name", "trainable", "dtype", *layers.SeparableConv2D._arguments]
    assert len(found) == 3 + 19
    assert (found["kernel_size"], found["strides"], found["padding"]) == ((3, 3), (2, 2), "same")
    assert found["data_format"] == "channels_last" and found["activation"] == "linear"
    assert layers.SeparableConv2D.from_config(json.loads(json.dumps(found))).get_config() == found
    small = layers.SeparableConv2D.from_config({"filters": 4, "kernel_size": 3})
    assert small.get_config().keys() == found.keys()


def test_junk_of_keras_2_is_tolerated_in_configurations_only() -> None:
    junk = {
        "groups": 1,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "kernel_regularizer": None,
        "kernel_constraint": None,
    }
    for cls, options in (
        (layers.SeparableConv2D, {"filters": 4, "kernel_size": 3}),
        (layers.DepthwiseConv2D, {"kernel_size": 3}),
    ):
        given = {**options, **junk}
        layer = cls.from_config(given)
        assert given == {**options, **junk}
        assert not junk.keys() & layer.get_config().keys()
        for name, value in junk.items():
            with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
                cls(**options, **{name: value})
    with pytest.raises(TypeError, match="unexpected keyword argument 'kernal_size'"):
        layers.SeparableConv2D.from_config({"filters": 4, "kernel_size": 3, "kernal_size": 3})
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'filters'"):
        layers.SeparableConv2D.from_config({"kernel_size": 3})


def test_floating_point_inputs_are_cast_and_integers_are_not() -> None:
    layer = layers.SeparableConv2D(2, 1)
    x = np.ones((1, 2, 2, 3))
    for dtype in ("float16", "float32", "float64", "longdouble"):
        assert layer(x.astype(dtype)).dtype == "float32"
        assert layer(x.astype(np.dtype(dtype).newbyteorder())).dtype == "float32"
    for dtype in ("uint8", "int32", "bool"):
        with pytest.raises(TypeError, match=r"Convert the input first.*Received: dtype="):
            layer(x.astype(dtype))
    assert layer(x.tolist()).dtype == "float32"
    assert layer(x.astype(int).tolist()).dtype == "float32", "Python numbers have no dtype to keep"


def test_the_arguments_of_depthwise_conv2d_have_their_own_order() -> None:
    layer = layers.DepthwiseConv2D(
        (3, 2), 2, "same", 4, "channels_first", 1, "relu", False, "ones", "ones", "l1", "l2",
        "l1", "non_neg", "unit_norm",
    )  # fmt: skip
    found = layer.get_config()
    assert list(found)[3:] == list(layers.DepthwiseConv2D._arguments)
    assert [found[name] for name in list(found)[3:11]] == [
        (3, 2), (2, 2), "same", 4, "channels_first", (1, 1), "relu", False,
    ]  # fmt: skip
    layer = layers.DepthwiseConv2D(3, depth_multiplier=2)
    layer.build((None, 5, 5, 3))
    assert [(p.name, p.shape) for p in layer.weights] == [
        ("depthwise_kernel", (3, 3, 3, 2)),
        ("bias", (6,)),
    ]
    assert layer.depthwise_kernel is layer.weights[0] and not hasattr(layer, "pointwise_kernel")
    with pytest.raises(TypeError, match=r"'filters'\. The number of output channels is that of"):
        layers.DepthwiseConv2D(3, filters=4)

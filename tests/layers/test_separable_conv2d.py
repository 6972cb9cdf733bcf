"""SeparableConv2D: weights, values, shapes and degenerate sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigrad import config, grad, layers
from minigrad.autograd import tensor
from minigrad.kernels import use_backend


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(float)


# ---------------------------------------------------------------------- weights and values


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({}, (5, 7, 9, 4), [(3, 3, 4, 1), (1, 1, 4, 32), (32,)]),
        ({"depth_multiplier": 2}, (5, 7, 9, 4), [(3, 3, 4, 2), (1, 1, 8, 32), (32,)]),
        ({"use_bias": False}, (5, 7, 9, 4), [(3, 3, 4, 1), (1, 1, 4, 32)]),
        ({"data_format": "channels_first"}, (5, 4, 7, 9), [(3, 3, 4, 1), (1, 1, 4, 32), (32,)]),
    ],
)
def test_shapes_of_the_weights(
    options: dict[str, Any], shape: tuple[int, ...], expected: list[tuple[int, ...]]
) -> None:
    layer = layers.SeparableConv2D(32, 3, **options)
    layer(np.zeros(shape))
    assert [p.shape for p in layer.weights] == expected
    assert layer.count_params() == sum(int(np.prod(s)) for s in expected)
    assert (layer.bias is None) == (len(expected) == 2)
    assert not hasattr(layer, "kernel")


def test_fewer_filters_than_depthwise_channels() -> None:
    layer = layers.SeparableConv2D(2, 3, depth_multiplier=4)
    assert layer(np.ones((1, 4, 4, 3))).shape == (1, 2, 2, 2)
    assert layer.count_params() == 3 * 3 * 3 * 4 + 12 * 2 + 2


def test_the_reference_backend_gives_the_same_integers() -> None:
    layer = layers.SeparableConv2D(3, (2, 3), (1, 2), "same", depth_multiplier=2, dtype="float64")
    x = numbers((2, 5, 6, 2))
    layer.build(x.shape)
    layer.set_weights([numbers(p.shape) for p in layer.weights])
    found = layer(x).numpy()
    with use_backend("reference"):
        np.testing.assert_array_equal(layer(x).numpy(), found)


def test_worked_example_of_same_padding() -> None:
    def ones(kernel: int, strides: int, x: np.ndarray) -> np.ndarray:
        layer = layers.SeparableConv2D(
            1, kernel, strides, "same", use_bias=False, depthwise_initializer="ones",
            pointwise_initializer="ones",
        )  # fmt: skip
        return layer(x).numpy()[0, :, :, 0]

    found = ones(3, 2, np.arange(16.0).reshape(1, 4, 4, 1))
    np.testing.assert_array_equal(found, [[45, 39], [66, 50]])
    found = ones(2, 1, np.arange(9.0).reshape(1, 3, 3, 1))
    np.testing.assert_array_equal(found, [[8, 12, 7], [20, 24, 13], [13, 15, 8]])


# ---------------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({"strides": 2}, (None, None, None, 3), (None, None, None, 4)),
        ({"strides": 2, "padding": "same"}, (None, None, 8, None), (None, None, 4, 4)),
        ({}, (None, 8, None, 3), (None, 6, None, 4)),
        ({"data_format": "channels_first"}, (None, 3, 8, None), (None, 4, 6, None)),
        ({"strides": (2, 1), "padding": "same"}, (5, 6, 8, 3), (5, 3, 8, 4)),
        ({"strides": (1, 3)}, (5, 6, 8, 3), (5, 4, 2, 4)),
        ({"dilation_rate": (2, 3)}, (1, 5, 7, 3), (1, 1, 1, 4)),
        ({"padding": "same"}, (0, 1, 1, 3), (0, 1, 1, 4)),
    ],
)
def test_compute_output_shape(
    options: dict[str, Any], shape: tuple[Any, ...], expected: tuple[Any, ...]
) -> None:
    layer = layers.SeparableConv2D(4, 3, **options)
    assert layer.compute_output_shape(shape) == expected
    assert layer.compute_output_shape(list(shape)) == expected
    if None not in shape:
        assert layer(np.ones(shape)).shape == expected


def test_a_kernel_larger_than_the_image_with_same_padding() -> None:
    layer = layers.SeparableConv2D(
        2, 5, padding="same", depthwise_initializer="ones", pointwise_initializer="ones"
    )
    np.testing.assert_array_equal(layer(np.full((1, 1, 1, 1), 3.0)).numpy().ravel(), [3.0, 3.0])


TOO_SMALL = [
    ({"kernel_size": 5}, (1, 4, 8, 3), "height 4 is smaller than the kernel of height 5"),
    ({"kernel_size": (1, 5)}, (1, 4, 4, 3), "width 4 is smaller than the kernel of width 5"),
    # Rounding (4 - 5) / 2 + 1 down gives 0, towards zero 1: both must be refused.
    ({"kernel_size": 5, "strides": 2}, (1, 4, 8, 3), "height 4 is smaller than the kernel"),
    ({"kernel_size": 3, "dilation_rate": 2}, (1, 8, 4, 3), "dilated kernel of width 5"),
    ({"kernel_size": 1, "padding": "same"}, (1, 0, 8, 3), "height 0 has no pixels"),
    ({"kernel_size": 3, "data_format": "channels_first"}, (1, 3, 8, 2), "width 2 is smaller"),
]


@pytest.mark.parametrize(("options", "shape", "text"), TOO_SMALL, ids=lambda v: str(v)[:40])
def test_images_that_are_too_small_fail_alike_everywhere(
    options: dict[str, Any], shape: tuple[int, ...], text: str
) -> None:
    messages = set()
    for act in ("build", "compute_output_shape", "call"):
        layer = layers.SeparableConv2D(2, **options, name="mine")
        with pytest.raises(ValueError, match=text) as caught:
            layer(np.ones(shape)) if act == "call" else getattr(layer, act)(shape)
        assert not layer.built and layer.weights == []
        messages.add(str(caught.value))
    layer.build((None, None, None, 3) if "data_format" not in options else (None, 3, None, None))
    with pytest.raises(ValueError, match=text) as caught:
        layer(np.ones(shape))
    messages.add(str(caught.value))
    with pytest.raises(ValueError, match=text):
        layer.build(shape)
    assert len(messages) == 1


def test_no_channels_at_all() -> None:
    layer = layers.SeparableConv2D(2, 3, bias_initializer="ones")
    y = layer(np.zeros((1, 3, 3, 0)))
    assert [p.shape for p in layer.weights] == [(3, 3, 0, 1), (1, 1, 0, 2), (2,)]
    np.testing.assert_array_equal(y.numpy(), np.ones((1, 1, 1, 2)))


def test_macs() -> None:
    layer = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2)
    assert layer.macs((None, 5, 6, 3)) == 30 * (3 * 3 * 3 * 2 + 6 * 8)
    assert layer.macs((7, 5, 6, 3)) == 30 * (3 * 3 * 3 * 2 + 6 * 8)
    with pytest.raises(ValueError, match="Height and width must be known"):
        layer.macs((None, None, 6, 3))
    with pytest.raises(ValueError, match="number of channels must be known"):
        layer.macs((None, 5, 6, None))


def test_the_data_format_is_resolved_at_construction() -> None:
    before = layers.SeparableConv2D(2, 3)
    config.set_image_data_format("channels_first")
    try:
        after = layers.SeparableConv2D(2, 3)
    finally:
        config.set_image_data_format("channels_last")
    assert (before.data_format, after.data_format) == ("channels_last", "channels_first")
    assert after(np.ones((1, 3, 5, 6))).shape == (1, 2, 3, 4)


def test_the_dtype_is_resolved_at_construction() -> None:
    config.set_floatx("float64")
    try:
        layer = layers.SeparableConv2D(2, 3)
    finally:
        config.set_floatx("float32")
    assert layer(np.ones((1, 3, 3, 1), np.float32)).dtype == "float64"


def test_second_derivatives_go_through_the_layer() -> None:
    layer = layers.SeparableConv2D(2, 2, dtype="float64", activation="tanh")
    x = tensor(numbers((1, 3, 3, 2)) / 8, requires_grad=True)
    (first,) = grad(layer(x).sum(), [x], create_graph=True)
    (second,) = grad((first * first).sum(), [layer.depthwise_kernel])
    assert second.shape == layer.depthwise_kernel.shape and np.abs(second.numpy()).max() > 0


def test_weights_that_overflow_are_noticed_before_any_is_set() -> None:
    layer = layers.SeparableConv2D(1, 1)
    layer.build((None, 1, 1, 1))
    before = layer.get_weights()
    with pytest.raises(RuntimeWarning, match="overflow"):  # warnings are errors here
        layer.set_weights([before[0] + 1.0, before[1], np.array([1e300])])
    np.testing.assert_array_equal(layer.depthwise_kernel.numpy(), before[0])

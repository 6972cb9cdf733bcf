"""What is peculiar to one layer or another."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import layers, random
from minigrad.autograd import tensor

# ---------------------------------------------------------------------- dropout


def test_seeded_dropout_repeats_its_sequence_and_not_its_masks() -> None:
    x = np.ones((50, 20))
    one, two = layers.Dropout(0.5, seed=9), layers.Dropout(0.5, seed=9)
    first = [one(x, training=True).numpy() for _ in range(3)]
    second = [two(x, training=True).numpy() for _ in range(3)]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], first[1])
    other = layers.Dropout(0.5, seed=10)(x, training=True).numpy()
    assert not np.array_equal(first[0], other)


def test_unseeded_dropout_follows_the_common_seed() -> None:
    x = np.ones((50, 20))
    results = []
    for _ in range(2):
        random.set_random_seed(3)
        layer = layers.Dropout(0.5)
        results.append([layer(x, training=True).numpy() for _ in range(2)])
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0][0], results[0][1])


def test_noise_shape_shares_the_mask() -> None:
    layer = layers.Dropout(0.5, noise_shape=(None, 1, 1, None), seed=0)
    y = layer(np.ones((8, 3, 4, 16)), training=True).numpy()
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    assert set(np.unique(y)) == {0.0, 2.0}
    layer = layers.Dropout(0.5, noise_shape=(8, 1), seed=0)
    assert layer(np.ones((8, 3)), training=True).shape == (8, 3)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_spatial_dropout_drops_whole_channels(data_format: str) -> None:
    layer = layers.SpatialDropout2D(0.25, data_format, seed=2)
    channels = -1 if data_format == "channels_last" else 1
    x = np.moveaxis(np.ones((50, 3, 4, 40)), -1, channels)
    y = np.moveaxis(layer(x, training=True).numpy(), channels, -1)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    np.testing.assert_allclose(np.unique(y), [0.0, 1 / 0.75], rtol=1e-6)
    # Five standard deviations of the mean of 2,000 throws.
    assert abs((y[:, 0, 0] == 0).mean() - 0.25) <= 5 * np.sqrt(0.25 * 0.75 / 2000)
    np.testing.assert_array_equal(layer(x).numpy(), x)


def test_dropping_everything() -> None:
    x = tensor(np.ones((3, 3)), requires_grad=True)
    y = layers.Dropout(1.0, dtype="float64")(x, training=True)
    y.backward(np.ones((3, 3)))
    assert x.grad is not None
    assert not y.numpy().any() and not x.grad.numpy().any()


def test_dropping_nothing_draws_no_numbers() -> None:
    random.set_random_seed(1)
    layers.Dropout(0.0)(np.ones(3), training=True)
    layers.Dropout(0.9)(np.ones(3), training=False)
    drawn = random.generator().random()
    random.set_random_seed(1)
    assert random.generator().random() == drawn


# ---------------------------------------------------------------------- batch normalization


def test_batch_normalization_of_the_batch() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (64, 4, 4, 3))
    layer = layers.BatchNormalization(epsilon=1e-12, dtype="float64")
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y.mean((0, 1, 2)), np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(y.std((0, 1, 2)), np.ones(3), rtol=1e-10)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01 * x.mean((0, 1, 2)), rtol=1e-12)
    expected = 0.99 + 0.01 * x.var((0, 1, 2))
    np.testing.assert_allclose(layer.moving_variance.numpy(), expected, rtol=1e-12)


def test_batch_normalization_infers_with_the_moving_averages() -> None:
    values = [[2.0], [1.0], [5.0], [4.0]]  # gamma, beta, mean, variance
    layer = layers.BatchNormalization(epsilon=1e-9, weights=values, dtype="float64")
    y = layer(np.array([[5.0], [9.0]]))
    np.testing.assert_allclose(y.numpy(), [[1.0], [5.0]], rtol=1e-8)
    assert [w.tolist() for w in layer.get_weights()] == values


def test_the_moving_averages_have_no_history() -> None:
    layer = layers.BatchNormalization()
    x = tensor(np.random.default_rng(0).normal(size=(4, 2)).astype("float32"), requires_grad=True)
    for _ in range(2):
        layer(x, training=True)
    assert layer.moving_mean.is_leaf and not layer.moving_mean.requires_grad


def test_batch_normalization_of_channels_first_images() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    first = layers.BatchNormalization(axis=1, dtype="float64")(x, training=True).numpy()
    last = layers.BatchNormalization(dtype="float64")(np.moveaxis(x, 1, -1), training=True).numpy()
    np.testing.assert_allclose(first, np.moveaxis(last, -1, 1), rtol=1e-12)


# ---------------------------------------------------------------------- the rest


def test_flatten_gives_both_formats_the_same_order() -> None:
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    last = layers.Flatten("channels_last")(x).numpy()
    first = layers.Flatten("channels_first")(np.moveaxis(x, -1, 1)).numpy()
    np.testing.assert_array_equal(first, last)
    assert layers.Flatten()(np.ones(3)).shape == (3, 1)
    assert layers.Flatten().compute_output_shape((None, None, 3)) == (None, None)
    assert layers.Flatten().compute_output_shape((None,)) == (None, 1)
    assert layers.Flatten()(np.ones((2, 0, 3))).shape == (2, 0)


def test_padding_never_wins_the_maximum() -> None:
    x = -np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    y = layers.MaxPooling2D(3, 1, "same")(x).numpy()
    assert y.max() == -1.0 and (y < 0).all()


def test_relu_at_its_kinks() -> None:
    layer = layers.ReLU(max_value=5, negative_slope=0.5, threshold=5)
    found = layer(np.array([-10.0, -5.0, 0.0, 5.0, 10.0])).numpy()
    np.testing.assert_array_equal(found, [-7.5, -5.0, -2.5, 0.0, 5.0])


def test_dense_along_the_last_axis() -> None:
    kernel, bias = np.arange(6.0).reshape(3, 2), np.array([1.0, -1.0])
    x = np.arange(12.0).reshape(2, 2, 3)
    layer = layers.Dense(2, weights=[kernel, bias], dtype="float64")
    np.testing.assert_array_equal(layer(x).numpy(), x @ kernel + bias)
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 2)
    assert layer.macs((None, 2, 3)) == 2 * 3 * 2
    with pytest.raises(ValueError, match="All sizes must be known"):
        layer.macs((None, None, 3))


def test_aliases() -> None:
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.GlobalAvgPool2D is layers.GlobalAveragePooling2D
    assert layers.DepthwiseConvolution2D is layers.DepthwiseConv2D
    assert layers.Convolution2D is layers.Conv2D
    assert layers.AvgPool2D is layers.AveragePooling2D
    assert layers.GlobalMaxPool2D is layers.GlobalMaxPooling2D

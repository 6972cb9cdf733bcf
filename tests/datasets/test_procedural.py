"""The procedural data sets: what they consist of, and that they prove what they were made for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets, layers

MAKERS: dict[str, tuple[Any, int, int, int]] = {  # function, size, channels, classes
    "shapes": (datasets.shapes, 16, 3, 4),
    "oriented": (datasets.oriented_textures, 16, 3, 4),
    "colour": (datasets.colour_textures, 16, 3, 4),
    "crossed": (datasets.crossed_channels, 8, 2, 9),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_comes_back(kind: str) -> None:
    make, size, channels, classes = MAKERS[kind]
    (x, y), (x_test, y_test) = make(30, 20, data_format="channels_last")
    assert x.shape == (30, size, size, channels) and x_test.shape == (20, size, size, channels)
    assert x.dtype == np.float32 and y.dtype == np.int64 and y_test.shape == (20,)
    counts = np.bincount(y, minlength=classes)
    assert len(counts) == classes and counts.max() - counts.min() <= 1
    assert not any((image == x).all((1, 2, 3)).any() for image in x_test)
    first = make(30, 20, data_format="channels_first")
    assert np.array_equal(np.moveaxis(first[0][0], 1, -1), x) and first[0][0].flags.c_contiguous
    again, other = make(30, 20), make(30, 20, seed=1)
    assert np.array_equal(again[0][0], x) and np.array_equal(again[1][1], y_test)
    assert not np.array_equal(other[0][0], x) and not np.array_equal(other[0][1], y)
    assert make(30, 20, size=9)[0][0].shape == (30, 9, 9, channels)
    assert np.isfinite(x).all() and abs(x).max() < 2
    for words, text in (
        ({"train": 0}, "train must be an integer >= 1"),
        ({"test": 2.5}, "test=2.5"),
        ({"seed": -1}, "seed must be an integer >= 0"),
        ({"size": 2}, "size must be an integer >="),
        ({"data_format": "x"}, "data_format"),
    ):
        with pytest.raises(ValueError, match=text):
            make(**words)


def accuracy(data: Any, *parts: Any, epochs: int = 12, rate: float = 0.01) -> float:
    """The share of the test images that a small network names rightly after training."""
    (x, y), (x_test, y_test) = data
    mg.set_random_seed(0)
    model = mg.Sequential([*parts, layers.GlobalAveragePooling2D(), layers.Dense(int(y.max()) + 1)])
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(mg.optimizers.Adam(rate), loss, ["accuracy"])
    model.fit(x, y, epochs=epochs, verbose=0, seed=0)
    return float(model.evaluate(x_test, y_test, verbose=0)[1])


def depthwise() -> list[Any]:
    return [layers.DepthwiseConv2D(5, depth_multiplier=8, activation="relu")]


def pointwise() -> list[Any]:
    return [layers.Conv2D(16, 1, activation="relu") for _ in range(2)]


def test_depthwise_filters_suffice_for_oriented_textures_and_mixing_does_nothing() -> None:
    data = datasets.oriented_textures()
    assert accuracy(data, *depthwise()) > 0.95
    assert accuracy(data, *pointwise()) < 0.4


def test_only_mixing_helps_with_colour_textures() -> None:
    data = datasets.colour_textures()
    assert accuracy(data, *pointwise()) > 0.95
    assert accuracy(data, *depthwise()) < 0.45


def test_a_separable_layer_fails_where_a_full_convolution_wins() -> None:
    data = datasets.crossed_channels()
    words: dict[str, Any] = {"filters": 18, "kernel_size": 3, "activation": "relu"}
    how = {"epochs": 20, "rate": 0.02}
    assert accuracy(data, layers.Conv2D(**words), **how) > 0.95
    assert accuracy(data, layers.SeparableConv2D(**words), **how) < 0.65
    # It is the number of windows per channel that was missing, and nothing else.
    assert accuracy(data, layers.SeparableConv2D(**words, depth_multiplier=9), **how) > 0.95


def test_a_small_separable_network_learns_the_shapes() -> None:
    parts = [
        layers.SeparableConv2D(16, 3, activation="relu"),
        layers.SeparableConv2D(32, 3, strides=2, activation="relu"),
        layers.SeparableConv2D(32, 3, activation="relu"),
    ]
    assert accuracy(datasets.shapes(), *parts, epochs=20) > 0.85

"""Random changes of images: what they do to single pixels, in both formats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers

X = np.random.default_rng(6).normal(size=(5, 4, 6, 2))


def changed(layer: Any, x: Any = X) -> np.ndarray:
    found: np.ndarray = layer(x, training=True).numpy()
    return found


def double(cls: Any, *arguments: Any, **words: Any) -> Any:
    return cls(*arguments, dtype="float64", data_format="channels_last", **words)


def test_flips() -> None:
    for mode, axes in (("vertical", [0]), ("horizontal", [1]), ("horizontal_and_vertical", [0, 1])):
        seen = set()
        for image, y in zip(
            np.tile(X, (8, 1, 1, 1)),
            changed(double(layers.RandomFlip, mode, seed=1), np.tile(X, (8, 1, 1, 1))),
            strict=True,
        ):
            ways = [(), *[(a,) for a in axes], *([(0, 1)] if len(axes) == 2 else [])]
            fits = [way for way in ways if np.array_equal(np.flip(image, way), y)]
            assert len(fits) == 1
            seen.add(fits[0])
        assert len(seen) == 2 ** len(axes), "every image has its own draw"


EDGES = {
    "reflect": [2, 1, 1, 2, 3, 4],
    "constant": [9, 9, 1, 2, 3, 4],
    "nearest": [1, 1, 1, 2, 3, 4],
    "wrap": [5, 6, 1, 2, 3, 4],
}


@pytest.mark.parametrize("mode", EDGES)
def test_shifts_by_whole_pixels(mode: str) -> None:
    x = np.arange(1.0, 7.0)
    for axis, factors in ((2, (0, (1 / 3, 1 / 3))), (1, ((1 / 3, 1 / 3), 0))):
        shape = [1, 1, 1, 1]
        shape[axis] = 6
        layer = double(layers.RandomTranslation, *factors, mode, fill_value=9)
        assert np.allclose(changed(layer, x.reshape(shape)).ravel(), EDGES[mode])
    left = double(layers.RandomTranslation, 0, (-1 / 3, -1 / 3), mode, fill_value=9)
    expected = [7 - v if v != 9 else 9 for v in EDGES[mode][::-1]]
    assert np.allclose(changed(left, x.reshape(1, 1, 6, 1)).ravel(), expected)


def test_fractions_of_a_pixel() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 1, 4, 1)
    # Three quarters of a pixel to the right: a quarter of each pixel stays.
    for way, expected in (("bilinear", [0.25, 1.25, 2.5, 5.0]), ("nearest", [0, 1, 2, 4])):
        layer = double(layers.RandomTranslation, 0, (3 / 16, 3 / 16), "constant", way)
        assert np.allclose(changed(layer, x).ravel(), expected)


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("size", [4, 5])
def test_quarters_of_a_turn(quarters: int, mode: str, size: int) -> None:
    x = np.random.default_rng(size).normal(size=(2, size, size, 3))
    layer = double(layers.RandomRotation, (quarters / 4, quarters / 4), mode)
    assert np.allclose(changed(layer, x), np.rot90(x, quarters, axes=(1, 2)), atol=1e-7)


def test_a_turn_of_a_plane_is_the_turned_plane() -> None:
    """Linear functions are interpolated exactly, whatever the angle."""
    rows, columns = np.mgrid[:9, :9] - 4.0
    angle = 2 * np.pi * 0.07
    layer = double(layers.RandomRotation, (0.07, 0.07))
    found = changed(layer, (2 * rows - 3 * columns)[None, :, :, None])[0, :, :, 0]
    up, right = -rows, columns  # counter-clockwise: a point comes from where it is turned back to
    old_up = np.cos(angle) * up - np.sin(angle) * right
    old_right = np.sin(angle) * up + np.cos(angle) * right
    expected = -2 * old_up - 3 * old_right
    inner = rows**2 + columns**2 <= 16
    assert np.allclose(found[inner], expected[inner])


MAKERS = {
    "flip": lambda **w: layers.RandomFlip(dtype="float64", **w),
    "shift": lambda **w: layers.RandomTranslation(0.4, 0.3, dtype="float64", **w),
    "turn": lambda **w: layers.RandomRotation(0.3, "constant", fill_value=2, dtype="float64", **w),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_seeds_and_formats(kind: str) -> None:
    make = MAKERS[kind]
    first = make(seed=3, data_format="channels_last")
    one, two = changed(first), changed(first)
    again = make(seed=3, data_format="channels_last")
    assert np.array_equal(one, changed(again)) and np.array_equal(two, changed(again))
    assert not np.array_equal(one, two)
    other = make(seed=3, data_format="channels_first")
    assert np.allclose(np.moveaxis(changed(other, np.moveaxis(X, -1, 1)), 1, -1), one)
    runs = []
    for _ in range(2):
        mg.set_random_seed(5)
        runs.append(changed(make(data_format="channels_last")))
    assert np.array_equal(*runs)
    assert np.array_equal(first(X).numpy(), X)


def test_noise() -> None:
    noise = changed(layers.GaussianNoise(0.5, seed=1), np.ones((100, 100))) - 1
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 0.5) < 0.02
    assert np.array_equal(changed(layers.GaussianNoise(0.0), np.ones(3)), np.ones(3))


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: layers.RandomFlip("sideways"), r"mode must be one of .* mode='sideways'"),
        (lambda: layers.RandomFlip(seed=-1), r"seed=-1"),
        (lambda: layers.RandomFlip(data_format="x"), r"data_format"),
        (lambda: layers.RandomTranslation(-0.1, 0), r"height_factor must be .*=-0\.1"),
        (lambda: layers.RandomTranslation(0, (0.2, 0.1)), r"width_factor=\(0\.2, 0\.1\)"),
        (lambda: layers.RandomTranslation(0, "a"), r"width_factor='a'"),
        (lambda: layers.RandomTranslation(0, 0, "mirror"), r"fill_mode='mirror'"),
        (lambda: layers.RandomTranslation(0, 0, interpolation="cubic"), r"interpolation='cubic'"),
        (lambda: layers.RandomRotation(0.1, fill_value="0"), r"fill_value must be a number"),
        (lambda: layers.RandomRotation((1, 2, 3)), r"factor=\(1, 2, 3\)"),
        (lambda: layers.RandomRotation(float("nan")), r"factor=nan"),
        (lambda: layers.GaussianNoise(-1), r"stddev=-1"),
        (lambda: layers.GaussianNoise("1"), r"stddev='1'"),
    ],
)
def test_errors(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_a_model_with_augmentation_learns_and_infers_without() -> None:
    model = mg.Sequential(
        [layers.RandomFlip(seed=0), layers.Flatten(), layers.Dense(1)], input_shape=(4, 6, 2)
    )
    model.compile("sgd", "mse")
    model.fit(X.astype(np.float32), np.zeros((5, 1)), verbose=0)
    assert np.array_equal(model.predict(X), model.predict(X))

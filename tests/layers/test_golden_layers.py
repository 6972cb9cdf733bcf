"""Layers against the numbers and configurations of Keras (tests/golden/README.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import layers
from minigrad.autograd import tensor

GOLDEN = Path(__file__).parents[1] / "golden"


def read(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


LAYERS = [case for case in read("layers")["cases"] if hasattr(layers, case["class_name"])]
SPECIAL = ("BatchNormalization", "Dropout", "Add", "Multiply", "Concatenate")
PLAIN = [case for case in LAYERS if case["class_name"] not in SPECIAL]
MERGING = [case for case in LAYERS if "inputs" in case]
NORMALIZATIONS = [case for case in LAYERS if case["class_name"] == "BatchNormalization"]
DROPOUTS = [case for case in LAYERS if case["class_name"] == "Dropout"]
SEPARABLE = [case for case in read("separable_conv2d")["cases"] if case["layer_allows"]]
CONFIGS = {
    name: entry
    for name, entry in read("configs")["configs"].items()
    if hasattr(layers, entry["class_name"])
}
REFUSALS = read("configs")["refusals"]


@pytest.fixture(scope="module")
def arrays() -> Iterator[dict[str, np.ndarray]]:
    with np.load(GOLDEN / "layers.npz", allow_pickle=False) as archive:
        yield dict(archive)


@pytest.fixture(scope="module")
def separable() -> Iterator[dict[str, np.ndarray]]:
    with np.load(GOLDEN / "separable_conv2d.npz", allow_pickle=False) as archive:
        yield dict(archive)


def make(case: dict[str, Any], dtype: str = "float64") -> Any:
    return getattr(layers, case["class_name"])(**case["options"], dtype=dtype)


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["id"])
def test_output_and_gradients(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    name = case["id"]
    layer = make(case)
    x = tensor(arrays[f"{name}/x"], requires_grad=True)
    layer.build(x.shape)
    assert [p.name for p in layer.weights] == case["weights"]
    layer.set_weights([arrays[f"{name}/weight/{weight}"] for weight in case["weights"]])
    y = layer(x)
    y.backward(arrays[f"{name}/g"])
    tolerance = case["tolerance"]
    close = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(y.numpy(), arrays[f"{name}/y"], **close)
    np.testing.assert_allclose(x.grad.numpy(), arrays[f"{name}/dx"], **close)
    for p in layer.weights:
        np.testing.assert_allclose(p.grad.numpy(), arrays[f"{name}/grad/{p.name}"], **close)


@pytest.mark.parametrize("case", MERGING, ids=lambda case: case["id"])
def test_merging(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    name, numbers = case["id"], range(case["inputs"])
    xs = [tensor(arrays[f"{name}/x/{i}"], requires_grad=True) for i in numbers]
    y = make(case)(xs)
    y.backward(arrays[f"{name}/g"])
    np.testing.assert_array_equal(y.numpy(), arrays[f"{name}/y"])
    for i in numbers:
        np.testing.assert_array_equal(xs[i].grad.numpy(), arrays[f"{name}/dx/{i}"])


def test_there_is_golden_data_for_every_layer() -> None:
    public = {getattr(layers, name) for name in layers.__all__}
    made = {cls for cls in public if isinstance(cls, type) and issubclass(cls, layers.Layer)}
    without = {layers.Layer, layers.InputLayer, layers.SpatialDropout2D}
    # Keras draws other numbers; test_augmentation.py checks these against NumPy and by hand.
    without |= {layers.RandomFlip, layers.RandomRotation, layers.RandomTranslation}
    without |= {layers.GaussianNoise}
    assert {case["class_name"] for case in LAYERS} == {cls.__name__ for cls in made - without}


@pytest.mark.parametrize("case", NORMALIZATIONS, ids=lambda case: case["id"])
def test_batch_normalization(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    # Keras 2's fused kernel is the one that puts the unbiased variance into the average.
    fused = case["options"].pop("fused", False)
    layer = make(case, case["dtype"])
    name = case["id"]
    weights = [arrays[f"{name}/weight/{weight}"] for weight in case["weights"]]
    layer.build(case["input_shape"])
    assert [p.name for p in layer.weights] == case["weights"]
    layer.set_weights(weights)
    close = {"rtol": 2e-5, "atol": 2e-5} if fused else {"rtol": 1e-11, "atol": 1e-11}
    for call in ("train/0", "train/1", "train/2", "inference"):
        if fused and call == "inference":
            continue
        key = f"{name}/{call}"
        x = tensor(arrays[f"{key}/x"], requires_grad=True)
        for p in layer.trainable_weights:
            p.grad = None
        y = layer(x, training=call != "inference")
        y.backward(arrays[f"{key}/g"])
        np.testing.assert_allclose(y.numpy(), arrays[f"{key}/y"], **close)
        np.testing.assert_allclose(x.grad.numpy(), arrays[f"{key}/dx"], **close)
        for p in layer.trainable_weights:
            np.testing.assert_allclose(p.grad.numpy(), arrays[f"{key}/d_{p.name}"], **close)
        if call != "inference":
            np.testing.assert_allclose(
                layer.moving_mean.numpy(), arrays[f"{key}/moving_mean"], **close
            )
            if not fused:
                np.testing.assert_allclose(
                    layer.moving_variance.numpy(), arrays[f"{key}/moving_variance"], **close
                )


@pytest.mark.parametrize("case", DROPOUTS, ids=lambda case: case["id"])
def test_dropout_scales_as_keras_does(case: dict[str, Any]) -> None:
    """The masks are our own; what they do to the kept values is not."""
    layer = layers.Dropout(**case["options"], seed=4, dtype="float64")
    x = tensor(np.full((100, 100), 4.0), requires_grad=True)
    y = layer(x, training=True)
    y.backward(np.full(y.shape, 3.0))
    kept = y.numpy() != 0
    rate = case["options"]["rate"]
    # Five standard deviations of the mean of 10,000 throws.
    assert abs(kept.mean() - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / 1e4)
    np.testing.assert_allclose(y.numpy(), 4.0 * kept * case["scale"], rtol=1e-12)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 3.0 * kept * case["scale"], rtol=1e-12)


@pytest.mark.parametrize("case", SEPARABLE, ids=lambda case: case["id"])
def test_separable_conv2d(case: dict[str, Any], separable: dict[str, np.ndarray]) -> None:
    words = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")
    options = {word: case[word] for word in (*words, "use_bias", "data_format")}
    layer = layers.SeparableConv2D(**options, dtype="float64")
    golden = {
        key.partition("/")[2]: value
        for key, value in separable.items()
        if key.startswith(case["id"] + "/")
    }
    x = tensor(golden["x"], requires_grad=True)
    assert layer.compute_output_shape(x.shape) == tuple(case["output_shape"])
    layer.build(x.shape)
    names = ["depthwise_kernel", "pointwise_kernel", "bias"][: 3 if case["use_bias"] else 2]
    layer.set_weights([golden[name] for name in names])
    y = layer(x)
    y.backward(golden["g"])
    found = {"y": y.numpy(), "dx": x.grad.numpy()}
    for p in layer.weights:
        found[f"d_{p.name.removesuffix('_kernel')}"] = p.grad.numpy()
    for key, value in found.items():
        if case["exact"]:
            np.testing.assert_array_equal(value, golden[key], err_msg=key)
        else:
            np.testing.assert_allclose(value, golden[key], rtol=1e-11, atol=1e-11, err_msg=key)


@pytest.mark.parametrize("writer", ["tf24", "tf_keras", "keras3"])
@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_of_keras_can_be_read(name: str, writer: str) -> None:
    entry = CONFIGS[name]
    config = entry[writer]
    layer = getattr(layers, entry["class_name"]).from_config(config)
    ours = json.loads(json.dumps(layer.get_config()))
    assert layer.name == config["name"] and layer.dtype == "float32"
    for key, value in ours.items():
        theirs = entry["tf24"].get(key, True if key == "trainable" else None)
        if key == "axis" and isinstance(theirs, list):
            theirs = theirs[0]
        if isinstance(value, dict) and "config" in value:
            assert value["class_name"] == theirs["class_name"], key
            numbers = [theirs["config"].get(word) for word in value["config"]]
            assert value["config"].keys() >= theirs["config"].keys(), key
            for number, (word, ours_) in zip(numbers, value["config"].items(), strict=True):
                # TF rounds the factors of regularizers to float32.
                same = pytest.approx(ours_, rel=1e-7) if isinstance(ours_, float) else ours_
                assert number == same, (key, word)
        else:
            assert value == theirs, key


@pytest.mark.parametrize("name", CONFIGS)
def test_our_configurations_have_the_keys_of_tf_24(name: str) -> None:
    entry = CONFIGS[name]
    cls = getattr(layers, entry["class_name"])
    junk = cls._legacy_keys | {"sparse", "ragged", "optional"}
    # Keras leaves `trainable` out where there is nothing to train.
    ours = set(cls.from_config(entry["tf24"]).get_config())
    assert ours - {"trainable"} == set(entry["tf24"]) - junk - {"trainable"}


# What Keras lets through and we refuse, or the other way round, and why.
DIFFERENT = {
    "filters=4.7": ValueError,  # Keras 2 truncates
    "filters=True": ValueError,
    "kernel_size=True": ValueError,
    "use_bias=None": TypeError,  # Keras goes by truthiness: 'no' means yes
    "use_bias=0": TypeError,
    "use_bias='no'": TypeError,
    "kernel_initializer='zeros'": TypeError,  # Keras 2 ignores these silently
    "kernel_regularizer='l2'": TypeError,
    "kernel_constraint='non_neg'": TypeError,
    "groups=1": TypeError,
    "groups=2": TypeError,
    "filters=4.0": None,
    "kernel_size=(3.0, 3.0)": None,
    "kernel_size=np.int64(3)": None,
    "strides=(2.0, 2.0)": None,
    "strides=(1, 2)": None,  # fails late in TensorFlow on the CPU
    "strides=(1, 2), dilation_rate=1": None,
    "depth_multiplier=2.0": None,
    "name='a/b'": None,
}


@pytest.mark.parametrize(
    "entry", REFUSALS, ids=lambda e: ", ".join(f"{k}={v}" for k, v in e["options"].items())
)
def test_what_keras_refuses_anywhere_is_refused_in_the_constructor(entry: dict[str, Any]) -> None:
    words = ", ".join(f"{key}={value}" for key, value in entry["options"].items())
    options = {key: eval(value, {"np": np}) for key, value in entry["options"].items()}
    options = {"filters": 4, "kernel_size": 3, **options}
    refused = entry["tf_keras"][0] != "works"
    expected = DIFFERENT.get(words, (ValueError, TypeError) if refused else None)
    if expected is None:
        shape = (1, 8, 8, 3)
        layer = layers.SeparableConv2D(**options)
        if layer.data_format == "channels_first":
            shape = (1, 3, 8, 8)
        assert layer(np.zeros(shape)).shape == layer.compute_output_shape(shape)
    else:
        with pytest.raises(expected):
            layers.SeparableConv2D(**options)

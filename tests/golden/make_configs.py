"""Golden configurations of layers, and which constructor arguments Keras refuses.

Run: python tests/golden/make_configs.py
Needs: tensorflow-cpu, tf_keras, keras, numpy.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _libraries import keras, tf_keras
from _writer import versions, write
from make_registries import legacy

warnings.simplefilter("ignore")


def loaded(library: Any) -> dict[str, Any]:
    """Every argument of SeparableConv2D, none at its default."""
    i, r, c = library.initializers, library.regularizers, library.constraints
    return {
        "filters": 8,
        "kernel_size": (3, 2),
        "strides": 2,
        "padding": "SAME",
        "data_format": "channels_last",
        "dilation_rate": 1,
        "depth_multiplier": 2,
        "activation": "relu",
        "use_bias": False,
        "depthwise_initializer": i.HeNormal(seed=1),
        "pointwise_initializer": i.RandomNormal(mean=0.0, stddev=0.25, seed=2),
        "bias_initializer": i.Constant(0.5),
        "depthwise_regularizer": r.L2(0.25),
        "pointwise_regularizer": r.L1(0.5),
        "bias_regularizer": r.L1L2(l1=0.5, l2=0.25),
        "activity_regularizer": r.L2(0.125),
        "depthwise_constraint": c.MaxNorm(2, axis=[0, 1]),
        "pointwise_constraint": c.UnitNorm(axis=[0, 1, 2]),
        "bias_constraint": c.NonNeg(),
        "name": "loaded",
        "trainable": False,
        "dtype": "float32",
    }


LAYERS: list[tuple[str, str, dict[str, Any]]] = [
    ("separable_default", "SeparableConv2D", {"filters": 4, "kernel_size": 3}),
    (
        "separable_dilated",
        "SeparableConv2D",
        {"filters": 4, "kernel_size": 3, "dilation_rate": (1, 2), "data_format": "channels_first"},
    ),
    ("depthwise_default", "DepthwiseConv2D", {"kernel_size": 3}),
    (
        "depthwise_loaded",
        "DepthwiseConv2D",
        {
            "kernel_size": (3, 5),
            "strides": (2, 2),
            "padding": "same",
            "depth_multiplier": 3,
            "activation": "tanh",
            "depthwise_regularizer": "l2",
            "depthwise_constraint": "max_norm",
        },
    ),
    ("conv_default", "Conv2D", {"filters": 4, "kernel_size": 3}),
    ("dense_default", "Dense", {"units": 3}),
    (
        "dense_loaded",
        "Dense",
        {"units": 3, "activation": "softmax", "use_bias": False, "kernel_regularizer": "l1"},
    ),
    ("batch_normalization_default", "BatchNormalization", {}),
    (
        "batch_normalization_loaded",
        "BatchNormalization",
        {
            "axis": 1,
            "momentum": 0.5,
            "epsilon": 0.125,
            "center": False,
            "gamma_initializer": "zeros",
        },
    ),
    ("dropout", "Dropout", {"rate": 0.25, "seed": 3}),
    ("flatten", "Flatten", {}),
    ("global_average_default", "GlobalAveragePooling2D", {}),
    (
        "global_average_loaded",
        "GlobalAveragePooling2D",
        {"keepdims": True, "data_format": "channels_first"},
    ),
    ("max_pooling_default", "MaxPooling2D", {}),
    ("max_pooling_loaded", "MaxPooling2D", {"pool_size": 3, "strides": (2, 1), "padding": "same"}),
    ("average_pooling", "AveragePooling2D", {"pool_size": 2}),  # Keras 3 has no default
    ("activation", "Activation", {"activation": "relu"}),
    ("relu_default", "ReLU", {}),
    ("relu_loaded", "ReLU", {"max_value": 6, "negative_slope": 0.25, "threshold": 1.0}),
    ("softmax", "Softmax", {"axis": 1}),
    ("input", "InputLayer", {"batch_input_shape": (None, 8, 8, 3)}),
]


def configs() -> dict[str, Any]:
    """`get_config()` of every layer, by TF 2.4's form, Keras 2 and Keras 3."""
    found: dict[str, Any] = {}
    plans: list[tuple[str, str, Any]] = [("separable_loaded", "SeparableConv2D", loaded)]
    for key, cls, options in plans + LAYERS:
        entry: dict[str, Any] = {"class_name": cls}
        for who, library in (("tf_keras", tf_keras), ("keras3", keras)):
            kind = options(library) if callable(options) else dict(options)
            if cls == "InputLayer" and library is keras:
                kind = {"batch_shape": kind["batch_input_shape"]}
            kind.setdefault("name", key)  # automatic names depend on what was made before
            layer = getattr(library.layers, cls)(**kind)
            config = layer.get_config()
            if library is tf_keras:
                entry["tf24"] = legacy(config)
                if cls != "InputLayer":
                    again = type(layer).from_config(legacy(config))
                    assert again.get_config() == config, key
            entry[who] = config
        if not callable(options):
            entry["options"] = options
        found[key] = entry
    return found


def model_configs() -> dict[str, Any]:
    """A Sequential model as JSON."""
    found = {}
    for who, library in (("tf_keras", tf_keras), ("keras3", keras)):
        layers = library.layers
        model = library.Sequential(
            [
                layers.SeparableConv2D(4, 3, padding="same", activation="relu", name="first"),
                layers.GlobalAveragePooling2D(name="second"),
                layers.Dense(3, name="third"),
            ],
            name="tiny",
        )
        model.build((None, 8, 8, 2))
        found[who] = model.get_config()
        if library is tf_keras:
            found["tf24"] = legacy_layers(found[who])
    return found


def legacy_layers(value: Any) -> Any:
    """`legacy` through lists as well, and without the `build_config` that TF 2.4 does not know."""
    if isinstance(value, list):
        return [legacy_layers(item) for item in value]
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k != "build_config"}
        return {k: legacy_layers(v) for k, v in legacy(value).items()}
    return value


BASE = {"filters": 4, "kernel_size": 3}
ARGUMENTS: list[tuple[str, list[Any]]] = [
    ("filters", [4, 4.0, 4.7, 0, -1, None, "4", [4], True, np.int64(4)]),
    ("kernel_size", [3, (3, 3), [3, 3], (3,), (3, 3, 3), 0, (3, 0), -1, 3.0, (3.0, 3.0)]),
    ("kernel_size", [(3.5, 3), "3", "33", ("3", "3"), None, (None, 3), np.int64(3), True]),
    ("strides", [2, (2, 2), 0, (0, 1), -1, None, 2.0, (2,), (1, 2, 3), (2.0, 2.0), (1, 2)]),
    ("dilation_rate", [2, (1, 2), 0, -1, None, 2.0, (2,)]),
    ("padding", ["valid", "same", "SAME", "Valid", "causal", "CAUSAL", "full", "", " same"]),
    ("padding", [None, 1, ["same"], ((1, 1), (1, 1))]),
    ("data_format", [None, "channels_first", "CHANNELS_FIRST", "NHWC", 1]),
    ("depth_multiplier", [1, 3, 0, -1, 2.0, None, "2"]),
    ("activation", [None, "relu", "nope", 3]),
    ("use_bias", [True, False, None, 0, "no"]),
    ("depthwise_initializer", [None, "zeros", "nope", 3]),
    ("bias_initializer", [None, "zeros", "nope", 3]),
    ("depthwise_regularizer", [None, "l2", "nope", 0.1]),
    ("activity_regularizer", [None, "l2", "nope", 0.1]),
    ("pointwise_constraint", [None, "max_norm", "nope", 0.1]),
    ("kernel_initializer", ["zeros"]),
    ("kernel_regularizer", ["l2"]),
    ("kernel_constraint", ["non_neg"]),
    ("groups", [1, 2, 3]),
    ("input_shape", [(8, 8, 3)]),
    ("nonsense", [1]),
    ("name", ["mine", "a/b", 3]),
    ("trainable", [False, "yes"]),
    ("dtype", ["float64", "nope"]),
]
PAIRS: list[dict[str, Any]] = [
    {"strides": 2, "dilation_rate": 2},
    {"strides": (2, 1), "dilation_rate": (1, 2)},
    {"strides": 2, "dilation_rate": 2, "kernel_size": 1},
    {"strides": (1, 2), "dilation_rate": 1},
]


def stage(library: Any, options: dict[str, Any]) -> tuple[str, str]:
    """Where a layer with `options` fails: ("constructor" | "build" | "call" | "works", error)."""
    where = "constructor"
    try:
        layer = library.layers.SeparableConv2D(**{**BASE, **options})
        where = "build"
        first = layer.data_format == "channels_first"
        shape = (2, 3, 9, 8) if first else (2, 9, 8, 3)
        layer.build(shape)
        where = "call"
        if not first or library is keras:  # TensorFlow's CPU kernels lack channels_first
            layer(np.ones(shape, "float32"))
            assert len(layer.losses) < 9
    except Exception as error:
        return where, type(error).__name__
    return "works", ""


def refusals() -> list[dict[str, Any]]:
    """For every questionable argument: where it fails and with what."""
    plans = [{name: value} for name, values in ARGUMENTS for value in values] + PAIRS
    return [
        {
            "options": {name: repr(value) for name, value in options.items()},
            "tf_keras": stage(tf_keras, options),
            "keras3": stage(keras, options),
        }
        for options in plans
    ]


def main() -> None:
    index = {
        "what": "get_config() of layers; for SeparableConv2D, which arguments fail where",
        "versions": versions("numpy", "tensorflow", "tf_keras", "keras"),
        "configs": configs(),
        "sequential": model_configs(),
        "refusals": refusals(),
    }
    write("configs", index, depth=3)
    for entry in index["refusals"]:  # type: ignore[attr-defined]
        print(*entry["options"].items(), entry["tf_keras"], entry["keras3"])


if __name__ == "__main__":
    main()

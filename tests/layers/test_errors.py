"""Bad input to layers: one row each, with what the error must say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import layers
from minigrad.layers import (
    Activation,
    BatchNormalization,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ReLU,
    SeparableConv2D,
)

VE, TE = ValueError, TypeError


def separable(**options: Any) -> SeparableConv2D:
    return SeparableConv2D(**{"filters": 4, "kernel_size": 3, **options})


def bad(name: str, value: Any, error: type[Exception], *texts: str) -> Any:
    """A row for an argument of SeparableConv2D; the error must repeat what was received."""
    shown = f"Received: {name}={value!r}"
    return pytest.param(
        lambda: separable(**{name: value}), error, [*texts, shown], id=f"{name}={value!r}"
    )


PAIR = "must be an integer or a tuple of 2 integers, all >= 1"
CONSTRUCTOR = [
    *[bad("filters", v, VE, "must be an integer >= 1") for v in (0, -1, None, "4", [4], True, 4.7)],
    *[
        bad("kernel_size", v, VE, f"`kernel_size` argument {PAIR}")
        for v in (0, -1, None, "3", "33", 3.0, True, (3, 0), (3,), (3, 3, 3), (3.5, 3))
    ],
    *[bad("kernel_size", v, VE, PAIR) for v in (("3", "3"), (None, 3), {"a": 1, "b": 2}, 1 + 0j)],
    *[bad("strides", v, VE, PAIR) for v in (0, -1, None, 2.0, (2,), (1, 2, 3), (0, 1), "2")],
    *[bad("dilation_rate", v, VE, PAIR) for v in (0, -1, None, 2.0, (2,), (1, 0))],
    *[bad("depth_multiplier", v, VE, "must be an integer >= 1") for v in (0, -1, None, "2", 1.5)],
    *[
        bad("padding", v, VE, "must be 'valid' or 'same'")
        for v in ("full", "", " same", None, 1, ["same"], ((1, 1), (1, 1)))
    ],
    bad("padding", "Causal", VE, "only for 1-D convolutions"),
    *[
        bad("data_format", v, VE, "'channels_last' or 'channels_first'")
        for v in ("NHWC", 1, "channels_middle", "")
    ],
    *[bad("use_bias", v, TE, "must be True or False") for v in (None, 0, 1, "no")],
    *[bad("trainable", v, TE, "must be True or False") for v in (None, 1, "yes")],
    bad("name", 3, TE, "must be a string", "type int"),
    bad("name", "", VE, "must not be empty"),
    *[bad("dtype", v, VE, "float32", "float64") for v in ("float16", "int32", "nope", 7)],
    bad("batch_input_shape", "abc", TE, "A shape must be a tuple"),
    bad("batch_input_shape", (None, -1), VE, "integers >= 0, or None"),
    bad("input_shape", 3, TE, "A shape must be a tuple"),
    bad("input_shape", (2.5,), VE, "integers >= 0, or None"),
    bad("nonsense", 1, TE, "SeparableConv2D got an unexpected keyword argument 'nonsense'"),
    bad("kernel_initializer", "ones", TE, "`depthwise_initializer` and `pointwise_initializer`"),
    bad("kernel_regularizer", "l2", TE, "`depthwise_regularizer` and `pointwise_regularizer`"),
    bad("kernel_constraint", "l2", TE, "`depthwise_constraint` and `pointwise_constraint`"),
    bad("groups", 2, TE, "each channel by itself"),
]

IDENTIFIERS = [
    pytest.param(
        lambda name=name, value=value: separable(**{name: value}),
        (VE, TE),
        [repr(value), f"`{name}`"],
        id=f"{name}={value!r}",
    )
    for name, value in [
        ("activation", "rleu"),
        ("activation", 3),
        ("depthwise_initializer", "he_norm"),
        ("pointwise_initializer", 3),
        ("bias_initializer", {"config": {}}),
        ("depthwise_regularizer", "l3"),
        ("pointwise_regularizer", 0.1),
        ("bias_regularizer", "nope"),
        ("activity_regularizer", 0.1),
        ("depthwise_constraint", "max"),
        ("pointwise_constraint", 2),
        ("bias_constraint", "nope"),
    ]
]


def row(text: str, act: Callable[[], Any], error: type[Exception], *texts: str) -> Any:
    return pytest.param(act, error, list(texts), id=text)


def built(cls: Any = separable, shape: tuple[int, ...] = (1, 5, 5, 3), **options: Any) -> Any:
    layer = cls(**options)
    layer.build(shape)
    return layer


ones = np.ones
USE = [
    row("rank 3", lambda: separable()(ones((5, 5, 3))), VE, "must have 4 axes", "(5, 5, 3)"),
    row("rank 5", lambda: separable()(ones((1, 1, 5, 5, 3))), VE, "must have 4 axes", "with 5"),
    row("a number", lambda: separable()(1.0), VE, "must have 4 axes", "input_shape=()"),
    row("rank after build", lambda: built()(ones((5, 3))), VE, "must have 4 axes"),
    row("build rank", lambda: separable().build((5, 3)), VE, "must have 4 axes"),
    row("build None", lambda: separable().build(None), TE, "input_shape=None"),
    row("build str", lambda: separable().build("1234"), TE, "input_shape='1234'"),
    row("build negative", lambda: separable().build((1, -5, 5, 3)), VE, "(1, -5, 5, 3)"),
    row("build bool", lambda: separable().build((1, True, 5, 3)), VE, "(1, True, 5, 3)"),
    row(
        "build without channels",
        lambda: separable().build((None, 5, 5, None)),
        VE,
        "The number of channels must be known",
        "(None, 5, 5, None)",
    ),
    row(
        "channels",
        lambda: built()(ones((1, 5, 5, 4))),
        VE,
        "layer 'separable_conv2d' must have size 3 on axis -1",
        "(1, 5, 5, 4)",
    ),
    row(
        "channels first",
        lambda: built(shape=(1, 3, 5, 5), data_format="channels_first")(ones((1, 4, 5, 5))),
        VE,
        "must have size 3 on axis 1",
        "(1, 4, 5, 5)",
    ),
    row("build again", lambda: built().build((1, 5, 5, 4)), VE, "must have size 3 on axis -1"),
    row("shape of rank 3", lambda: separable().compute_output_shape((1, 5, 3)), VE, "4 axes"),
    row("too small", lambda: separable()(ones((1, 2, 5, 3))), VE, "height 2 is smaller", "empty"),
    row("integers", lambda: separable()(ones((1, 5, 5, 3), "uint8")), TE, "/ 255", "uint8"),
    row("complex", lambda: separable()(ones((1, 5, 5, 3), "complex64")), TE, "complex64"),
    row("text", lambda: separable()("image"), TE, "needs numbers"),
    row("None", lambda: separable()(None), TE, "needs numbers"),
    row("ragged", lambda: separable()([[1.0], [1.0, 2.0]]), TE, "rectangular"),
    row("list", lambda: separable()([ones((5, 5, 3))] * 2), VE, "takes one tensor", "np.stack"),
    row("mask", lambda: separable()(ones((1, 5, 5, 3)), mask=1), TE, "'mask'", "mask=1"),
    row("count unbuilt", lambda: separable().count_params(), VE, "has no weights yet"),
    row("unbuilt weights", lambda: separable().set_weights([ones(1)] * 3), VE, "0 weights (it is"),
    row("frozen by a word", lambda: setattr(built(), "trainable", "no"), TE, "trainable='no'"),
    row("initializer array", lambda: built(bias_initializer=ones(9)), VE, "(4,)", "(9,)"),
    row("missing", lambda: SeparableConv2D(4), TE, "'kernel_size'"),
    row("20 arguments", lambda: SeparableConv2D(*range(1, 21)), TE, "positional arguments"),
    row("deserialize", lambda: layers.deserialize({"class_name": "Dens"}), VE, "'Dense'"),
    row("get", lambda: layers.get("nope"), VE, "Unknown layer", "'nope'"),
]

OTHERS = [
    row("depthwise filters", lambda: DepthwiseConv2D(3, filters=2), TE, "`depth_multiplier`"),
    row(
        "depthwise kernel_regularizer",
        lambda: DepthwiseConv2D(3, kernel_regularizer="l2"),
        TE,
        "Use `depthwise_regularizer`.",
    ),
    row("depthwise multiplier", lambda: DepthwiseConv2D(3, depth_multiplier=0), VE, "=0"),
    row("dense units", lambda: Dense(0), VE, "`units`", "units=0"),
    row("dense rank", lambda: Dense(2)(ones(3)), VE, "at least 2 axes", "(3,)"),
    row("dense size", lambda: built(Dense, (1, 3), units=2)(ones((1, 4))), VE, "size 3 on axis -1"),
    row("dense unknown", lambda: Dense(2).build((1, None)), VE, "last axis must be known"),
    row("norm axis", lambda: BatchNormalization(axis=4)(ones((2, 3))), VE, "axis=4", "(2, 3)"),
    row("norm batch", lambda: BatchNormalization(axis=0)(ones((2, 3))), VE, "that of the batch"),
    row("norm batch, negative", lambda: BatchNormalization(axis=-2)(ones((2, 3))), VE, "axis=-2"),
    row("norm axes", lambda: BatchNormalization(axis=[1, 2]), VE, "one integer", "[1, 2]"),
    row("norm axis type", lambda: BatchNormalization(axis="1"), VE, "axis='1'"),
    row("norm momentum", lambda: BatchNormalization(momentum=1.5), VE, "momentum=1.5"),
    row("norm momentum type", lambda: BatchNormalization(momentum=None), VE, "momentum=None"),
    row("norm epsilon", lambda: BatchNormalization(epsilon=0), VE, "greater than 0"),
    row("norm epsilon inf", lambda: BatchNormalization(epsilon=np.inf), VE, "epsilon=inf"),
    row("norm center", lambda: BatchNormalization(center=1), TE, "center=1"),
    row("norm fused", lambda: BatchNormalization(fused=True), TE, "'fused'"),
    row("norm rank", lambda: BatchNormalization()(ones(3)), VE, "at least 2 axes"),
    row(
        "norm channels",
        lambda: built(BatchNormalization, (2, 3))(ones((2, 4))),
        VE,
        "size 3 on axis -1",
    ),
    *[
        row(f"dropout {rate!r}", lambda rate=rate: Dropout(rate), VE, f"rate={rate!r}", "0 to 1")
        for rate in (-0.1, 1.1, None, "0.5", True, float("nan"))
    ],
    row("dropout seed", lambda: Dropout(0.5, seed=-1), VE, "seed=-1"),
    row("dropout seed type", lambda: Dropout(0.5, seed=1.5), VE, "seed=1.5"),
    row("dropout noise type", lambda: Dropout(0.5, noise_shape=3), TE, "noise_shape=3"),
    row(
        "dropout noise rank",
        lambda: Dropout(0.5, noise_shape=(1,))(ones((2, 3)), training=True),
        VE,
        "noise_shape=(1,)",
        "(2, 3)",
    ),
    row(
        "dropout noise size",
        lambda: Dropout(0.5, noise_shape=(None, 2))(ones((2, 3)), training=True),
        VE,
        "noise_shape=(None, 2)",
    ),
    row("flatten format", lambda: Flatten("nchw"), VE, "data_format='nchw'"),
    row("flatten number", lambda: Flatten()(1.0), VE, "at least 1 axes"),
    row("global rank", lambda: GlobalAveragePooling2D()(ones((2, 3))), VE, "4 axes"),
    row("global empty", lambda: GlobalAveragePooling2D()(ones((2, 0, 3, 1))), VE, "no mean"),
    row("global keepdims", lambda: GlobalAveragePooling2D(keepdims=1), TE, "keepdims=1"),
    row("pool size", lambda: MaxPooling2D(0), VE, "pool_size=0"),
    row("pool strides", lambda: MaxPooling2D(2, (1, 0)), VE, "strides=(1, 0)"),
    row("pool padding", lambda: MaxPooling2D(2, 2, "causal"), VE, "padding='causal'"),
    row("pool small", lambda: MaxPooling2D(3)(ones((1, 2, 5, 1))), VE, "height 2 is smaller"),
    row("pool rank", lambda: MaxPooling2D()(ones((2, 5, 1))), VE, "4 axes"),
    row("activation name", lambda: Activation("rleu"), VE, "'relu'", "'rleu'"),
    row("activation missing", lambda: Activation(), TE, "'activation'"),
    *[
        row(f"relu {name}={value!r}", lambda o={name: value}: ReLU(**o), VE, f"{name}={value!r}")
        for name, value in [
            ("max_value", -1),
            ("negative_slope", -0.5),
            ("negative_slope", None),
            ("threshold", -1.0),
            ("threshold", None),
            ("threshold", "1"),
            ("max_value", float("nan")),
        ]
    ],
]


@pytest.mark.parametrize(("act", "error", "texts"), [*CONSTRUCTOR, *IDENTIFIERS, *USE, *OTHERS])
def test_error(act: Callable[[], Any], error: Any, texts: list[str]) -> None:
    with pytest.raises(error) as caught:
        act()
    message = str(caught.value)
    for text in texts:
        assert text in message
    assert len(message) < (1000 if "Known names" in message else 500) and "\n" not in message
    assert not re.search(r"numba|TypingError", message)

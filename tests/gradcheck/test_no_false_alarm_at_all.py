"""Thousands of right gradients at random, and not one false alarm.

The tests take 2,000 of them, the same each time, with numbers of ordinary size and at kinks.
``MINIGRAD_FALSE_ALARMS=20000 pytest <this file>`` takes as many as you say, others each time, with
numbers of all sizes and next to kinks as well.
"""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import layers, ops
from minigrad.gradcheck import check_layer, gradcheck
from minigrad.gradcheck.zoo import exercises

WANTED = os.environ.get("MINIGRAD_FALSE_ALARMS")
TOTAL = int(WANTED or 2000)
SEEDS = st.integers(0, 2**32 - 1)
MODES = st.sampled_from(["full", "fast"])
DTYPES = st.sampled_from(["float64", "float32"])


def share(percent: int):
    return settings(
        max_examples=TOTAL * percent // 100,
        deadline=None,
        database=None,
        derandomize=WANTED is None,
        suppress_health_check=list(HealthCheck),
    )


def numbers(kind: str, shape, seed: int, dtype: str) -> np.ndarray:
    """Ordinary numbers, large ones, small ones, equal ones, and those where kinks are."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    x = {
        "normal": x,
        "large": 30.0 * x,
        "small": 1e-5 * x,
        "uneven": x * 10.0 ** rng.integers(-4, 4, shape),
        "grid": rng.integers(-3, 4, shape) / 2.0,
        "equal": np.full(shape, 0.5),
        "zero": np.zeros(shape),
        "near kinks": rng.integers(-2, 3, shape) / 2.0 + 1e-7 * x,
    }[kind].astype(dtype)
    return np.flip(x.T).copy().T if seed % 3 == 0 else x  # every third is not contiguous


ORDINARY = ["normal", "normal", "normal", "grid", "equal", "zero"]
EXTREME = ["large", "small", "uneven", "near kinks"]  # only in the runs that are asked for
KINDS = st.sampled_from(ORDINARY if WANTED is None else ORDINARY + EXTREME)
# Functions that are exactly 0, and flat, at equal numbers leave rounding errors and nothing else.
UNEQUAL = st.sampled_from(["normal", "grid"]) if WANTED is None else KINDS

SMOOTH = {
    "sin": ops.sin,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "erf": ops.erf,
    "square": ops.square,
    "exp(tanh)": lambda x: ops.exp(ops.tanh(x)),
    "log1p(square)": lambda x: ops.log1p(x * x),
    "sqrt(1 + square)": lambda x: ops.sqrt(1.0 + x * x),
    "softmax": lambda x: ops.softmax(x, axis=-1),
    "log_softmax": lambda x: ops.log_softmax(x, axis=0),
    "cumsum": lambda x: ops.cumsum(x, axis=-1),
    "sum": lambda x: ops.sum(x, axis=0, keepdims=True),
    "mean": lambda x: ops.mean(x, axis=-1, keepdims=True),
    "logsumexp": lambda x: ops.logsumexp(x, axis=0, keepdims=True),
    "variance": lambda x: ops.var(x, axis=0, keepdims=True),
    "transpose": lambda x: ops.transpose(ops.transpose(x) * 2.0),
    "gather": lambda x: ops.take(x, [0, 0, -1], axis=0),
    "pad": lambda x: ops.pad(x, 1),
    "tile": lambda x: ops.concatenate([x, -x], axis=-1),
    "gram": lambda x: ops.matmul(x, ops.transpose(x)),
}
KINKED = {
    "relu": ops.relu,
    "abs": ops.abs,
    "clip": lambda x: ops.clip(x, -0.5, 1.0),
    "max": lambda x: ops.max(x, axis=-1, keepdims=True),
    "min": lambda x: ops.min(x, axis=0, keepdims=True),
    "maximum": lambda x: ops.maximum(x, 0.5),
    "leaky": mg.activations.leaky_relu,
    "relu6": mg.activations.relu6,
    "hard_sigmoid": mg.activations.hard_sigmoid,
    "selu": mg.activations.selu,
}
BINARY = {
    "add": ops.add,
    "subtract": ops.subtract,
    "multiply": ops.multiply,
    "x / (1 + y^2)": lambda x, y: x / (1.0 + y * y),
    "power": lambda x, y: ops.power(1.0 + x * x, ops.tanh(y)),
    "x": lambda x, y: x,
}
STEPS = st.lists(st.sampled_from(sorted(SMOOTH)), max_size=2)
SHAPES = st.sampled_from(
    [((3, 2), (3, 2)), ((3, 2), (1, 2)), ((2, 1), (1, 3)), ((1, 1), (2, 2)), ((4, 3), (4, 1))]
)


@share(60)
@given(
    SHAPES,
    st.tuples(UNEQUAL, UNEQUAL),
    st.sampled_from(sorted(BINARY)),
    STEPS,
    st.none() | st.sampled_from(sorted(KINKED)),
    STEPS,
    st.tuples(DTYPES, MODES, SEEDS),
)
def test_random_functions(shapes, kinds, binary, before, kink, after, how):
    """Smooth steps around at most one kink: two kinks at one place have no chain rule."""
    dtype, mode, seed = how
    inputs = [
        numbers(kind, shape, seed + k, dtype)
        for k, (kind, shape) in enumerate(zip(kinds, shapes, strict=True))
    ]

    def function(x, y):
        out = BINARY[binary](x, y)
        for name in before:
            out = SMOOTH[name](out)
        if kink is not None:
            out = KINKED[kink](out)
        for name in after:
            out = SMOOTH[name](out)
        return out

    report = gradcheck(function, inputs, mode=mode, seed=seed % 1000)
    assert report, report


WINDOWS = st.fixed_dictionaries(
    {
        "strides": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "padding": st.sampled_from(["valid", "same"]),
        "data_format": st.sampled_from(["channels_last", "channels_first"]),
    }
)


def image(data_format: str, height: int, width: int, channels: int) -> tuple[int, ...]:
    last = (2, height, width, channels)
    return last if data_format == "channels_last" else (2, channels, height, width)


@share(7)
@given(
    WINDOWS,
    st.tuples(st.integers(1, 3), *[st.integers(1, 2)] * 5),
    st.tuples(KINDS, KINDS),
    st.tuples(DTYPES, MODES, SEEDS),
)
def test_random_convolutions(options, sizes, kinds, how):
    dtype, mode, seed = how
    kh, kw, channels, multiplier, filters, dilation = sizes
    height, width = dilation * (kh - 1) + 1 + seed % 3, dilation * (kw - 1) + 2
    x = numbers(kinds[0], image(options["data_format"], height, width, channels), seed, dtype)
    kernel = numbers(kinds[1], (kh, kw, channels, multiplier), seed + 1, dtype)
    mix = numbers("normal", (1, 1, channels * multiplier, filters), seed + 2, dtype)
    bias = numbers("normal", (filters,), seed + 3, dtype)
    options = {**options, "dilation_rate": dilation}

    def function(x, kernel, mix, bias):
        return ops.separable_conv2d(x, kernel, mix, bias, **options)

    report = gradcheck(function, (x, kernel, mix, bias), mode=mode, seed=seed % 1000)
    assert report, report


@share(8)
@given(WINDOWS, st.integers(1, 3), st.integers(1, 3), KINDS, st.tuples(DTYPES, MODES, SEEDS))
def test_random_pooling(options, height, width, kind, how):
    """With ties of every sort."""
    dtype, mode, seed = how
    x = numbers(kind, image(options["data_format"], 4, 3, 2), seed, dtype)
    report = gradcheck(
        lambda x: ops.max_pool2d(x, (height, width), **options), x, mode=mode, seed=seed % 1000
    )
    assert report, report


ACTIVATIONS = st.sampled_from(["linear", "relu", "tanh", "softmax", "elu", "gelu", "hard_sigmoid"])
LAYERS = {
    "dense": (lambda a: layers.Dense(3, activation=a), (3, 4)),
    "separable": (lambda a: layers.SeparableConv2D(2, 2, activation=a), (2, 3, 3, 2)),
    "depthwise": (
        lambda a: layers.DepthwiseConv2D(2, strides=2, activation=a, padding="same"),
        (2, 3, 3, 2),
    ),
    "normalization": (lambda a: layers.BatchNormalization(), (4, 2, 2, 2)),
    "global": (lambda a: layers.GlobalAveragePooling2D(), (2, 3, 3, 2)),
    "network": (
        lambda a: mg.Sequential(
            [
                layers.SeparableConv2D(2, 2, activation=a),
                layers.BatchNormalization(),
                layers.Flatten(),
                layers.Dense(2, activation="softmax"),
            ]
        ),
        (3, 3, 3, 1),
    ),
}


@share(7)
@given(
    st.sampled_from(sorted(LAYERS)),
    ACTIVATIONS,
    st.booleans(),
    KINDS,
    st.tuples(DTYPES, MODES, SEEDS),
)
def test_random_layers(name, activation, training, kind, how):
    dtype, mode, seed = how
    make, shape = LAYERS[name]
    mg.set_random_seed(seed % 1000)
    report = check_layer(
        make(activation), numbers(kind, shape, seed, dtype), training=training, mode=mode
    )
    assert report, report


@share(10)
@given(st.integers(1, 4), st.integers(2, 4), KINDS, st.tuples(DTYPES, MODES, SEEDS))
def test_random_losses(count, classes, kind, how):
    dtype, mode, seed = how
    logits = numbers(kind, (count, classes), seed, dtype)
    labels = np.random.default_rng(seed).integers(0, classes, count)
    report = gradcheck(ops.softmax_cross_entropy, (logits, labels), mode=mode, seed=seed % 1000)
    assert report, report


@share(8)
@given(st.sampled_from(exercises.names), st.tuples(DTYPES, MODES, SEEDS))
def test_the_right_gradients_of_the_zoo_elsewhere(name, how):
    dtype, mode, seed = how
    one, rng = exercises[name], np.random.default_rng(seed)
    inputs = [
        (x * rng.uniform(0.5, 1.5, x.shape)).astype(dtype) if x.dtype.kind == "f" else x
        for x in one.inputs
    ]
    report = gradcheck(one.forward, inputs, gradient=one.right, mode=mode, seed=seed % 1000)
    assert report, report

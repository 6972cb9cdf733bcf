"""The table of layers: one row for each way of using one, with facts worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad import layers

FIRST = {"data_format": "channels_first"}
LAST = {"data_format": "channels_last"}
Array = np.ndarray[Any, Any]


def each(function: Callable[[Any], Any], values: Any) -> Any:
    """Apply a function to a shape (an array, a tensor), or to each one in a list."""
    return list(map(function, values)) if isinstance(values, list) else function(values)


def distinct(shape: tuple[int, ...], dtype: str) -> Array:
    size = int(np.prod(shape))
    order = np.random.default_rng(size).permutation(size)
    return ((order + 0.5 - size // 2) / 8).reshape(shape).astype(dtype)


@dataclass(frozen=True)
class Row:
    """A layer, an input for it, and the facts that were worked out by hand.

    Layers that are called on several tensors have a list of shapes as `input_shape`.
    """

    cls: type[layers.Layer]
    options: dict[str, Any]
    input_shape: Any
    output_shape: Any = None  # that of the input, if it is left out
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)
    moving: int = 0  # how many of the weights are not trainable
    macs: int = 0
    random: bool = False  # training and inference differ
    wrong_shape: Any = None  # of an input that a built layer must refuse
    converts: bool = False  # takes integers and returns floats

    def __post_init__(self) -> None:
        if self.output_shape is None:
            object.__setattr__(self, "output_shape", self.input_shape)

    @property
    def id(self) -> str:
        words = [f"{k}={v}" for k, v in self.options.items() if k not in ("seed",)]
        return f"{self.cls.__name__}({', '.join(words)}){list(self.input_shape)}".replace(" ", "")

    def make(self, dtype: str = "float64", **more: Any) -> layers.Layer:
        return self.cls(**self.options, **more, dtype=dtype)

    @property
    def batchless(self) -> Any:
        return each(lambda shape: (None, *shape[1:]), self.input_shape)

    def input(self, dtype: str = "float64") -> Any:
        """Numbers that are all different and away from 0, where some layers have kinks."""
        return each(lambda shape: distinct(shape, dtype), self.input_shape)

    def values(self, dtype: str = "float64") -> list[Array]:
        rng = np.random.default_rng(5)
        return [rng.uniform(0.5, 1.5, shape).astype(dtype) for shape in self.weights.values()]


SEPARABLE = {"depthwise_kernel": (3, 3, 3, 1), "pointwise_kernel": (1, 1, 3, 4), "bias": (4,)}
NORMS = {"gamma": (2,), "beta": (2,), "moving_mean": (2,), "moving_variance": (2,)}

TABLE = [
    Row(
        layers.SeparableConv2D,
        {"filters": 4, "kernel_size": 3, **LAST},
        (2, 5, 6, 3),
        (2, 3, 4, 4),
        SEPARABLE,
        macs=12 * (27 + 12),
        wrong_shape=(2, 5, 6, 4),
    ),
    Row(
        layers.SeparableConv2D,
        {
            "filters": 2,
            "kernel_size": (2, 3),
            "strides": (2, 1),
            "padding": "same",
            "depth_multiplier": 2,
            "activation": "tanh",
            **LAST,
        },
        (2, 5, 4, 2),
        (2, 3, 4, 2),
        {"depthwise_kernel": (2, 3, 2, 2), "pointwise_kernel": (1, 1, 4, 2), "bias": (2,)},
        macs=12 * (24 + 8),
        wrong_shape=(2, 5, 4),
    ),
    Row(
        layers.SeparableConv2D,
        {"filters": 3, "kernel_size": 2, "dilation_rate": (1, 2), "use_bias": False, **FIRST},
        (2, 2, 4, 5),
        (2, 3, 3, 3),
        {"depthwise_kernel": (2, 2, 2, 1), "pointwise_kernel": (1, 1, 2, 3)},
        macs=9 * (8 + 6),
        wrong_shape=(2, 3, 4, 5),
    ),
    Row(
        layers.DepthwiseConv2D,
        {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2, **LAST},
        (2, 5, 4, 2),
        (2, 3, 2, 4),
        {"depthwise_kernel": (3, 3, 2, 2), "bias": (4,)},
        macs=6 * 36,
        wrong_shape=(2, 5, 4, 3),
    ),
    Row(
        layers.DepthwiseConv2D,
        {"kernel_size": (1, 2), "dilation_rate": (1, 2), "activation": "sigmoid", **FIRST},
        (2, 3, 3, 5),
        (2, 3, 3, 3),
        {"depthwise_kernel": (1, 2, 3, 1), "bias": (3,)},
        macs=9 * 6,
        wrong_shape=(2, 2, 3, 5),
    ),
    Row(
        layers.Dense,
        {"units": 3, "activation": "softmax"},
        (4, 5),
        (4, 3),
        {"kernel": (5, 3), "bias": (3,)},
        macs=15,
        wrong_shape=(4, 6),
    ),
    Row(
        layers.Dense,
        {"units": 2, "use_bias": False},
        (2, 3, 4),
        (2, 3, 2),
        {"kernel": (4, 2)},
        macs=24,
        wrong_shape=(4,),
    ),
    Row(
        layers.BatchNormalization,
        {"momentum": 0.5},
        (3, 2, 3, 2),
        weights=NORMS,
        moving=2,
        random=True,
        wrong_shape=(3, 2, 3, 3),
    ),
    Row(
        layers.BatchNormalization,
        {"axis": 1, "epsilon": 0.1, "scale": False},
        (3, 2, 4),
        weights={name: shape for name, shape in NORMS.items() if name != "gamma"},
        moving=2,
        random=True,
        wrong_shape=(3, 2, 4, 1),
    ),
    Row(
        layers.BatchNormalization,
        {"center": False, "scale": False},
        (6, 2),
        weights={"moving_mean": (2,), "moving_variance": (2,)},
        moving=2,
        random=True,
        wrong_shape=(6, 3),
    ),
    Row(layers.Dropout, {"rate": 0.5, "seed": 3}, (6, 5), random=True),
    Row(
        layers.Dropout,
        {"rate": 0.25, "noise_shape": (None, 1, 1, None), "seed": 3},
        (4, 2, 3, 3),
        random=True,
    ),
    Row(layers.Flatten, {**LAST}, (2, 3, 2, 2), (2, 12), wrong_shape=()),
    Row(layers.Flatten, {**FIRST}, (2, 3, 2, 2), (2, 12), wrong_shape=()),
    Row(layers.GlobalAveragePooling2D, {**LAST}, (2, 3, 4, 3), (2, 3), wrong_shape=(2, 3, 4)),
    Row(
        layers.GlobalAveragePooling2D,
        {"keepdims": True, **FIRST},
        (2, 3, 4, 3),
        (2, 3, 1, 1),
        wrong_shape=(2, 3, 4, 0),
    ),
    Row(layers.MaxPooling2D, {**LAST}, (2, 5, 4, 2), (2, 2, 2, 2), wrong_shape=(2, 1, 4, 2)),
    Row(
        layers.MaxPooling2D,
        {"pool_size": 3, "strides": (2, 1), "padding": "same", **FIRST},
        (2, 2, 5, 4),
        (2, 2, 3, 4),
        wrong_shape=(2, 5, 4),
    ),
    Row(layers.Activation, {"activation": "tanh"}, (3, 4)),
    Row(layers.Activation, {"activation": "softmax"}, (2, 3, 4)),
    Row(layers.ReLU, {}, (3, 4)),
    Row(layers.ReLU, {"max_value": 1.0, "negative_slope": 0.25, "threshold": 0.5}, (4, 5)),
    Row(
        layers.Conv2D,
        {"filters": 4, "kernel_size": 3, "activation": "softplus", **LAST},
        (2, 5, 6, 3),
        (2, 3, 4, 4),
        {"kernel": (3, 3, 3, 4), "bias": (4,)},
        macs=12 * 27 * 4,
        wrong_shape=(2, 5, 6, 4),
    ),
    Row(
        layers.Conv2D,
        {"filters": 4, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same", "groups": 2}
        | LAST,
        (2, 5, 4, 4),
        (2, 3, 4, 4),
        {"kernel": (2, 3, 2, 4), "bias": (4,)},
        macs=12 * 12 * 4,
        wrong_shape=(2, 5, 4),
    ),
    Row(
        layers.Conv2D,
        {"filters": 4, "kernel_size": 2, "dilation_rate": (1, 2), "use_bias": False, "groups": 2}
        | FIRST,
        (2, 2, 4, 5),
        (2, 4, 3, 3),
        {"kernel": (2, 2, 1, 4)},
        macs=9 * 4 * 4,
        wrong_shape=(2, 3, 4, 5),
    ),
    Row(
        layers.Conv2D,
        {"filters": 2, "kernel_size": 1, **FIRST},
        (2, 3, 2, 3),
        (2, 2, 2, 3),
        {"kernel": (1, 1, 3, 2), "bias": (2,)},
        macs=6 * 6,
        wrong_shape=(2, 4, 2, 3),
    ),
    Row(layers.AveragePooling2D, {**LAST}, (2, 5, 4, 2), (2, 2, 2, 2), wrong_shape=(2, 1, 4, 2)),
    Row(
        layers.AveragePooling2D,
        {"pool_size": 3, "strides": (2, 1), "padding": "same", **FIRST},
        (2, 2, 5, 4),
        (2, 2, 3, 4),
        wrong_shape=(2, 5, 4),
    ),
    Row(layers.GlobalMaxPooling2D, {**LAST}, (2, 3, 4, 3), (2, 3), wrong_shape=(2, 3, 4)),
    Row(
        layers.GlobalMaxPooling2D,
        {"keepdims": True, **FIRST},
        (2, 3, 4, 3),
        (2, 3, 1, 1),
        wrong_shape=(2, 3, 4, 0),
    ),
    Row(
        layers.SpatialDropout2D,
        {"rate": 0.5, "seed": 3, **LAST},
        (4, 2, 3, 3),
        random=True,
        wrong_shape=(4, 2, 3),
    ),
    Row(layers.SpatialDropout2D, {"rate": 0.5, "seed": 3, **FIRST}, (4, 3, 2, 3), random=True),
    Row(
        layers.UpSampling2D,
        {"size": (2, 3), **LAST},
        (2, 3, 2, 2),
        (2, 6, 6, 2),
        wrong_shape=(2, 3, 2),
    ),
    Row(layers.UpSampling2D, {"interpolation": "bilinear", **LAST}, (2, 3, 2, 2), (2, 6, 4, 2)),
    Row(
        layers.UpSampling2D,
        {"size": (3, 1), "interpolation": "bilinear", **FIRST},
        (2, 2, 3, 2),
        (2, 2, 9, 2),
    ),
    Row(
        layers.ZeroPadding2D,
        {"padding": 1, **LAST},
        (2, 3, 2, 2),
        (2, 5, 4, 2),
        wrong_shape=(2, 3, 2),
    ),
    Row(layers.ZeroPadding2D, {"padding": ((1, 0), (0, 2)), **FIRST}, (2, 2, 3, 2), (2, 2, 4, 4)),
    Row(layers.Reshape, {"target_shape": (3, -1)}, (2, 2, 3, 2), (2, 3, 4), wrong_shape=(2, 5)),
    Row(layers.Reshape, {"target_shape": (12,)}, (2, 2, 3, 2), (2, 12), wrong_shape=(2, 13)),
    Row(layers.Add, {}, [(2, 3, 4)] * 3, (2, 3, 4), wrong_shape=[(2, 3, 4), (2, 4, 4)]),
    Row(layers.Add, {}, [(2, 3, 4), (2, 4)], (2, 3, 4), wrong_shape=[(2, 3, 4), (3, 3, 4)]),
    Row(layers.Multiply, {}, [(2, 3, 1), (2, 1, 4)], (2, 3, 4), wrong_shape=[(2, 3), (2, 4)]),
    Row(
        layers.Concatenate,
        {},
        [(2, 3, 1), (2, 3, 2)],
        (2, 3, 3),
        wrong_shape=[(2, 3, 1), (2, 4, 1)],
    ),
    Row(
        layers.Concatenate,
        {"axis": 1},
        [(2, 1, 3), (2, 2, 3), (2, 1, 3)],
        (2, 4, 3),
        wrong_shape=[(2, 1, 3), (2, 3)],
    ),
    Row(layers.Rescaling, {"scale": 0.5, "offset": -1}, (3, 4), converts=True),
    Row(
        layers.Rescaling,
        {"scale": [0.5, 2.0], "offset": [0.0, 1.0]},
        (2, 3, 2),
        converts=True,
        wrong_shape=(2, 3, 3),
    ),
    Row(layers.LeakyReLU, {}, (3, 4)),
    Row(layers.LeakyReLU, {"alpha": 0.5}, (2, 3, 4)),
    Row(layers.ELU, {"alpha": 2.0}, (3, 4)),
    Row(layers.Softmax, {}, (3, 4), wrong_shape=(3,)),
    Row(layers.Softmax, {"axis": 1}, (2, 3, 4)),
    Row(layers.PReLU, {}, (3, 4), weights={"alpha": (4,)}, wrong_shape=(3, 5)),
    Row(
        layers.PReLU,
        {"shared_axes": [1, 2]},
        (2, 3, 4, 2),
        weights={"alpha": (1, 1, 2)},
        wrong_shape=(2, 3, 4, 3),
    ),
    Row(layers.GaussianNoise, {"stddev": 0.5, "seed": 1}, (3, 4), random=True),
    Row(layers.RandomFlip, {"seed": 1, **LAST}, (4, 2, 3, 2), random=True, wrong_shape=(4, 2, 3)),
    Row(layers.RandomFlip, {"mode": "vertical", "seed": 1, **FIRST}, (4, 2, 2, 3), random=True),
    Row(
        layers.RandomTranslation,
        {"height_factor": 0.4, "width_factor": (-0.3, 0.5), "seed": 1, **LAST},
        (2, 3, 4, 2),
        random=True,
        wrong_shape=(2, 3, 2),
    ),
    Row(
        layers.RandomTranslation,
        {
            "height_factor": 0.5,
            "width_factor": 0.5,
            "fill_mode": "constant",
            "fill_value": 0.5,
            "interpolation": "nearest",
            "seed": 1,
            **FIRST,
        },
        (2, 2, 3, 2),
        random=True,
    ),
    Row(
        layers.RandomRotation,
        {"factor": 0.2, "seed": 1, **LAST},
        (2, 3, 4, 2),
        random=True,
        wrong_shape=(2, 3, 2),
    ),
    Row(
        layers.RandomRotation,
        {"factor": (0.1, 0.3), "fill_mode": "constant", "seed": 1, **FIRST},
        (2, 2, 3, 3),
        random=True,
    ),
]

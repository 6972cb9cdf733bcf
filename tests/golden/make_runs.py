"""Golden data for whole networks in training, and for the options of optimizers: Keras 3.

Three networks with batch normalization are trained for 20 steps by four optimizers, in float32 and
in float64. `runs.json` describes the networks layer by layer; the test builds them from there.

Run: python tests/golden/make_runs.py
Needs: tensorflow-cpu, tf_keras, keras, numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _libraries import exact, keras, set_floatx, tf
from _writer import HERE, Arrays, eighths, versions, write

SEED = 20240915
STEPS, BATCH, SHAPE, CLASSES = 20, 8, (8, 8, 3), 4
ARRAYS: Arrays = {}

Layer = tuple[
    str, str, dict[str, Any], list[str]
]  # name, class, arguments, where its input is from
SAME = {"padding": "same", "use_bias": False}
BN: dict[str, Any] = {"momentum": 0.9}


def normalized(name: str, cls: str, config: dict[str, Any], source: str) -> list[Layer]:
    """A convolution and its normalization, whose result is called `name`."""
    return [
        (f"{name}_conv", cls, {**config, **SAME}, [source]),
        (name, "BatchNormalization", BN, [f"{name}_conv"]),
    ]


def head(source: str) -> list[Layer]:
    return [
        ("average", "GlobalAveragePooling2D", {}, [source]),
        ("vote", "Dense", {"units": CLASSES}, ["average"]),
    ]


def mobilenet() -> list[Layer]:
    three, one = {"kernel_size": 3}, {"kernel_size": 1}
    return [
        *normalized("stem", "Conv2D", {"filters": 8, **three}, "input"),
        ("stem_relu", "ReLU", {}, ["stem"]),
        *normalized("dw_1", "DepthwiseConv2D", three, "stem_relu"),
        ("dw_1_relu", "ReLU", {}, ["dw_1"]),
        *normalized("pw_1", "Conv2D", {"filters": 8, **one}, "dw_1_relu"),
        ("sum", "Add", {}, ["pw_1", "stem_relu"]),
        *normalized("dw_2", "DepthwiseConv2D", {**three, "strides": 2}, "sum"),
        ("dw_2_relu", "ReLU", {}, ["dw_2"]),
        *normalized("pw_2", "Conv2D", {"filters": 12, **one}, "dw_2_relu"),
        ("pw_2_relu", "ReLU", {}, ["pw_2"]),
        *head("pw_2_relu"),
    ]


def xception() -> list[Layer]:
    three = {"kernel_size": 3}
    return [
        *normalized("stem", "Conv2D", {"filters": 6, **three}, "input"),
        ("stem_relu", "ReLU", {}, ["stem"]),
        *normalized("sep_1", "SeparableConv2D", {"filters": 10, **three}, "stem_relu"),
        ("sep_1_relu", "ReLU", {}, ["sep_1"]),
        *normalized("sep_2", "SeparableConv2D", {"filters": 10, **three}, "sep_1_relu"),
        ("pool", "MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, ["sep_2"]),
        *normalized("way", "Conv2D", {"filters": 10, "kernel_size": 1, "strides": 2}, "stem_relu"),
        ("sum_1", "Add", {}, ["pool", "way"]),
        ("sum_1_relu", "ReLU", {}, ["sum_1"]),
        *normalized("sep_3", "SeparableConv2D", {"filters": 10, **three}, "sum_1_relu"),
        ("sum_2", "Add", {}, ["sep_3", "sum_1"]),
        *head("sum_2"),
    ]


def branches() -> list[Layer]:
    return [
        *normalized("left", "SeparableConv2D", {"filters": 6, "kernel_size": 3}, "input"),
        ("left_relu", "ReLU", {}, ["left"]),
        *normalized("right", "SeparableConv2D", {"filters": 4, "kernel_size": 5}, "input"),
        ("right_relu", "LeakyReLU", {"negative_slope": 0.25}, ["right"]),
        *normalized("middle", "Conv2D", {"filters": 4, "kernel_size": 1}, "input"),
        ("all", "Concatenate", {}, ["left_relu", "right_relu", "middle"]),
        ("small", "AveragePooling2D", {"pool_size": 2}, ["all"]),
        *normalized("last", "SeparableConv2D", {"filters": 14, "kernel_size": 3}, "small"),
        ("sum", "Add", {}, ["last", "small"]),
        ("sum_relu", "ReLU", {}, ["sum"]),
        *head("sum_relu"),
    ]


NETWORKS = {"mobilenet": mobilenet(), "xception": xception(), "branches": branches()}
# With Adam's own epsilon of 1e-7, gradients that are but rounding errors become whole steps, and
# float32 ends 6e-5 away from float64, in Keras too: 1e-4 makes the comparison sharp.
RUN_OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.002}),
    "adam": ("Adam", {"learning_rate": 0.005, "epsilon": 1e-4}),
    "adamw": ("AdamW", {"learning_rate": 0.005, "weight_decay": 0.05, "epsilon": 1e-4}),
}


def make_network(description: list[Layer]) -> Any:
    tensors = {"input": keras.Input(SHAPE)}
    for name, cls, config, sources in description:
        inputs = [tensors[source] for source in sources]
        layer = getattr(keras.layers, cls)(name=name, **config)
        tensors[name] = exact(layer)(inputs if len(inputs) > 1 else inputs[0])
    return keras.Model(tensors["input"], tensors[description[-1][0]])


def weighted_layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if layer.weights]


def initial(name: str, rng: np.random.Generator) -> None:
    """Weights that both precisions can hold."""
    model = make_network(NETWORKS[name])
    for layer in weighted_layers(model):
        for number, weight in enumerate(layer.get_weights()):
            value = rng.standard_normal(weight.shape)
            if layer.name + "_conv" in [each.name for each in model.layers] and number in (0, 3):
                value = 1.0 + 0.25 * np.abs(value)  # a scale or a variance
            elif weight.ndim > 1:
                value *= 1.5 / np.sqrt(weight.size / weight.shape[-1])
            else:
                value *= 0.25
            ARRAYS[f"{name}/{layer.name}/{number}"] = value.astype(np.float32)


def train(name: str, optimizer: str, dtype: str) -> np.ndarray:
    """The loss of each step."""
    set_floatx(dtype)
    model = make_network(NETWORKS[name])
    for layer in weighted_layers(model):
        shapes = range(len(layer.get_weights()))
        layer.set_weights([ARRAYS[f"{name}/{layer.name}/{i}"].astype(dtype) for i in shapes])
    cls, options = RUN_OPTIMIZERS[optimizer]
    rule = exact(getattr(keras.optimizers, cls)(**options))
    if dtype == "float64":
        rate = options["learning_rate"]
        rule._learning_rate = keras.Variable(rate, dtype="float64", trainable=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = []
    for x, labels in zip(ARRAYS["x"], ARRAYS["labels"], strict=True):
        with tf.GradientTape() as tape:
            value = loss(labels, model(tf.constant(x.astype(dtype)), training=True))
        gradients = tape.gradient(value, model.trainable_weights)
        rule.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        found.append(float(value))
    return np.array(found)


# ------------------------------------------------------------------------- options
OPTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("ema", "SGD", {"use_ema": True, "ema_momentum": 0.75}),
    ("ema_overwrite", "Adam", {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3}),
    ("accumulate_2", "SGD", {"momentum": 0.9, "gradient_accumulation_steps": 2}),
    ("accumulate_5", "Adam", {"gradient_accumulation_steps": 5}),
    ("accumulate_clipvalue", "SGD", {"gradient_accumulation_steps": 3, "clipvalue": 0.25}),
    ("accumulate_clipnorm", "RMSprop", {"gradient_accumulation_steps": 3, "clipnorm": 0.5}),
    ("accumulate_global", "SGD", {"gradient_accumulation_steps": 2, "global_clipnorm": 0.5}),
    ("accumulate_decay", "AdamW", {"gradient_accumulation_steps": 2, "weight_decay": 0.5}),
    ("accumulate_ema", "Adam", {"gradient_accumulation_steps": 2, "use_ema": True}),
    (
        "all",
        "AdamW",
        {
            "gradient_accumulation_steps": 2,
            "use_ema": True,
            "ema_momentum": 0.5,
            "ema_overwrite_frequency": 2,
            "clipnorm": 0.5,
        },
    ),
    ("adam_clipvalue", "Adam", {"clipvalue": 0.25}),
    ("adam_clipnorm", "Adam", {"clipnorm": 0.5}),
    ("adam_global_clipnorm", "Adam", {"global_clipnorm": 0.5}),
    ("rmsprop_decay", "RMSprop", {"weight_decay": 0.5}),
]


def options() -> list[dict[str, Any]]:
    """The steps of `make_training.optimizers`, with options; the parameters after each, and last.

    `a` may not be negative: constraints come after all else.
    """
    with np.load(HERE / "training.npz") as training:
        start = {p: training[f"optimizer/start/{p}"] for p in "ab"}
        grads = {p: training[f"optimizer/grads/{p}"] for p in "ab"}
    entries = []
    for name, cls, given in OPTIONS:
        given = {"learning_rate": 0.05, **given}
        rule = exact(getattr(keras.optimizers, cls)(**given))
        rule._learning_rate = keras.Variable(0.05, dtype="float64", trainable=False)
        variables = {p: keras.Variable(array, dtype="float64") for p, array in start.items()}
        variables["a"].constraint = keras.constraints.NonNeg()
        rule.build(list(variables.values()))
        path: dict[str, list[np.ndarray]] = {p: [] for p in start}
        for step in range(len(grads["a"])):
            rule.apply_gradients([(tf.constant(grads[p][step]), variables[p]) for p in start])
            for p, variable in variables.items():
                path[p].append(variable.numpy().copy())
        rule.finalize_variable_values(list(variables.values()))
        for p, variable in variables.items():
            ARRAYS[f"option/{name}/{p}"] = np.stack([*path[p], variable.numpy()])
        entries.append({"id": name, "class_name": cls, "options": given})
    return entries


def main() -> None:
    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, CLASSES, (STEPS, BATCH))
    x = eighths(rng, (STEPS, BATCH, *SHAPE)) + labels[..., None, None, None] / 4.0
    ARRAYS.update({"x": x.astype(np.float32), "labels": labels.astype(np.int8)})
    for name in NETWORKS:
        initial(name, rng)
        for optimizer in RUN_OPTIMIZERS:
            for dtype in ("float32", "float64"):
                losses = train(name, optimizer, dtype)
                ARRAYS[f"loss/{name}/{optimizer}/{dtype}"] = losses
                print(name, optimizer, dtype, losses[[0, 1, 10, -1]])
    set_floatx("float64")
    index = {
        "what": "Networks in training, 20 steps, float32 and float64; options of optimizers",
        "seed": SEED,
        "versions": versions("numpy", "tensorflow", "keras"),
        "input_shape": SHAPE,
        "networks": NETWORKS,
        "optimizers": RUN_OPTIMIZERS,
        "options": options(),
    }
    write("runs", index, ARRAYS)


if __name__ == "__main__":
    main()

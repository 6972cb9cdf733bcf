"""Golden data for what layers look up by name.

Activations, regularizers, constraints and initializers: their numbers (float64),
their serialised forms, and the names under which they are found.

Run: python tests/golden/make_registries.py
Needs: tensorflow-cpu, tf_keras, keras, numpy.
"""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

import numpy as np
from _libraries import keras, set_floatx, tf, tf_keras
from _writer import Arrays, eighths, versions, write

SEED = 20240604
TOLERANCE = 1e-12
ARRAYS: Arrays = {}
Entries = list[dict[str, Any]]


def value_and_gradient(function: Any, x: np.ndarray, **options: Any) -> tuple[np.ndarray, ...]:
    """The function's value, and the gradient of its sum (zeros where it does not depend on x)."""
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = tf.convert_to_tensor(function(tensor, **options))
    gradient = tape.gradient(y, tensor)
    return y.numpy(), np.zeros_like(x) if gradient is None else gradient.numpy()


# ------------------------------------------------------------------------ activations
ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("linear", {}),
    ("relu", {}),
    ("relu", {"alpha": 0.25}),
    ("relu", {"max_value": 6.0}),
    ("relu", {"threshold": 1.0}),
    ("relu", {"alpha": 0.25, "max_value": 6.0}),
    ("relu", {"alpha": 0.5, "max_value": 5.0, "threshold": 5.0}),
    ("relu", {"alpha": 0.25, "threshold": 2.5}),
    ("relu", {"alpha": 0.25, "max_value": 3.0, "threshold": -1.0}),
    ("elu", {}),
    ("elu", {"alpha": 0.5}),
    ("selu", {}),
    ("softplus", {}),
    ("softsign", {}),
    ("swish", {}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("tanh", {}),
    ("sigmoid", {}),
    ("exponential", {}),
    ("hard_sigmoid", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"alpha": 0.25}),
    ("relu6", {}),
    ("silu", {}),
    ("mish", {}),
]
KERAS3_ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("celu", {}),
    ("celu", {"alpha": 0.5}),
    ("hard_sigmoid", {}),
    ("hard_silu", {}),
    ("hard_tanh", {}),
    ("hard_shrink", {}),
    ("soft_shrink", {}),
    ("tanh_shrink", {}),
    ("log_sigmoid", {}),
    ("sparse_sigmoid", {}),
    ("sparse_plus", {}),
    ("squareplus", {}),
    ("threshold", {"threshold": 1.0, "default_value": -2.0}),
]


def activations() -> Entries:
    """Values and derivatives on a grid that passes through every kink."""
    grid = np.concatenate(
        [
            np.arange(-28, 29) / 4.0,  # has 0, +-0.5, +-1, +-2.5, +-3, 5 and 6 in it
            [-0.0, 1e-8, -1e-8, 1.0 + 1e-9, -20.0, 20.0, -40.0, 40.0, -300.0, 300.0],
        ]
    )
    ARRAYS["activation/x"] = grid
    entries: Entries = []

    def record(module: Any, name: str, options: dict[str, Any], x: str, **facts: Any) -> None:
        tag = "keras3_" if module is keras.activations else ""
        key = f"{tag}{name}_{sum(e['id'].startswith(f'{tag}{name}_') for e in entries)}"
        y, dy = value_and_gradient(module.get(name), ARRAYS[x], **options)
        ARRAYS[f"activation/{key}/y"], ARRAYS[f"activation/{key}/dy"] = y, dy
        entry = {"id": key, "function": name, "options": options, "x": x, "tolerance": TOLERANCE}
        # The kernels of these two hold their constants (0.2; sqrt(2), 0.044715) in float32.
        if name == "gelu" or (name == "leaky_relu" and not options):
            entry["tolerance"] = 1e-6
        if module is tf_keras.activations:
            renamed = {
                "negative_slope" if k == "alpha" and "relu" in name else k: v
                for k, v in options.items()
            }
            y3, dy3 = value_and_gradient(getattr(keras.activations, name), ARRAYS[x], **renamed)
            same = np.allclose(y, y3, TOLERANCE, TOLERANCE, equal_nan=True)
            same_dy = np.allclose(dy, dy3, TOLERANCE, TOLERANCE, equal_nan=True)
            entry.update(keras3_differs=not same, keras3_gradient_differs=not same_dy)
        else:
            entry["keras3_only"] = True
        entries.append({**entry, **facts})

    for name, options in ACTIVATIONS:
        record(tf_keras.activations, name, options, "activation/x")
    for name, options in KERAS3_ACTIVATIONS:
        record(keras.activations, name, options, "activation/x")
    rng = np.random.default_rng([SEED, 1])
    ARRAYS["activation/rows"] = eighths(rng, (4, 5), 40)
    ARRAYS["activation/cube"] = eighths(rng, (2, 3, 4), 40)
    ARRAYS["activation/extreme"] = np.array([[1000.0, -1000.0, 999.0], [-5000.0, -5000.0, -5001.0]])
    # The sum of a softmax is constant: weigh it, for a gradient that says something.
    note = "dy is the gradient of sum(y * cos(arange)), not of sum(y)"
    for x in ("rows", "cube", "extreme"):
        array = ARRAYS[f"activation/{x}"]
        weight = np.cos(np.arange(array.size)).reshape(array.shape)
        plans: list[tuple[str, dict[str, Any]]] = [("softmax", {}), ("log_softmax", {})]
        if x == "cube":
            plans += [
                ("softmax", {"axis": 1}),
                ("softmax", {"axis": [1, 2]}),
                ("log_softmax", {"axis": 0}),
            ]
        for name, options in plans:
            key = f"{name}_{sum(e['id'].startswith(f'{name}_') for e in entries)}"
            function = tf_keras.activations.get(name)
            tensor = tf.constant(array)
            with tf.GradientTape() as tape:
                tape.watch(tensor)
                y = function(tensor, **options)
                total = tf.reduce_sum(y * weight)
            ARRAYS[f"activation/{key}/y"] = y.numpy()
            ARRAYS[f"activation/{key}/dy"] = tape.gradient(total, tensor).numpy()
            entry = {"id": key, "function": name, "options": options, "x": f"activation/{x}"}
            entries.append({**entry, "tolerance": TOLERANCE, "note": note})
    # Independent formulas, for a few.
    erf = np.array([math.erf(v / math.sqrt(2.0)) for v in grid])
    np.testing.assert_allclose(ARRAYS["activation/gelu_0/y"], grid * (1 + erf) / 2, 1e-6, 1e-6)
    np.testing.assert_allclose(
        ARRAYS["activation/hard_sigmoid_0/y"], np.clip(0.2 * grid + 0.5, 0, 1)
    )
    leaky = np.where(grid > 0, grid, 0.2 * grid)
    np.testing.assert_allclose(ARRAYS["activation/leaky_relu_0/y"], leaky, 1e-6)
    return entries


# ----------------------------------------------------------- regularizers, constraints
def make_arrays() -> None:
    """The arrays that regularizers and constraints are tried on."""
    rng = np.random.default_rng([SEED, 2])
    found = {
        "small": np.array([[1.0, -2.0], [3.0, -4.0]]),
        "columns": np.array([[3.0, -1.0, 0.0], [4.0, -1.0, 0.0]]),
        "matrix": eighths(rng, (5, 3), 24),
        "with_zeros": np.array([[0.0, 1.0, 0.0], [0.0, -2.0, 0.5]]),
        "vector": eighths(rng, (4,)),
        "depthwise": eighths(rng, (3, 3, 2, 2)),
        "pointwise": eighths(rng, (1, 1, 4, 3)),
    }
    found["depthwise"][:, :, 1, 0] = 0.0  # a filter of zeros
    ARRAYS.update({f"array/{name}": array for name, array in found.items()})
    for width in range(2, 7):
        shape = (width, width, 2, 1)
        ARRAYS[f"array/square{width}"] = np.arange(2.0 * width * width).reshape(shape)


ANY = ["small", "columns", "matrix", "with_zeros", "vector", "depthwise", "pointwise"]
RANK2 = ["small", "matrix", "with_zeros"]
RANK4 = ["depthwise", "pointwise"]
SQUARES = [f"square{width}" for width in range(2, 7)]
REGULARIZERS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("L1", {}, ANY),
    ("L1", {"l1": 0.5}, ANY),
    ("L2", {}, ANY),
    ("L2", {"l2": 0.5}, ANY),
    ("L1L2", {}, ANY),
    ("L1L2", {"l1": 0.5, "l2": 0.25}, ANY),
    ("l1_l2", {}, ANY),
    ("OrthogonalRegularizer", {"factor": 1.0, "mode": "rows"}, RANK2),
    ("OrthogonalRegularizer", {"factor": 1.0, "mode": "columns"}, RANK2),
    ("OrthogonalRegularizer", {}, RANK2),
]
CONSTRAINTS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("MaxNorm", {}, ANY),
    ("MaxNorm", {"max_value": 2.0, "axis": 1}, ["small", "columns", "matrix", "with_zeros"]),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}, RANK4),
    ("MaxNorm", {"max_value": 1.0, "axis": [0, 1, 2]}, RANK4),
    ("NonNeg", {}, ANY),
    ("UnitNorm", {}, ANY),
    ("UnitNorm", {"axis": [0, 1]}, RANK4),
    ("UnitNorm", {"axis": [0, 1, 2]}, RANK4),
    ("MinMaxNorm", {}, ANY),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.5}, ANY),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "axis": [0, 1]}, RANK4),
    ("RadialConstraint", {}, SQUARES),
]


def regularizers() -> Entries:
    entries: Entries = []
    for name, options, arrays in REGULARIZERS:
        key = f"{name}_{sum(e['class_name'] == name for e in entries)}"
        regularizer = getattr(tf_keras.regularizers, name)(**options)
        differs = []
        for array in arrays:
            x = ARRAYS[f"array/{array}"]
            value, gradient = value_and_gradient(regularizer, x)
            ARRAYS[f"regularizer/{key}/{array}/value"] = value
            ARRAYS[f"regularizer/{key}/{array}/grad"] = gradient
            # Keras 3's OrthogonalRegularizer fails on float64.
            x3 = x.astype(np.float32) if name == "OrthogonalRegularizer" else x
            three = getattr(keras.regularizers, name)(**options)
            other, other_gradient = value_and_gradient(three, x3)
            same = np.allclose(value, other, 1e-6, 1e-6)
            if not same or not np.allclose(gradient, other_gradient, 1e-6, 1e-6):
                differs.append(array)
        entry = {"id": key, "class_name": name, "options": options, "arrays": arrays}
        entries.append({**entry, "keras3_differs": differs})
    return entries


def constraints() -> Entries:
    entries: Entries = []
    for name, options, arrays in CONSTRAINTS:
        key = f"{name}_{sum(e['class_name'] == name for e in entries)}"
        constraint = getattr(tf_keras.constraints, name)(**options)
        differs: list[str] | None = [] if hasattr(keras.constraints, name) else None
        for array in arrays:
            x = ARRAYS[f"array/{array}"]
            y = np.asarray(constraint(tf.constant(x)))
            ARRAYS[f"constraint/{key}/{array}"] = y
            if differs is not None:
                y3 = np.asarray(getattr(keras.constraints, name)(**options)(tf.constant(x)))
                if not np.allclose(y, y3, TOLERANCE, TOLERANCE):
                    differs.append(array)
        entry = {"id": key, "class_name": name, "options": options, "arrays": arrays}
        entries.append({**entry, "keras3_differs": differs})
    return entries


# ----------------------------------------------------------------------- initializers
INITIALIZERS: list[tuple[str, dict[str, Any]]] = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 0.5}),
    ("RandomUniform", {"seed": 3}),
    ("RandomNormal", {"mean": 1.0, "stddev": 0.5, "seed": 3}),
    ("TruncatedNormal", {"seed": 3}),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": 3}),
    ("VarianceScaling", {"distribution": "normal"}),
    ("Orthogonal", {"gain": 2.0, "seed": 3}),
    ("Identity", {"gain": 2.0}),
    ("GlorotUniform", {"seed": 3}),
    ("GlorotNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("HeUniform", {}),
    ("HeNormal", {"seed": 3}),
]
FAN_SHAPES = [
    (),
    (32,),
    (4, 6),
    (3, 4, 5),
    (3, 3, 3, 1),
    (3, 3, 16, 1),
    (3, 3, 16, 2),
    (3, 3, 64, 1),
    (5, 5, 32, 4),
    (1, 1, 3, 4),
    (1, 1, 16, 32),
    (2, 3, 4, 5, 6),
]
SHAPES = [(), (4,), (3, 3), (2, 4), (4, 2), (2, 3, 4), (3, 3, 2, 2), (1, 1, 4, 3)]
SAMPLE = (3, 3, 64, 128)


def legacy(value: Any) -> Any:
    """The serialised form of TF 2.4: {class_name, config}, at every level."""
    if isinstance(value, dict):
        return {k: legacy(v) for k, v in value.items() if k not in ("module", "registered_name")}
    return value


def outcome(function: Any, *arguments: Any) -> tuple[str, Any]:
    """("ok", result), or the name of the exception and None."""
    try:
        return "ok", function(*arguments)
    except Exception as error:
        return type(error).__name__, None


def initializers() -> dict[str, Any]:
    """Fans, limits, statistics of one large draw, legal shapes and serialised forms."""
    compute_fans = inspect.getmodule(tf_keras.initializers.HeNormal)._compute_fans
    fans = []
    for shape in FAN_SHAPES:
        fan_in, fan_out = compute_fans(shape)
        average = max(1.0, (fan_in + fan_out) / 2)
        fans.append(
            {
                "shape": shape,
                "fan_in": fan_in,
                "fan_out": fan_out,
                "glorot_uniform_limit": math.sqrt(3 / average),
                "glorot_normal_stddev": math.sqrt(1 / average),
                "he_uniform_limit": math.sqrt(6 / max(1.0, fan_in)),
                "he_normal_stddev": math.sqrt(2 / max(1.0, fan_in)),
                "lecun_uniform_limit": math.sqrt(3 / max(1.0, fan_in)),
                "lecun_normal_stddev": math.sqrt(1 / max(1.0, fan_in)),
            }
        )
    classes = []
    for name, options in INITIALIZERS:
        made = getattr(tf_keras.initializers, name)(**options)
        current = tf_keras.initializers.serialize(made)
        made3 = getattr(keras.initializers, name)(**options)
        entry: dict[str, Any] = {
            "class_name": name,
            "options": options,
            "tf24": legacy(current),
            "tf_keras": current,
            "keras3": keras.initializers.serialize(made3),
            "shapes": [[shape, outcome(made, shape)[0]] for shape in SHAPES],
        }
        if name != "Identity":
            draw = made(SAMPLE).numpy()
            assert draw.dtype == np.float64
            entry["sample"] = {
                "shape": SAMPLE,
                "mean": draw.mean(),
                "std": draw.std(),
                "min": draw.min(),
                "max": draw.max(),
            }
        if name == "Orthogonal":
            entry["rows_or_columns_orthonormal"] = [
                [shape, bool(orthonormal(made(shape).numpy() / 2.0))] for shape in SHAPES[2:]
            ]
        if name == "Identity":
            entry["values"] = [[shape, made(shape).numpy()] for shape in SHAPES[2:5]]
        classes.append(entry)
    return {"fans": fans, "classes": classes}


def orthonormal(q: np.ndarray) -> bool:
    q = q.reshape(-1, q.shape[-1])
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    return bool(np.allclose(gram, np.eye(len(gram)), atol=1e-10))


def serialised() -> dict[str, Entries]:
    """Regularizers and constraints in the three serialised forms."""
    found: dict[str, Entries] = {}
    for kind, plans in (("regularizers", REGULARIZERS), ("constraints", CONSTRAINTS)):
        found[kind] = []
        for name, options, _ in plans:
            two, three = getattr(tf_keras, kind), getattr(keras, kind)
            current = two.serialize(getattr(two, name)(**options))
            entry = {
                "class_name": name,
                "options": options,
                "tf24": legacy(current),
                "tf_keras": current,
            }
            if hasattr(three, name):
                entry["keras3"] = three.serialize(getattr(three, name)(**options))
            found[kind].append(entry)
    return found


# -------------------------------------------------------------------------- the names
def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


# Helpers that Keras 2 exposes by accident: `regularizers.get("serialize")` answers.
HELPERS = {"get", "serialize", "deserialize", "serialize_keras_object", "keras_export"}
HELPERS |= {"deserialize_keras_object", "clone_metric", "clone_metrics"}
HELPERS |= {"is_categorical_crossentropy"}


def identifiers(library: Any) -> dict[str, dict[str, str]]:
    """Every string that `get` understands, and what comes out of it.

    Probed: all public names of the library's modules, their snake_case,
    lower-case and upper-case forms, TF 1 style `V1` and `V2` endings, and a list
    of abbreviations.
    """
    short = "zero one uniform normal mse MSE mae MAE mape MAPE msle MSLE kld KLD bce BCE acc "
    short += "accuracy ce crossentropy cosine cosine_proximity xavier maxnorm nonneg unitnorm "
    short += "l1 l2 l1l2 l1_l2 L1L2 logcosh identity eye None none '' default huber Huber hinge "
    short += "adam Adam ADAM sgd adamw lion Lion lamb muon loss_scale_optimizer gradient_descent "
    short += "hard_swish hard_silu glu sparsemax exp abs prelu leakyrelu LeakyReLU ReLU PReLU ELU "
    short += "Softmax ThresholdedReLU conv_2d fake"
    kinds = ["initializers", "regularizers", "constraints", "activations"]
    kinds += ["losses", "metrics", "optimizers"]
    names = set(short.split()) | set(dir(library.layers))
    for kind in kinds:
        names |= set(dir(getattr(library, kind)))
        module = inspect.getmodule(getattr(library, kind).get)
        names |= set(dir(module)) | set(getattr(module, "ALL_OBJECTS_DICT", {}))
        names |= set(getattr(getattr(module, "LOCAL", None), "ALL_OBJECTS", {}) or {})
    names = {name for name in names if not name.startswith("_")} - HELPERS
    names |= {snake(name) for name in names} | {name.lower() for name in names}
    names |= {name.upper() for name in names}
    names |= {name + ending for name in names for ending in ("V1", "V2")}
    found: dict[str, dict[str, str]] = {}
    for kind in kinds:
        found[kind] = {}
        for name in sorted(names):
            status, thing = outcome(getattr(library, kind).get, name)
            if status != "ok" or thing is None or isinstance(thing, (str, dict)):
                continue
            if inspect.isfunction(thing) or inspect.isclass(thing):
                label = ("class " if inspect.isclass(thing) else "function ") + thing.__name__
            elif callable(thing) or kind == "optimizers":
                label = type(thing).__name__
            else:
                continue
            found[kind][name] = label
    return found


def main() -> None:
    set_floatx("float64")
    make_arrays()
    tf_keras.utils.set_random_seed(SEED)
    index = {
        "what": "Activations, regularizers, constraints (float64), initializers, names",
        "seed": SEED,
        "versions": versions("numpy", "tensorflow", "tf_keras", "keras"),
        "activation": activations(),
        "regularizer": regularizers(),
        "constraint": constraints(),
        "initializers": initializers(),
        "serialised": serialised(),
        "identifiers": {"tf_keras": identifiers(tf_keras), "keras3": identifiers(keras)},
    }
    write("registries", index, ARRAYS, depth=3)
    for section in ("activation", "regularizer", "constraint"):
        for e in index[section]:  # type: ignore[attr-defined]
            odd = {k: v for k, v in e.items() if "differs" in k and v}
            if odd:
                print(section, e["id"], odd)
    for library, kinds in index["identifiers"].items():  # type: ignore[attr-defined]
        print(library, {kind: len(names) for kind, names in kinds.items()})


if __name__ == "__main__":
    main()

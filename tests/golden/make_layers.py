"""Golden data for the layers: outputs and gradients of sum(y * g), in float64.

Computed by Keras 2 (`tf_keras`), and by Keras 3 beside it; the two must agree
wherever a case does not say otherwise. TensorFlow's CPU kernels know
channels_last only, so channels_first cases are computed through a transpose.

Run: python tests/golden/make_layers.py
Needs: tensorflow-cpu, tf_keras, keras, numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _libraries import exact, keras, set_floatx, tf, tf_keras
from _writer import Arrays, eighths, versions, write

SEED = 20240603
TOLERANCE = 1e-12
ARRAYS: Arrays = {}
ENTRIES: list[dict[str, Any]] = []


def next_id(cls: str) -> str:
    return f"{cls}_{sum(entry['class_name'] == cls for entry in ENTRIES)}"


def to_last(x: Any, first: bool) -> Any:
    return tf.transpose(x, (0, 2, 3, 1)) if first else x


def to_first(x: Any, first: bool) -> Any:
    return tf.transpose(x, (0, 3, 1, 2)) if first and len(x.shape) == 4 else x


def run(
    library: Any,
    cls: str,
    options: dict[str, Any],
    x: np.ndarray,
    weights: Arrays,
    g: np.ndarray | None,
    transpose: bool,
) -> Arrays:
    """Output and gradients of one layer; without `g`, only the output."""
    if transpose:
        options = {k: v for k, v in options.items() if k != "data_format"}
    activation = options.get("activation")
    if transpose and activation:  # applied to the transposed output: softmax takes the last axis
        options = {**options, "activation": None}
    layer = exact(getattr(library.layers, cls)(**options))
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        inputs = to_last(tensor, transpose)
        layer.build(inputs.shape)
        layer.set_weights(list(weights.values()))
        y = to_first(layer(inputs), transpose)
        if transpose and activation:
            y = tf_keras.activations.get(activation)(y)
        loss = 0.0 if g is None else tf.reduce_sum(y * g)
    if g is None:
        return {"y": y.numpy()}
    variables = [getattr(v, "value", v) if library is keras else v for v in layer.trainable_weights]
    dx, *grads = tape.gradient(loss, [tensor, *variables])
    found = {f"grad/{k}": v.numpy() for k, v in zip(weights, grads, strict=True)}
    return {"y": y.numpy(), "dx": dx.numpy(), **found}


def case(
    cls: str,
    x: np.ndarray,
    weights: Arrays | None = None,
    note: str = "",
    keras3: bool = True,
    native: bool = False,
    **options: Any,
) -> None:
    """Record one layer; `native` runs channels_first without a transpose."""
    name, weights = next_id(cls), weights or {}
    rng = np.random.default_rng([SEED, len(ENTRIES)])
    transpose = options.get("data_format") == "channels_first" and not native
    shape = run(tf_keras, cls, options, x, weights, None, transpose)["y"].shape
    g = eighths(rng, shape)
    results = run(tf_keras, cls, options, x, weights, g, transpose)
    if keras3:
        for key, value in run(keras, cls, options, x, weights, g, transpose).items():
            np.testing.assert_allclose(value, results[key], TOLERANCE, TOLERANCE, err_msg=name)
    ARRAYS.update({f"{name}/x": x, f"{name}/g": g})
    ARRAYS.update({f"{name}/weight/{k}": v for k, v in weights.items()})
    ARRAYS.update({f"{name}/{k}": v for k, v in results.items()})
    ENTRIES.append(
        {
            "id": name,
            "class_name": cls,
            "options": options,
            "weights": list(weights),
            "keras3_agrees": keras3,
            # LeakyReLU's kernel holds its slope in float32, and images are interpolated in it.
            "tolerance": 1e-6
            if (cls == "LeakyReLU" and not options) or "interpolation" in options
            else TOLERANCE,
            "note": note,
        }
    )


FIRST = {"data_format": "channels_first"}


def convolutions(rng: np.random.Generator) -> None:
    def depthwise(shape: tuple[int, ...], kernel: tuple[int, int], **options: Any) -> None:
        channels = shape[1] if options.get("data_format") == "channels_first" else shape[3]
        multiplier = options.get("depth_multiplier", 1)
        weights = {"depthwise_kernel": eighths(rng, (*kernel, channels, multiplier))}
        if options.get("use_bias", True):
            weights["bias"] = eighths(rng, (channels * multiplier,))
        case("DepthwiseConv2D", eighths(rng, shape), weights, kernel_size=kernel, **options)

    depthwise((2, 6, 7, 3), (3, 3))
    depthwise((2, 6, 7, 3), (3, 3), padding="same", depth_multiplier=2)
    depthwise((2, 7, 8, 2), (3, 3), padding="same", strides=(2, 2), use_bias=False)
    depthwise((1, 8, 8, 2), (2, 4), padding="valid", strides=(2, 2), depth_multiplier=3)
    depthwise((2, 8, 7, 2), (3, 3), padding="same", dilation_rate=(2, 2), depth_multiplier=2)
    depthwise((2, 8, 9, 2), (3, 2), padding="valid", dilation_rate=(1, 3))
    depthwise((2, 3, 6, 7), (3, 3), padding="same", strides=(2, 2), depth_multiplier=2, **FIRST)
    depthwise((2, 5, 6, 3), (3, 3), padding="same", activation="relu")
    depthwise((2, 4, 5, 4), (3, 3), padding="same", note="width == channels", **FIRST)

    def conv(shape: tuple[int, ...], filters: int, kernel: tuple[int, int], **options: Any) -> None:
        channels = shape[1] if options.get("data_format") == "channels_first" else shape[3]
        weights = {"kernel": eighths(rng, (*kernel, channels, filters))}
        if options.get("use_bias", True):
            weights["bias"] = eighths(rng, (filters,))
        kind = {"filters": filters, "kernel_size": kernel, **options}
        case("Conv2D", eighths(rng, shape), weights, **kind)

    conv((2, 5, 6, 2), 3, (3, 3))
    conv((2, 6, 5, 2), 4, (2, 4), padding="same", strides=(2, 2))
    conv((2, 7, 6, 2), 3, (3, 3), padding="same", dilation_rate=(2, 1), use_bias=False)
    conv((2, 2, 5, 6), 3, (3, 2), padding="same", **FIRST)

    for activation, options in [("relu", {}), ("softmax", {}), ("softmax", FIRST)]:
        weights = {
            "depthwise_kernel": eighths(rng, (3, 3, 2, 2)) / 4,
            "pointwise_kernel": eighths(rng, (1, 1, 4, 5)) / 4,
            "bias": eighths(rng, (5,)),
        }
        kind = {"filters": 5, "kernel_size": (3, 3), "padding": "same", "depth_multiplier": 2}
        note = (
            "the activation comes after the bias; softmax takes the last axis, also channels_first"
        )
        shape = (2, 2, 5, 6) if options else (2, 5, 6, 2)
        kind = {**kind, "activation": activation, **options}
        case("SeparableConv2D", eighths(rng, shape), weights, note, **kind)


def dense(rng: np.random.Generator) -> None:
    def one(shape: tuple[int, ...], units: int, **options: Any) -> None:
        weights = {"kernel": eighths(rng, (shape[-1], units))}
        if options.get("use_bias", True):
            weights["bias"] = eighths(rng, (units,))
        case("Dense", eighths(rng, shape), weights, units=units, **options)

    one((4, 5), 3)
    one((4, 5), 3, activation="softmax")
    one((4, 5), 1, use_bias=False, activation="tanh")
    one((2, 3, 4), 5, activation="relu", note="only the last axis is contracted")
    one((2, 3, 2, 4), 3)


def pooling(rng: np.random.Generator) -> None:
    def distinct(shape: tuple[int, ...]) -> np.ndarray:
        """No two values alike, so that every maximum is one place."""
        n = int(np.prod(shape))
        return (rng.permutation(n).reshape(shape) - n // 2) / 8.0

    plans: list[tuple[tuple[int, int, int, int], dict[str, Any]]] = [
        ((2, 6, 8, 2), {"pool_size": (2, 2)}),
        ((2, 7, 5, 2), {"pool_size": (2, 2)}),
        ((2, 7, 5, 2), {"pool_size": (2, 2), "padding": "same"}),
        ((2, 7, 8, 2), {"pool_size": (3, 3), "strides": (2, 2)}),
        ((2, 7, 8, 2), {"pool_size": (3, 3), "strides": (2, 2), "padding": "same"}),
        ((1, 5, 6, 3), {"pool_size": (3, 3), "strides": (1, 1), "padding": "same"}),
        ((1, 5, 6, 3), {"pool_size": (3, 2), "strides": (1, 1)}),
        ((2, 8, 8, 1), {"pool_size": (2, 2), "strides": (3, 3), "padding": "same"}),
        ((2, 7, 8, 2), {"pool_size": (2, 3), "strides": (1, 2), "padding": "same"}),
        ((2, 3, 6, 7), {"pool_size": (2, 2), **FIRST}),
        ((2, 3, 6, 7), {"pool_size": (3, 3), "strides": (2, 2), "padding": "same", **FIRST}),
    ]
    for cls in ("MaxPooling2D", "AveragePooling2D"):
        for shape, options in plans:
            case(cls, distinct(shape), **options)
    note = "all negative: padding must not win"
    kind = {"pool_size": (3, 3), "strides": (2, 2), "padding": "same"}
    case("MaxPooling2D", -np.abs(distinct((1, 6, 6, 2))) - 1.0, note=note, **kind)
    note = "ties: the whole gradient goes to the first maximum of the window, row by row"
    case("MaxPooling2D", eighths(rng, (2, 6, 6, 2), 1), note=note, pool_size=(2, 2))
    case("MaxPooling2D", eighths(rng, (2, 7, 7, 2), 1), note=note, **kind)
    for cls in ("GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        for keepdims in (False, True):
            case(cls, distinct((2, 4, 5, 3)), keepdims=keepdims)
            case(cls, distinct((2, 3, 4, 5)), native=True, keepdims=keepdims, **FIRST)


def shapes(rng: np.random.Generator) -> None:
    case("Flatten", eighths(rng, (2, 3, 4, 2)))
    note = "channels_first: channels move to the end before flattening"
    case("Flatten", eighths(rng, (2, 2, 3, 4)), note=note, native=True, **FIRST)
    case("Flatten", eighths(rng, (2, 3, 4)), note=note, native=True, **FIRST)
    case("Flatten", eighths(rng, (2, 5)))
    case("Flatten", eighths(rng, (4,)), note="(N,) becomes (N, 1)")
    case("ZeroPadding2D", eighths(rng, (1, 3, 4, 2)), padding=((1, 2), (0, 3)))
    case("ZeroPadding2D", eighths(rng, (1, 2, 3, 4)), padding=(2, 1), native=True, **FIRST)


def activations(rng: np.random.Generator) -> None:
    grid = np.array([[-10.0, -7.5, -2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 5.0, 6.0, 6.5, 10.0]])
    for options in [
        {},
        {"max_value": 6.0},
        {"negative_slope": 0.25},
        {"threshold": 1.0},
        {"max_value": 6.0, "negative_slope": 0.25, "threshold": 1.0},
        {"max_value": 5.0, "negative_slope": 0.5, "threshold": 5.0},
    ]:
        note = "grid through every kink: what TensorFlow returns there"
        case("ReLU", grid, note=note, **options)
    case("LeakyReLU", grid, keras3=False, alpha=0.25, note="Keras 3 calls it negative_slope")
    case("LeakyReLU", grid, note="default slope 0.3")
    case("ELU", grid, alpha=0.5)
    case("PReLU", grid, {"alpha": eighths(rng, (13,))})
    case("Softmax", eighths(rng, (3, 4)))
    case("Softmax", eighths(rng, (2, 3, 4)), axis=1)
    for activation in ("softmax", "relu", "tanh", "sigmoid"):
        case("Activation", eighths(rng, (2, 3, 4, 2)), activation=activation)


def batch_normalization(rng: np.random.Generator) -> None:
    """Three training calls, then one inference call; gamma and beta stay as they are.

    Training: y = gamma * (x - mean) / sqrt(var + epsilon) + beta, with the
    *biased* variance (divided by N) of the batch, and gradients through both
    statistics. Then moving = moving * momentum + statistic * (1 - momentum),
    for `moving_variance` with the biased variance too.

    One exception: Keras 2 uses a fused kernel for float32 and float16 inputs of
    rank 4 with channels last, which puts the *unbiased* variance (divided by
    N - 1) into `moving_variance`. The outputs are the same.
    """
    plans: list[tuple[tuple[int, ...], dict[str, Any]]] = [
        ((6, 3), {}),
        ((4, 3, 5, 2), {}),
        ((4, 2, 3, 5), {"axis": 1}),
        ((4, 3, 5, 2), {"scale": False}),
        ((4, 3, 5, 2), {"center": False}),
        ((6, 3), {"scale": False, "center": False}),
        ((4, 3, 5, 2), {"momentum": 0.5, "epsilon": 0.125}),
        ((1, 3), {}),
        ((4, 3, 5, 2), {"fused": True}),
    ]
    for shape, options in plans:
        cls, name = "BatchNormalization", next_id("BatchNormalization")
        fused = options.get("fused", False)
        dtype = "float32" if fused else "float64"
        set_floatx(dtype)
        channels = (shape[options.get("axis", -1)],)
        weights: Arrays = {}
        if options.get("scale", True):
            weights["gamma"] = eighths(rng, channels, 8) + 1.5
        if options.get("center", True):
            weights["beta"] = eighths(rng, channels)
        weights["moving_mean"] = eighths(rng, channels)
        weights["moving_variance"] = eighths(rng, channels, 4) + 1.0
        trained = [w for w in weights if "moving" not in w]
        xs = [eighths(rng, shape) + 0.5 * step for step in range(4)]
        gs = [eighths(rng, shape) for _ in range(4)]
        found: list[Arrays] = []
        for library in (tf_keras, keras):
            kind = (
                options
                if library is tf_keras
                else {k: v for k, v in options.items() if k != "fused"}
            )
            layer = exact(library.layers.BatchNormalization(**kind))
            layer.build(shape)
            layer.set_weights([w.astype(dtype) for w in weights.values()])
            assert not hasattr(layer, "fused") or bool(layer.fused) == fused
            results: Arrays = {}
            for step, (x, g) in enumerate(zip(xs, gs, strict=True)):
                key = f"train/{step}" if step < 3 else "inference"
                tensor = tf.constant(x, dtype)
                with tf.GradientTape() as tape:
                    tape.watch(tensor)
                    y = layer(tensor, training=step < 3)
                    loss = tf.reduce_sum(y * tf.constant(g, dtype))
                variables = [getattr(v, "value", v) for v in layer.trainable_weights]
                if library is tf_keras:
                    variables = list(layer.trainable_weights)
                dx, *grads = tape.gradient(loss, [tensor, *variables])
                results[f"{key}/y"], results[f"{key}/dx"] = y.numpy(), dx.numpy()
                for w, grad in zip(trained, grads, strict=True):
                    results[f"{key}/d_{w}"] = grad.numpy()
                if step < 3:
                    mean, variance = layer.get_weights()[-2:]
                    results[f"{key}/moving_mean"] = mean
                    results[f"{key}/moving_variance"] = variance
            found.append(results)
        two, three = found
        for key in two:
            if fused and key.endswith(
                ("moving_variance", "inference/y", "inference/dx", "d_gamma")
            ):
                continue
            loose = 1e-5 if fused else TOLERANCE
            np.testing.assert_allclose(two[key], three[key], loose, loose, err_msg=f"{name} {key}")
        for step in range(4):
            key = f"train/{step}" if step < 3 else "inference"
            ARRAYS[f"{name}/{key}/x"], ARRAYS[f"{name}/{key}/g"] = xs[step], gs[step]
        ARRAYS.update({f"{name}/weight/{w}": v for w, v in weights.items()})
        ARRAYS.update({f"{name}/{key}": value for key, value in two.items()})
        note = "Keras 2 only: moving_variance takes var * N / (N - 1)" if fused else ""
        ENTRIES.append(
            {
                "id": name,
                "class_name": cls,
                "options": options,
                "dtype": dtype,
                "input_shape": shape,
                "weights": list(weights),
                "keras3_agrees": not fused,
                "tolerance": 1e-5 if fused else TOLERANCE,
                "note": note,
            }
        )
        if fused:  # the claim of the docstring, checked
            n = np.prod(shape) / channels[0]
            expected = 0.99 * weights["moving_variance"] + 0.01 * xs[0].var((0, 1, 2)) * n / (n - 1)
            np.testing.assert_allclose(two["train/0/moving_variance"], expected, 1e-6)
        elif shape == (6, 3) and not options:
            expected = 0.99 * weights["moving_variance"] + 0.01 * xs[0].var(0)
            np.testing.assert_allclose(two["train/0/moving_variance"], expected, 1e-14)
    set_floatx("float64")


def dropout(rng: np.random.Generator) -> None:
    """What survives is divided by 1 - rate, and the gradient goes the same way."""
    x, g = eighths(rng, (50, 8)) + 4.0, eighths(rng, (50, 8))
    for rate in (0.0, 0.25, 0.5):
        name = next_id("Dropout")
        layer = tf_keras.layers.Dropout(rate, seed=7)
        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            y = layer(tensor, training=True)
            loss = tf.reduce_sum(y * g)
        dx = tape.gradient(loss, tensor).numpy()
        keep = y.numpy() != 0
        scale = float(np.unique(np.round(y.numpy()[keep] / x[keep], 12)).item())
        np.testing.assert_allclose(y, x * keep / (1 - rate), 1e-12)
        np.testing.assert_allclose(dx, g * keep / (1 - rate), 1e-12)
        assert np.array_equal(layer(tensor, training=False), x)
        assert np.array_equal(layer(tensor), x)
        ARRAYS.update({f"{name}/x": x, f"{name}/g": g, f"{name}/y": y.numpy(), f"{name}/dx": dx})
        note = "y = x * keep / (1 - rate); the identity in inference, which is the default"
        ENTRIES.append(
            {
                "id": name,
                "class_name": "Dropout",
                "options": {"rate": rate},
                "scale": scale,
                "kept": float(keep.mean()),
                "weights": [],
                "tolerance": TOLERANCE,
                "note": note,
            }
        )


def more(rng: np.random.Generator) -> None:
    """Layers that came later; at the end, so that the numbers above stay what they were."""

    def conv(shape: tuple[int, ...], filters: int, kernel: tuple[int, int], **options: Any) -> None:
        channels = shape[1] if options.get("data_format") == "channels_first" else shape[3]
        size = (*kernel, channels // options.get("groups", 1), filters)
        weights = {"kernel": eighths(rng, size), "bias": eighths(rng, (filters,))}
        kind = {"filters": filters, "kernel_size": kernel, **options}
        case("Conv2D", eighths(rng, shape), weights, **kind)

    conv((2, 5, 6, 4), 6, (3, 3), groups=2, padding="same")
    conv((2, 7, 6, 3), 6, (3, 2), groups=3, strides=(2, 2), activation="relu")
    conv((2, 4, 4, 3), 5, (1, 1), strides=(2, 2))
    conv((1, 2, 6, 6), 4, (2, 2), strides=(2, 2), padding="same", **FIRST)
    for options in [
        {"size": (2, 3)},
        {"size": (2, 3), "interpolation": "bilinear"},
        {"size": (3, 1), "interpolation": "bilinear"},
    ]:
        case("UpSampling2D", eighths(rng, (2, 3, 2, 2)), **options)
        case("UpSampling2D", eighths(rng, (2, 2, 3, 2)), native=False, **options, **FIRST)
    case("ZeroPadding2D", eighths(rng, (1, 2, 3, 1)), padding=2)
    case("Reshape", eighths(rng, (2, 3, 4)), target_shape=(2, -1))
    case("Rescaling", eighths(rng, (2, 3, 2)), scale=0.25, offset=-1.5)
    case(
        "PReLU", eighths(rng, (2, 3, 4, 2)), {"alpha": eighths(rng, (1, 1, 2))}, shared_axes=[1, 2]
    )
    case("ELU", eighths(rng, (3, 4)))
    case("Softmax", eighths(rng, (2, 3, 4)), axis=[1, 2])
    for cls, shapes, options in [
        ("Add", [(2, 3, 4)] * 3, {}),
        ("Add", [(2, 3, 4), (2, 4)], {}),
        ("Add", [(2, 3, 4, 2), (2, 1, 1, 2)], {}),
        ("Multiply", [(2, 3, 4)] * 3, {}),
        ("Multiply", [(2, 3, 4, 2), (2, 2)], {}),
        ("Concatenate", [(2, 3, 1), (2, 3, 2)], {}),
        ("Concatenate", [(2, 1, 3), (2, 2, 3), (2, 1, 3)], {"axis": 1}),
        ("Concatenate", [(2, 2, 3), (2, 1, 3)], {"axis": -2}),
    ]:
        merging(rng, cls, shapes, options)


def merging(
    rng: np.random.Generator, cls: str, shapes: list[tuple[int, ...]], options: dict[str, Any]
) -> None:
    """Record a layer of several inputs."""
    name, xs = next_id(cls), [eighths(rng, shape) for shape in shapes]
    found = []
    for library in (tf_keras, keras):
        tensors = [tf.constant(x) for x in xs]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            y = getattr(library.layers, cls)(**options)(tensors)
            g = eighths(np.random.default_rng([SEED, len(ENTRIES)]), y.shape)
            loss = tf.reduce_sum(y * g)
        found.append([y, *tape.gradient(loss, tensors)])
    for two, three in zip(*found, strict=True):
        np.testing.assert_array_equal(two, three, err_msg=name)
    y, *gradients = (array.numpy() for array in found[0])
    ARRAYS.update({f"{name}/g": g, f"{name}/y": y})
    for i, (x, dx) in enumerate(zip(xs, gradients, strict=True)):
        ARRAYS.update({f"{name}/x/{i}": x, f"{name}/dx/{i}": dx})
    ENTRIES.append(
        {
            "id": name,
            "class_name": cls,
            "options": options,
            "inputs": len(xs),
            "keras3_agrees": True,
        }
    )


def main() -> None:
    set_floatx("float64")
    for number, part in enumerate(
        [convolutions, dense, pooling, shapes, activations, batch_normalization, dropout, more]
    ):
        part(np.random.default_rng([SEED, 1000 + number]))
    index = {
        "what": "Layers in float64 (one BatchNormalization case in float32): y and the gradients "
        "of sum(y * g)",
        "keys": "<id>/x g y dx weight/<name> grad/<name>; BatchNormalization: "
        "<id>/weight/<name> and <id>/{train/0, train/1, train/2, inference}/x g y dx d_gamma "
        "d_beta, after training calls also moving_mean moving_variance",
        "seed": SEED,
        "versions": versions("numpy", "tensorflow", "tf_keras", "keras"),
        "cases": ENTRIES,
    }
    write("layers", index, ARRAYS)
    print(len(ENTRIES), "cases")


if __name__ == "__main__":
    main()

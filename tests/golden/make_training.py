"""Golden data for training: losses, metrics, optimizers, schedules and whole runs.

Computed by Keras 2 (`tf_keras`, the line of TF 2.4). Keras 3 computes the same
things beside it, and TF 2.4's own optimizers (`tf_keras.optimizers.legacy`) too;
their numbers are kept only where they differ, and the JSON says so.

Run: python tests/golden/make_training.py
Needs: tensorflow-cpu, tf_keras, keras, numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _libraries import exact, keras, set_floatx, tf, tf_keras
from _writer import Arrays, eighths, versions, write

SEED = 20240602
SAME = 1e-12  # two libraries agree when they differ by no more than this
Entries = list[dict[str, Any]]
ARRAYS: Arrays = {}


def furthest(a: np.ndarray, b: np.ndarray) -> float:
    """Largest absolute difference; NaN counts as infinitely far."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.nan_to_num(np.abs(a - b), nan=np.inf).max(initial=0.0))


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ----------------------------------------------------------------------------- losses
def losses() -> Entries:
    """Loss values and gradients with respect to `y_pred` (of the sum, where several come out)."""
    rng = np.random.default_rng([SEED, 1])
    entries: Entries = []

    def case(
        cls: str,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        weight: np.ndarray | None = None,
        note: str = "",
        **options: Any,
    ) -> None:
        name = f"{cls}_{sum(e['class_name'] == cls for e in entries)}"
        results = []
        for library in (tf_keras, keras):
            extra = {} if library is tf_keras else {"dtype": "float64"}
            loss = getattr(library.losses, cls)(**options, **extra)
            pred = tf.constant(y_pred)
            with tf.GradientTape() as tape:
                tape.watch(pred)
                value = loss(tf.constant(y_true), pred, sample_weight=weight)
            results.append((value.numpy(), tape.gradient(value, pred).numpy()))
        (value, grad), (value3, grad3) = results
        assert value.dtype == value3.dtype == np.float64, name
        by = max(furthest(value, value3), furthest(grad, grad3))
        key = f"loss/{name}"
        ARRAYS.update({f"{key}/y_true": y_true, f"{key}/y_pred": y_pred})
        if weight is not None:
            ARRAYS[f"{key}/sample_weight"] = weight
        ARRAYS.update({f"{key}/value": value, f"{key}/grad": grad})
        if by > SAME:
            ARRAYS.update({f"{key}/keras3_value": value3, f"{key}/keras3_grad": grad3})
        entries.append(
            {
                "id": name,
                "class_name": cls,
                "options": options,
                "sample_weight": weight is not None,
                "keras3_differs": by > SAME,
                "keras3_difference": by,
                "note": note,
            }
        )

    reductions = ["sum_over_batch_size", "sum", "none"]
    weight4 = np.array([1.0, 0.0, 2.5, 0.5])

    true, pred = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    true3, pred3 = rng.standard_normal((2, 3, 2)), rng.standard_normal((2, 3, 2))
    for cls in ("MeanSquaredError", "MeanAbsoluteError"):
        for reduction in reductions:
            case(cls, true, pred, reduction=reduction)
            case(cls, true, pred, weight4, reduction=reduction)
        case(cls, true3, pred3, note="three axes: the mean is over the last, then the rest")
        case(cls, true3, pred3, np.array([[1.0, 2.0, 0.0], [0.5, 1.0, 3.0]]))
        case(cls, true, pred, weight4[:, None], note="weights of shape (N, 1)")

    logits = 3.0 * rng.standard_normal((4, 5))
    labels = np.array([2, 0, 4, 2])
    one_hot = np.eye(5)[labels]
    soft = softmax(rng.standard_normal((4, 5)))
    unnormalised = softmax(logits) * np.array([[1.0], [0.5], [2.0], [1.5]])
    certain = np.array([[0.0, 0.0, 1.0, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0, 0.0]])
    extreme = np.array([[1000.0, -1000.0, 0.0, 5.0, 2.0], [-800.0, 0.0, 0.0, 0.0, 700.0]])
    for from_logits in (True, False):
        scores = logits if from_logits else softmax(logits)
        for reduction in reductions:
            kind = {"from_logits": from_logits, "reduction": reduction}
            case("CategoricalCrossentropy", one_hot, scores, **kind)
            case("CategoricalCrossentropy", one_hot, scores, weight4, **kind)
            case("SparseCategoricalCrossentropy", labels, scores, **kind)
            case("SparseCategoricalCrossentropy", labels, scores, weight4, **kind)
        for smoothing in (0.1, 0.4):
            kind = {"from_logits": from_logits, "label_smoothing": smoothing}
            case("CategoricalCrossentropy", one_hot, scores, **kind)
            case("CategoricalCrossentropy", soft, scores, weight4, note="soft labels", **kind)
    note = "probabilities that do not add up to one"
    case("CategoricalCrossentropy", one_hot, unnormalised, note=note)
    case("SparseCategoricalCrossentropy", labels, unnormalised, note=note)
    note = "probabilities of exactly 0 and 1: clipped to [eps, 1 - eps], and no gradient there"
    case("CategoricalCrossentropy", np.eye(5)[[2, 3]], certain, note=note)
    note = "the sparse loss clips, then softmaxes the logarithms: the other classes get a gradient"
    case("SparseCategoricalCrossentropy", np.array([2, 3]), certain, note=note)
    note = "extreme logits: finite"
    case("CategoricalCrossentropy", np.eye(5)[[1, 4]], extreme, from_logits=True, note=note)
    case("SparseCategoricalCrossentropy", np.array([1, 4]), extreme, from_logits=True, note=note)
    grid = rng.standard_normal((2, 3, 4))
    where = np.array([[0, 3, 1], [2, 2, 0]])
    case(
        "SparseCategoricalCrossentropy", where, grid, from_logits=True, note="one label a position"
    )
    case("CategoricalCrossentropy", np.eye(4)[where], grid, from_logits=True)
    case("SparseCategoricalCrossentropy", labels[:, None], logits, from_logits=True, note="(N, 1)")
    masked = np.array([2, -1, 4, -1])
    case("SparseCategoricalCrossentropy", masked, logits, from_logits=True, ignore_class=-1)

    bits = (rng.random((4, 3)) < 0.5).astype(np.float64)
    scores = 3.0 * rng.standard_normal((4, 3))
    for from_logits in (True, False):
        pred = scores if from_logits else 1.0 / (1.0 + np.exp(-scores))
        for reduction in reductions:
            kind = {"from_logits": from_logits, "reduction": reduction}
            case("BinaryCrossentropy", bits, pred, **kind)
            case("BinaryCrossentropy", bits, pred, weight4, **kind)
        case("BinaryCrossentropy", bits, pred, from_logits=from_logits, label_smoothing=0.2)
        case("BinaryCrossentropy", bits[:, :1], pred[:, :1], from_logits=from_logits, note="(N, 1)")
    edge = np.array([[0.0, 1.0, 0.0, 1.0, 0.5]])
    case("BinaryCrossentropy", np.array([[0.0, 1.0, 1.0, 0.0, 1.0]]), edge, note="0 and 1 clipped")
    wide = np.array([[-800.0, 800.0, -800.0, 800.0, 0.0]])
    target = np.array([[0.0, 1.0, 1.0, 0.0, 1.0]])
    case("BinaryCrossentropy", target, wide, from_logits=True, note="extreme logits: finite")

    for delta in (1.0, 0.5):
        case("Huber", true, pred, delta=delta)
        case("Huber", true, pred, weight4, delta=delta)
    for reduction in reductions:
        case("KLDivergence", soft, softmax(logits), reduction=reduction)
        case("KLDivergence", soft, softmax(logits), weight4, reduction=reduction)
    note = "probabilities of exactly 0 and 1: clipped to [eps, 1], and no gradient there"
    case("KLDivergence", np.eye(5)[[2, 3]], certain, note=note)
    return entries


# ---------------------------------------------------------------------------- metrics
def metrics() -> Entries:
    """`result()` after each of several `update_state` calls."""
    rng = np.random.default_rng([SEED, 2])
    entries: Entries = []

    def case(
        cls: str, updates: list[tuple[np.ndarray, ...]], note: str = "", **options: Any
    ) -> None:
        name = f"{cls}_{sum(e['class_name'] == cls for e in entries)}"
        words = (
            ("values", "sample_weight") if cls == "Mean" else ("y_true", "y_pred", "sample_weight")
        )
        series = []
        single = "TopK" in cls or "top_k" in options or cls in ("F1Score", "AUC")  # know no other
        for library in (tf_keras, keras):
            dtype = np.float32 if single else np.float64
            metric = getattr(library.metrics, cls)(dtype=dtype.__name__, **options)
            series.append([])
            for update in updates:
                metric.update_state(
                    *(a.astype(dtype) if a.dtype.kind == "f" else a for a in update)
                )
                series[-1].append(float(metric.result()))
            metric.reset_state()
            assert not np.any(metric.result())
        results, results3 = (np.array(s) for s in series)
        by = furthest(results, results3)
        for number, update in enumerate(updates):
            for word, array in zip(words, update, strict=False):
                ARRAYS[f"metric/{name}/{number}/{word}"] = np.asarray(array)
        ARRAYS[f"metric/{name}/results"] = results
        if by > SAME:
            ARRAYS[f"metric/{name}/keras3_results"] = results3
        entries.append(
            {
                "id": name,
                "class_name": cls,
                "options": options,
                "updates": len(updates),
                "single": single,
                "keras3_differs": by > SAME,
                "note": note,
            }
        )

    def weights(n: int) -> np.ndarray:
        return rng.integers(0, 5, n) / 2.0

    whole = [(rng.integers(0, 3, 6), rng.integers(0, 3, 6)) for _ in range(3)]
    case("Accuracy", whole, note="equality of labels")
    case("Accuracy", [(*u, weights(6)) for u in whole])
    column = [(t[:, None], p[:, None]) for t, p in whole]
    case("Accuracy", column, note="shape (N, 1)")
    binary = [
        ((rng.random((6, 1)) < 0.5) * 1.0, eighths(rng, (6, 1), 8) / 2 + 0.5) for _ in range(3)
    ]
    for threshold in (0.5, 0.25):
        note = "a prediction equal to the threshold counts as 0"
        case("BinaryAccuracy", binary, threshold=threshold, note=note)
        case("BinaryAccuracy", [(*u, weights(6)) for u in binary], threshold=threshold)
    many = [((rng.random((5, 4)) < 0.5) * 1.0, rng.random((5, 4))) for _ in range(2)]
    case("BinaryAccuracy", many, note="several outputs: each row scores its mean")
    case("BinaryAccuracy", [(*u, weights(5)) for u in many])
    scores = [rng.integers(0, 4, (6, 4)) / 4.0 for _ in range(3)]
    labels = [rng.integers(0, 4, 6) for _ in range(3)]
    note = "ties: the first maximum wins"
    case("SparseCategoricalAccuracy", list(zip(labels, scores, strict=True)), note=note)
    case(
        "SparseCategoricalAccuracy",
        [(t, p, weights(6)) for t, p in zip(labels, scores, strict=True)],
    )
    shaped = [(t[:, None], p) for t, p in zip(labels, scores, strict=True)]
    case("SparseCategoricalAccuracy", shaped, note="labels of shape (N, 1)")
    hot = [(np.eye(4)[t], p) for t, p in zip(labels, scores, strict=True)]
    case("CategoricalAccuracy", hot, note=note)
    case("CategoricalAccuracy", [(*u, weights(6)) for u in hot])
    zero = [(*hot[0], np.zeros(6)), (*hot[1], np.ones(6))]
    case("CategoricalAccuracy", zero, note="all weights zero: 0, not NaN")
    for k in (1, 2, 3):
        note = "ties with the label's score count as right"
        sparse = list(zip(labels, scores, strict=True))
        case("SparseTopKCategoricalAccuracy", sparse, k=k, note=note)
        case("TopKCategoricalAccuracy", hot, k=k, note=note)
        case("TopKCategoricalAccuracy", [(*u, weights(6)) for u in hot], k=k)
    for cls in ("Precision", "Recall"):
        case(cls, many)
        case(cls, [(*u, weights(5)) for u in many], thresholds=0.25)
        case(cls, many, class_id=2)
        case(cls, many, top_k=2)
        case(cls, many, top_k=2, class_id=1)
        case(cls, binary, note="a prediction equal to the threshold counts as 0")
        case(cls, [(np.zeros((4, 1)), np.zeros((4, 1)))], note="nothing found: 0")
    for average in ("micro", "macro", "weighted"):
        case("F1Score", hot, average=average)
        case("F1Score", many, average=average, threshold=0.4)
        case("F1Score", [(*u, weights(5) + 0.5) for u in many], average=average, threshold=0.4)
    clouds = [((t := (rng.random(40) < 0.4) * 1.0), 0.6 * rng.random(40) + 0.4 * t) for _ in "abc"]
    for curve in ("ROC", "PR"):
        for method in ("interpolation", "minoring", "majoring"):
            case("AUC", clouds, curve=curve, summation_method=method)
        case("AUC", [(*u, weights(40)) for u in clouds], curve=curve, num_thresholds=7)
    logit = [(t, np.log(p / (1 - p + 1e-3) + 1e-3)) for t, p in clouds]
    case("AUC", logit, from_logits=True)
    values = [(rng.standard_normal(n),) for n in (4, 1, 7)]
    case("Mean", values)
    case("Mean", [(*v, weights(v[0].size) + 0.5) for v in values])
    case("Mean", [(np.array(3.5),), (np.array(-1.0),), (np.array([2.0, 4.0]),)], note="scalars")
    case("Mean", [(rng.standard_normal((3, 2)), np.array([1.0, 0.0, 2.0]))], note="rows weighted")
    return entries


# ------------------------------------------------------------------------- optimizers
STEPS = 12
OPTIMIZERS: list[tuple[str, str, dict[str, Any]]] = [
    ("sgd", "SGD", {"learning_rate": 0.1}),
    ("sgd_default", "SGD", {}),
    ("sgd_momentum", "SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("sgd_nesterov", "SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("sgd_clipvalue", "SGD", {"learning_rate": 0.1, "clipvalue": 0.5}),
    ("sgd_clipnorm", "SGD", {"learning_rate": 0.1, "clipnorm": 1.0}),
    ("sgd_global_clipnorm", "SGD", {"learning_rate": 0.1, "global_clipnorm": 1.0}),
    ("sgd_weight_decay", "SGD", {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    ("rmsprop_default", "RMSprop", {}),
    ("rmsprop", "RMSprop", {"learning_rate": 0.05}),
    ("rmsprop_rho", "RMSprop", {"learning_rate": 0.05, "rho": 0.5}),
    ("rmsprop_momentum", "RMSprop", {"learning_rate": 0.05, "momentum": 0.9}),
    ("rmsprop_centered", "RMSprop", {"learning_rate": 0.05, "centered": True}),
    (
        "rmsprop_all",
        "RMSprop",
        {"learning_rate": 0.02, "rho": 0.8, "momentum": 0.5, "centered": True, "epsilon": 1e-3},
    ),
    ("adam_default", "Adam", {}),
    ("adam", "Adam", {"learning_rate": 0.05}),
    ("adam_betas", "Adam", {"learning_rate": 0.05, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    ("adam_amsgrad", "Adam", {"learning_rate": 0.05, "amsgrad": True, "beta_2": 0.5}),
    ("adam_weight_decay", "Adam", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("adamw_default", "AdamW", {}),
    ("adamw", "AdamW", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("adamw_amsgrad", "AdamW", {"learning_rate": 0.05, "weight_decay": 0.1, "amsgrad": True}),
    ("adagrad", "Adagrad", {"learning_rate": 0.1}),
    ("adagrad_all", "Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-2}),
    ("lion", "Lion", {"learning_rate": 0.05}),
    (
        "lion_all",
        "Lion",
        {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.8, "weight_decay": 0.1},
    ),
    ("adamax", "Adamax", {"learning_rate": 0.05}),
    ("nadam_betas", "Nadam", {"learning_rate": 0.05, "beta_1": 0.5, "beta_2": 0.9}),
    ("nadam", "Nadam", {"learning_rate": 0.05}),  # its constant 0.96 stays float32: 1e-8
]


def trajectory(
    optimizer: Any, variable: Callable[[np.ndarray], Any], start: Arrays, grads: Arrays
) -> Arrays:
    """Parameters after every step."""
    variables = {name: variable(array) for name, array in start.items()}
    if hasattr(optimizer, "build"):
        optimizer.build(list(variables.values()))
    path: dict[str, list[np.ndarray]] = {name: [] for name in start}
    for step in range(STEPS):
        pairs = [(tf.constant(grads[name][step]), variables[name]) for name in start]
        optimizer.apply_gradients(pairs)
        for name, v in variables.items():
            path[name].append(v.numpy().copy())
    return {name: np.stack(values) for name, values in path.items()}


def optimizers() -> Entries:
    """Twelve steps from a fixed start along fixed gradients."""
    rng = np.random.default_rng([SEED, 3])
    start = {"a": rng.standard_normal((3, 2)), "b": rng.standard_normal(4)}
    grads = {name: rng.standard_normal((STEPS, *array.shape)) for name, array in start.items()}
    grads["a"][3] = 0.0  # a step without gradient
    grads["b"][:, 0] = 0.0  # a parameter that never gets one
    grads["b"][5] *= 100.0  # a jump
    for name in start:
        ARRAYS[f"optimizer/start/{name}"] = start[name]
        ARRAYS[f"optimizer/grads/{name}"] = grads[name]
    entries: Entries = []
    for name, cls, options in OPTIMIZERS:
        made: dict[str, Any] = {
            "tf_keras": getattr(tf_keras.optimizers, cls)(**options),
            "keras3": getattr(keras.optimizers, cls)(**options),
        }
        if hasattr(tf_keras.optimizers.legacy, cls) and "weight_decay" not in options:
            made["legacy"] = legacy = getattr(tf_keras.optimizers.legacy, cls)(**options)
        defaults = {
            who: {k: v for k, v in o.get_config().items() if k != "name"} for who, o in made.items()
        }
        exact(made["tf_keras"])
        exact(made["keras3"])
        if "legacy" in made:
            # It would round its hyperparameters to float32; give it float64 tensors.
            for key, value in legacy._hyper.items():
                legacy._hyper[key] = tf.constant(value, tf.float64)
            legacy._hypers_created = True
        paths = {
            who: trajectory(o, keras.Variable if who == "keras3" else tf.Variable, start, grads)
            for who, o in made.items()
        }
        entry: dict[str, Any] = {"id": name, "class_name": cls, "options": options}
        for who, path in paths.items():
            by = max(furthest(path[p], paths["tf_keras"][p]) for p in start)
            if who == "tf_keras":
                ARRAYS.update({f"optimizer/{name}/{p}": path[p] for p in start})
                continue
            entry[f"{who}_differs"] = by > SAME
            entry[f"{who}_difference"] = by
            if by > SAME:
                ARRAYS.update({f"optimizer/{name}/{who}/{p}": path[p] for p in start})
        entry["defaults"] = defaults
        entries.append(entry)
    return entries


SCHEDULES: list[tuple[str, str, dict[str, Any]]] = [
    ("exponential", "ExponentialDecay", {"decay_steps": 10, "decay_rate": 0.5}),
    ("staircase", "ExponentialDecay", {"decay_steps": 10, "decay_rate": 0.5, "staircase": True}),
    ("cosine", "CosineDecay", {"decay_steps": 20, "alpha": 0.1}),
    ("warmup", "CosineDecay", {"decay_steps": 20, "warmup_target": 0.3, "warmup_steps": 5}),
    (
        "restarts",
        "CosineDecayRestarts",
        {"first_decay_steps": 7, "t_mul": 2.0, "m_mul": 0.8, "alpha": 0.05},
    ),
    ("polynomial", "PolynomialDecay", {"decay_steps": 15, "end_learning_rate": 0.01, "power": 2.0}),
    (
        "cycle",
        "PolynomialDecay",
        {"decay_steps": 8, "end_learning_rate": 0.01, "power": 1.0, "cycle": True},
    ),
    ("inverse_time", "InverseTimeDecay", {"decay_steps": 10, "decay_rate": 0.5}),
    ("piecewise", "PiecewiseConstantDecay", {"boundaries": [5, 12], "values": [0.1, 0.05, 0.001]}),
]


def schedules() -> Entries:
    """Learning rates at steps 0 to 39."""
    entries: Entries = []
    for name, cls, options in SCHEDULES:
        if "values" not in options:
            options = {"initial_learning_rate": 0.1, **options}
        rates = []
        for library in (tf_keras, keras):
            schedule = exact(getattr(library.optimizers.schedules, cls)(**options))
            if "values" in options:
                schedule.values = [np.float64(value) for value in options["values"]]
            rates.append(np.array([float(schedule(tf.constant(s))) for s in range(40)]))
        by = furthest(*rates)
        ARRAYS[f"schedule/{name}"] = rates[0]
        entries.append({"id": name, "class_name": cls, "options": options, "keras3_difference": by})
    return entries


# ------------------------------------------------------------------------- whole runs
RUN_BATCHES, RUN_SIZE = 10, 8
WEIGHTS: dict[str, tuple[int, ...]] = {
    "separable_1/depthwise_kernel": (3, 3, 2, 1),
    "separable_1/pointwise_kernel": (1, 1, 2, 4),
    "separable_1/bias": (4,),
    "batch_normalization/gamma": (4,),
    "batch_normalization/beta": (4,),
    "batch_normalization/moving_mean": (4,),
    "batch_normalization/moving_variance": (4,),
    "separable_2/depthwise_kernel": (3, 3, 4, 1),
    "separable_2/pointwise_kernel": (1, 1, 4, 6),
    "separable_2/bias": (6,),
    "dense/kernel": (6, 3),
    "dense/bias": (3,),
}


def make_model(library: Any, extras: bool) -> Any:
    """The small network; `extras` adds regularizers and a constraint."""
    layers, l2 = library.layers, library.regularizers.L2
    # Keras 2's fused float32 kernel averages the unbiased variance (see `make_layers`);
    # everything else averages the biased one.
    unfused = {"fused": False} if library is tf_keras else {}
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    if extras:
        first = {"depthwise_regularizer": l2(0.0625), "activity_regularizer": l2(0.0078125)}
        second = {
            "pointwise_regularizer": library.regularizers.L1(0.03125),
            "pointwise_constraint": library.constraints.MaxNorm(0.5, axis=[0, 1, 2]),
        }
    return library.Sequential(
        [
            layers.SeparableConv2D(4, 3, padding="same", activation="relu", **first),
            exact(layers.BatchNormalization(**unfused)),
            layers.SeparableConv2D(6, 3, strides=2, **second),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def train(
    library: Any, make_optimizer: Callable[[Any], Any], dtype: str, extras: bool
) -> dict[str, Any]:
    """Train on every batch once; return losses, weights and predictions."""
    set_floatx(dtype)
    model = make_model(library, extras)
    model.build((None, 8, 8, 2))
    model.set_weights([ARRAYS[f"run/initial/{name}"].astype(dtype) for name in WEIGHTS])
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=exact(make_optimizer(library)), loss=loss, run_eagerly=True)
    history = []
    for x, labels in zip(ARRAYS["run/x"], ARRAYS["run/labels"], strict=True):
        model.reset_metrics()
        value = model.train_on_batch(x.astype(dtype), labels)
        history.append(float(value))
    predictions = model(ARRAYS["run/x"][0].astype(dtype), training=False)
    final = dict(zip(WEIGHTS, model.get_weights(), strict=True))
    return {"loss": np.array(history), "predictions": predictions.numpy(), "final": final}


def first_step(dtype: str = "float64") -> None:
    """Logits and gradients of the first batch, in training mode."""
    set_floatx(dtype)
    model = make_model(tf_keras, extras=False)
    model.build((None, 8, 8, 2))
    model.set_weights([ARRAYS[f"run/initial/{name}"] for name in WEIGHTS])
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        logits = model(tf.constant(ARRAYS["run/x"][0]), training=True)
        value = loss(ARRAYS["run/labels"][0], logits)
    ARRAYS["run/first/logits"] = logits.numpy()
    ARRAYS["run/first/loss"] = value.numpy()
    names = [name for name in WEIGHTS if "moving" not in name]
    grads = tape.gradient(value, model.trainable_weights)
    for name, grad in zip(names, grads, strict=True):
        ARRAYS[f"run/first/grad/{name}"] = grad.numpy()


def runs() -> Entries:
    """Whole training runs from the same weights on the same batches."""
    rng = np.random.default_rng([SEED, 4])
    ARRAYS["run/x"] = eighths(rng, (RUN_BATCHES, RUN_SIZE, 8, 8, 2))
    labels = rng.integers(0, 3, (RUN_BATCHES, RUN_SIZE))
    ARRAYS["run/x"] += labels[..., None, None, None] / 4.0  # something to learn
    ARRAYS["run/labels"] = labels
    for name, shape in WEIGHTS.items():
        value = rng.standard_normal(shape) * 0.5
        if name.endswith(("gamma", "variance")):
            value = 1.0 + 0.25 * np.abs(value)
        # Every start is a float32 number, so that both precisions start equal.
        ARRAYS[f"run/initial/{name}"] = value.astype(np.float32).astype(np.float64)
    first_step()
    plans: list[tuple[str, Callable[[Any], Any], bool]] = [
        ("adam", lambda k: k.optimizers.Adam(learning_rate=0.02), False),
        ("sgd", lambda k: k.optimizers.SGD(learning_rate=0.1, momentum=0.9), False),
        ("extras", lambda k: k.optimizers.SGD(learning_rate=0.02, momentum=0.5), True),
    ]
    notes = {
        "adam": "Adam(0.02)",
        "sgd": "SGD(0.1, momentum=0.9)",
        "extras": "SGD(0.02, momentum=0.5); separable_1 with depthwise L2(1/16) and activity "
        "L2(1/128); separable_2 with pointwise L1(1/32) and MaxNorm(0.5, axis=[0, 1, 2])",
    }
    entries: Entries = []
    for name, make_optimizer, extras in plans:
        for dtype in ("float64", "float32"):
            two = train(tf_keras, make_optimizer, dtype, extras)
            three = train(keras, make_optimizer, dtype, extras)
            key = f"run/{name}_{dtype}"
            ARRAYS[f"{key}/loss"] = two["loss"]
            ARRAYS[f"{key}/predictions"] = two["predictions"]
            ARRAYS.update({f"{key}/final/{w}": array for w, array in two["final"].items()})
            entries.append(
                {
                    "id": f"{name}_{dtype}",
                    "what": notes[name],
                    "dtype": dtype,
                    "first_loss": two["loss"][0],
                    "last_loss": two["loss"][-1],
                    "keras3_loss_difference": furthest(two["loss"], three["loss"]),
                    "keras3_weight_difference": max(
                        furthest(two["final"][w], three["final"][w]) for w in WEIGHTS
                    ),
                }
            )
    set_floatx("float64")
    return entries


def main() -> None:
    set_floatx("float64")
    index = {
        "what": "Losses, metrics, optimizers, schedules and training runs, float64 unless named",
        "seed": SEED,
        "versions": versions("numpy", "tensorflow", "tf_keras", "keras"),
        "loss": losses(),
        "metric": metrics(),
        "optimizer": optimizers(),
        "schedule": schedules(),
        "run_weights": list(WEIGHTS),
        "run": runs(),
    }
    write("training", index, ARRAYS)
    for section in ("loss", "metric", "optimizer"):
        for e in index[section]:  # type: ignore[attr-defined]
            odd = {k: v for k, v in e.items() if "differ" in k and v}
            if odd:
                print(section, e["id"], odd, e.get("note"))
    for e in index["run"] + index["schedule"]:  # type: ignore[operator]
        print(e)


if __name__ == "__main__":
    main()

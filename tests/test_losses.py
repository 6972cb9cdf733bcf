"""Losses against Keras' numbers (tests/golden/README.md), their weights, labels and errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "training.json").read_text(encoding="utf-8"))
ARRAYS = dict(np.load(GOLDEN / "training.npz", allow_pickle=False))
CASES = INDEX["loss"]
CLASSES = sorted({case["class_name"] for case in CASES})
FUNCTIONS = {
    "MeanSquaredError": losses.mean_squared_error,
    "MeanAbsoluteError": losses.mean_absolute_error,
    "CategoricalCrossentropy": losses.categorical_crossentropy,
    "SparseCategoricalCrossentropy": losses.sparse_categorical_crossentropy,
    "BinaryCrossentropy": losses.binary_crossentropy,
    "Huber": losses.huber,
    "KLDivergence": losses.kl_divergence,
}


def given(case: dict[str, Any], name: str) -> np.ndarray:
    return ARRAYS[f"loss/{case['id']}/{name}"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case: dict[str, Any]) -> None:
    loss = getattr(losses, case["class_name"])(**case["options"])
    y_pred = mg.tensor(given(case, "y_pred"), requires_grad=True)
    weight = given(case, "sample_weight") if case["sample_weight"] else None
    value = loss(given(case, "y_true"), y_pred, weight)
    value.sum().backward()
    assert value.dtype == np.float64
    np.testing.assert_allclose(value.data, given(case, "value"), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(y_pred.grad.data, given(case, "grad"), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_float32_is_kept_and_close(case: dict[str, Any]) -> None:
    loss = getattr(losses, case["class_name"])(**case["options"])
    y_pred = mg.tensor(given(case, "y_pred").astype(np.float32), requires_grad=True)
    weight = given(case, "sample_weight") if case["sample_weight"] else None
    value = loss(given(case, "y_true"), y_pred, weight)
    value.sum().backward()
    assert value.dtype == y_pred.grad.dtype == np.float32
    # Around the clipping at 1 - 1e-7, float32 has one number only (1 - 1.2e-7).
    tolerance = 0.01 if "clipped" in case["note"] or "clips" in case["note"] else 2e-6
    np.testing.assert_allclose(value.data, given(case, "value"), rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_functions_give_one_number_per_example(case: dict[str, Any]) -> None:
    options = {k: v for k, v in case["options"].items() if k != "reduction"}
    y_true, y_pred = given(case, "y_true"), given(case, "y_pred")
    per_example = FUNCTIONS[case["class_name"]](y_true, y_pred, **options)
    assert per_example.shape == y_pred.shape[:-1]
    whole = getattr(losses, case["class_name"])(**options, reduction="sum")(y_true, y_pred)
    assert per_example.data.sum() == pytest.approx(whole.item(), rel=1e-14)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_configurations(case: dict[str, Any]) -> None:
    loss = getattr(losses, case["class_name"])(**case["options"])
    written = json.loads(json.dumps(losses.serialize(loss)))
    again = losses.deserialize(written)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_configurations_of_keras_are_read() -> None:
    two = {"reduction": "auto", "name": "x", "from_logits": True, "label_smoothing": 0, "axis": -1}
    form = {"class_name": "CategoricalCrossentropy", "config": {**two, "fn": "whatever"}}
    loss = losses.deserialize(form)
    assert isinstance(loss, losses.CategoricalCrossentropy)
    assert loss.from_logits
    assert loss.reduction == "sum_over_batch_size"


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("from_logits", [True, False])
def test_second_derivative(name: str, from_logits: bool) -> None:
    cross = "Crossentropy" in name
    if from_logits and not cross:
        return
    loss = getattr(losses, name)(**({"from_logits": from_logits} if cross else {}))
    rng = np.random.default_rng(0)
    y_pred = mg.tensor(rng.uniform(0.1, 0.8, (3, 4)), requires_grad=True)
    y_true = np.array([0, 3, 1]) if "Sparse" in name else np.eye(4)[[0, 3, 1]]
    assert mg.gradcheck(lambda p: loss(y_true, p), [y_pred])
    assert mg.gradgradcheck(lambda p: loss(y_true, p), [y_pred])


def test_the_axis_of_classes_may_be_elsewhere() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((2, 5, 3)), rng.integers(0, 5, (2, 3))
    last = np.moveaxis(logits, 1, -1)
    for loss, y_true, moved in (
        (losses.sparse_categorical_crossentropy, labels, labels),
        (losses.categorical_crossentropy, np.moveaxis(np.eye(5)[labels], -1, 1), np.eye(5)[labels]),
    ):
        found = loss(y_true, logits, from_logits=True, axis=1)
        np.testing.assert_allclose(found.data, loss(moved, last, from_logits=True).data, 1e-14)


def test_labels_may_be_floats_without_a_fraction() -> None:
    logits = np.zeros((2, 3))
    for labels in ([0, 2], [0.0, 2.0], [[0], [2]], np.array([0, 2], np.uint8)):
        loss = losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        np.testing.assert_allclose(loss.data, [math.log(3)] * 2)


def test_a_column_and_a_vector_are_not_broadcast_to_a_matrix() -> None:
    """(N,) against (N, 1) would give N x N differences."""
    loss = losses.MeanSquaredError()
    assert loss([1.0, 2.0], mg.tensor([[1.0], [2.0]])).item() == 0.0
    assert loss([[1.0], [2.0]], mg.tensor([1.0, 2.0])).item() == 0.0


def test_weights() -> None:
    loss = losses.MeanSquaredError()
    y_pred = mg.tensor([[1.0], [2.0]])
    assert loss([[0.0], [0.0]], y_pred, 0.5).item() == 1.25
    assert loss([[0.0], [0.0]], y_pred, [1.0, 0.0]).item() == 0.5  # divided by 2, not by 1
    assert loss([[0.0], [0.0]], y_pred, [[1.0], [0.0]]).item() == 0.5


def test_weights_of_examples_with_several_losses_each() -> None:
    loss = losses.MeanSquaredError(reduction="none")
    y_pred = mg.tensor(np.ones((2, 3, 1)))
    weighted = loss(np.zeros((2, 3, 1)), y_pred, [1.0, 5.0])
    assert weighted.data.tolist() == [[1.0] * 3, [5.0] * 3]


def test_an_empty_batch_has_loss_0() -> None:
    assert losses.MeanSquaredError()(np.zeros((0, 2)), np.zeros((0, 2))).item() == 0.0


P = np.full((2, 3), 1 / 3)
sparse, hot = losses.sparse_categorical_crossentropy, losses.categorical_crossentropy
binary, mse = losses.binary_crossentropy, losses.mean_squared_error
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: mse(np.ones((2, 2)), P), r"same shape. Received: y_true \(2, 2\), y_pred \(2, 3\)"),
    (lambda: mse(np.ones(3), P), r"y_true \(3,\), y_pred \(2, 3\)"),
    (lambda: mse(P, np.ones((2, 3), int)), "Received: y_pred of dtype int64"),
    (lambda: mse(np.float64(1), np.float64(1)), "at least one axis"),
    (lambda: mse([[0, np.nan, 1]] * 2, P), r"NaN. Received: NaN at \(0, 1\) of shape \(2, 3\)"),
    (lambda: hot([0, 1], P), "class numbers use sparse_categorical_crossentropy"),
    (lambda: hot([[0, 0, 2]] * 2, P), r"in \[0, 1\]. Received: 2.0 at \(0, 2\)"),
    (lambda: hot(np.full((2, 3), np.nan), P), "must not contain NaN"),
    (lambda: binary([[0, 0, -1]] * 2, P), r"in \[0, 1\]. Received: -1.0 at \(0, 2\)"),
    (lambda: sparse([0, 3], P), r"from 0 to 2, as y_pred has 3 classes. Received: 3 at \(1,\)"),
    (lambda: sparse([-1, 0], P), r"Received: -1 at \(0,\)"),
    (lambda: sparse([0.5, 0], P), r"integers from 0 to 2. Received: 0.5 at \(0,\)"),
    (lambda: sparse([0, np.nan], P), r"integers from 0 to 2. Received: nan at \(1,\)"),
    (lambda: sparse([0, np.inf], P), r"Received: inf at \(1,\)"),
    (lambda: sparse([0, 1, 2], P), r"needs the shape \(2,\) to go with y_pred of shape \(2, 3\)"),
    (lambda: sparse(np.eye(3)[:2], P), "one-hot labels use categorical_crossentropy"),
    (lambda: losses.MeanSquaredError()(P, P, [1, 2, 3]), r"losses have shape \(2,\). Received:"),
    (lambda: losses.MeanSquaredError()(P, P, [1, np.nan]), r"`sample_weight` must not contain NaN"),
    (lambda: losses.MeanSquaredError("average"), "`reduction` must be one of .*'average'"),
    (lambda: losses.BinaryCrossentropy(label_smoothing=2), "`label_smoothing` argument must be"),
    (lambda: losses.get("mean_sqared_error"), "Did you mean 'mean_squared_error'|'MeanSquaredE"),
    (lambda: losses.get(3), "A loss must be given as"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_errors(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_names() -> None:
    registries = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
    by_function = {function.__name__: name for name, function in FUNCTIONS.items()}
    for name, expected in registries["identifiers"]["tf_keras"]["losses"].items():
        expected = by_function.get(expected.removeprefix("function "), expected)
        if expected in CLASSES:
            assert type(losses.get(name)).__name__ == expected
    for name, function in FUNCTIONS.items():
        assert type(losses.get(function)).__name__ == name
    assert losses.get(None) is None


def test_functions_become_losses() -> None:
    def largest(y_true: Any, y_pred: Any) -> Any:
        return mg.ops.max(mg.ops.abs(y_pred - y_true), axis=-1)

    loss = losses.get(largest)
    assert loss.name == "largest"
    assert loss(np.zeros((2, 2)), mg.tensor([[1.0, 2.0], [4.0, 3.0]])).item() == 3.0
    losses.register(largest)
    again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
    assert again.function is largest
    assert losses.get("largest").function is largest

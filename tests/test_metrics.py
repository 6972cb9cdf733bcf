"""Metrics against Keras' numbers (tests/golden/README.md), their weights, shapes and names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import metrics

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "training.json").read_text(encoding="utf-8"))
ARRAYS = dict(np.load(GOLDEN / "training.npz", allow_pickle=False))
CASES = INDEX["metric"]


def updates(case: dict[str, Any]) -> list[list[np.ndarray]]:
    words = ["values"] if case["class_name"] == "Mean" else ["y_true", "y_pred"]
    words.append("sample_weight")
    keys = [[f"metric/{case['id']}/{n}/{w}" for w in words] for n in range(case["updates"])]
    return [[ARRAYS[key] for key in batch if key in ARRAYS] for batch in keys]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case: dict[str, Any]) -> None:
    metric = getattr(metrics, case["class_name"])(**case["options"])
    results = ARRAYS[f"metric/{case['id']}/results"]
    for _ in range(2):  # again after a reset
        assert metric.result() == 0.0
        for batch, expected in zip(updates(case), results, strict=True):
            metric.update_state(*batch)
            assert metric.result() == pytest.approx(expected, rel=2e-6 if case["single"] else 1e-14)
        assert type(metric.result()) is float
        metric.reset_state()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_configurations(case: dict[str, Any]) -> None:
    metric = getattr(metrics, case["class_name"])(**case["options"])
    written = json.loads(json.dumps(metrics.serialize(metric)))
    again = metrics.deserialize(written)
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    written["config"]["dtype"] = "float32"  # as Keras 2 writes it
    assert metrics.deserialize(written).get_config() == metric.get_config()


def test_tensors_and_float32() -> None:
    y_pred = mg.tensor(np.array([[0.1, 0.9], [0.6, 0.4]], np.float32), requires_grad=True)
    assert metrics.SparseCategoricalAccuracy()(mg.tensor([1, 1]), y_pred) == 0.5


@pytest.mark.parametrize("name", ["binary_accuracy", "mse", "mae"])
def test_predictions_without_an_axis_of_outputs_are_examples(name: str) -> None:
    metric = metrics.get(name)
    metric.update_state([1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0])
    metric.update_state([1.0, 1.0], [1.0, 0.0])
    assert metric.result() == 0.5


def test_long_sums_keep_their_precision() -> None:
    mean = metrics.Mean()
    for _ in range(10):
        mean.update_state(np.full(100_000, 0.1, np.float32))
    assert mean.result() == pytest.approx(float(np.float32(0.1)), rel=1e-12)


AUTO: list[tuple[Any, Any, type]] = [
    ([1, 0], [[0.9], [0.2]], metrics.BinaryAccuracy),
    ([[1], [0]], [[0.9], [0.2]], metrics.BinaryAccuracy),
    ([1, 0], [0.9, 0.2], metrics.BinaryAccuracy),
    ([1, 0], [[0.1, 0.9], [0.8, 0.2]], metrics.SparseCategoricalAccuracy),
    ([[1], [0]], [[0.1, 0.9], [0.8, 0.2]], metrics.SparseCategoricalAccuracy),
    ([[0, 1], [1, 0]], [[0.1, 0.9], [0.8, 0.2]], metrics.CategoricalAccuracy),
]


@pytest.mark.parametrize(("y_true", "y_pred", "expected"), AUTO)
def test_accuracy_is_chosen_by_shape(y_true: Any, y_pred: Any, expected: type) -> None:
    metric = metrics.get("accuracy")
    assert metric(y_true, y_pred) == expected()(y_true, y_pred) == 1.0
    assert type(metric._chosen) is expected
    assert metric.name == "accuracy"


def test_accuracy_is_chosen_anew_after_a_reset_only() -> None:
    metric = metrics.get("acc")
    metric.update_state([0, 1], [[0.9, 0.1], [0.9, 0.1]])
    with pytest.raises(ValueError, match="one label per example"):
        metric.update_state([[0, 1]], [[0.9, 0.1]])
    assert metric.result() == 0.5
    metric.reset_state()
    assert metric([[1, 0]], [[0.9, 0.1]]) == 1.0


def test_names() -> None:
    registries = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
    known = registries["identifiers"]["keras3"]["metrics"]
    ours = {name for name in metrics.__all__ if name != "Metric"}
    for name, expected in known.items():
        if expected in ours and name != "accuracy":
            assert type(metrics.get(name)).__name__ == expected
    assert type(metrics.get("accuracy")) is type(metrics.get("ACC")) is metrics.AutoAccuracy
    assert type(metrics.get("Accuracy")) is metrics.Accuracy
    assert metrics.get(None) is None
    mean = metrics.Mean("loss")
    assert metrics.get(mean) is mean


def test_functions_become_metrics() -> None:
    def closeness(y_true: Any, y_pred: Any) -> Any:
        return np.abs(y_true - y_pred).max(axis=-1)

    metric = metrics.get(closeness)
    assert metric.name == "closeness"
    assert metric(np.zeros((2, 2)), np.array([[1.0, 2.0], [0.0, 1.0]])) == 1.5
    metrics.register(closeness)
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert again.function is closeness


THRESHOLDS: list[tuple[dict[str, Any], Any, Any]] = [  # options, precision and recall of Keras 3
    (
        {"thresholds": [0.2, 0.5, 0.9]},
        [0.5165504813194275, 0.5238637328147888, 0.316111296415329],
        [0.7535533905029297, 0.5035775899887085, 0.07173869758844376],
    ),
    (
        {"thresholds": [0.3, 0.7], "class_id": 1},
        [0.592774510383606, 0.545648455619812],
        [0.812526524066925, 0.45090317726135254],
    ),
    (
        {"thresholds": [0.3, 0.7], "top_k": 2},
        [0.4676284193992615, 0.42908281087875366],
        [0.43398308753967285, 0.27325382828712463],
    ),
    ({"top_k": 2}, 0.468918114900589, 0.4584265947341919),
    ({"thresholds": [0.4]}, 0.4979954957962036, 0.5806809663772583),
]


@pytest.mark.parametrize("options, precision, recall", THRESHOLDS)
def test_several_thresholds(options: Any, precision: Any, recall: Any) -> None:
    draw = np.random.default_rng(0).random
    truth, scores = draw((12, 4)) > 0.6, draw((12, 4)).astype("float32").round(1)
    weights = draw(12).astype("float32")
    for cls, wanted in ((metrics.Precision, precision), (metrics.Recall, recall)):
        metric = cls(**options)
        metric.update_state(truth, scores, weights)
        metric.update_state(truth[::-1], scores)
        np.testing.assert_allclose(metric.result(), wanted, rtol=1e-6)
        again = metrics.deserialize(metrics.serialize(metric))
        assert again is not None and again.get_config() == metric.get_config()
        metric.reset_state()
        assert not np.any(metric.result()) and np.shape(metric.result()) == np.shape(wanted)


ERRORS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: metrics.Accuracy()([1, 2], [1, 2, 3]),
        r"same shape. Received: y_true of shape \(2,\)",
    ),
    (lambda: metrics.CategoricalAccuracy()([1], [[0.1, 0.9]]), "the same shape"),
    (lambda: metrics.SparseCategoricalAccuracy()([1, 2], [[0.1, 0.9]]), "one label per example"),
    (lambda: metrics.SparseCategoricalAccuracy()(1, 0.5), "need an axis of classes"),
    (lambda: metrics.BinaryAccuracy()([1, 0], [[0.1, 0.9]]), "the same shape"),
    (lambda: metrics.Mean()([1.0, 2.0], [1.0, 2.0, 3.0]), r"values have shape \(2,\). Received:"),
    (lambda: metrics.BinaryAccuracy(threshold="half"), "`threshold` argument must be a finite"),
    (lambda: metrics.get("acuracy"), "Unknown metric. Did you mean"),
    (lambda: metrics.get(3), "A metric must be given as"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_errors(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_an_error_changes_nothing() -> None:
    mean = metrics.Mean()
    mean.update_state([1.0, 3.0])
    with pytest.raises(ValueError, match="values have shape"):
        mean.update_state([5.0, 7.0], [1.0, 1.0, 1.0])
    assert mean.result() == 2.0


def test_counts_against_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 4, 200), rng.random((200, 4))
    best, hot = scores.argmax(axis=1), np.eye(4)[labels]
    table = metrics.ConfusionMatrix(4)
    for part in np.array_split(np.arange(200), 3):
        table.update_state(labels[part], scores[part])
    assert np.array_equal(table.result(), sk.confusion_matrix(labels, best))
    for average in ("micro", "macro", "weighted", None):
        ours = metrics.F1Score(average)(hot, scores)
        np.testing.assert_allclose(ours, sk.f1_score(labels, best, average=average), rtol=1e-12)
    truth = labels == 0
    fine = metrics.AUC(num_thresholds=20_000)(truth, scores[:, 0])
    assert fine == pytest.approx(sk.roc_auc_score(truth, scores[:, 0]), abs=1e-3)
    found = scores[:, 0] > 0.5
    assert metrics.Precision()(truth, scores[:, 0]) == sk.precision_score(truth, found)
    assert metrics.Recall()(truth, scores[:, 0]) == sk.recall_score(truth, found)


COUNT_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: metrics.Precision(class_id=3)([[0, 1]], [[0.1, 0.9]]), "There is no class 3"),
    (lambda: metrics.Precision()([0, 1, 1], [0.1, 0.9]), "do not match"),
    (lambda: metrics.Recall(top_k=0), "`top_k`"),
    (lambda: metrics.F1Score(average="mean"), "`average` must be one of"),
    (lambda: metrics.F1Score()([0, 1], [0.1, 0.9]), "the same shape"),
    (lambda: metrics.AUC(num_thresholds=1), "num_thresholds must be >= 2"),
    (lambda: metrics.AUC(curve="roc"), "curve must be one of"),
    (lambda: metrics.AUC()([0, 1], [-0.5, 2.0]), "predictions from 0 to 1, or from_logits=True"),
    (lambda: metrics.ConfusionMatrix(2)([0, 2], [0, 1]), "less than num_classes=2. Received: 2"),
    (lambda: metrics.ConfusionMatrix(2)([0.5], [1]), "must be integers >= 0"),
    (lambda: metrics.TopKCategoricalAccuracy(k=0), "`k`"),
    (lambda: metrics.SparseTopKCategoricalAccuracy()([[0, 1]], [[0.1, 0.9]]), "one label per"),
]


@pytest.mark.parametrize(("wrong", "message"), COUNT_ERRORS, ids=[m for _, m in COUNT_ERRORS])
def test_errors_of_counts(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_f1_per_class_is_no_number_to_report() -> None:
    with pytest.raises(ValueError, match="one number"):
        mg.Sequential([mg.layers.Dense(2)]).compile("sgd", "mse", [metrics.F1Score(average=None)])
    with pytest.raises(ValueError, match="one number"):
        mg.Sequential([mg.layers.Dense(2)]).compile("sgd", "mse", [metrics.ConfusionMatrix(2)])

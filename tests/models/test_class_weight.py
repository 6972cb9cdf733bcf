"""Weights for classes: the same as weights for their examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg

X = np.random.default_rng(0).normal(size=(12, 3))
LABELS = np.arange(12) % 3
WEIGHTS = {0: 0.25, 2: 4.0}
BY_EXAMPLE = np.array([0.25, 1.0, 4.0])[LABELS]
OWN = np.linspace(0.5, 2.0, 12)


def model(loss: str = "sparse_categorical_crossentropy") -> Any:
    mg.set_random_seed(1)
    made = mg.Sequential(
        [mg.Input((3,)), mg.layers.Dense(3, activation="softmax", dtype="float64")]
    )
    made.compile(mg.optimizers.SGD(0.5), loss)
    return made


def fitted(loss: str = "sparse_categorical_crossentropy", y: Any = LABELS, **options: Any) -> Any:
    made = model(loss)
    found = made.fit(X, y, batch_size=5, epochs=2, seed=0, verbose=0, **options)
    return [*found.history["loss"], *made.get_weights()]


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", ["numbers", "column", "one-hot"])
def test_fit_weighs_the_examples_of_a_class(kind: str) -> None:
    loss, y = "sparse_categorical_crossentropy", LABELS
    if kind == "column":
        y = LABELS[:, None]
    if kind == "one-hot":
        loss, y = "categorical_crossentropy", np.eye(3)[LABELS]
    expected = fitted(loss, y, sample_weight=BY_EXAMPLE)
    assert same(fitted(loss, y, class_weight=WEIGHTS), expected)
    assert not same(fitted(loss, y), expected)


def test_both_kinds_of_weights_are_multiplied() -> None:
    both = fitted(class_weight=WEIGHTS, sample_weight=OWN)
    assert same(both, fitted(sample_weight=OWN * BY_EXAMPLE))
    assert not same(both, fitted(class_weight=WEIGHTS))


def test_batches_are_weighed_too() -> None:
    def batches() -> Iterator[Any]:
        while True:
            yield X, LABELS, OWN

    by_class, by_example = model(), model()
    by_class.fit(batches(), steps_per_epoch=3, class_weight=WEIGHTS, verbose=0)
    for _ in range(3):
        by_example.train_on_batch(X, LABELS, OWN * BY_EXAMPLE)
    assert same(by_class.get_weights(), by_example.get_weights())
    third = model()
    for _ in range(3):
        third.train_on_batch(X, LABELS, OWN, WEIGHTS)
    assert same(third.get_weights(), by_example.get_weights())


def test_validation_is_not_weighed() -> None:
    made = model()
    plain = made.evaluate(X, LABELS, verbose=0)
    made.optimizer.learning_rate = 0.0
    options = {"class_weight": WEIGHTS, "validation_data": (X, LABELS), "verbose": 0}
    logs = made.fit(X, LABELS, **options).history
    assert logs["val_loss"] == [plain]
    assert logs["loss"] != [plain]


@pytest.mark.parametrize(
    ("wrong", "y", "error", "message"),
    [
        ([1.0, 2.0], LABELS, TypeError, "must be a dict from the number of a class.*list"),
        ({}, LABELS, ValueError, "must have a class"),
        ({"0": 1.0}, LABELS, ValueError, "integer >= 0. Received: '0'"),
        ({-1: 1.0}, LABELS, ValueError, "integer >= 0. Received: -1"),
        ({True: 1.0}, LABELS, ValueError, "integer >= 0. Received: True"),
        ({0: -1.0}, LABELS, ValueError, r"class_weight\[0\]"),
        ({0: float("nan")}, LABELS, ValueError, r"class_weight\[0\]"),
        ({0: 1.0}, LABELS + 0.5, ValueError, r"one class per example in y.*\(12,\) and dtype fl"),
        ({0: 1.0}, np.zeros((12, 2, 2)), ValueError, r"one class per example.*\(12, 2, 2\)"),
    ],
)
def test_errors_change_nothing(wrong: Any, y: Any, error: Any, message: str) -> None:
    made = model()
    before = made.get_weights()
    with pytest.raises(error, match=message):
        made.fit(X, y, class_weight=wrong, verbose=0)
    assert same(made.get_weights(), before)
    assert made.optimizer.iterations == 0

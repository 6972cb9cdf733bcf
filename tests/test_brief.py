"""Errors show what was received, but not all of it where data came in place of an option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import callbacks, layers
from minigrad._brief import brief

DATA = np.arange(30_000.0).reshape(100, 300).tolist()
X = np.ones((4, 3), np.float32)


def trained(**options: Any) -> Callable[[], Any]:
    def fit() -> None:
        model = mg.Sequential([layers.Dense(2)])
        model.compile("sgd", "mse")
        model.fit(X, X[:, :2], **options)

    return fit


MISTAKES: list[Callable[[], Any]] = [
    lambda: layers.Dense(DATA),
    lambda: layers.Dense(2, activation=DATA),
    lambda: layers.Dense(2, name=DATA),
    lambda: layers.Dense(2, dtype=DATA),
    lambda: layers.Dense(2, rate=DATA),
    lambda: layers.Conv2D(2, DATA),
    lambda: layers.Conv2D(2, 3, padding=DATA),
    lambda: layers.Conv2D(2, 3, data_format=DATA),
    lambda: layers.ZeroPadding2D(DATA),
    lambda: layers.Dropout(DATA),
    lambda: mg.Input(DATA),
    lambda: mg.Sequential([DATA]),
    lambda: mg.Model(DATA, DATA),
    lambda: mg.set_random_seed(DATA),
    lambda: mg.optimizers.SGD(DATA),
    lambda: mg.optimizers.get(DATA),
    lambda: mg.losses.get(DATA),
    lambda: callbacks.EarlyStopping(DATA),
    lambda: callbacks.EarlyStopping(patience=DATA),
    lambda: mg.datasets.digits(DATA),
    trained(batch_size=DATA),
    trained(epochs=DATA),
    trained(verbose=DATA),
    trained(callbacks=DATA),
    trained(validation_split=DATA),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_data_is_not_printed_whole(mistake: Callable[[], Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"Received: .*0\.0, 1\.0") as caught:
        mistake()
    assert len(str(caught.value)) < 600 and "characters)" in str(caught.value)


def test_short_things_are_shown_whole() -> None:
    assert brief([1, 2]) == "[1, 2]" and brief("x" * 198) == repr("x" * 198)
    assert len(brief("x" * 199)) < 240

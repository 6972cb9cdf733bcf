"""Whole training runs against Keras: the loss of every step and the weights at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.models import Sequential

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "training.json").read_text(encoding="utf-8"))
WEIGHTS = INDEX["run_weights"]
DATA = np.load(GOLDEN / "training.npz", allow_pickle=False)
OPTIMIZERS = {
    "adam": lambda: mg.optimizers.Adam(0.02),
    "sgd": lambda: mg.optimizers.SGD(0.1, momentum=0.9),
    "extras": lambda: mg.optimizers.SGD(0.02, momentum=0.5),
}


def make(run: str, dtype: str) -> Sequential:
    """The network of tests/golden/make_training.py with its first weights."""
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    if run == "extras":
        first = {
            "depthwise_regularizer": mg.regularizers.L2(0.0625),
            "activity_regularizer": mg.regularizers.L2(0.0078125),
        }
        second = {
            "pointwise_regularizer": mg.regularizers.L1(0.03125),
            "pointwise_constraint": mg.constraints.MaxNorm(0.5, axis=[0, 1, 2]),
        }
    kind = {"dtype": dtype}
    model = Sequential(
        [
            layers.SeparableConv2D(4, 3, padding="same", activation="relu", **first, **kind),
            layers.BatchNormalization(**kind),
            layers.SeparableConv2D(6, 3, strides=2, **second, **kind),
            layers.GlobalAveragePooling2D(**kind),
            layers.Dense(3, **kind),
        ],
        input_shape=(8, 8, 2),
    )
    model.set_weights([DATA[f"run/initial/{name}"] for name in WEIGHTS])
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[run](), loss)
    return model


def near(found: Any, wanted: np.ndarray, tolerance: float) -> None:
    """Within `tolerance` of the largest value."""
    scale = max(float(np.abs(wanted).max()), 1e-3)
    assert np.abs(np.asarray(found) - wanted).max() <= tolerance * scale


# Keras 2 and 3 differ by 2e-16 and 4e-7 (see training.json); other sums add a few roundings.
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("run", ["adam", "sgd", "extras"])
def test_run(run: str, dtype: str, tolerance: float) -> None:
    model = make(run, dtype)
    key = f"run/{run}_{dtype}"
    found = []
    for x, labels in zip(DATA["run/x"], DATA["run/labels"], strict=True):
        found.append(model.train_on_batch(x.astype(dtype), labels))
    near(found, DATA[f"{key}/loss"], tolerance)
    for name, weight in zip(WEIGHTS, model.get_weights(), strict=True):
        assert weight.dtype == dtype
        near(weight, DATA[f"{key}/final/{name}"], tolerance)
    x = DATA["run/x"][0].astype(dtype)
    near(model.predict_on_batch(x), DATA[f"{key}/predictions"], tolerance)


def test_first_gradients() -> None:
    model = make("sgd", "float64")
    output = model(mg.tensor(DATA["run/x"][0]), training=True)
    near(output.data, DATA["run/first/logits"], 1e-12)
    loss = model.loss(DATA["run/labels"][0], output)
    near(loss.data, DATA["run/first/loss"], 1e-12)
    names = [name for name in WEIGHTS if "moving" not in name]
    for name, gradient in zip(names, mg.grad(loss, model.trainable_weights), strict=True):
        near(gradient.data, DATA[f"run/first/grad/{name}"], 1e-10)


def test_fit_makes_the_same_steps() -> None:
    """One epoch in order is the ten batches one after the other."""
    model = make("adam", "float64")
    x, labels = DATA["run/x"].reshape(80, 8, 8, 2), DATA["run/labels"].reshape(80)
    history = model.fit(x, labels, batch_size=8, shuffle=False, verbose=0)
    near(history.history["loss"][0], DATA["run/adam_float64/loss"].mean(), 1e-10)
    for name, weight in zip(WEIGHTS, model.get_weights(), strict=True):
        near(weight, DATA[f"run/adam_float64/final/{name}"], 1e-10)

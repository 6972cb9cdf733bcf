"""Networks with normalization, sums and branches, trained for 20 steps, against Keras 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "runs.json").read_text(encoding="utf-8"))
DATA = dict(np.load(GOLDEN / "runs.npz", allow_pickle=False))


def make(name: str, optimizer: str, dtype: str) -> Any:
    """The network that `runs.json` describes, with its first weights."""
    tensors = {"input": mg.Input(tuple(INDEX["input_shape"]), dtype=dtype)}
    for layer, cls, config, sources in INDEX["networks"][name]:
        inputs = [tensors[source] for source in sources]
        made = getattr(mg.layers, cls)(name=layer, dtype=dtype, **config)
        tensors[layer] = made(inputs if len(inputs) > 1 else inputs[0])
    model = mg.Model(tensors["input"], tensors[layer])
    for each in model.layers:
        numbers = range(len(each.get_weights()))
        each.set_weights([DATA[f"{name}/{each.name}/{number}"] for number in numbers])
    cls, options = INDEX["optimizers"][optimizer]
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(getattr(mg.optimizers, cls)(**options), loss)
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("optimizer", INDEX["optimizers"])
@pytest.mark.parametrize("name", INDEX["networks"])
def test_losses_of_20_steps(name: str, optimizer: str, dtype: str, tolerance: float) -> None:
    model = make(name, optimizer, dtype)
    batches = zip(DATA["x"].astype(dtype), DATA["labels"], strict=True)
    losses = [model.train_on_batch(x, labels) for x, labels in batches]
    assert len(losses) == 20
    np.testing.assert_allclose(losses, DATA[f"loss/{name}/{optimizer}/{dtype}"], rtol=tolerance)


def test_the_networks_are_what_they_are_there_for() -> None:
    classes = [{cls for _, cls, *_ in layers} for layers in INDEX["networks"].values()]
    assert len(classes) == 3 and len(INDEX["optimizers"]) == 4
    assert all({"BatchNormalization", "Add"} <= kinds for kinds in classes)
    assert any("Concatenate" in kinds for kinds in classes)
    assert any("DepthwiseConv2D" in kinds for kinds in classes)

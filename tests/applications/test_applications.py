"""The networks of `mg.applications`: shapes, options, and digits learned to the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import minigrad as mg

NAMES = ["MobileNetTiny", "XceptionTiny"]
AS_BOTH = pytest.mark.parametrize("name", NAMES)
SHORT = """
import hashlib, sys
import minigrad as mg
mg.config.set_num_threads(int(sys.argv[2]))
(x, y), _ = mg.datasets.digits()
mg.set_random_seed(3)
model = getattr(mg.applications, sys.argv[1])((8, 8, 1), alpha=0.5, dropout=0.25)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x[:192], y[:192], epochs=2, verbose=0)
state = [*model.get_weights(), *model.optimizer.variables]
print(hashlib.sha256(b"".join(array.tobytes() for array in state)).hexdigest())
"""


def make(name: str, /, *arguments: Any, **options: Any) -> Any:
    return getattr(mg.applications, name)(*arguments, **options)


@AS_BOTH
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 16, 3), (28, 28, 1), (64, 64, 3)])
def test_images_of_all_sizes(name: str, shape: tuple[int, int, int]) -> None:
    model = make(name, shape, alpha=0.25, classes=7)
    found = model.predict(np.zeros((2, *shape), np.float32))
    assert found.shape == (2, 7)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert {"SeparableConv2D", "BatchNormalization", "Add"} <= kinds


@AS_BOTH
def test_options(name: str) -> None:
    plain = make(name, (8, 8, 1), classifier_activation=None, name="mine")
    assert plain.name == "mine" and plain.layers[-1].activation.__name__ == "linear"
    assert "dropout" not in {layer.name for layer in plain.layers}
    assert make(name, (8, 8, 1), dropout=0.5).get_layer("dropout").rate == 0.5
    sizes = [make(name, (8, 8, 1), alpha=a).count_params() for a in (0.25, 0.5, 1.0)]
    assert sizes == sorted(set(sizes))


@AS_BOTH
def test_both_data_formats(name: str) -> None:
    try:
        mg.config.set_image_data_format("channels_first")
        first = make(name, (3, 16, 16), alpha=0.25)
    finally:
        mg.config.set_image_data_format("channels_last")
    last = make(name, (16, 16, 3), alpha=0.25)
    last.set_weights(first.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(
        last.predict(x), first.predict(x.transpose(0, 3, 1, 2)), rtol=1e-4, atol=1e-6
    )


@AS_BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": (7, 8, 1)}, r"8 to 64 pixels .*Received: input_shape=\(7, 8, 1\)"),
        ({"input_shape": (8, 65, 1)}, "8 to 64 pixels"),
        ({"input_shape": (8, 8)}, "one image"),
        ({"alpha": 0}, "alpha"),
        ({"classes": 0}, "classes"),
        ({"dropout": 1.5}, "rate"),
    ],
)
def test_errors(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(name, **options)


@AS_BOTH
def test_the_same_seed_gives_the_same_bits_with_1_and_2_threads(name: str) -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", SHORT, name, threads],
            env=os.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert len(runs[0].strip()) == 64
    assert runs[0] == runs[1]


def test_digits_are_learned() -> None:
    """At least 98.5 % of the test images; some 10 s on two cores."""
    (x, y), (x_test, y_test) = mg.datasets.digits()
    epochs, batch = 15, 32
    steps = epochs * -(-len(x) // batch)
    mg.set_random_seed(1)
    model = make("MobileNetTiny", (8, 8, 1), alpha=0.5, dropout=0.2, classifier_activation=None)
    rate = mg.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=0.01, warmup_steps=steps // 10
    )
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(mg.optimizers.AdamW(rate, weight_decay=0.01), loss, ["accuracy"])
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, seed=1)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    assert accuracy >= 0.985

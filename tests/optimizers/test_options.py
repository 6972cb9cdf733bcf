"""Gradient accumulation, averages of weights, clipping and decay: step by step as in Keras 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import constraints, optimizers
from minigrad.layers import Parameter

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "runs.json").read_text(encoding="utf-8"))["options"]
ARRAYS = dict(np.load(GOLDEN / "runs.npz", allow_pickle=False))
TRAINING = dict(np.load(GOLDEN / "training.npz", allow_pickle=False))
STEPS = 12
AS_EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])


def start() -> dict[str, Parameter]:
    first = {p: TRAINING[f"optimizer/start/{p}"] for p in "ab"}
    a = Parameter(first["a"], name="a", constraint=constraints.NonNeg())
    return {"a": a, "b": Parameter(first["b"], name="b")}


def make(case: dict[str, Any]) -> Any:
    return getattr(optimizers, case["class_name"])(**case["options"])


def walk(
    optimizer: Any, parameters: dict[str, Parameter], first: int = 0, last: int = STEPS
) -> dict[str, list[np.ndarray]]:
    """Take golden steps; return the values after each."""
    path: dict[str, list[np.ndarray]] = {"a": [], "b": []}
    for step in range(first, last):
        pairs = [
            (mg.tensor(TRAINING[f"optimizer/grads/{p}"][step]), w) for p, w in parameters.items()
        ]
        optimizer.apply_gradients(pairs)
        for p, w in parameters.items():
            path[p].append(w.numpy())
    return path


@AS_EACH
def test_golden(case: dict[str, Any]) -> None:
    optimizer, parameters = make(case), start()
    path = walk(optimizer, parameters)
    optimizer.finalize_variable_values(parameters.values())
    for p, w in parameters.items():
        expected = ARRAYS[f"option/{case['id']}/{p}"]
        np.testing.assert_allclose([*path[p], w.numpy()], expected, rtol=1e-12, atol=1e-14)
    assert optimizer.calls == STEPS
    assert optimizer.iterations == STEPS // case["options"].get("gradient_accumulation_steps", 1)


@AS_EACH
def test_a_saved_state_goes_on_exactly(case: dict[str, Any]) -> None:
    whole = walk(make(case), start())
    half, parameters = make(case), start()
    walk(half, parameters, last=5)  # in the middle of an accumulation
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(half))))
    assert again.get_config() == half.get_config()
    again.build(parameters.values())
    again.load_state_dict(half.state_dict())
    rest = walk(again, parameters, first=5)
    for p in "ab":
        np.testing.assert_array_equal(rest[p], whole[p][5:])


def test_accumulated_gradients_are_one_gradient_of_a_larger_batch() -> None:
    w, v = mg.tensor([1.0], requires_grad=True), mg.tensor([1.0], requires_grad=True)
    slow, fast = optimizers.Adam(0.5, gradient_accumulation_steps=2), optimizers.Adam(0.5)
    for first, second in [(1.0, 3.0), (-4.0, 2.0)]:
        before = w.item()
        slow.apply_gradients([(mg.tensor([first]), w)])
        assert w.item() == before
        slow.apply_gradients([(mg.tensor([second]), w)])
        fast.apply_gradients([(mg.tensor([(first + second) / 2]), v)])
        assert w.item() == v.item()
    assert (slow.iterations, slow.calls, fast.iterations, fast.calls) == (2, 4, 2, 2)


def test_a_parameter_that_comes_later_has_an_average_from_its_value() -> None:
    first, second = (mg.tensor([8.0], requires_grad=True) for _ in range(2))
    sgd = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    sgd.apply_gradients([(mg.tensor([0.0]), first)])
    sgd.apply_gradients([(mg.tensor([0.0]), first), (mg.tensor([4.0]), second)])
    sgd.finalize_variable_values([first, second])
    assert (first.item(), second.item()) == (8.0, 6.0)


def test_an_error_loses_no_gathered_gradient() -> None:
    def broken(w: Any) -> Any:
        if sgd.calls:
            raise RuntimeError("broken constraint")
        return w

    w = Parameter([1.0], "w", constraint=broken)
    sgd = optimizers.SGD(1.0, gradient_accumulation_steps=2, use_ema=True)
    sgd.apply_gradients([(mg.tensor([1.0]), w)])
    before = sgd.state_dict()
    with pytest.raises(RuntimeError, match="broken"):
        sgd.apply_gradients([(mg.tensor([1.0]), w)])
    assert all(np.array_equal(before[name], a) for name, a in sgd.state_dict().items())
    assert before["0/gathered_gradient"] == 1.0 and w.item() == 1.0


def trained(folder: Path | None, *extra: Any) -> Any:
    mg.set_random_seed(0)
    model = mg.Sequential([mg.Input((3,)), mg.layers.Dense(2)])
    options = {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.5}
    model.compile(optimizers.Adam(0.1, **options), "mse")
    data = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    backup = [mg.callbacks.BackupAndRestore(folder)] if folder else []
    callbacks = [*backup, *extra]
    model.fit(data[:, :3], data[:, 3:], 4, 4, verbose=0, seed=3, callbacks=callbacks)
    return model


class PowerCut(mg.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        if epoch == 3:  # 15 calls: half of an update
            raise RuntimeError("lights out")


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = trained(None)
    with pytest.raises(RuntimeError, match="lights out"):
        trained(tmp_path, PowerCut())
    again = trained(tmp_path)
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_ends_with_the_averages_and_saves_them(tmp_path: Path) -> None:
    model = trained(None)
    state = model.optimizer.state_dict()
    for number, weight in enumerate(model.get_weights()):
        np.testing.assert_array_equal(weight, state[f"{number}/average"])
    model.save(tmp_path / "model.npz")
    copy = mg.models.load_model(tmp_path / "model.npz")
    assert copy.optimizer.get_config() == model.optimizer.get_config()
    for name, array in copy.optimizer.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps must be .* >= 2.*=1"),
        ({"gradient_accumulation_steps": 2.5}, "gradient_accumulation_steps"),
        ({"ema_momentum": 1.5}, "`ema_momentum` argument must be .* to 1"),
        ({"ema_momentum": -0.5}, "`ema_momentum` argument"),
        ({"ema_overwrite_frequency": 0}, "ema_overwrite_frequency"),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        optimizers.SGD(0.1, **options)

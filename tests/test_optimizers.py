"""Optimizers against Keras' trajectories (tests/golden/README.md), and all-or-nothing steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import constraints, optimizers
from minigrad.layers import Parameter
from minigrad.optimizers import nadam, schedules

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "training.json").read_text(encoding="utf-8"))
ARRAYS = dict(np.load(GOLDEN / "training.npz", allow_pickle=False))
CASES = [case for case in INDEX["optimizer"] if hasattr(optimizers, case["class_name"])]
SCHEDULES = [case for case in INDEX["schedule"] if hasattr(schedules, case["class_name"])]
NAMES = ["SGD", "RMSprop", "Adagrad", "Adam", "AdamW", "Lion", "Nadam"]


def start(dtype: str = "float64") -> dict[str, Parameter]:
    return {p: Parameter(ARRAYS[f"optimizer/start/{p}"].astype(dtype), name=p) for p in "ab"}


def walk(
    optimizer: Any, dtype: str = "float64", first: int = 0, last: int = 12, **given: Any
) -> Any:
    """Take the golden steps; return the parameters, and their values after each step."""
    parameters = given.get("parameters") or start(dtype)
    path: dict[str, list[np.ndarray]] = {"a": [], "b": []}
    for step in range(first, last):
        pairs = [
            (mg.tensor(ARRAYS[f"optimizer/grads/{p}"][step].astype(dtype)), parameters[p])
            for p in "ab"
        ]
        optimizer.apply_gradients(pairs)
        for p in "ab":
            path[p].append(parameters[p].numpy())
    return parameters, {p: np.stack(values) for p, values in path.items()}


def make(case: dict[str, Any]) -> Any:
    return getattr(optimizers, case["class_name"])(**case["options"])


@pytest.mark.parametrize("name", NAMES)
def test_constraints_act_in_every_step_whatever_is_updated_together(name: str) -> None:
    together = [Parameter([1.0, -2.0], constraint=constraints.NonNeg()), Parameter([3.0])]
    alone = [Parameter([1.0, -2.0], constraint=constraints.NonNeg()), Parameter([3.0])]
    one, many = getattr(optimizers, name)(0.5), [getattr(optimizers, name)(0.5) for _ in alone]
    for gradient in (1.0, -2.0, 3.0, 1.5, -1.0):
        gradients = [mg.tensor([gradient, -gradient]), mg.tensor([gradient])]
        one.apply_gradients(zip(gradients, together, strict=True))
        for optimizer, pair in zip(many, zip(gradients, alone, strict=True), strict=True):
            optimizer.apply_gradients([pair])
        assert (together[0].data >= 0).all()
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a.data, b.data)
            assert not a.data.flags.writeable


def test_golden_covers_every_optimizer() -> None:
    assert {case["class_name"] for case in CASES} == set(NAMES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nadam, "DECAY", float(np.float32(0.96)))  # as Keras rounds it
    optimizer = make(case)
    _, path = walk(optimizer)
    assert optimizer.iterations == 12
    for p in "ab":
        expected = ARRAYS[f"optimizer/{case['id']}/{p}"]
        np.testing.assert_allclose(path[p], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_float32_stays_float32_and_close(case: dict[str, Any]) -> None:
    optimizer = make(case)
    parameters, path = walk(optimizer, "float32")
    assert all(array.dtype == np.float32 for array in optimizer.variables)
    for p in "ab":
        assert parameters[p].dtype == np.float32
        expected = ARRAYS[f"optimizer/{case['id']}/{p}"]
        # 12 steps, each rounded to 24 bits: an error of some 1e-6 of the largest value.
        error = np.abs(path[p] - expected).max()
        assert error <= 2e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_defaults_are_keras(case: dict[str, Any]) -> None:
    ours = make(case).get_config()
    theirs = case["defaults"]["keras3"]
    for name, value in ours.items():
        if name != "name":
            assert theirs[name] == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_configurations(case: dict[str, Any]) -> None:
    optimizer = make(case)
    written = json.loads(json.dumps(optimizers.serialize(optimizer)))
    again = optimizers.deserialize(written)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    for who in ("tf_keras", "keras3"):
        loaded = type(optimizer).from_config(case["defaults"][who])
        assert loaded.get_config()["learning_rate"] == pytest.approx(optimizer.learning_rate)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_saved_state_continues_exactly(case: dict[str, Any]) -> None:
    _, whole = walk(make(case))
    half = make(case)
    parameters, _ = walk(half, last=6)
    saved = half.state_dict()
    for array in half.variables:  # what was saved is a copy
        array += 1.0
    other = make(case)
    other.build(parameters.values())
    other.load_state_dict(saved)
    for array in saved.values():  # what was loaded is a copy, too
        array += 1
    _, rest = walk(other, first=6, parameters=parameters)
    for p in "ab":
        np.testing.assert_array_equal(rest[p], whole[p][6:])
    assert other.iterations == 12


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "kind"])
def test_a_state_that_does_not_fit_changes_nothing(change: str) -> None:
    adam = optimizers.Adam(0.1)
    walk(adam, last=3)
    before = adam.state_dict()
    wrong = {name: array * 2 for name, array in before.items()}
    match change:
        case "missing":
            del wrong["1/second_moment"]
        case "extra":
            wrong["2/first_moment"] = np.zeros(3)
        case "shape":
            wrong["1/second_moment"] = np.zeros(3)
        case "kind":
            wrong["1/second_moment"] = np.zeros(4, dtype=int)
    with pytest.raises(ValueError, match=r"The state .*1/second_moment|not expected.*2/first_mom"):
        adam.load_state_dict(wrong)
    for name, array in adam.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# ---------------------------------------------------------------------- all or nothing


def pair(shape: tuple[int, ...] = (2,), dtype: str = "float32", **options: Any) -> Any:
    return mg.tensor(np.ones(shape, dtype)), Parameter(np.ones(shape, dtype), "w", **options)


def wrong_shape(w: Any) -> Any:
    return w[:1]


def broken(w: Any) -> Any:
    raise RuntimeError("broken constraint")


good, other = pair(), pair()
result = mg.tensor([1.0], requires_grad=True) * 2.0
BAD: list[tuple[list[Any], type[Exception], str]] = [
    ([good, (mg.tensor([1.0]), pair()[1])], ValueError, r"Expected float32\[2\] for 'w'.*\[1\]"),
    ([good, (np.ones(2), pair()[1])], ValueError, r"Expected float32\[2\].*Received: float64\[2\]"),
    ([good, (np.ones(2, int), pair()[1])], ValueError, r"Received: int64\[2\]"),
    ([good, good], ValueError, "once only. Received twice: 'w'"),
    ([good, (good[1], np.ones(2))], TypeError, "a parameter is a Tensor. Received: ndarray"),
    ([good, pair(constraint=wrong_shape)], ValueError, r"constraint must keep the shape \(2,\)"),
    ([good, pair(constraint=broken)], RuntimeError, "broken constraint"),
    ([good, (mg.tensor([1.0]), result)], ValueError, "not the results of operations.*'multiply'"),
    ([(None, good[1]), (None, other[1])], ValueError, "no gradient for any parameter.*'w', 'w'"),
]


@pytest.mark.parametrize(("pairs", "error", "message"), BAD, ids=[m for *_, m in BAD])
@pytest.mark.parametrize("name", NAMES)
def test_an_error_changes_nothing(name: str, pairs: Any, error: Any, message: str) -> None:
    optimizer = optimizers.get(name)
    optimizer.apply_gradients([other])  # some state to keep
    value, state = good[1].numpy(), optimizer.state_dict()
    with pytest.raises(error, match=message):
        optimizer.apply_gradients(pairs)
    np.testing.assert_array_equal(good[1].data, value)
    assert optimizer.iterations == 1
    after = optimizer.state_dict()
    assert list(after) == list(state)
    for slot, array in after.items():
        np.testing.assert_array_equal(array, state[slot])


def test_a_parameter_without_gradient_is_skipped_with_a_warning() -> None:
    used, unused = pair(), pair(constraint=constraints.UnitNorm())
    with pytest.warns(UserWarning, match="have no gradient and are not updated: 'w'"):
        optimizers.SGD(0.5).apply_gradients([used, (None, unused[1])])
    assert used[1].data.tolist() == [0.5, 0.5]
    assert unused[1].data.tolist() == [1.0, 1.0]


def test_frozen_parameters_are_not_touched() -> None:
    frozen = pair(trainable=False, constraint=constraints.UnitNorm())
    sgd = optimizers.SGD(0.5, weight_decay=0.5)
    sgd.apply_gradients([pair(), frozen])
    assert frozen[1].data.tolist() == [1.0, 1.0]
    sgd.apply_gradients([frozen])
    assert sgd.iterations == 1  # nothing to do is not a step


def test_trap_12_constraints_follow_each_update_even_with_rate_0() -> None:
    w = Parameter([-1.0, 3.0], "w", constraint=constraints.NonNeg())
    big = Parameter([9.0], "big", constraint=constraints.MaxNorm(0.5))
    gradients = [mg.tensor([0.0, 0.0]), mg.tensor([1.0])]
    optimizers.SGD(0.0).apply_gradients(zip(gradients, [w, big], strict=True))
    assert w.data.tolist() == [0.0, 3.0]
    assert np.signbit(w.data[0])
    assert big.item() == pytest.approx(0.5)


def test_a_plain_callable_is_a_constraint() -> None:
    w = Parameter([4.0], "w", constraint=lambda w: w * 0.5)
    optimizers.SGD(1.0).apply_gradients([(mg.tensor([2.0]), w)])
    assert w.item() == 1.0
    assert w.requires_grad


def test_an_old_value_that_somebody_holds_does_not_change() -> None:
    gradient, w = pair()
    before = w.data
    optimizers.Adam(0.1).apply_gradients([(gradient, w)])
    assert before.tolist() == [1.0, 1.0]
    assert gradient.data.tolist() == [1.0, 1.0]


# ---------------------------------------------------------------------- learning rates


def halved(step: int) -> float:
    return 0.5**step


def test_a_schedule_sees_the_number_of_steps_made() -> None:
    w = Parameter([0.0], "w")
    sgd = optimizers.SGD(halved)
    rates = []
    for _ in range(3):
        rates.append(sgd.learning_rate)
        sgd.apply_gradients([(mg.tensor([1.0]), w)])
    assert rates == [1.0, 0.5, 0.25]
    assert w.item() == -1.75
    sgd.learning_rate = 0.125
    assert sgd.get_config()["learning_rate"] == 0.125


def test_a_schedule_that_fails_changes_nothing() -> None:
    gradient, w = pair()
    sgd = optimizers.SGD(lambda step: float("nan"))
    with pytest.raises(ValueError, match="`learning_rate` argument must be a finite number >= 0"):
        sgd.apply_gradients([(gradient, w)])
    assert w.data.tolist() == [1.0, 1.0]


def test_schedules_are_serialized_by_name() -> None:
    with pytest.raises(ValueError, match="learning rate schedule cannot be written"):
        optimizers.serialize(optimizers.SGD(lambda step: 0.1))
    written = optimizers.serialize(optimizers.SGD(halved))
    assert written["config"]["learning_rate"] == "halved"


@pytest.mark.parametrize("case", SCHEDULES, ids=lambda case: case["id"])
def test_golden_schedules(case: dict[str, Any]) -> None:
    schedule = getattr(schedules, case["class_name"])(**case["options"])
    rates = [schedule(step) for step in range(40)]
    expected = ARRAYS[f"schedule/{case['id']}"]
    np.testing.assert_allclose(rates, expected, rtol=1e-14, atol=1e-17)
    written = json.loads(json.dumps(schedules.serialize(schedule)))
    again = schedules.deserialize(written)
    assert [again(step) for step in range(40)] == rates
    sgd = optimizers.SGD(schedule)
    read = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(sgd))))
    assert read.learning_rate == sgd.learning_rate == rates[0]


def test_nadam_goes_on_from_a_saved_state() -> None:
    whole, _ = walk(optimizers.Nadam(0.05))
    parameters, _ = walk(first := optimizers.Nadam(0.05), last=5)
    second = optimizers.Nadam(0.05)
    second.build(parameters.values())
    second.load_state_dict(first.state_dict())
    walk(second, first=5, parameters=parameters)
    for p in "ab":
        assert np.array_equal(whole[p].data, parameters[p].data)
    assert second._momentum_product(3) == optimizers.Nadam(0.05)._momentum_product(3)


ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: optimizers.SGD(-0.1), "`learning_rate` argument must be a finite number >= 0"),
    (lambda: optimizers.SGD("fast"), "Received: learning_rate='fast'"),
    (lambda: optimizers.SGD(float("inf")), "`learning_rate`"),
    (lambda: optimizers.SGD(momentum=1.5), "`momentum` argument must be .* to 1. Received: momen"),
    (lambda: optimizers.SGD(momentum=-0.5), "`momentum` argument must be a finite number from 0"),
    (lambda: optimizers.RMSprop(rho=1.0), "`rho` argument must be a finite number >= 0 and < 1"),
    (lambda: optimizers.RMSprop(epsilon=0), "`epsilon` argument must be a finite number > 0"),
    (lambda: optimizers.Adam(beta_1=1), "`beta_1` argument"),
    (lambda: optimizers.Adam(beta_2=-1), "`beta_2` argument"),
    (lambda: optimizers.Adam(epsilon=-1e-7), "`epsilon` argument"),
    (lambda: optimizers.AdamW(weight_decay=None), "`weight_decay` argument"),
    (lambda: optimizers.SGD(clipnorm=0), "`clipnorm` argument must be a finite number > 0"),
    (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), "Only one of `clipnorm`, `clipvalue`"),
    (lambda: optimizers.Adagrad(initial_accumulator_value=-1), "`initial_accumulator_value`"),
    (lambda: optimizers.Lion(beta_2=1), "`beta_2` argument"),
    (lambda: optimizers.Nadam(epsilon=0), "`epsilon` argument must be a finite number > 0"),
    (lambda: schedules.CosineDecay(-1, 5), "`initial_learning_rate` argument"),
    (lambda: schedules.CosineDecay(1, 0), "`decay_steps`"),
    (lambda: schedules.ExponentialDecay(1, 5, 0), "`decay_rate` argument"),
    (lambda: schedules.PiecewiseConstantDecay([1], [1]), "1 boundaries and 1 values"),
    (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 2, 3]), r"must increase.*\[2, 1\]"),
    (lambda: schedules.get("cosine"), "Unknown learning rate schedule"),
    (lambda: optimizers.get("adamm"), "Unknown optimizer. Did you mean 'Adam'"),
    (lambda: optimizers.get(0.1), "An optimizer must be given as"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_errors(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_options_that_minigrad_does_not_have_are_not_ignored() -> None:
    with pytest.raises(TypeError, match="loss_scale_factor"):
        optimizers.SGD.from_config({"learning_rate": 0.1, "loss_scale_factor": 8.0})
    with pytest.raises(TypeError, match="beta_3"):
        optimizers.Adam(beta_3=0.1)


def test_names() -> None:
    registries = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
    for library in ("tf_keras", "keras3"):
        for name, expected in registries["identifiers"][library]["optimizers"].items():
            if expected in NAMES:
                assert type(optimizers.get(name)).__name__ == expected
    adam = optimizers.Adam()
    assert optimizers.get(adam) is adam
    assert optimizers.get(optimizers.Adam).name == "adam"


def test_parameters_may_come_and_go() -> None:
    """A layer that is thawed later gets fresh state; the others keep theirs."""
    first, second = pair(), pair()
    adam = optimizers.Adam(0.1)
    adam.apply_gradients([first])
    adam.apply_gradients([second, first])
    alone = optimizers.Adam(0.1)
    again = pair()
    for _ in range(2):
        alone.apply_gradients([again])
    np.testing.assert_array_equal(first[1].data, again[1].data)
    assert len(adam.variables) == 4


class Normalized(optimizers.SGD):
    """A rule that looks at the whole gradient of a parameter."""

    def update(self, value, gradient, state, learning_rate, step):  # type: ignore[no-untyped-def]
        return value - learning_rate * gradient / np.linalg.norm(gradient), state


def test_a_rule_of_ones_own_gets_one_parameter_at_a_time() -> None:
    assert optimizers.SGD.elementwise and not Normalized.elementwise
    a, b = mg.tensor([0.0, 0.0], requires_grad=True), mg.tensor([[0.0]], requires_grad=True)
    Normalized(1.0).apply_gradients([(mg.tensor([3.0, 4.0]), a), (mg.tensor([[2.0]]), b)])
    np.testing.assert_allclose(a.numpy(), [-0.6, -0.8], rtol=1e-6)
    assert b.item() == -1.0


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.RMSprop, optimizers.Adam])
def test_parameters_together_are_parameters_one_by_one(kind: Any) -> None:
    """Of two dtypes, in two groups that change, with values assigned in between."""
    generator = np.random.default_rng(0)
    shapes = [(3, 2), (), (4,), (1, 5)]
    dtypes = ["float32", "float64", "float32", "float32"]
    start = [generator.normal(size=s).astype(d) for s, d in zip(shapes, dtypes, strict=True)]
    together = [mg.tensor(w, requires_grad=True) for w in start]
    alone = [mg.tensor(w, requires_grad=True) for w in start]
    one, many = kind(0.1), [kind(0.1) for _ in start]
    for step in range(6):
        pairs = []
        for i, w in enumerate(together):
            if step == 2:  # somebody else changes a value
                w.assign(w.numpy() + i)
                alone[i].assign(alone[i].numpy() + i)
            gradient = generator.normal(size=shapes[i]).astype(dtypes[i])
            if step == 4 and i == 2:  # and a parameter takes a rest
                continue
            pairs.append((mg.tensor(gradient), w))
            if kind is optimizers.Adam:
                many[i]._calls = step
            many[i].apply_gradients([(gradient, alone[i])])
        one.apply_gradients(pairs)
    for w, v in zip(together, alone, strict=True):
        assert w.dtype == v.dtype
        np.testing.assert_array_equal(w.data, v.data)
        assert not w.data.flags.writeable
        with pytest.raises(ValueError, match="WRITEABLE"):
            w.data.setflags(write=True)

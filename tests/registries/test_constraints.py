"""Constraints against Keras' numbers (tests/golden/README.md), their axes and names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import constraints

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
ARRAYS = dict(np.load(GOLDEN / "registries.npz", allow_pickle=False))
CASES = [(case, array) for case in INDEX["constraint"] for array in case["arrays"]]

FORMS = ("tf24", "tf_keras", "keras3")
WRITTEN = [(c, form) for c in INDEX["serialised"]["constraints"] for form in FORMS if form in c]


def make(case: dict[str, Any]) -> Any:
    return getattr(constraints, case["class_name"])(**case["options"])


@pytest.mark.parametrize(("case", "array"), CASES, ids=lambda v: v if v is str(v) else v["id"])
def test_golden(case: dict[str, Any], array: str) -> None:
    w = ARRAYS[f"array/{array}"]
    expected = ARRAYS[f"constraint/{case['id']}/{array}"]
    projected = make(case)(w)
    assert isinstance(projected, mg.Tensor)
    assert projected.dtype == w.dtype
    np.testing.assert_allclose(projected.data, expected, 1e-14, 1e-15)
    narrow = make(case)(mg.tensor(w.astype(np.float32)))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow.data, expected, 1e-6, 1e-7)


@pytest.mark.parametrize(("case", "form"), WRITTEN, ids=str)
def test_every_serialized_form_is_read(case: dict[str, Any], form: str) -> None:
    expected = make(case)
    found = constraints.deserialize(case[form])
    assert type(found) is type(expected)
    assert found.get_config() == expected.get_config()
    if form == "tf24":
        assert constraints.serialize(expected) == case["tf24"]
        assert list(expected.get_config()) == list(case["tf24"]["config"])


def test_trap_12_epsilon_is_added_to_the_norm() -> None:
    w = np.array([[3.0], [4.0]])
    assert constraints.UnitNorm()(w).data[0, 0] == 3.0 / (1e-7 + 5.0)
    inside = constraints.MaxNorm(10.0)(w).data[0, 0]
    assert inside == 3.0 * (5.0 / (1e-7 + 5.0)) < 3.0


def test_epsilon_is_read_when_the_constraint_is_called() -> None:
    constraint = constraints.UnitNorm()
    before = mg.config.epsilon()
    mg.config.set_epsilon(1.0)
    try:
        assert constraint(np.array([3.0])).item() == 0.75
    finally:
        mg.config.set_epsilon(before)


def test_trap_13_axis_0_is_the_height_of_a_kernel() -> None:
    kernel = np.ones((3, 3, 2, 2))
    by_height = constraints.UnitNorm()(kernel).data
    np.testing.assert_allclose(np.square(by_height).sum(axis=0), 1.0, rtol=1e-6)
    per_filter = constraints.UnitNorm(axis=[0, 1])(kernel).data
    np.testing.assert_allclose(np.square(per_filter).sum(axis=(0, 1)), 1.0, rtol=1e-6)
    assert not np.allclose(by_height, per_filter)


def test_non_neg_keeps_nan_and_gives_negative_zero() -> None:
    projected = constraints.NonNeg()(np.array([-1.0, np.nan, 2.0])).data
    assert np.signbit(projected[0])
    assert projected[0] == 0.0
    assert np.isnan(projected[1])
    assert projected[2] == 2.0


def test_zero_stays_zero() -> None:
    for name in ("max_norm", "unit_norm"):
        assert not constraints.get(name)(np.zeros((2, 2))).data.any()


@pytest.mark.parametrize(
    ("size", "values"),
    [(1, {0}), (3, {0, 4}), (4, {5, 15}), (5, {6, 12, 18}), (6, {14, 28, 35})],
)
def test_radial_takes_its_values_from_the_diagonal(size: int, values: set[int]) -> None:
    kernel = np.arange(float(size * size)).reshape(size, size, 1, 1)
    assert set(constraints.RadialConstraint()(kernel).data.ravel().tolist()) == values


def test_nothing_is_recorded() -> None:
    w = mg.tensor([[3.0], [4.0]], requires_grad=True)
    for name in ("max_norm", "non_neg", "unit_norm", "min_max_norm"):
        assert not constraints.get(name)(w).requires_grad


ERRORS: list[tuple[Any, str]] = [
    (lambda: constraints.MaxNorm(-1), "`max_value` argument must be a finite number >= 0"),
    (lambda: constraints.MaxNorm("2"), "`max_value` argument.*Received: max_value='2'"),
    (lambda: constraints.MaxNorm(axis="0"), "`axis` argument must be an integer or a list"),
    (lambda: constraints.UnitNorm(axis=[0, 1.5]), "`axis` argument must be an integer or a list"),
    (lambda: constraints.UnitNorm(axis=[]), "`axis` argument must be an integer or a list"),
    (lambda: constraints.UnitNorm(axis=True), "`axis` argument must be an integer or a list"),
    (lambda: constraints.UnitNorm(axis=4)(np.ones(2)), r"axis=4 for a weight of shape \(2,\)"),
    (lambda: constraints.UnitNorm(axis=[0, 0])(np.ones((2, 2))), "different axes"),
    (lambda: constraints.MinMaxNorm(2, 1), "`max_value` argument must be a finite number >= 2"),
    (lambda: constraints.MinMaxNorm(rate=2), "`rate` argument must be a finite number from 0 to 1"),
    (lambda: constraints.RadialConstraint()(np.ones((3, 3))), r"square.*shape=\(3, 3\)"),
    (lambda: constraints.RadialConstraint()(np.ones((2, 3, 1, 1))), "square kernels"),
    (lambda: constraints.UnitNorm()([3, 4]), "floating point weights. Received: dtype=int64"),
    (lambda: constraints.get("max_nrom"), "Did you mean 'max_norm'|Did you mean 'MaxNorm'"),
    (lambda: constraints.get(3), "A constraint must be given as"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_errors(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_names() -> None:
    for name, expected in INDEX["identifiers"]["tf_keras"]["constraints"].items():
        if expected != "Constraint":
            assert type(constraints.get(name)).__name__ == expected

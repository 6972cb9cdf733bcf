"""Regularizers against Keras' numbers (tests/golden/README.md), their factors and names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import regularizers

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
ARRAYS = dict(np.load(GOLDEN / "registries.npz", allow_pickle=False))
CASES = [(case, array) for case in INDEX["regularizer"] for array in case["arrays"]]

FORMS = ("tf24", "tf_keras", "keras3")
WRITTEN = [
    (case, form)
    for case in INDEX["serialised"]["regularizers"]
    for form in FORMS
    if (case["class_name"], form) != ("l1_l2", "keras3")  # there, l1_l2() means 0 and 0
]


def make(case: dict[str, Any]) -> Any:
    return getattr(regularizers, case["class_name"])(**case["options"])


@pytest.mark.parametrize(("case", "array"), CASES, ids=lambda v: v if v is str(v) else v["id"])
def test_golden(case: dict[str, Any], array: str) -> None:
    x = mg.tensor(ARRAYS[f"array/{array}"], requires_grad=True)
    penalty = make(case)(x)
    assert penalty.shape == ()
    key = f"regularizer/{case['id']}/{array}"
    np.testing.assert_allclose(penalty.data, ARRAYS[f"{key}/value"], 1e-12, 1e-15)
    if penalty.requires_grad:
        penalty.backward()
        np.testing.assert_allclose(x.grad.data, ARRAYS[f"{key}/grad"], 1e-12, 1e-15)
    else:
        assert not ARRAYS[f"{key}/grad"].any()


@pytest.mark.parametrize(("case", "form"), WRITTEN, ids=str)
def test_every_serialized_form_is_read(case: dict[str, Any], form: str) -> None:
    expected = make(case)
    found = regularizers.deserialize(case[form])
    assert type(found) is type(expected)
    for name, value in expected.get_config().items():
        assert getattr(found, name) == (pytest.approx(value) if value is not str(value) else value)
    if form == "tf24":
        assert regularizers.serialize(expected) == case["tf24"]
        assert list(expected.get_config()) == list(case["tf24"]["config"])


def test_trap_9_no_half_and_the_two_defaults() -> None:
    x = mg.tensor([[1.0, -2.0], [3.0, -4.0]], dtype="float64")
    assert regularizers.L2(0.5)(x).item() == 15.0
    assert regularizers.L1(0.5)(x).item() == 5.0
    assert regularizers.L1L2(0.5, 0.25)(x).item() == 12.5
    assert regularizers.get("l1_l2")(x).item() == pytest.approx(0.4, rel=1e-15)
    assert regularizers.get("L1L2")(x).item() == 0.0


def test_none_is_the_default_of_the_class() -> None:
    assert regularizers.L1(None).l1 == regularizers.L2(None).l2 == 0.01
    assert regularizers.L1L2(None, None).get_config() == {"l1": 0.0, "l2": 0.0}


def test_negative_factors_are_allowed() -> None:
    assert regularizers.L2(-1)(mg.tensor([2.0])).item() == -4.0


@pytest.mark.parametrize("make", [regularizers.L1, regularizers.L2, regularizers.L1L2])
@pytest.mark.parametrize("factor", [float("nan"), float("inf"), "0.1", True, [0.1], {}])
def test_bad_factor(make: Any, factor: Any) -> None:
    with pytest.raises(ValueError, match=r"The `l[12]` argument must be a finite number.*Received"):
        make(factor)


def test_float32_stays_float32() -> None:
    x = mg.tensor(np.ones(3, np.float32), requires_grad=True)
    for name in ("l1", "l2", "l1_l2"):
        penalty = regularizers.get(name)(x)
        assert penalty.dtype == np.float32


def test_orthogonal_edge_cases() -> None:
    regularizer = regularizers.OrthogonalRegularizer()
    assert regularizer(mg.tensor([[1.0, 2.0]])).item() == 0.0  # one row has no pairs
    with pytest.raises(ValueError, match=r"2 axes.*shape=\(3, 3, 2, 1\)"):
        regularizer(np.ones((3, 3, 2, 1)))
    with pytest.raises(ValueError, match=r"'rows' or 'columns'.*mode='diagonal'"):
        regularizers.OrthogonalRegularizer(mode="diagonal")


def test_base_class_is_zero() -> None:
    assert regularizers.Regularizer()(mg.tensor([1.0])).item() == 0.0


def test_names() -> None:
    for name, expected in INDEX["identifiers"]["tf_keras"]["regularizers"].items():
        if expected != "Regularizer":
            assert type(regularizers.get(name)).__name__ == expected
    with pytest.raises(ValueError, match="Unknown regularizer"):
        regularizers.get("l3")
    for wrong in (0, 0.1):
        with pytest.raises(ValueError, match="A regularizer must be given as"):
            regularizers.get(wrong)

"""Activations against TensorFlow's numbers (tests/golden/README.md), and their names."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import activations

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
CASES = [case for case in INDEX["activation"] if "keras3_only" not in case]
ARRAYS = dict(np.load(GOLDEN / "registries.npz", allow_pickle=False))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case: dict[str, Any]) -> None:
    x = mg.tensor(ARRAYS[case["x"]], requires_grad=True)
    y = activations.get(case["function"])(x, **case["options"])
    upstream = np.ones(x.shape)
    if "cos(arange)" in case.get("note", ""):
        upstream = np.cos(np.arange(x.size)).reshape(x.shape)
    y.backward(upstream)
    tolerance = case["tolerance"]
    key = f"activation/{case['id']}"
    np.testing.assert_allclose(y.data, ARRAYS[f"{key}/y"], tolerance, tolerance)
    np.testing.assert_allclose(x.grad.data, ARRAYS[f"{key}/dy"], tolerance, tolerance)


def test_golden_covers_every_function() -> None:
    tried = {case["function"] for case in CASES}
    assert {n for n in activations.registry.names if n.islower() and "re_lu" not in n} == tried


# The golden tolerance is loose where TensorFlow holds constants in float32. These are exact.
FORMULAS: list[tuple[str, dict[str, Any], Callable[[float], float]]] = [
    ("gelu", {}, lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
    (
        "gelu",
        {"approximate": True},
        lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    ("leaky_relu", {}, lambda x: x if x > 0 else 0.2 * x),
    ("hard_sigmoid", {}, lambda x: min(max(0.2 * x + 0.5, 0.0), 1.0)),
    (
        "selu",
        {},
        lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    ),
]


@pytest.mark.parametrize(("name", "options", "formula"), FORMULAS)
def test_formula(name: str, options: dict[str, Any], formula: Callable[[float], float]) -> None:
    grid = np.linspace(-6.0, 6.0, 97)
    y = activations.get(name)(mg.tensor(grid), **options)
    np.testing.assert_allclose(y.data, [formula(x) for x in grid], 1e-12, 1e-15)


def test_trap_24_hard_sigmoid_is_that_of_tf24() -> None:
    y = activations.hard_sigmoid(mg.tensor([1.0, 2.5, -2.5], dtype="float64"))
    np.testing.assert_allclose(y.data, [0.7, 1.0, 0.0], rtol=1e-15)


def test_trap_24_leaky_relu_slope_gelu_default_and_strict_threshold() -> None:
    one = mg.tensor([-1.0, 1.0], dtype="float64")
    assert activations.leaky_relu(one).data.tolist() == [-0.2, 1.0]
    exact = 0.5 * (1 + math.erf(math.sqrt(0.5)))
    assert activations.gelu(one).data[1] == pytest.approx(exact, rel=1e-14)
    assert activations.relu(one, threshold=1.0).data.tolist() == [0.0, 0.0]


def test_trap_25_general_relu() -> None:
    x = mg.tensor([-10.0, -5.0, 0.0, 5.0, 10.0])
    y = activations.relu(x, alpha=0.5, max_value=5.0, threshold=5.0)
    assert y.data.tolist() == [-7.5, -5.0, -2.5, 0.0, 5.0]
    between = activations.relu(mg.tensor([1.0]), alpha=0.25, threshold=2.0)
    assert between.item() == -0.25  # 0 < x < threshold


@pytest.mark.parametrize("name", sorted({case["function"] for case in CASES}))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept_and_nothing_overflows(name: str, dtype: str) -> None:
    activation = activations.get(name)
    x = mg.tensor(np.array([[-80.0, -1.0, 0.0, 1.0, 80.0]], dtype), requires_grad=True)
    y = activation(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("name", ["elu", "selu", "softplus", "swish", "mish", "gelu", "softsign"])
def test_extreme_inputs_give_finite_gradients(name: str) -> None:
    x = mg.tensor([-1e4, 1e4], requires_grad=True)
    activations.get(name)(x).sum().backward()
    assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("options", [{}, {"alpha": 0.5}, {"threshold": 1.0}, {"max_value": 3.0}])
def test_relu_lets_nan_through(options: dict[str, float]) -> None:
    assert np.isnan(activations.relu(mg.tensor([np.nan]), **options).item())


@pytest.mark.parametrize("function", [activations.softmax, activations.log_softmax])
def test_softmax_needs_two_axes(function: Any) -> None:
    with pytest.raises(ValueError, match=r"at least 2 axes.*Received: shape=\(3,\)"):
        function(mg.tensor([1.0, 2.0, 3.0]))


def test_names() -> None:
    known = INDEX["identifiers"]["tf_keras"]["activations"]
    for name, expected in known.items():
        if expected.startswith("function "):
            assert activations.get(name).__name__ == expected.removeprefix("function ")
    layer = activations.get("ReLU")
    assert type(layer).__name__ == "ReLU"
    assert activations.get(layer) is layer
    assert activations.get(type(layer)) is not layer
    assert activations.serialize(layer)["class_name"] == "ReLU"
    assert type(activations.deserialize(activations.serialize(layer))) is type(layer)


def test_none_is_linear() -> None:
    assert activations.get(None) is activations.deserialize(None) is activations.linear
    assert activations.serialize(None) == activations.serialize(activations.linear) == "linear"


def test_callables_are_returned_as_they_are() -> None:
    def cube(x: Any) -> Any:
        return x * x * x

    assert activations.get(cube) is cube


@pytest.mark.parametrize("name", ["exp", "identity", "abs", "RELU", "", "Relu", " relu"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(ValueError, match="Unknown activation"):
        activations.get(name)


@pytest.mark.parametrize("x", [-np.inf, -1e30, -1e4, 3.0, 1e8, np.inf])
def test_slope_of_softsign_is_precise_far_out(x: float) -> None:
    t = mg.tensor(np.array(x), requires_grad=True)
    with np.errstate(invalid="ignore"):  # inf / inf
        slope = mg.grad(activations.softsign(t), t).item()
    assert slope == pytest.approx((1.0 + abs(x)) ** -2, rel=1e-14)


def test_silu_is_swish() -> None:
    assert activations.get("silu") is activations.get("swish")
    assert activations.serialize(activations.silu) == "swish"


def test_a_function_that_only_shares_a_name_is_not_serialized() -> None:
    def relu(x: Any) -> Any:
        return x

    with pytest.raises(ValueError, match="shares the name 'relu'"):
        activations.serialize(relu)


def test_lambda_is_not_serialized() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        activations.serialize(lambda x: x)

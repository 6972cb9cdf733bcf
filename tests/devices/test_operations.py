"""Every operation works on device arrays as CuPy's are, forward, backward and backward again."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg

_SOURCE = Path(__file__).parents[1] / "ops" / "test_every_operation.py"
_SPEC = importlib.util.spec_from_file_location("every_operation", _SOURCE)
assert _SPEC is not None and _SPEC.loader is not None
every_operation = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = every_operation
_SPEC.loader.exec_module(every_operation)


def derivatives(function: Callable[..., mg.Tensor], inputs: list[mg.Tensor]) -> list[mg.Tensor]:
    """Return the value, its gradients (by fused derivatives and composed ones) and second ones."""
    output = function(*inputs)
    upstream = np.random.default_rng(7).uniform(-1, 1, output.shape)
    first = mg.grad(output, inputs, upstream, retain_graph=True)
    composed = mg.grad(output, inputs, upstream, create_graph=True)
    results = [output, *first, *composed]
    if any(part.requires_grad for part in composed):
        squares = sum((part * part).sum() for part in composed if part.requires_grad)
        results += mg.grad(squares, inputs)
    return results


@pytest.mark.parametrize("case", every_operation.CASES, ids=lambda case: case.label)
def test_operation(case: Any, device: Callable[..., Any]) -> None:
    arrays = case.arrays()
    with mg.use_backend("reference"):
        expected = derivatives(case.function, every_operation.leaves(arrays))
        inputs = [mg.tensor(array, requires_grad=True, device="cuda") for array in arrays]
        found = derivatives(case.function, inputs)
    assert {x.device for x in found} == {"cuda"}
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.numpy(), other.numpy())


X = np.array([[1.0, -2.0, np.inf], [3.0, 3.0, np.nan]])
ops = mg.ops
UNDIFFERENTIABLE: dict[str, Callable[..., mg.Tensor]] = {
    "equal": lambda x: x == 3.0,
    "not_equal": lambda x: x != 3.0,
    "less": lambda x: x < 3.0,
    "less_equal": lambda x: x <= 3.0,
    "greater": lambda x: x > 3.0,
    "greater_equal": lambda x: x >= 3.0,
    "isnan": ops.isnan,
    "isfinite": ops.isfinite,
    "logical_not": ops.logical_not,
    "zeros_like": ops.zeros_like,
    "ones_like": ops.ones_like,
    "stop_gradient": ops.stop_gradient,
    "argmax": lambda x: ops.argmax(x, axis=1, keepdims=True),
    "argmin": lambda x: ops.argmin(x, axis=1, keepdims=True),
    "logical_and": lambda x: (x > 0) & (x < 2),
    "logical_or": lambda x: (x > 0) | (x < 2),
    "logical_xor": lambda x: (x > 0) ^ (x < 2),
    "one_hot": lambda x: ops.one_hot((x > 0).astype("int64"), 2),
}


@pytest.mark.parametrize("name", sorted(every_operation.NOT_DIFFERENTIABLE))
def test_operation_without_derivative(name: str, device: Callable[..., Any]) -> None:
    function = UNDIFFERENTIABLE[name]
    expected, found = function(mg.tensor(X)), function(mg.tensor(X, device="cuda"))
    assert (found.device, found.dtype) == ("cuda", expected.dtype)
    np.testing.assert_array_equal(found.numpy(), expected.numpy())

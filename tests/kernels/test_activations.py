"""The compiled ReLU against NumPy, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels import use_backend
from minigrad.kernels.cpu import activations


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(0,), (1,), (8193,), (3, 100, 7), (300_000,)], ids=str)
def test_relu_and_its_gradient(shape, dtype):
    x, g = np.random.default_rng(0).normal(size=(2, *shape)).astype(dtype)
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0]
    x.reshape(-1)[: len(special)] = special[: x.size]
    y = activations.relu(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    np.testing.assert_array_equal(activations.where_positive(g, y), np.where(y > 0, g, 0))
    strange = np.full_like(g, np.nan)
    np.testing.assert_array_equal(
        activations.where_positive(strange, y), np.where(y > 0, strange, 0)
    )


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_operation(size, backend):
    start = np.random.default_rng(1).normal(size=size)
    with use_backend(backend):
        x = mg.tensor(start, requires_grad=True)
        y = mg.ops.relu(x)
        np.testing.assert_array_equal(y.numpy(), np.maximum(start, 0))
        (first,) = mg.grad((y * y).sum(), [x], create_graph=True)
        np.testing.assert_array_equal(first.numpy(), 2 * np.maximum(start, 0))
        (second,) = mg.grad(first.sum(), [x])
        np.testing.assert_array_equal(second.numpy(), 2.0 * (start > 0))
        (part,) = mg.grad(mg.ops.relu(x), [x], grad_outputs=np.full(size, np.inf))
        np.testing.assert_array_equal(part.numpy(), np.where(start > 0, np.inf, 0))

"""Sums of large arrays: `Add` and the operation behind it, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels.cpu import elementwise


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [
    [(3, 40, 40, 7)] * 2,
    [(3, 40, 40, 7)] * 3,
    [(3, 40, 40, 7), (3, 1, 1, 7)],
    [(2, 3)] * 2,
])  # fmt: skip
def test_the_layer_adds_as_numpy_does(shapes, dtype):
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=shape).astype(dtype) for shape in shapes]
    tensors = [mg.tensor(array, requires_grad=True) for array in arrays]
    y = mg.layers.Add(dtype=dtype)(tensors)
    np.testing.assert_array_equal(y.numpy(), sum(arrays[1:], arrays[0]))
    assert y.dtype == dtype
    up = generator.normal(size=y.shape).astype(dtype)
    for part, array in zip(mg.grad(y, tensors, mg.tensor(up)), arrays, strict=True):
        axes = tuple(i for i, size in enumerate(array.shape) if size < y.shape[i])
        np.testing.assert_allclose(part.numpy(), up.sum(axes, keepdims=True), rtol=1e-5, atol=1e-5)


def test_nan_and_infinity_are_added():
    a = np.full(40_000, np.inf, np.float32)
    b = np.where(np.arange(40_000) % 2, np.nan, -np.inf).astype(np.float32)
    assert np.isnan(elementwise.add(a, b)).all()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(4, 32, 32, 8), (2, 3, 3, 2)], ids=str)
def test_parts_of_a_gradient_are_added_in_place_of_what_nobody_else_has(shape, swapped):
    generator = np.random.default_rng(1)
    x = mg.tensor(generator.normal(size=shape).astype("float32"), requires_grad=True)
    up = mg.tensor(generator.normal(size=shape).astype("float32"))
    before = up.numpy()

    def normalized(x):
        return mg.ops.batch_normalization(x * 1.0, None, None, (0, 1, 2)).output

    start = x * 1.0
    parts = [start, normalized(start)]
    y = mg.ops.add(*(reversed(parts) if swapped else parts))
    (part,) = mg.grad(normalized(x), [x], up)
    (found,) = mg.grad(y, [x], up)
    np.testing.assert_array_equal(found.numpy(), before + part.numpy())
    np.testing.assert_array_equal(up.numpy(), before)

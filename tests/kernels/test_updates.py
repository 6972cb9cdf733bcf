"""The compiled rules of optimizers against the same rules in NumPy."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import minigrad as mg
from minigrad import optimizers
from minigrad.kernels.cpu import updates
from minigrad.optimizers import adam as module


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 17, 8192, 50_001])
def test_adam_is_the_formula(monkeypatch, dtype, size):
    generator = np.random.default_rng(size)
    start = generator.normal(size=size).astype(dtype)
    gradients = [generator.normal(size=size).astype(dtype) for _ in range(3)]
    found = {}
    for is_compiled in (True, False):
        monkeypatch.setattr(module, "compiled", lambda *arrays, answer=is_compiled: answer)
        w = mg.tensor(start, requires_grad=True)
        optimizer = optimizers.Adam(0.1)
        for gradient in gradients:
            optimizer.apply_gradients([(gradient, w)])
        found[is_compiled] = [w.numpy(), *optimizer.variables]
    tolerance = 4 * np.finfo(dtype).eps
    for a, b in zip(found[True], found[False], strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_any_number_of_threads_gives_the_same_bits():
    arrays = [np.random.default_rng(i).random(100_000, np.float32) for i in range(4)]
    before = numba.get_num_threads()
    try:
        found = []
        for threads in (1, before):
            numba.set_num_threads(threads)
            found.append(updates.adam(*arrays, (0.1, 0.001, 0.01, 1e-7)))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_nothing_is_lost():
    gradient = np.array([0.0, np.inf, np.nan, -1.0], np.float32)
    zeros = np.zeros_like(gradient)
    value, first, second = updates.adam(zeros, gradient, zeros, zeros, (0.5, 0.5, 1.0, 1e-7))
    np.testing.assert_array_equal(first, gradient * np.float32(0.5))
    np.testing.assert_array_equal(second, gradient * gradient * np.float32(0.5))
    assert value[0] == 0 and np.isnan(value[1:3]).all() and value[3] > 0
    assert not zeros.any()

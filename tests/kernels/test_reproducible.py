"""Rounding: the same bits for any number of threads, and small errors."""

import numba
import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import conv_geometry, use_backend
from minigrad.kernels.cpu import jit, plan

THREADS = numba.config.NUMBA_NUM_THREADS
SHAPES = [  # batch, size, channels, multiplier, filters, kernel, strides, dilation
    (3, (17, 19), 16, 1, 32, (3, 3), (1, 1), (1, 1)),
    (2, (15, 13), 7, 3, 5, (2, 4), (2, 1), (1, 2)),
    (5, (9, 8), 33, 1, 17, (3, 3), (1, 2), (1, 1)),
    (1, (40, 3), 3, 2, 4, (5, 3), (1, 1), (2, 1)),
    (16, (28, 28), 8, 1, 16, (3, 3), (1, 1), (1, 1)),
]


def results(shape, dtype):
    """Run the kernels in `dtype` on random float32 numbers."""
    batch, size, c, m, f, kernel, strides, dilation = shape
    geometry = conv_geometry(size, kernel, strides, "same", dilation)
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32).astype(dtype)

    x, depthwise, pointwise = normal(batch, *size, c), normal(*kernel, c, m), normal(1, 1, c * m, f)
    bias, dy = normal(f), normal(batch, *geometry.output_size, f)
    y, argmax = kernels.max_pool_forward(x, geometry)
    groups = 2 if c % 2 == 0 and f % 2 == 0 else 1
    full = normal(*kernel, c // groups, f)
    return [
        kernels.conv2d_forward(x, full, bias, geometry, groups),
        kernels.conv2d_input_grad(dy, full, geometry, groups),
        kernels.conv2d_kernel_grad(x, dy, geometry, groups),
        kernels.separable_forward(x, depthwise, pointwise, bias, geometry),
        *kernels.separable_backward(x, depthwise, pointwise, dy, geometry, True),
        kernels.depthwise_forward(x, depthwise, geometry),
        y,
        kernels.max_pool_backward(normal(*y.shape), argmax, geometry),
    ]


@pytest.mark.skipif(THREADS < 2, reason="numba was started with one thread")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_number_of_threads_does_not_change_a_bit(shape, dtype, monkeypatch):
    monkeypatch.setattr(jit, "SPREAD_FROM", 0)
    try:
        numba.set_num_threads(1)
        expected = results(shape, dtype)
        for threads in range(2, THREADS + 1):
            numba.set_num_threads(threads)
            for received, wanted in zip(results(shape, dtype), expected, strict=True):
                assert received.tobytes() == wanted.tobytes()
    finally:
        numba.set_num_threads(THREADS)


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_is_accurate(shape):
    """Errors stay below 1e-6 of the largest value, gradients summed over all pixels included."""
    pairs = zip(results(shape, np.float32), results(shape, np.float64), strict=True)
    for received, wanted in pairs:
        assert np.abs(received - wanted).max() <= 1e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_nan_and_infinity_survive(backend):
    geometry = conv_geometry((4, 4), (3, 3), padding="same")
    ones, square = np.ones((3, 3, 1, 1)), np.ones((1, 1, 1, 1))
    with use_backend(backend):
        for value in (np.nan, np.inf, -np.inf):
            x = np.zeros((1, 4, 4, 1))
            x[0, 0, 0, 0] = value
            y = kernels.separable_forward(x, ones, square, np.ones(1), geometry)[0, :, :, 0]
            np.testing.assert_array_equal(y[:2, :2], np.full((2, 2), value))
            assert (y[2:] == 1).all()
            z = kernels.conv2d_forward(x, ones, np.ones(1), geometry)[0, :, :, 0]
            np.testing.assert_array_equal(z, y)
            dx = kernels.depthwise_input_grad(x, ones, geometry)
            np.testing.assert_array_equal(dx[0, 0, 0], value)
            dk = kernels.depthwise_kernel_grad(np.ones_like(x), x, geometry, 1)
            np.testing.assert_array_equal(dk[1, 1], value)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_max_pool_ties_nan_and_padding(backend):
    nan, inf = np.nan, np.inf

    def pool(rows, kernel, strides, padding="valid"):
        x = np.array(rows, dtype=float)[np.newaxis, :, :, np.newaxis]
        geometry = conv_geometry(x.shape[1:3], kernel, strides, padding)
        with use_backend(backend):
            y, argmax = kernels.max_pool_forward(x, geometry)
            dx = kernels.max_pool_backward(np.ones_like(y), argmax, geometry)
        return y[0, :, :, 0], argmax[0, :, :, 0], dx[0, :, :, 0]

    y, argmax, dx = pool([[2, 2], [2, 2]], (2, 2), (2, 2))  # the first of equal maxima
    assert (y.item(), argmax.item()) == (2, 0)
    assert dx.tolist() == [[1, 0], [0, 0]]

    for rows, where in (([[5, nan], [nan, inf]], 1), ([[nan, 9], [nan, 1]], 0)):  # the first NaN
        y, argmax, _ = pool(rows, (2, 2), (2, 2))
        assert np.isnan(y.item())
        assert argmax.item() == where

    y, argmax, _ = pool([[-inf, -inf]], (1, 2), (1, 2))  # -inf is a value like any other
    assert (y.item(), argmax.item()) == (-inf, 0)

    y, argmax, dx = pool([[-1, -2, -3]], (1, 2), (1, 2), "same")  # zeros in the padding never win
    assert y.tolist() == [[-1, -3]]
    assert argmax.tolist() == [[0, 2]]

    y, argmax, dx = pool([[1, 3, 2]], (1, 2), (1, 1))  # overlapping windows add up
    assert y.tolist() == [[3, 3]]
    assert dx.tolist() == [[0, 2, 0]]

    y, argmax, dx = pool([[7]], (1, 1), (1, 1), ((0, 0), (1, 0)))  # a window without a pixel
    assert y.tolist() == [[-inf, 7]]
    assert argmax.tolist() == [[-1, 0]]
    assert dx.tolist() == [[1]]


def test_gradients_that_go_past_the_caches_are_the_same(monkeypatch):
    shape = (8, (32, 33), 64, 1, 16, (3, 3), (2, 1), (1, 1))
    expected = [result.tobytes() for result in results(shape, np.float32)]
    monkeypatch.setattr(plan, "LARGE_OUTPUT", 0)
    plan.backward_plan.cache_clear()
    plan.separable_plan.cache_clear()
    assert [result.tobytes() for result in results(shape, np.float32)] == expected
    plan.backward_plan.cache_clear()

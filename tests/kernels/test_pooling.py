"""Pooling by the mean in one pass, and the way back of maxima: exact, for any number of threads."""

import numba
import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels
from minigrad.kernels.cpu import jit, means

# N, H, W, C, window, strides, padding
CASES = [
    (2, 8, 6, 5, (2, 2), (2, 2), "valid"),
    (3, 7, 9, 17, (3, 3), (2, 2), "same"),
    (1, 5, 8, 1, (3, 3), (1, 1), "same"),
    (2, 9, 4, 20, (2, 3), (3, 1), "valid"),
    (1, 3, 11, 3, (1, 4), (1, 3), "same"),
    (0, 4, 4, 2, (2, 2), (2, 2), "valid"),
]


def arrays(case, dtype, data_format="channels_last"):
    batch, height, width, channels, window, strides, padding = case
    geometry = kernels.conv_geometry((height, width), window, strides, padding, (1, 1), data_format)
    rng = np.random.default_rng(0)

    def images(size):
        # 144 is a multiple of the number of pixels in each window, so means are exact.
        x = 144.0 * rng.integers(-9, 10, (batch, *size, channels)).astype(dtype)
        return x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))

    return geometry, images((height, width)), images(geometry.output_size)


def windows(geometry):
    """Yield each output pixel with the rows and columns of the input that it sees."""
    (top, _), (left, _) = geometry.pads
    for i in range(geometry.output_size[0]):
        for j in range(geometry.output_size[1]):
            r, s = i * geometry.strides[0] - top, j * geometry.strides[1] - left
            rows = slice(max(0, r), min(geometry.input_size[0], r + geometry.kernel_size[0]))
            columns = slice(max(0, s), min(geometry.input_size[1], s + geometry.kernel_size[1]))
            yield i, j, rows, columns


def last(x, data_format):
    return x if data_format == "channels_last" else np.moveaxis(x, 1, -1)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_means_and_their_gradients_are_exact(case, dtype, data_format):
    geometry, x, dy = arrays(case, dtype, data_format)
    y, dx = means.average_pool_forward(x, geometry), means.average_pool_backward(dy, geometry)
    assert (y.dtype, y.shape, dx.dtype, dx.shape) == (dtype, dy.shape, dtype, x.shape)
    x, dy, y, dx = (last(array, data_format) for array in (x, dy, y, dx))
    expected_y, expected_dx = np.zeros_like(y), np.zeros_like(dx)
    for i, j, rows, columns in windows(geometry):
        seen = x[:, rows, columns]
        expected_y[:, i, j] = seen.sum((1, 2)) / (seen.shape[1] * seen.shape[2])
        share = dy[:, i, j] / (seen.shape[1] * seen.shape[2])
        expected_dx[:, rows, columns] += share[:, np.newaxis, np.newaxis]
    # Kernels divide by multiplying with 1 / 3 or 1 / 9 (also where a border cuts a window of 4),
    # which is not exact.
    threes = 3 in case[4] or (case[4] == (1, 4) and case[6] == "same")
    roundings = 4 * np.finfo(dtype).eps if threes else 0
    for one, other in ((y, expected_y), (dx, expected_dx)):
        scale = np.abs(other).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=0, atol=roundings * scale)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="numba was started with one thread")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_of_threads_does_not_change_a_bit(case, monkeypatch):
    monkeypatch.setattr(jit, "SPREAD_FROM", 0)
    geometry, x, dy = arrays(case, np.float32)
    found, threads = [], numba.get_num_threads()
    try:
        for number in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(number)
            results = [
                means.average_pool_forward(x / 7, geometry),
                means.average_pool_backward(dy / 7, geometry),
            ]
            found.append([result.tobytes() for result in results])
    finally:
        numba.set_num_threads(threads)
    assert found[0] == found[1]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_operation_takes_these_kernels_and_is_linear(data_format):
    """Pooling and its gradient are each other's derivatives."""
    rng = np.random.default_rng(0)
    x = mg.tensor(rng.standard_normal((2, 40, 32, 16)), requires_grad=True)

    def pooled(x):
        return mg.ops.average_pool2d(x, 3, 2, "same", data_format)

    y, weights = pooled(x), rng.standard_normal(pooled(x).shape)
    with kernels.use_backend("reference"):
        expected = pooled(x)
        (slope,) = mg.grad(expected, [x], weights)
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-12, atol=1e-14)
    (found,) = mg.grad((y * y).sum(), [x], create_graph=True)
    (second,) = mg.grad((found * found).sum(), [x])
    np.testing.assert_allclose(
        mg.grad(pooled(x), [x], weights)[0].numpy(), slope.numpy(), rtol=1e-12, atol=1e-14
    )
    # With y = P x: the sum's gradient is 2 Pᵀ P x, and that of its square 8 Pᵀ P Pᵀ P x.
    once = mg.grad(pooled(x), [x], pooled(x).numpy())[0].numpy()
    twice = mg.grad(pooled(x), [x], pooled(mg.tensor(once)).numpy())[0].numpy()
    np.testing.assert_allclose(second.numpy(), 8 * twice, rtol=1e-10, atol=1e-13)

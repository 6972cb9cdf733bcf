"""Convolution with groups that share a vector: exact, and blind to other groups."""

import numba
import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels.cpu import conv2d, grouped, jit

# N, H, W, C, groups, kernel, strides, dilation, pads: tiles of 8, 4 and 1 pixels, borders, steps.
CASES = [
    (2, 9, 12, 32, 16, (3, 3), (1, 1), (1, 1), "same"),
    (3, 7, 7, 64, 16, (3, 5), (2, 1), (1, 1), "same"),
    (1, 13, 19, 96, 24, (2, 3), (1, 2), (2, 1), ((2, 1), (0, 3))),
    (2, 6, 9, 32, 4, (3, 3), (1, 1), (1, 2), "valid"),
    (4, 5, 3, 32, 8, (3, 2), (3, 2), (1, 1), "valid"),
    (2, 8, 5, 48, 12, (1, 1), (1, 1), (1, 1), "valid"),
]


def arrays(case, dtype, data_format="channels_last", whole=True):
    batch, height, width, channels, groups, kernel, strides, dilation, pads = case
    geometry = kernels.conv_geometry((height, width), kernel, strides, pads, dilation, data_format)
    rng = np.random.default_rng(0)

    def numbers(*shape):
        array = rng.integers(-3, 4, shape) if whole else rng.standard_normal(shape)
        return array.astype(dtype)

    def images(size):
        x = numbers(batch, *size, channels)
        return x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))

    x, dy = images((height, width)), images(geometry.output_size)
    return (
        geometry,
        groups,
        x,
        dy,
        numbers(*kernel, channels // groups, channels),
        numbers(channels),
    )


def results(geometry, groups, x, dy, kernel, bias):
    return [
        kernels.conv2d_forward(x, kernel, bias, geometry, groups),
        kernels.conv2d_forward(x, kernel, None, geometry, groups, relu=True),
        kernels.conv2d_input_grad(dy, kernel, geometry, groups),
        kernels.conv2d_kernel_grad(x, dy, geometry, groups),
    ]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_integers_are_exact(case, dtype, data_format, monkeypatch):
    called = []
    for name in ("grouped_forward_band", "grouped_kernel_grad_part"):
        original = getattr(conv2d, name)
        monkeypatch.setattr(
            conv2d, name, lambda *args, f=original: called.append(f.__name__) or f(*args)
        )
    inputs = arrays(case, dtype, data_format)
    received = results(*inputs)
    channels, groups = case[3:5]
    vectors = grouped.fills_vectors(channels, groups, channels, np.dtype(dtype).itemsize)
    assert vectors == bool(called)
    with kernels.use_backend("reference"):
        expected = results(*inputs)
    for one, other in zip(received, expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="numba was started with one thread")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_of_threads_does_not_change_a_bit(case, monkeypatch):
    monkeypatch.setattr(jit, "SPREAD_FROM", 0)
    inputs, found, threads = arrays(case, np.float32, whole=False), [], numba.get_num_threads()
    try:
        for number in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(number)
            found.append([result.tobytes() for result in results(*inputs)])
    finally:
        numba.set_num_threads(threads)
    assert found[0] == found[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [2, 3])
def test_what_is_not_finite_stays_in_its_group(where, bad):
    geometry, groups, *inputs = arrays(CASES[1], np.float32)
    inputs[where - 2][1, 1, 3, 5] = bad
    received = results(geometry, groups, *inputs)
    with np.errstate(invalid="ignore"), kernels.use_backend("reference"):
        expected = results(geometry, groups, *inputs)
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_vectors_are_whole():
    lanes = grouped.VECTOR_BYTES // 4
    assert grouped.fills_vectors(lanes, lanes // 2, lanes, 4) == (lanes > 2)
    assert not grouped.fills_vectors(lanes, 1, lanes, 4)
    assert not grouped.fills_vectors(lanes + 4, lanes // 4 + 1, lanes + 4, 4)
    assert not grouped.fills_vectors(lanes, lanes // 4, 2 * lanes, 4)

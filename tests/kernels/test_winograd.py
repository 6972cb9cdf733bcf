"""Winograd's convolution: exact where numbers are, as accurate as PyTorch, the same for all."""

import numba
import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels.cpu import conv2d, jit, winograd

# N, H, W, C, F, pads: odd sizes, widths that are no vectors, more than a block of channels.
CASES = [
    (1, 16, 16, 16, 16, "same"),
    (3, 7, 9, 17, 40, "same"),
    (2, 13, 12, 33, 24, "valid"),
    (5, 6, 5, 20, 16, ((2, 1), (0, 3))),
    (2, 12, 12, 160, 144, "same"),
]


def arrays(case, dtype, data_format="channels_last", whole=True):
    batch, height, width, channels, filters, pads = case
    geometry = kernels.conv_geometry((height, width), (3, 3), (1, 1), pads, (1, 1), data_format)
    rng = np.random.default_rng(0)

    def numbers(*shape):
        array = rng.integers(-3, 4, shape) if whole else rng.standard_normal(shape)
        return array.astype(dtype)

    def images(size, count):
        x = numbers(batch, *size, count)
        return x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))

    x, dy = images((height, width), channels), images(geometry.output_size, filters)
    return geometry, x, dy, numbers(3, 3, channels, filters), numbers(filters)


def results(geometry, x, dy, kernel, bias):
    return [
        kernels.conv2d_forward(x, kernel, bias, geometry),
        kernels.conv2d_forward(x, kernel, None, geometry, relu=True),
        kernels.conv2d_input_grad(dy, kernel, geometry),
        kernels.conv2d_kernel_grad(x, dy, geometry),
    ]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_integers_are_exact(case, dtype, data_format, monkeypatch):
    monkeypatch.setattr(conv2d, "FEWEST_ROWS", 1)
    called = []
    for name in ("winograd_forward", "winograd_kernel_grad"):
        original = getattr(winograd, name)
        monkeypatch.setattr(
            conv2d, name, lambda *args, f=original: called.append(f.__name__) or f(*args)
        )
    inputs = arrays(case, dtype, data_format)
    received = results(*inputs)
    assert called == ["winograd_forward"] * 3 + ["winograd_kernel_grad"]
    with kernels.use_backend("reference"):
        expected = results(*inputs)
    for one, other in zip(received, expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="numba was started with one thread")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_of_threads_does_not_change_a_bit(case, monkeypatch):
    monkeypatch.setattr(jit, "SPREAD_FROM", 0)
    monkeypatch.setattr(conv2d, "FEWEST_ROWS", 1)
    inputs, found, threads = arrays(case, np.float32, whole=False), [], numba.get_num_threads()
    try:
        for number in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(number)
            found.append([result.tobytes() for result in results(*inputs)])
    finally:
        numba.set_num_threads(threads)
    assert found[0] == found[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["x", "dy", "kernel", "corner"])
def test_what_is_not_finite_stays_where_it_is_seen(where, bad):
    geometry, x, dy, kernel, bias = arrays((4, 15, 16, 16, 20, "same"), np.float32)
    if where == "corner":  # seen by four pixels and four taps only
        x[1, 0, 0, 3] = bad
    else:
        {"x": x, "dy": dy, "kernel": kernel}[where][1, 1 if where == "kernel" else 6, 2, 3] = bad
    received = results(geometry, x, dy, kernel, bias)
    with np.errstate(over="ignore", invalid="ignore"), kernels.use_backend("reference"):
        expected = results(geometry, x, dy, kernel, bias)
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# The errors of PyTorch 2.13 (oneDNN, AVX-512) as in test_accuracy: y, dx and dk.
PYTORCH = {
    (2, 28, 28, 64, 64, "same"): (1.0e-6, 1.1e-6, 2.9e-7),
    (1, 28, 28, 128, 128, "same"): (1.4e-6, 1.2e-6, 2.0e-7),
    (2, 14, 14, 256, 256, "same"): (1.4e-6, 2.0e-6, 2.0e-7),
    (8, 7, 7, 512, 512, "same"): (2.7e-6, 2.2e-6, 3.5e-7),
    (2, 28, 28, 1024, 16, "same"): (1.2e-6, 6.2e-7, 2.8e-7),
    (1, 14, 14, 1024, 1024, "same"): (2.0e-6, 2.2e-6, 2.0e-7),
}


@pytest.mark.parametrize("case", PYTORCH, ids=str)
def test_errors_are_no_larger_than_pytorchs(case):
    geometry, *inputs = arrays(case, np.float32, whole=False)
    found = results(geometry, *inputs)
    exact = results(geometry, *(array.astype(np.float64) for array in inputs))
    for index, bound in zip((0, 2, 3), PYTORCH[case], strict=True):
        one, other = found[index], exact[index]
        assert np.abs(one - other).max() / np.abs(other).max() <= bound


def test_few_channels_few_pixels_and_other_windows_are_convolved_directly():
    window = (16, 16, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1)
    assert winograd.pays(window, 1, 16, 16)
    assert not winograd.pays(window, 1, 3, 64)
    assert not winograd.pays(window, 1, 64, 8)
    assert not winograd.pays((4, 4, 4, 4, *window[4:]), 1, 64, 64)
    for place in range(4, 10):
        assert not winograd.pays((*window[:place], 2, *window[place + 1 :]), 1, 64, 64)

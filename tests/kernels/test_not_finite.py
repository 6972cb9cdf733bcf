"""What is not finite goes where the definition sends it, and no further.

A tap that falls outside the image contributes nothing: not 0 times NaN or infinity. Kernels that
pad with zeros would get that wrong at borders.
"""

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import conv_geometry, use_backend

BAD = (np.nan, np.inf, -np.inf)


def geometries(rng, count):
    """Yield small ones with borders: all kernels, strides, dilations and pads mixed."""

    def two(low, high):
        return tuple(rng.integers(low, high, 2).tolist())

    while count > 0:
        strides, dilation = ((1, 1), (1, 1), (2, 2), (1, 2))[rng.integers(4)], (1, 1)
        if rng.integers(3) == 0:
            strides, dilation = (1, 1), (2, 1)
        padding = "same" if rng.integers(2) else (two(0, 3), two(0, 3))
        try:
            yield conv_geometry(two(1, 9), two(1, 4), strides, padding, dilation)
        except ValueError:
            continue
        count -= 1


def results(geometry, x, kernel, matrix, dy, d_features):
    return [
        kernels.depthwise_forward(x, kernel, geometry),
        kernels.depthwise_input_grad(d_features, kernel, geometry),
        kernels.depthwise_kernel_grad(x, d_features, geometry, kernel.shape[3]),
        kernels.separable_forward(x, kernel, matrix, None, geometry),
        *kernels.separable_backward(x, kernel, matrix, dy, geometry, True),
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("poisoned", ["x", "kernel", "dy"])
@pytest.mark.parametrize("channels", range(1, 18))
def test_what_is_not_finite_lands_where_the_definition_sends_it(channels, poisoned, dtype):
    rng = np.random.default_rng(channels)
    multiplier = 2 if channels % 5 == 0 else 1
    for geometry in geometries(rng, 4):
        out, features = (2, *geometry.output_size), channels * multiplier
        shapes = [
            (2, *geometry.input_size, channels),
            (*geometry.kernel_size, channels, multiplier),
            (1, 1, features, 3),
            (*out, 3),
            (*out, features),
        ]
        arrays = [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]
        for i in {"x": [0], "kernel": [1], "dy": [3, 4]}[poisoned]:
            where = (0,) * arrays[i].ndim  # at a border, and somewhere
            for place in (where, tuple(rng.integers(arrays[i].shape))):
                arrays[i][place] = BAD[rng.integers(3)]
        with np.errstate(invalid="ignore"):
            received = results(geometry, *arrays)
            with use_backend("reference"):
                expected = results(geometry, *arrays)
        for one, other in zip(received, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("poisoned", ["x", "dy"])
@pytest.mark.parametrize(("channels", "filters", "groups"), [(3, 5, 1), (16, 32, 1), (16, 16, 4)])
def test_the_gradient_of_a_full_kernel_counts_pixels_that_are_there(
    channels, filters, groups, poisoned
):
    rng = np.random.default_rng(channels)
    for geometry in geometries(rng, 8):
        x = rng.integers(-3, 4, (2, *geometry.input_size, channels)).astype(np.float32)
        dy = rng.integers(-3, 4, (2, *geometry.output_size, filters)).astype(np.float32)
        array = x if poisoned == "x" else dy
        for place in ((0, 0, 0, 0), tuple(rng.integers(array.shape))):
            array[place] = BAD[rng.integers(3)]
        with np.errstate(invalid="ignore"):
            received = kernels.conv2d_kernel_grad(x, dy, geometry, groups)
            with use_backend("reference"):
                expected = kernels.conv2d_kernel_grad(x, dy, geometry, groups)
        np.testing.assert_array_equal(received, expected)

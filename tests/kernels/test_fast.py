"""The fast CPU kernels on shapes that reach every one of their paths, compared exactly.

`test_exact` draws small shapes. Here are those with several tiles, panels, runs, groups, blocks and
chunks, with what is left over at the end of each, for the separable convolution and its parts.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad import kernels
from minigrad.kernels import conv_geometry, join_shape, use_backend

SHAPES = [  # batch, size, channels, multiplier, filters, kernel, strides, dilation, padding
    (5, (30, 31), 48, 1, 17, (3, 3), (1, 1), (1, 1), "same"),
    (2, (12, 12), 300, 1, 260, (3, 3), (1, 1), (1, 1), "same"),  # blocks of the kernel's gradient
    (3, (20, 20), 32, 1, 64, (5, 5), (1, 1), (1, 1), "valid"),
    (2, (14, 20), 33, 2, 40, (3, 3), (2, 2), (1, 1), "same"),
    (2, (13, 17), 24, 1, 9, (3, 5), (1, 2), (2, 1), ((2, 1), (0, 3))),
    (2, (17, 16), 70, 1, 31, (7, 7), (1, 1), (1, 1), "same"),
    (2, (15, 22), 20, 1, 5, (3, 3), (2, 3), (3, 2), "same"),  # steps with a common factor, and not
    (4, (28, 28), 1, 1, 32, (3, 3), (1, 1), (1, 1), "same"),
    (4, (19, 23), 3, 1, 12, (3, 3), (2, 2), (1, 1), "same"),
    (3, (16, 18), 1, 16, 20, (3, 3), (1, 1), (1, 1), "same"),
    (1, (8, 200), 8, 1, 16, (3, 3), (1, 1), (1, 1), "same"),
    (2, (40, 19), 3, 1, 5, (3, 2), (1, 1), (15, 9), "same"),  # rows that no tap sees lie between
    (1, (47, 30), 5, 1, 4, (4, 3), (2, 3), (13, 4), "same"),
    (40, (4, 4), 65, 1, 33, (3, 3), (1, 1), (1, 1), "same"),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_the_definition(shape, data_format, dtype):
    batch, size, c, m, f, kernel, strides, dilation, padding = shape
    geometry = conv_geometry(size, kernel, strides, padding, dilation, data_format)
    rng = np.random.default_rng(0)

    def integers(*shape):
        return rng.integers(-3, 4, shape).astype(dtype)

    def images(size, channels):
        return integers(*join_shape(batch, *size, channels, data_format))

    x, dy = images(size, c), images(geometry.output_size, f)
    features, d_features = images(geometry.output_size, c * m), images(geometry.output_size, c * m)
    k, q, b = integers(*kernel, c, m), integers(1, 1, c * m, f), integers(f)

    def everything():
        return [
            kernels.separable_forward(x, k, q, b, geometry),
            *kernels.separable_backward(x, k, q, dy, geometry, True),
            kernels.depthwise_forward(x, k, geometry),
            kernels.depthwise_input_grad(d_features, k, geometry),
            kernels.depthwise_kernel_grad(x, d_features, geometry, m),
            kernels.pointwise_forward(features, q, b, data_format),
            kernels.pointwise_input_grad(dy, q, data_format),
            kernels.pointwise_kernel_grad(features, dy, data_format),
            kernels.bias_grad(dy, data_format),
        ]

    received = everything()
    with use_backend("reference"):
        expected = everything()
    for number, (a, e) in enumerate(zip(received, expected, strict=True)):
        assert a.shape == e.shape and a.dtype == e.dtype, number
        np.testing.assert_array_equal(a, e, err_msg=f"result {number}")


def test_float32_is_accurate_over_many_channels_and_pixels():
    """Sums of 1000 channels and of 12544 pixels: below 1e-6 of the largest value."""
    rng = np.random.default_rng(0)
    for batch, size, c, f in [(2, (7, 7), 1000, 96), (16, (28, 28), 8, 16)]:
        geometry = conv_geometry(size, (3, 3), padding="same")
        shapes = [(batch, *size, c), (3, 3, c, 1), (1, 1, c, f), (f,), (batch, *size, f)]
        single = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        results = []
        for dtype in (np.float32, np.float64):
            x, k, q, b, dy = (array.astype(dtype) for array in single)
            y = kernels.separable_forward(x, k, q, b, geometry)
            results.append([y, *kernels.separable_backward(x, k, q, dy, geometry, True)])
        for received, wanted in zip(*results, strict=True):
            assert np.abs(received - wanted).max() <= 1e-6 * np.abs(wanted).max()


PORTABLE = """
import numpy as np
from minigrad import kernels
from minigrad.kernels.cpu.simd import VECTOR_BYTES
rng = np.random.default_rng(0)
def integers(*shape):
    return rng.integers(-3, 4, shape).astype(np.float32)
for c, f, s in ((20, 24, 1), (3, 7, 2)):
    geometry = kernels.conv_geometry((11, 12), (3, 3), (s, s), "same")
    x, k, q, b = integers(2, 11, 12, c), integers(3, 3, c, 1), integers(1, 1, c, f), integers(f)
    dy = integers(2, *geometry.output_size, f)
    def everything():
        y = kernels.separable_forward(x, k, q, b, geometry)
        return [y, *kernels.separable_backward(x, k, q, dy, geometry, True)]
    received = everything()
    with kernels.use_backend("reference"):
        expected = everything()
    assert all((a == e).all() for a, e in zip(received, expected, strict=True))
print(VECTOR_BYTES)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "features", "vector"),
    [
        ("generic", "", 16),
        ("haswell", "+avx,+avx2,+fma,+sse4.2,+popcnt,+bmi,+bmi2", 32),
    ],
)
def test_other_processors(name, features, vector):
    """The kernels compile, run and are exact with the vectors of lesser processors."""
    from llvmlite import binding

    host = binding.get_host_cpu_features()
    if not all(host.get(feature[1:], False) for feature in features.split(",") if feature):
        pytest.skip(f"this processor cannot run code for {name}")
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "PYTHONPATH": str(Path(minigrad.__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PORTABLE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(vector)

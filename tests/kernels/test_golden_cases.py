"""Ten cases with published numbers, A to G equal to TensorFlow's to the last bit.

x, the kernels and the bias are ramps that repeat; the sums below are exact in float64.
"""

import numpy as np
import pytest

from minigrad.kernels import conv_geometry, separable_forward, use_backend

CASES = {
    # id: input, F, kernel, strides, padding, dilation, M, output, sum, sum of squares, first, last
    "A": ((1, 3, 3, 1), 1, (2, 2), (1, 1), "valid", (1, 1), 1, (1, 2, 2, 1), -6.5, 16.1875,
          [-3.125, -2.375, -0.875, -0.125], []),
    "B": ((1, 3, 3, 1), 1, (2, 2), (1, 1), "same", (1, 1), 1, (1, 3, 3, 1), -3.75, 21.875,
          [-3.125, -2.375, -1.125, -0.875], [0.875, 1.5, 1.125]),
    "C": ((1, 4, 4, 1), 1, (3, 3), (2, 2), "same", (1, 1), 1, (1, 2, 2, 1), -3.125, 48.859375,
          [-1.875, -5.625, 3.625, 0.75], []),
    "D": ((1, 5, 5, 1), 1, (3, 3), (2, 2), "same", (1, 1), 1, (1, 3, 3, 1), 12.875, 38.890625,
          [1.875, 2.0, 0.5, 0.375], [-2.0, 2.125, 1.875]),
    "E": ((1, 5, 6, 2), 3, (3, 2), (1, 1), "same", (2, 2), 2, (1, 5, 6, 3), 5.1875, 416.089844,
          [0.875, -0.5875, 1.075, -2.6875], [-0.1875, 0.1625, 1.45]),
    "F": ((2, 7, 6, 3), 2, (3, 3), (2, 2), "valid", (1, 1), 2, (2, 3, 2, 2), 11.575, 297.295,
          [-3.5625, 0.7875, 3.6875, 1.475], [0.7875, 3.6875, 1.475]),
    "G": ((1, 6, 5, 2), 2, (3, 3), (1, 1), "valid", (2, 1), 1, (1, 2, 3, 2), -10.4, 80.230312,
          [-4.5, -2.525, -3.5, 1.1625], [1.0375, -3.0, -0.775]),
    "H": ((1, 6, 7, 2), 2, (3, 3), (1, 2), "same", (1, 1), 2, (1, 6, 4, 2), -1.725, 210.654063,
          [0.8125, 0.2875, 3.125, -2.15], [-2.275, -1.375, -0.775]),
    "I": ((1, 8, 8, 1), 1, (3, 3), (2, 2), "same", (2, 2), 1, (1, 4, 4, 1), 3.75, 131.9375,
          [0.0, 2.625, 2.375, 0.875], [1.75, -0.25, -2.375]),
    "J": ((1, 8, 8, 1), 1, (3, 3), (2, 2), "valid", (2, 2), 1, (1, 2, 2, 1), -0.75, 85.71875,
          [-7.875, 0.25, 3.5, 3.375], []),
}  # fmt: skip


def ramp(shape, period, offset, scale):
    return ((np.arange(np.prod(shape)) % period - offset) / scale).reshape(shape)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("case", CASES)
def test_golden(case, data_format, backend):
    shape, f, k, s, padding, d, m, out, total, squares, first, last = CASES[case]
    x = ramp(shape, 11, 5, 2)
    depthwise = ramp((*k, shape[3], m), 7, 3, 4)
    pointwise = ramp((1, 1, shape[3] * m, f), 5, 2, 2)
    bias = np.arange(f) / 10
    geometry = conv_geometry(shape[1:3], k, s, padding, d, data_format)
    with use_backend(backend):
        if data_format == "channels_first":
            y = separable_forward(x.transpose(0, 3, 1, 2), depthwise, pointwise, bias, geometry)
            y = y.transpose(0, 2, 3, 1)
        else:
            y = separable_forward(x, depthwise, pointwise, bias, geometry)
    assert y.shape == out
    assert y.sum() == pytest.approx(total, abs=1e-12)
    assert (y**2).sum() == pytest.approx(squares, abs=1e-6)
    np.testing.assert_allclose(y.ravel()[:4], first, rtol=0, atol=1e-14)
    np.testing.assert_allclose(y.ravel()[y.size - len(last) :], last, rtol=0, atol=1e-14)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_worked_examples(backend):
    def ones(size, kernel, strides):
        x = np.arange(float(size * size)).reshape(1, size, size, 1)
        geometry = conv_geometry((size, size), (kernel, kernel), strides, "same")
        y = separable_forward(
            x, np.ones((kernel, kernel, 1, 1)), np.ones((1, 1, 1, 1)), None, geometry
        )
        return y[0, :, :, 0].tolist()

    with use_backend(backend):
        assert ones(4, 3, (2, 2)) == [[45, 39], [66, 50]]
        assert ones(3, 2, (1, 1)) == [[8, 12, 7], [20, 24, 13], [13, 15, 8]]

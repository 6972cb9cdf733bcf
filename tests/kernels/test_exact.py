"""The compiled kernels equal the definition, to the last bit.

All maps here are sums of products. On small integers those are exact in floating point, whatever
the order of the sum, so results are compared with ``==``: across backends, layouts, numbers of
threads and dtypes.
"""

from dataclasses import dataclass

import numba
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import conv_geometry, join_shape, use_backend
from minigrad.kernels.cpu import jit

THREADS = numba.config.NUMBA_NUM_THREADS


@dataclass(frozen=True)
class Case:
    batch: int
    size: tuple[int, int]
    channels: int
    multiplier: int
    filters: int
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: object = "valid"
    dilation: tuple[int, int] = (1, 1)


def cases():
    def two(low, high):
        return st.tuples(st.integers(low, high), st.integers(low, high))

    pads = st.tuples(two(0, 3), two(0, 3))
    return st.builds(
        Case,
        batch=st.integers(0, 3),
        size=two(1, 9),
        channels=st.integers(1, 5),
        multiplier=st.integers(1, 3),
        filters=st.integers(1, 7),
        kernel=two(1, 4),
        strides=two(1, 3),
        padding=st.sampled_from(["valid", "same", "same"]) | pads,
        dilation=two(1, 3),
    )


EXAMPLES = [
    Case(0, (5, 4), 3, 2, 4, (3, 3), padding="same"),  # an empty batch
    Case(2, (5, 6), 1, 1, 1, (3, 3)),  # one channel
    Case(1, (1, 1), 1, 3, 2, (3, 3), padding="same"),  # a single number
    Case(2, (7, 6), 2, 1, 4, (3, 3)),  # as wide as it has filters
    Case(2, (6, 7), 2, 1, 4, (3, 3)),  # as high as it has filters
    Case(1, (2, 3), 2, 2, 3, (5, 4), padding="same"),  # a kernel larger than the image
    Case(1, (1, 1), 3, 1, 2, (5, 5), padding="same"),
    Case(2, (9, 8), 2, 3, 5, (3, 2), (2, 3), "same", (3, 2)),  # all unequal, strided and dilated
    Case(2, (11, 9), 3, 1, 2, (2, 3), (3, 2), "valid", (2, 3)),
    Case(1, (4, 4), 2, 1, 2, (2, 2), (3, 3), ((5, 1), (0, 7))),  # windows in the padding
    Case(2, (9, 9), 17, 1, 33, (3, 3), padding="same"),  # wider than a vector register
    Case(2, (9, 9), 17, 2, 9, (1, 1), (4, 4)),  # pixels that no window reaches
    Case(1, (1, 2), 2, 1, 1, (2, 2), (1, 1), "same", (2, 2)),  # a window with no pixel inside
]


def with_examples(function):
    for case in EXAMPLES:
        function = example(case)(function)
    return function


def integers(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def geometry_of(case, data_format="channels_last"):
    try:
        return conv_geometry(
            case.size, case.kernel, case.strides, case.padding, case.dilation, data_format
        )
    except ValueError:
        assume(False)


def compute(case, data_format="channels_last", dtype=np.float64):
    """Run every operation; return its results by name, images with the channels last."""
    geometry = geometry_of(case, data_format)
    c, m, f = case.channels, case.multiplier, case.filters

    def images(size, channels, seed):
        x = integers((case.batch, *size, channels), seed, dtype)
        return x.transpose(0, 3, 1, 2) if data_format == "channels_first" else x

    out = geometry.output_size
    x, features = images(case.size, c, 0), images(out, c * m, 1)
    dy, pooled = images(out, f, 2), images(out, c, 3)
    depthwise, pointwise = (
        integers((*case.kernel, c, m), 4, dtype),
        integers((1, 1, c * m, f), 5, dtype),
    )
    bias = integers(f, 6, dtype)
    results = {
        "depthwise_forward": kernels.depthwise_forward(x, depthwise, geometry),
        "depthwise_input_grad": kernels.depthwise_input_grad(features, depthwise, geometry),
        "depthwise_kernel_grad": kernels.depthwise_kernel_grad(x, features, geometry, m),
        "pointwise_forward": kernels.pointwise_forward(features, pointwise, bias, data_format),
        "pointwise_no_bias": kernels.pointwise_forward(features, pointwise, None, data_format),
        "pointwise_input_grad": kernels.pointwise_input_grad(dy, pointwise, data_format),
        "pointwise_kernel_grad": kernels.pointwise_kernel_grad(features, dy, data_format),
        "bias_grad": kernels.bias_grad(dy, data_format),
        "separable_forward": kernels.separable_forward(x, depthwise, pointwise, bias, geometry),
        "separable_no_bias": kernels.separable_forward(x, depthwise, pointwise, None, geometry),
    }
    for groups in {1, c}:
        full = integers((*case.kernel, c // groups, groups * f), 7, dtype)
        bias, dz = integers(groups * f, 8, dtype), images(out, groups * f, 9)
        results |= {
            f"conv2d_forward_{groups > 1}": kernels.conv2d_forward(x, full, bias, geometry, groups),
            f"conv2d_no_bias_{groups > 1}": kernels.conv2d_forward(x, full, None, geometry, groups),
            f"conv2d_input_grad_{groups > 1}": kernels.conv2d_input_grad(
                dz, full, geometry, groups
            ),
            f"conv2d_kernel_grad_{groups > 1}": kernels.conv2d_kernel_grad(x, dz, geometry, groups),
        }
    names = ("dx", "d_depthwise", "d_pointwise", "d_bias")
    results |= zip(
        names,
        kernels.separable_backward(x, depthwise, pointwise, dy, geometry, True),
        strict=True,
    )
    assert kernels.separable_backward(x, depthwise, pointwise, dy, geometry, False)[3] is None
    dx, *others = kernels.separable_backward(x, depthwise, pointwise, dy, geometry, True, False)
    assert dx is None
    for name, other in zip(names[1:], others, strict=True):
        np.testing.assert_array_equal(other, results[name])
    # ReLU at the end: its gradient is part of the pass, also where one pixel stands for an image.
    arrays, y = (x, depthwise, pointwise), results["separable_forward"]
    pixel = dy[:, :, :1, :1] if data_format == "channels_first" else dy[:, :1, :1]
    for upstream in (dy, np.broadcast_to(pixel, dy.shape)):
        passed = np.where(y > 0, upstream, dtype(0))
        fused = kernels.separable_backward(*arrays, upstream, geometry, True, True, y)
        plain = kernels.separable_backward(*arrays, passed, geometry, True)
        for one, other in zip(fused, plain, strict=True):
            np.testing.assert_array_equal(one, other)
    maxima, argmax = kernels.max_pool_forward(x, geometry)
    assert argmax.dtype in (np.int32, np.int64)
    results["max_pool_forward"], results["argmax"] = maxima, argmax.astype(dtype)
    results["max_pool_backward"] = kernels.max_pool_backward(pooled, argmax, geometry)
    for result in results.values():
        assert result.dtype == dtype
        assert result.flags.c_contiguous
        assert result.flags.writeable
    if data_format == "channels_first":
        return {
            name: y.transpose(0, 2, 3, 1) if name in IMAGES else y for name, y in results.items()
        }
    return results


IMAGES = (
    "depthwise_forward", "depthwise_input_grad", "pointwise_forward", "pointwise_no_bias",
    "pointwise_input_grad", "separable_forward", "separable_no_bias", "dx",
    "max_pool_forward", "argmax", "max_pool_backward",
    *(f"conv2d_{name}_{grouped}" for name in ("forward", "no_bias", "input_grad")
      for grouped in (False, True)),
)  # fmt: skip


def assert_same(received, expected):
    assert received.keys() == expected.keys()
    for name in expected:
        assert received[name].shape == expected[name].shape, name
        np.testing.assert_array_equal(received[name], expected[name], err_msg=name)


@with_examples
@given(cases())
@settings(max_examples=60, deadline=None)
def test_cpu_equals_reference(case):
    with use_backend("reference"):
        expected = compute(case)
    assert_same(compute(case), expected)


@with_examples
@given(cases())
@settings(max_examples=30, deadline=None)
def test_float32_equals_float64(case):
    expected = compute(case)
    assert_same(
        {name: y.astype(np.float64) for name, y in compute(case, dtype=np.float32).items()},
        expected,
    )


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@with_examples
@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_channels_first_equals_channels_last(backend, case):
    with use_backend(backend):
        assert_same(compute(case, "channels_first"), compute(case))


@pytest.mark.skipif(THREADS < 2, reason="numba was started with one thread")
@with_examples
@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_two_threads_equal_one(case):
    spread_from, jit.SPREAD_FROM = jit.SPREAD_FROM, 0
    try:
        numba.set_num_threads(1)
        expected = compute(case)
        numba.set_num_threads(2)
        assert_same(compute(case), expected)
    finally:
        numba.set_num_threads(THREADS)
        jit.SPREAD_FROM = spread_from


@with_examples
@given(cases())
@settings(max_examples=60, deadline=None)
def test_adjoints(case):
    """The gradients are the transposes of the forward map: ⟨y', A x⟩ = ⟨Aᵀ y', x⟩, in integers."""
    geometry = geometry_of(case)
    c, m, f = case.channels, case.multiplier, case.filters
    x, k = integers((case.batch, *case.size, c), 0), integers((*case.kernel, c, m), 1)
    dy = integers((case.batch, *geometry.output_size, c * m), 2)
    product = (dy * kernels.depthwise_forward(x, k, geometry)).sum()
    assert product == (kernels.depthwise_input_grad(dy, k, geometry) * x).sum()
    assert product == (kernels.depthwise_kernel_grad(x, dy, geometry, m) * k).sum()

    q, dz = integers((1, 1, c * m, f), 3), integers((*dy.shape[:3], f), 4)
    product = (dz * kernels.pointwise_forward(dy, q, None, "channels_last")).sum()
    assert product == (kernels.pointwise_input_grad(dz, q, "channels_last") * dy).sum()
    assert product == (kernels.pointwise_kernel_grad(dy, dz, "channels_last") * q).sum()

    bias = integers(f, 5)
    product = (dz * kernels.separable_forward(x, k, q, bias, geometry)).sum()
    dx, dk, dq, db = kernels.separable_backward(x, k, q, dz, geometry, True)
    assert product == (dx * x).sum() + (db * bias).sum()
    assert product == (dk * k).sum() + (db * bias).sum()
    assert product == (dq * q).sum() + (db * bias).sum()

    for groups in {1, c}:
        full, dz = (
            integers((*case.kernel, c // groups, groups * f), 6),
            integers((*dy.shape[:3], groups * f), 7),
        )
        product = (dz * kernels.conv2d_forward(x, full, None, geometry, groups)).sum()
        assert product == (kernels.conv2d_input_grad(dz, full, geometry, groups) * x).sum()
        assert product == (kernels.conv2d_kernel_grad(x, dz, geometry, groups) * full).sum()

    pooled, argmax = kernels.max_pool_forward(x, geometry)
    dp = integers(pooled.shape, 6)
    inside = argmax >= 0
    assert (np.where(inside, pooled, 0) * dp).sum() == (
        kernels.max_pool_backward(dp, argmax, geometry) * x
    ).sum()


def test_unreached_pixels_get_exactly_zero():
    geometry = conv_geometry((6, 6), (1, 1), (4, 4))
    dx = kernels.depthwise_input_grad(np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1)), geometry)
    expected = np.zeros((6, 6))
    expected[::4, ::4] = 1
    assert (dx[0, :, :, 0] == expected).all()


def test_channel_order_is_input_major():
    x = np.array([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3)
    k = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).reshape(1, 1, 3, 2)
    y = kernels.depthwise_forward(x, k, conv_geometry((1, 1), (1, 1)))
    assert y.ravel().tolist() == [1, 2, 30, 40, 500, 600]


def test_join_shape_is_what_the_kernels_expect():
    geometry = conv_geometry((4, 5), (2, 2), data_format="channels_first")
    x = np.ones(join_shape(2, 4, 5, 3, "channels_first"))
    y = kernels.depthwise_forward(x, np.ones((2, 2, 3, 2)), geometry)
    assert y.shape == join_shape(2, 3, 4, 6, "channels_first")

"""The compiled kernels of batch normalization against the formulas in float64."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels import use_backend
from minigrad.kernels.cpu import normalization

LAYOUTS = [(1, 1, 1), (6, 3, 1), (40, 1, 1), (7, 5, 1), (64, 3, 1), (3000, 40, 1), (5, 3, 4),
           (3, 70, 300), (2, 1, 40_000), (1, 4, 9)]  # fmt: skip


def arrays(layout, dtype):
    generator = np.random.default_rng(sum(layout))
    x, g = generator.normal(size=(2, *layout))
    x = 3 * x + 100 * np.arange(1, layout[1] + 1)[:, None]  # far from 0
    gamma, beta = generator.normal(size=(2, layout[1]))
    return [a.astype(dtype) for a in (g, x, gamma, beta)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_formulas(layout, dtype):
    g, x, gamma, beta = arrays(layout, dtype)
    tolerance = 100 * np.finfo(dtype).eps
    mean, variance = normalization.moments(x, layout)
    assert mean.dtype == variance.dtype == dtype
    wide = x.astype(np.float64)
    exact = x.astype(np.longdouble).mean(axis=(0, 2))
    np.testing.assert_allclose(mean, exact.astype(np.float64), rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_allclose(
        variance, wide.var(axis=(0, 2)), rtol=tolerance, atol=tolerance * 1e-2
    )

    scale = (1 / np.sqrt(variance + 0.1)).astype(dtype)
    wide, m, s, up, ga, be = (
        a.astype(np.float64).reshape(-1, 1) if a.ndim == 1 else a.astype(np.float64)
        for a in (x, mean, scale, g, gamma, beta)
    )
    standard = (wide - m) * s
    y = normalization.scale_and_shift(x, mean, scale, beta, layout)
    assert y.dtype == dtype and y.shape == x.shape
    np.testing.assert_allclose(y, standard + be, rtol=tolerance, atol=tolerance)

    number = layout[0] * layout[2]
    d_beta, d_gamma = up.sum((0, 2)), (up * standard).sum((0, 2))
    dx = (up - (d_beta[:, None] + standard * d_gamma[:, None]) / number) * s * ga
    found = normalization.gradients(g, x, mean, scale, gamma, layout, True)
    for part, expected in zip(found, (dx, d_gamma, d_beta), strict=True):
        assert part.dtype == dtype
        large = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(part, expected, rtol=0, atol=tolerance * large)
    plain = normalization.gradients(g, x, mean, scale, np.ones_like(gamma), layout, True)
    for a, b in zip(
        normalization.gradients(g, x, mean, scale, None, layout, True), plain, strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=tolerance)
    dx, *others = normalization.gradients(g, x, mean, scale, gamma, layout, False)
    assert dx is None
    for a, b in zip(others, found[1:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", [(3000, 40, 1), (3, 70, 300)], ids=str)
def test_any_number_of_threads_gives_the_same_bits(layout):
    g, x, gamma, beta = arrays(layout, "float32")
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            mean, variance = normalization.moments(x, layout)
            y = normalization.scale_and_shift(x, mean, gamma, beta, layout)
            parts = normalization.gradients(g, x, mean, variance, gamma, layout, True)
            results.append((mean, variance, y, *parts))
    finally:
        numba.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nan_and_infinity_stay_with_their_feature():
    x = np.random.default_rng(0).normal(size=(512, 32)).astype("float32")
    x[3, 1], x[4, 2] = np.nan, np.inf
    mean, variance = normalization.moments(x, (512, 32, 1))
    assert np.isnan(mean[1]) and np.isinf(mean[2]) and np.isnan(variance[1:3]).all()
    np.testing.assert_array_equal(np.isfinite(mean), np.isfinite(variance))
    assert np.isfinite(mean).sum() == 30


@pytest.mark.parametrize("shape, axes", [
    ((8, 16, 16, 12), (0, 1, 2)),
    ((8, 12, 16, 16), (0, 2, 3)),
    ((8, 16, 12, 16), (0, 1, 3)),
    ((4096, 6), 0),
    ((6, 4096), 1),
    ((8, 16, 12, 16), (0, 2)),  # what stays is in two parts: NumPy
    ((16, 16, 80), (0, 1, 2)),
])  # fmt: skip
@pytest.mark.parametrize("learned", [True, False])
def test_the_operation_on_large_arrays(shape, axes, learned):
    rest = [s for i, s in enumerate(shape) if i not in np.atleast_1d(axes)]
    generator = np.random.default_rng(1)
    x = mg.tensor(generator.normal(2.0, 1.0, size=shape), requires_grad=True)
    gamma, beta = (mg.tensor(generator.normal(size=rest), requires_grad=True) for _ in "gb")
    up = mg.tensor(generator.normal(size=shape))

    def everything():
        inputs = [x, gamma, beta] if learned else [x]
        parts = (gamma, beta) if learned else (None, None)
        found = mg.ops.batch_normalization(x, *parts, axes)
        return [*found, *mg.grad(found.output, inputs, grad_outputs=up)]

    compiled = everything()
    with use_backend("reference"):
        plain = everything()
    for a, b in zip(compiled, plain, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape, axes", [
    ((8, 16, 16, 12), (0, 1, 2)),
    ((3, 40, 41, 5), (0, 1, 2)),  # the last long row is shorter
    ((8, 12, 16, 16), (0, 2, 3)),
    ((8, 16, 12, 16), (0, 2)),
    ((2, 5, 5, 3), (0, 1, 2)),
])  # fmt: skip
@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_with_relu_it_is_the_same_bits_as_relu_behind_it(shape, axes, learned, dtype):
    rest = [s for i, s in enumerate(shape) if i not in axes]
    generator = np.random.default_rng(2)
    values = generator.integers(-2, 3, size=shape).astype(dtype)  # often, the result is just 0
    x = mg.tensor(values, requires_grad=True)
    gamma = mg.tensor(generator.normal(size=rest).astype(dtype), requires_grad=True)
    beta = mg.tensor(generator.integers(-1, 2, size=rest).astype(dtype), requires_grad=True)
    parts = (gamma, beta) if learned else (None, None)
    inputs = [x, *parts] if learned else [x]
    whole = mg.tensor(generator.normal(size=shape).astype(dtype))
    spread = mg.ops.broadcast_to(whole[:1, :1, :1], shape)  # as after a mean: not contiguous

    def everything(fused, up):
        found = mg.ops.batch_normalization(x, *parts, axes, 1e-3, "relu" if fused else None)
        y = found.output if fused else mg.ops.relu(found.output)
        first = mg.grad(y, inputs, grad_outputs=up, retain_graph=True)
        second = mg.grad(y, inputs, grad_outputs=up, create_graph=True)
        return [y, found.mean, found.variance, *first, *second]

    for up in (whole, spread):
        for a, b in zip(everything(True, up), everything(False, up), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(8, 16, 16, 12), (4096, 6), (4, 3)], ids=str)  # the last: NumPy
def test_with_relu_nan_and_infinity_are_as_with_relu_behind_it(shape, bad):
    values = np.random.default_rng(3).normal(size=shape).astype("float32")
    values[1, ..., 0] = bad
    x = mg.tensor(values, requires_grad=True)
    gamma, beta = (mg.tensor(np.full(shape[-1:], v, "f"), requires_grad=True) for v in (1, 0))
    axes = tuple(range(len(shape) - 1))
    found = []
    for activation in ("relu", None):
        with np.errstate(invalid="ignore"):
            y = mg.ops.batch_normalization(x, gamma, beta, axes, 1e-3, activation).output
            y = mg.ops.relu(y) if activation is None else y
            found.append(mg.grad(y, [x, gamma, beta], grad_outputs=mg.ops.ones_like(y)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(np.isnan(a.numpy()), np.isnan(b.numpy()))
    assert found[0][2].numpy()[0] == found[1][2].numpy()[0] == 0  # no unit of this feature is alive


UP = np.random.default_rng(5).normal(size=(8, 24, 24, 12)).astype("float32")
SUMMING = {
    "normalized": lambda x: mg.ops.batch_normalization(x, None, None, (0, 1, 2)).output,
    "with relu": lambda x: (
        mg.ops.batch_normalization(x, None, None, (0, 1, 2), activation="relu").output
    ),
    "means": lambda x: mg.ops.global_average_pool2d(x, keepdims=True),
    "windows": lambda x: mg.ops.average_pool2d(x, 3, 1, "same"),
}


@pytest.mark.parametrize("work", SUMMING.values(), ids=SUMMING)
def test_the_order_in_memory_changes_no_bit(work):
    values = np.random.default_rng(4).normal(size=(8, 24, 24, 12)).astype("float32")
    across = np.ascontiguousarray(np.moveaxis(values, -1, 1))
    found = []
    for start in (mg.tensor(values), mg.tensor(across)):
        start.requires_grad = True
        x = start if start.shape[1] == 24 else mg.ops.moveaxis(start, 1, -1)
        y = work(x)
        for up in (UP, np.moveaxis(np.ascontiguousarray(np.moveaxis(UP, -1, 1)), 1, -1)):
            up = mg.autograd.wrap(up[tuple(map(slice, y.shape))])
            found.append((y, mg.grad(y, x, grad_outputs=up, retain_graph=True)))
    for y, dx in found[1:]:
        np.testing.assert_array_equal(y.numpy(), found[0][0].numpy())
        np.testing.assert_array_equal(dx.numpy(), found[0][1].numpy())


def test_gradients_in_place():
    layout = (3001, 40, 1)
    g, x, gamma, beta = arrays(layout, "float32")
    mean, variance = normalization.moments(x, layout)
    for relu in (None, beta):
        expected = normalization.gradients(g, x, mean, variance, gamma, layout, True, relu)
        up = g.copy()
        found = normalization.gradients(up, x, mean, variance, gamma, layout, True, relu, True)
        assert found[0] is up
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_other_activations_are_not_fused():
    with pytest.raises(ValueError, match=r"The fused activation is None or 'relu'.*'tanh'"):
        mg.ops.batch_normalization(np.zeros((2, 3)), None, None, 0, activation="tanh")


def test_a_gradient_that_is_one_number_repeated():
    layer = mg.layers.BatchNormalization()
    x = mg.tensor(np.random.default_rng(5).random((64, 16, 16, 8)), "float32", requires_grad=True)
    layer(x, training=True).sum().backward()
    assert layer.beta.grad.numpy().tolist() == [64 * 16 * 16.0] * 8
    np.testing.assert_allclose(layer.gamma.grad.numpy(), 0, atol=1)
    np.testing.assert_allclose(x.grad.numpy(), 0, atol=1e-3)


def test_one_channel_of_larger_images():
    images = mg.tensor(np.random.default_rng(6).random((32, 28, 28, 3), np.float32))[..., :1]
    alone = mg.tensor(images.numpy())
    for layer in (
        mg.layers.BatchNormalization(),
        mg.layers.GlobalAveragePooling2D(),
        mg.layers.AveragePooling2D(),
    ):
        a, b = (layer(x, training=True).numpy() for x in (images, alone))
        np.testing.assert_array_equal(a, b)

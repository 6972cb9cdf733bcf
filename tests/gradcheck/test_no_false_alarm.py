"""Right gradients pass: random functions at all magnitudes, hard single cases, conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.gradcheck import gradcheck, gradgradcheck

ops = mg.ops

UNARY = {
    "sin": ops.sin,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "erf": ops.erf,
    "square": ops.square,
    "relu": ops.relu,
    "exp of tanh": lambda x: ops.exp(ops.tanh(x)),
    "log(1 + x^2)": lambda x: ops.log1p(x * x),
    "sqrt(1 + x^2)": lambda x: ops.sqrt(1.0 + x * x),
    "softmax": lambda x: ops.softmax(x, axis=-1),
    "cumsum": lambda x: ops.cumsum(x, axis=0),
    "centred": lambda x: x - ops.mean(x, axis=0, keepdims=True),
    "transposed twice": lambda x: ops.transpose(ops.transpose(x) * 2.0),
}
BINARY = {
    "add": ops.add,
    "subtract": ops.subtract,
    "multiply": ops.multiply,
    "x / (1 + y^2)": lambda x, y: x / (1.0 + y * y),
    "x y^T x": lambda x, y: ops.matmul(ops.matmul(x, ops.transpose(y)), x),
    "maximum": ops.maximum,
}


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(sorted(BINARY)),
    st.lists(st.sampled_from(sorted(UNARY)), max_size=2),
    st.lists(st.sampled_from(sorted(UNARY)), max_size=2),
    st.lists(st.sampled_from(sorted(UNARY)), max_size=2),
    st.tuples(*[st.sampled_from([1e-9, 1e-4, 1.0, 30.0, 1e5, 1e10])] * 3),
    st.integers(0, 10**6),
)
def test_random_functions_pass_at_all_magnitudes(binary, before_x, before_y, after, scales, seed):
    """x and y in units of their own, the result in another one."""
    rng = np.random.default_rng(seed)
    unit_x, unit_y, unit_out = scales
    x = unit_x * rng.standard_normal((3, 2))
    y = unit_y * rng.standard_normal((3, 2))

    def function(x, y):
        x, y = x * (1.0 / unit_x), y * (1.0 / unit_y)
        for name in before_x:
            x = UNARY[name](x)
        for name in before_y:
            y = UNARY[name](y)
        out = BINARY[binary](x, y)
        for name in after:
            out = UNARY[name](out)
        return out * unit_out

    report = gradcheck(function, (x, y), seed=seed)
    assert report, report


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["sin", "cos", "tanh", "exp", "log", "sqrt", "reciprocal", "arctan", "erf"]),
    st.sampled_from([1e-12, 1e-6, 1e-2, 1.0, 20.0]),
    st.integers(0, 10**6),
)
def test_plain_functions_far_from_one(name, scale, seed):
    """No unit taken out: cos is flat at 1e-12, log steep, exp large at 20."""
    x = scale * np.random.default_rng(seed).uniform(0.1, 3.0, 4)
    for mode in ("full", "fast"):
        report = gradcheck(getattr(ops, name), x, mode=mode)
        assert report, report


HARD = {
    "a cube at 0": (lambda x: x**3, lambda g, x: 3 * x * x * g, [0.0, 0.0]),
    "centred, far away": (lambda x: x - x.mean(), lambda g, x: g - g.mean(), [1e6, 1e6 + 1]),
    "fast change, far away": (
        lambda x: (x - 1e6) ** 3,
        lambda g, x: 3 * (x - 1e6) ** 2 * g,
        [1e6 + 0.5, 1e6 + 2],
    ),
    "mixed magnitudes": (np.sin, lambda g, x: g * np.cos(x), [1e-9, 1.0, 1e5]),
    "waves": (lambda x: np.sin(1e4 * x), lambda g, x: 1e4 * g * np.cos(1e4 * x), [0.5, 2.0]),
    "logarithm": (np.log, lambda g, x: g / x, [1e-12, 1.0, 1e12]),
    "constant": (lambda x: x - x + 7.0, lambda g, x: 0 * x, [1.0, 2.0]),
    "shares": (
        lambda x: x / x.sum(),
        lambda g, x: g / x.sum() - (g * x).sum() / x.sum() ** 2,
        [1.0, 2.0, 1e-9],
    ),
    "near a kink": (
        lambda x: np.abs(x - 1.0),
        lambda g, x: g * np.sign(x - 1.0),
        [1.0 + 1e-7, 1.0 - 1e-9],
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_cases_pass(name):
    function, gradient, x = HARD[name]
    report = gradcheck(function, np.array(x), gradient=gradient)
    assert report, report


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize(
    ("options", "multiplier"),
    [
        ({"strides": (2, 1)}, 1),
        ({"strides": 2, "padding": "same"}, 2),
        ({"dilation_rate": 2}, 1),
        ({"dilation_rate": (1, 2), "padding": "same"}, 2),
        ({"padding": "same"}, 2),
        ({"padding": "same", "strides": (1, 2), "data_format": "channels_first"}, 2),
        ({"padding": ((0, 2), (1, 0)), "strides": 2, "dilation_rate": (2, 1)}, 2),
    ],
)
def test_separable_conv2d_first_and_second_derivatives(options, multiplier, mode):
    rng = np.random.default_rng(3)
    shape = (2, 2, 6, 7) if "data_format" in options else (2, 6, 7, 2)
    inputs = (
        rng.standard_normal(shape),
        rng.standard_normal((3, 2, 2, multiplier)),
        rng.standard_normal((1, 1, 2 * multiplier, 3)),
        rng.standard_normal(3),
    )

    def function(x, depthwise_kernel, pointwise_kernel, bias):
        return ops.separable_conv2d(x, depthwise_kernel, pointwise_kernel, bias, **options)

    names = ["x", "depthwise_kernel", "pointwise_kernel", "bias"]
    first = gradcheck(function, inputs, mode=mode)
    assert first, first
    assert [check.name for check in first.inputs] == names
    second = gradgradcheck(function, inputs, mode=mode)
    assert second, second
    assert [check.name for check in second.inputs] == [*names, "upstream"]


def test_a_linear_function_has_no_second_derivative_but_in_the_upstream():
    report = gradgradcheck(lambda x: 3.0 * x, np.ones(3))
    assert report
    assert report.inputs[0].analytic == report.inputs[0].numeric == 0.0
    assert gradgradcheck(lambda x, y: x * 1.0, (np.ones(2), np.ones(2)))
    assert gradcheck(lambda x: mg.tensor([1.0, 2.0]), np.ones(2))


def test_it_works_where_nothing_is_recorded():
    with mg.no_grad():
        assert gradcheck(lambda x: x * x, np.ones(2))
        assert gradgradcheck(lambda x: x * x, np.ones(2))


def test_own_step_and_tolerances():
    def slope(g, x):
        return g * np.exp(x)

    x = np.array([1.0])
    assert not gradcheck(np.exp, x, gradient=slope, step=0.1)  # truncation: h^2 / 6 = 0.17 %
    assert gradcheck(np.exp, x, gradient=slope, step=0.1, rtol=0.002)
    assert gradcheck(np.exp, x, gradient=slope, step=0.1, atol=0.005)
    found = gradcheck(np.exp, x, gradient=slope, step=0.1, rtol=0.002).inputs[0]
    assert found.numeric / found.analytic == pytest.approx(np.sinh(0.1) / 0.1, rel=1e-13)


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize(
    "logits", [[23.3, -11.3], [30.0, 0.0], [50.0, 20.0, 22.0], [-16.9, -58.7, 15.8, -14.3]]
)
def test_a_loss_of_nearly_nothing(logits, mode):
    """log(1 + 1e-14) is a whole number of rounding units: few digits of the slope can be seen."""
    label = np.array([int(np.argmax(logits))])
    for seed in range(4):
        report = gradcheck(
            mg.ops.softmax_cross_entropy, (np.array([logits]), label), mode=mode, seed=seed
        )
        assert report, report


def test_gradients_smaller_than_any_normal_number():
    assert gradcheck(mg.ops.sum, 1e-320 * np.arange(1.0, 4.0)[:, None])
    report = gradcheck(lambda x: 1e-317 * x, np.array([0.7, -1.3]))
    assert report, report

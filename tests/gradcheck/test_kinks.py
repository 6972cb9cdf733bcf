"""Where a function has no derivative, the third verdict says so; elsewhere nothing is excused."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import gradcheck, gradgradcheck

ops = mg.ops
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
IMAGE = np.round(np.random.default_rng(0).standard_normal((1, 4, 4, 2)))

KINKS = {
    "relu": (ops.relu, (np.array([0.0, 1.0, -2.0]),), 1),
    "abs": (ops.abs, (np.array([0.0, 1.0, -2.0, 0.0]),), 2),
    "max of equal numbers": (lambda x: ops.max(x, axis=1), (TIES,), 5),
    "maximum of equal numbers": (ops.maximum, (TIES, TIES[:1]), 3 + 3),
    "relu of zeros": (ops.relu, (np.zeros(3),), 3),
    "clip": (lambda x: ops.clip(x, -1.0, 1.0), (np.array([1.0, 0.3]),), 1),
    "both sides, on their own": (lambda x: (ops.relu(x), ops.relu(-x)), (np.zeros(2),), 2),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks_are_neither_right_nor_wrong(name):
    function, inputs, count = KINKS[name]
    report = gradcheck(function, inputs)
    assert report.verdict == "kink" and report, report
    assert sum(check.kinks for check in report.inputs) == count
    assert f"passed but for {count} kinks" in str(report)
    assert gradcheck(function, inputs, mode="fast").verdict == "kink"


def test_max_pooling_of_equal_pixels():
    report = gradcheck(ops.max_pool2d, IMAGE)
    assert report.verdict == "kink" and report, report
    kinks = report.inputs[0].maps.verdict == 1
    assert kinks.sum() == report.inputs[0].kinks


def test_a_gradient_beyond_both_slopes_is_wrong_at_a_kink_too():
    x = np.array([0.0, 1.0])
    for factor in (-0.1, 1.1):
        report = gradcheck(
            lambda x: np.maximum(x, 0.0),
            x,
            gradient=lambda g, x, factor=factor: np.where(x == 0, factor * g, g),
        )
        assert not report
        (check,) = report.inputs
        assert check.index == (0,) and "the function has a kink here" in check.problem


def test_a_wrong_gradient_elsewhere_is_not_excused_by_a_kink():
    report = gradcheck(
        np.abs, np.array([0.0, 1.0, 2.0]), gradient=lambda g, x: g * np.sign(x) * (1 + (x == 2))
    )
    assert report.verdict == "fail" and report.inputs[0].index == (2,)


def test_jumps():
    report = gradgradcheck(ops.relu, np.array([0.0, 1.0]))
    assert report.verdict == "kink" and report, report
    assert [check.kinks for check in report.inputs] == [1, 0]


SMOOTH = {
    "a parabola's tip": (lambda x: x * x, [0.0, 1.0]),
    "a cosine's top": (ops.cos, [0.0, 1e-12, 1e-6]),
    "far from zero": (lambda x: (x - 1e6) ** 2, [1e6, 1e6 + 1e-3]),
    "right beside a kink": (ops.relu, [1e-9, -1e-9, 1e-5, 1.0]),
    "a steep sigmoid": (lambda x: ops.sigmoid(1e4 * x), [0.0, 1e-4, 1.0]),
    "a square root near zero": (ops.sqrt, [1e-8, 1.0]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_is_no_kink(name):
    function, x = SMOOTH[name]
    report = gradcheck(function, np.array(x))
    assert report.verdict == "pass", report

"""Wrong gradients are recognized, right ones are left alone, and doubts are told."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import gradcheck

rng = np.random.default_rng(1)
X, W, B = rng.standard_normal((5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)


def dense(x, w, b):
    return x @ w + b


BUGS = {
    "negated": ("w", lambda g, x, w, b: -x.T @ g, "has the wrong sign"),
    "scaled by 2": ("w", lambda g, x, w, b: 2 * x.T @ g, "is twice the right one"),
    "divided by the batch size": (
        "b",
        lambda g, x, w, b: g.mean(0),
        "divided by the batch size, 5",
    ),
    "missing": ("w", lambda g, x, w, b: 0 * w, "is zero everywhere"),
    "scaled": ("w", lambda g, x, w, b: 0.37 * x.T @ g, "is 0.37 times the right one"),
    "rotated": ("w", lambda g, x, w, b: (x.T @ g)[::-1, ::-1], "rotated by 180 degrees"),
    "flipped": ("w", lambda g, x, w, b: (x.T @ g)[::-1], "flipped along axis 0"),
    "transposed": ("w", lambda g, x, w, b: (x.T @ g).T.reshape(4, 3), "transposed"),
    "upstream ignored": ("w", lambda g, x, w, b: x.T @ np.ones_like(g), "the real one is ignored"),
    "upstream flipped": ("x", lambda g, x, w, b: g[:, ::-1] @ w.T, "flipped along axis 1"),
    "missing batch sum": ("b", lambda g, x, w, b: g[-1], "the last example alone"),
    "weight decay": ("w", lambda g, x, w, b: x.T @ g + 0.01 * w, "plus 0.01 w"),
    "one element": ("w", lambda g, x, w, b: x.T @ g + (np.arange(12) == 7).reshape(4, 3), "[2, 1]"),
    "precision": (
        "w",
        lambda g, x, w, b: (x.T @ g).astype(np.float16).astype(float),
        "rounded to float16",
    ),
}


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("name", BUGS)
def test_the_catalogue(name, mode):
    guilty, bug, text = BUGS[name]

    def gradient(g, *inputs):
        right = [g @ inputs[1].T, inputs[0].T @ g, g.sum(0)]
        right["xwb".index(guilty)] = bug(g, *inputs)
        return right

    report = gradcheck(dense, (X, W, B), gradient=gradient, mode=mode)
    found = report[guilty].diagnosis
    assert name == found.name or name in found.also, found
    assert text in found.text and f"the gradient of {guilty}" in found.text
    assert f"diagnosis: {found.text}" in str(report)
    assert all(c.diagnosis is None for c in report.inputs if c.name != guilty)


def test_a_gradient_of_the_other_argument():
    x, y = rng.standard_normal((2, 3, 3))
    report = gradcheck(lambda x, y: x * y, (x, y), gradient=lambda g, x, y: (g * x, g * x))
    assert report["x"].diagnosis.name == "arguments swapped"
    assert report["x"].diagnosis.text.startswith("the gradient of x is that of y")


def test_what_is_overwritten_and_not_added():
    def gradient(g, table, rows):
        total = np.zeros_like(table)
        total[rows] = g
        return total, None

    rows = np.array([1, 0, 1, 3])
    report = gradcheck(lambda table, rows: table[rows], (X, rows), gradient=gradient)
    assert report["table"].diagnosis.name == "not accumulated"
    assert "the last contribution alone" in report["table"].diagnosis.text


def test_what_fits_twice_is_told():
    symmetric = np.eye(2) + 1.0
    report = gradcheck(
        lambda a: a * symmetric,
        rng.standard_normal((2, 2)),
        gradient=lambda g, a: g / 2 * symmetric,
    )
    found = report["a"].diagnosis
    assert found.name == "divided by the batch size" and "scaled by 1/2" in found.also
    assert "(or: it is half the right one" in found.text


def test_nothing_fits():
    def gradient(g, x):
        return g * np.cos(x) + np.sin(17 * x) * np.arange(1, 1 + x.size).reshape(x.shape) * g**2

    found = gradcheck(np.sin, X, gradient=gradient)["x"].diagnosis
    assert found is None or found.name == "some elements"


def test_operations_of_the_engine_are_diagnosed_too():
    @mg.primitive(x=lambda g, x: mg.ops.flip(g * 2.0 * x, 0))
    def square(x):
        return np.square(x)

    assert gradcheck(square, X)["x"].diagnosis.name == "flipped"


def test_the_kernel_of_a_convolution_with_dilation_ignored():
    from minigrad.gradcheck.zoo import depthwise

    x, k = rng.standard_normal((2, 7, 7, 2)), rng.standard_normal((3, 3, 2, 1))

    def gradient(g, x, k):
        return depthwise.backward(g, x, k, dilation=(2, 2))[0], depthwise.backward(g, x, k)[1]

    report = gradcheck(
        lambda x, k: depthwise.forward(x, k, dilation=(2, 2)), (x, k), gradient=gradient
    )
    assert report["k"].diagnosis.name == "dilation ignored"
    assert report["k"].diagnosis.text.startswith(
        "the gradient of k belongs to dilation rate 1, not 2"
    )

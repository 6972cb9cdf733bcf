"""The exactness ladder: which rungs hold, how closely, and what they refuse."""

import json

import matplotlib
import matplotlib.pyplot
import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import ladder

matplotlib.use("agg")
rng = np.random.default_rng(0)
X, K, P = (rng.standard_normal(s) for s in ((2, 5, 5, 2), (3, 2, 2, 2), (1, 1, 4, 3)))


def test_a_separable_convolution_reaches_every_rung():
    found = ladder(mg.ops.separable_conv2d, (X, K, P))
    assert found.linear == ("x", "depthwise_kernel", "pointwise_kernel")
    assert found["integers"].exact and found["integers"].error == 0.0
    assert found["adjoint"].exact
    assert found["complex step"].error < 1e-14
    assert found["large step"].error < 1e-14
    assert 1e-13 < found["textbook"].error < 1e-8
    assert not any(rung.why_not for rung in found.rungs)
    assert found.errors[12] > 1e3 * found.errors[2] > 0.0  # without truncation, small is bad


def test_one_wrong_bit_of_an_integer_gradient_is_seen():
    def forward(x, k):
        return x @ k

    def wrong(g, x, k):
        dk = x.T @ g
        dk[0, 0] *= 1.0 + 2.0**-52
        return g @ k.T, dk

    x, k = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    assert ladder(forward, (x, k), gradient=lambda g, x, k: (g @ k.T, x.T @ g))["integers"].exact
    found = ladder(forward, (x, k), gradient=wrong)
    assert not found["integers"].exact and 0.0 < found["integers"].error < 1e-15
    assert found["textbook"].error < 1e-8  # nobody else sees it


def test_what_is_linear_in_some_inputs_only():
    found = ladder(lambda x, y: mg.ops.exp(x) * y, (rng.standard_normal(4), rng.standard_normal(4)))
    assert found.linear == ("y",)
    assert found["integers"].why_not == "not linear in each" and np.isnan(found["integers"].error)
    assert found["adjoint"].error < 1e-14
    assert found["complex step"].error < 1e-14
    assert found["large step"].error > 0.1  # truncation
    assert "(linear in y)" in str(found) and "not linear in each" in str(found)


@pytest.mark.parametrize("function", [mg.ops.exp, mg.ops.relu, lambda x: x * x])
def test_what_is_linear_in_nothing_is_refused(function):
    with pytest.raises(ValueError, match=r"linear in one of its inputs .* linear in none of x$"):
        ladder(function, rng.standard_normal(4))


def test_an_affine_function_and_one_that_knows_no_complex_numbers():
    def forward(x, b):
        return np.asarray(x, np.float64).sum(axis=0) + b

    found = ladder(forward, (X[0, 0], X[0, 1, 0]), gradient=lambda g, x, b: (g + 0 * x, g))
    assert found.linear == ("x", "b")
    assert found["integers"].exact and found["adjoint"].exact
    assert found["complex step"].why_not == "not complex"


def test_a_wrong_gradient_falls_off_every_rung():
    found = ladder(
        lambda x: 3.0 * x, rng.standard_normal((5, 4)), gradient=lambda g, x: 3.0 * g[::-1]
    )
    assert all(rung.error > 0.01 for rung in found.rungs)
    assert not any(rung.exact for rung in found.rungs)


def test_data_and_figure():
    found = ladder(mg.ops.depthwise_conv2d, (X, K))
    facts = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [rung["name"] for rung in facts["rungs"]] == [
        *("integers", "adjoint", "complex step", "large step", "textbook", "projection"),
    ]
    assert len(facts["steps"]) == len(facts["errors"]) == 13
    _, ax = matplotlib.pyplot.subplots()
    assert found.plot(ax) is ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "integers: exact (==)" in labels and len(labels) == 7
    matplotlib.pyplot.close("all")


def test_integers_alone_are_refused():
    with pytest.raises(TypeError, match="at least one floating point input"):
        ladder(mg.ops.exp, np.arange(3))

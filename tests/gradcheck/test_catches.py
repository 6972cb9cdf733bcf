"""gradcheck sees what is wrong, says where, and is not fooled."""

import itertools
import json

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import GradCheckError, check_layer, gradcheck, gradgradcheck

rng = np.random.default_rng(0)
X, W, B = rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4)


def dense(x, w, b):
    return x @ w + b


def right(g, x, w, b):
    return g @ w.T, x.T @ g, g.sum(0)


def test_the_right_gradient_passes():
    report = gradcheck(dense, (X, W, B), gradient=right)
    assert report and report.passed
    assert [check.name for check in report.inputs] == ["x", "w", "b"]
    assert [check.checks for check in report.inputs] == [12, 16, 4]
    assert all(check.error <= 1e-8 for check in report.inputs)
    assert report.problems == report.notes == ()


WRONG = {
    "flipped upstream": ("x", lambda g, x, w, b: (g[::-1] @ w.T, x.T @ g, g.sum(0))),
    "twice": ("w", lambda g, x, w, b: (g @ w.T, 2 * x.T @ g, g.sum(0))),
    "half": ("b", lambda g, x, w, b: (g @ w.T, x.T @ g, g.sum(0) / 2)),
    "a little too large": ("w", lambda g, x, w, b: (g @ w.T, 1.00001 * x.T @ g, g.sum(0))),
    "transposed": ("w", lambda g, x, w, b: (g @ w.T, (x.T @ g).T, g.sum(0))),
    "not transposed": ("x", lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0))),
    "missing sum": ("b", lambda g, x, w, b: (g @ w.T, x.T @ g, g[0])),
    "mean for sum": ("b", lambda g, x, w, b: (g @ w.T, x.T @ g, g.mean(0))),
    "upstream ignored": ("b", lambda g, x, w, b: (g @ w.T, x.T @ g, np.full(4, 3.0))),
    "wrong sign": ("x", lambda g, x, w, b: (-g @ w.T, x.T @ g, g.sum(0))),
    "zero": ("w", lambda g, x, w, b: (g @ w.T, 0 * w, g.sum(0))),
    "NaN": ("w", lambda g, x, w, b: (g @ w.T, np.nan * w, g.sum(0))),
    "infinite": ("x", lambda g, x, w, b: (np.full((3, 4), np.inf), x.T @ g, g.sum(0))),
}


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_fails_and_only_its_input_is_blamed(name, mode):
    guilty, wrong = WRONG[name]
    report = gradcheck(dense, (X, W, B), gradient=wrong, mode=mode)
    assert not report
    assert [check.name for check in report.inputs if not check.passed] == [guilty]
    assert report.worst.name == guilty
    assert f"{guilty}: " in str(report) and "FAILED" in str(report)


def test_the_worst_element_is_named_with_both_numbers():
    def wrong(g, x):
        gradient = 2 * x * g
        gradient[1, 2] += 0.5
        gradient[0, 1] -= 0.01
        return gradient

    (check,) = gradcheck(np.square, X, gradient=wrong, names=["kernel"]).inputs
    assert check.index == (1, 2)
    assert check.error == pytest.approx(0.5, rel=1e-6)
    assert check.analytic - check.numeric == pytest.approx(0.5, rel=1e-6)
    assert check.problem.startswith(f"at [1, 2] the gradient is {check.analytic:.9g}, central")


def test_a_single_wrong_element_among_many_is_found():
    x = np.linspace(0.5, 1.5, 2000)

    def wrong(g, x):
        gradient = g * np.cos(x)
        gradient[1234] *= 1.0001
        return gradient

    report = gradcheck(np.sin, x, gradient=wrong)
    assert not report and report.inputs[0].index == (1234,)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda g, x: g.sum(0) * 2, r"its gradient must have shape (3, 4), but has shape (4,)"),
        (lambda g, x: (2 * x * g).T, r"its gradient must have shape (3, 4), but has shape (4, 3)"),
        (lambda g, x: (2 * x * g).astype("f4"), "must have dtype float64, but has dtype float32"),
        (lambda g, x: None, "its gradient is missing (None)"),
    ],
)
def test_wrong_forms(wrong, text):
    report = gradcheck(np.square, X, gradient=wrong)
    assert not report
    assert text in report.inputs[0].problem


def test_a_float32_input_needs_a_float32_gradient():
    def widens(g, x):
        return 2.0 * x * g.astype(np.float64)

    x = X.astype(np.float32)
    report = gradcheck(np.square, x, gradient=widens)
    assert "must have dtype float32, but has dtype float64" in report.inputs[0].problem
    report = gradcheck(np.square, x, gradient=lambda g, x: 2 * x * g)
    assert report and report.notes == ("compared in float64, to which x was converted",)
    assert report.inputs[0].dtype == "float32"


def test_a_nondeterministic_function():
    noise = np.random.default_rng(0)
    report = gradcheck(
        lambda x: x + 1e-12 * noise.standard_normal(x.shape), X, gradient=lambda g, x: g
    )
    assert not report
    assert "two calls of the function with the same inputs gave different results" in str(report)


def test_a_nondeterministic_gradient():
    calls = itertools.count(1)
    report = gradcheck(np.sin, X, gradient=lambda g, x: g * np.cos(x) * (1 + 1e-15 * next(calls)))
    assert not report and "two computations of the gradient" in str(report)


def test_a_function_that_is_not_finite():
    report = gradcheck(lambda x: x * np.inf, X, gradient=lambda g, x: g)
    assert not report and "NaN or infinite values" in str(report)


def test_a_function_that_spoils_its_inputs_is_told_but_measured_rightly():
    def spoils(x):
        x *= 2.0
        return x

    def spoils_back(g, x):
        x[...] = g
        return 2 * g

    for fn, gradient in ((spoils, lambda g, x: 2 * g), (lambda x: 2 * x, spoils_back)):
        (check,) = gradcheck(fn, X, gradient=gradient).inputs
        assert check.problem == "the function or its gradient changes this input in place"
        assert check.diagnosis.name == "mutated"
        assert check.error <= check.tolerance
    (check,) = gradcheck(np.sin, X, gradient=lambda g, x: np.multiply(g, np.cos(x), out=g)).inputs
    assert check.problem == "the gradient function changes the upstream gradient in place"


@mg.primitive(x=lambda g, x: g * mg.tensor(2.0 * x.data))  # the second derivative gets lost
def careless_square(x):
    return np.square(x)


@mg.primitive(x=lambda g, x: g * x)
def wrong_square(x):
    return np.square(x)


def test_wrong_operations_of_the_engine():
    assert not gradcheck(wrong_square, X)
    assert gradcheck(careless_square, X)
    report = gradgradcheck(careless_square, X)
    assert [check.name for check in report.inputs if not check.passed] == ["x"]


def test_forward_mode_against_reverse_mode():
    labels = np.array([0, 3, 1])
    assert gradcheck(mg.ops.softmax_cross_entropy, (X, labels), check_jvp=True)
    assert gradcheck(lambda x, w: mg.ops.tanh(x @ w), (X, W), check_jvp=True)

    @mg.primitive(x=lambda g, x: mg.tensor(2.0 * g.data * x.data))
    def cut_square(x):
        return np.square(x)

    assert gradcheck(cut_square, X)
    report = gradcheck(cut_square, X, check_jvp=True)
    assert not report and "forward and reverse mode disagree" in str(report)
    with pytest.raises(TypeError, match="check_jvp needs a function of tensors"):
        gradcheck(np.sin, X, gradient=lambda g, x: g * np.cos(x), check_jvp=True)
    with pytest.raises(TypeError, match="Received: a layer"):
        gradcheck(mg.layers.Dense(2), (2, 3), check_jvp=True)
    with pytest.raises(TypeError, match=r"training is for layers and models\. Received: sin"):
        gradcheck(mg.ops.sin, X, training=True)


def test_several_outputs():
    def both(x, y):
        return x * y, mg.ops.sum(x, axis=0)

    assert gradcheck(both, (X, X + 1))
    assert gradgradcheck(both, (X, X + 1))
    assert gradcheck(
        lambda x: (x**2, 3 * x), X, gradient=lambda ups, x: 2 * x * ups[0] + 3 * ups[1]
    )
    assert not gradcheck(lambda x: (x**2, 3 * x), X, gradient=lambda ups, x: 2 * x * ups[0])


def test_integers_pass_through():
    labels = np.array([0, 3, 1])
    report = gradcheck(mg.ops.softmax_cross_entropy, (X, labels))
    assert report
    assert [check.name for check in report.inputs] == ["logits"]
    assert report.notes == ("no gradient for labels (integers or booleans)",)


def test_scalars_and_empty_inputs():
    assert gradcheck(lambda x: x * x, mg.tensor(3.0, dtype="float64"))
    report = gradcheck(lambda x: x * x, np.zeros((0, 3)))
    assert report and report.inputs[0].checks == 0
    assert report.notes == ("nothing to compare for x (no elements)",)
    assert "-" in str(report)


def test_the_report():
    report = gradcheck(dense, (X, W, B), gradient=WRONG["twice"][1])
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["passed"] is False and facts["function"] == "dense" and facts["mode"] == "full"
    w = facts["inputs"][1]
    assert w["name"] == "w" and w["shape"] == [4, 4] and w["passed"] is False
    assert w["analytic"] == pytest.approx(2 * w["numeric"])
    with pytest.raises(GradCheckError, match="gradcheck of dense: FAILED"):
        report.raise_if_failed()
    good = gradcheck(dense, (X, W, B), gradient=right)
    assert good.raise_if_failed() is good
    assert "passed (32 elements compared)" in str(good)
    assert issubclass(GradCheckError, AssertionError)


def test_nan_becomes_null_in_json():
    facts = gradcheck(dense, (X, W, B), gradient=WRONG["NaN"][1]).to_dict()
    assert facts["inputs"][1]["error"] is None
    json.dumps(facts, allow_nan=False)


def test_the_seed_decides():
    first, again, other = (
        str(gradcheck(dense, (X, W, B), gradient=WRONG["twice"][1], seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (ValueError, "mode must be 'full' or 'fast'", {"mode": "slow"}),
        (ValueError, "step must be positive", {"step": 0.0}),
        (ValueError, "rtol must be a finite number >= 0", {"rtol": -1.0}),
        (ValueError, "atol must be a finite number >= 0", {"atol": float("nan")}),
        (ValueError, "Expected 1, received 2", {"names": ["a", "b"]}),
        (TypeError, "names must be a sequence of strings. Received: names='x'", {"names": "x"}),
        (TypeError, "names must be a sequence of strings", {"names": 3}),
        (TypeError, "names must be a sequence of strings", {"names": [3]}),
    ],
)
def test_bad_options(error, text, arguments):
    with pytest.raises(error, match=text):
        gradcheck(mg.ops.sin, X, **arguments)


def test_bad_inputs_and_functions():
    with pytest.raises(TypeError, match="at least one floating point input"):
        gradcheck(mg.ops.sin, np.arange(3))
    with pytest.raises(TypeError, match="takes real numbers"):
        gradcheck(mg.ops.sin, (X, X * 1j))
    with pytest.raises(
        ValueError, match=r"Each input must be a tensor.* Received: input 1 = \[\[1"
    ):
        gradcheck(mg.ops.add, (X, [[1.0], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="'x' holding NaN or infinite values"):
        gradcheck(mg.ops.sin, np.array([1.0, np.nan]))
    with pytest.raises(TypeError, match="must return a tensor or a tuple of tensors"):
        gradcheck(lambda x: 3.0, X)
    with pytest.raises(TypeError, match="must return floating point numbers"):
        gradcheck(lambda x: x > 0, X)
    with pytest.raises(ValueError, match=r"one gradient per input\. Expected 3, received 2"):
        gradcheck(dense, (X, W, B), gradient=lambda g, x, w, b: (g @ w.T, x.T @ g))
    with pytest.raises(TypeError, match=r"needs a layer\. Received: int"):
        check_layer(3, (2, 2))
    with pytest.raises(ValueError, match="Expected 1, received 2"):
        check_layer(mg.layers.Dense(2), (3, 2), names=["a", "b"])
    with pytest.raises(TypeError, match="names must be a sequence of strings"):
        mg.gradgradcheck(mg.ops.sin, X, names=3)

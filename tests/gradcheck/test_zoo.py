"""The zoo: its right gradients are right, its wrong ones are wrong, and each says where."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.gradcheck.zoo import OPERATIONS, Exercise, exercises

every = pytest.mark.parametrize("exercise", exercises, ids=lambda one: one.name)


def depthwise(x, kernel, strides=(1, 1), dilation=(1, 1), pads=((0, 0), (0, 0))):
    return ops.depthwise_conv2d(x, kernel, strides=strides, dilation_rate=dilation, padding=pads)


def pointwise(x, kernel, bias):
    return ops.pointwise_conv2d(x, ops.reshape(kernel, (1, 1, *kernel.shape)), bias)


def max_pool(x, pool=(2, 2), strides=(2, 2), pads=None):
    return ops.max_pool2d(x, pool, strides, "same" if pads else "valid")


def mean_pool(x, pool=(2, 2), strides=(2, 2), pads=((0, 0), (0, 0))):
    ones = np.ones((*pool, x.shape[-1], 1))
    total = depthwise(x, mg.tensor(ones), strides, pads=pads)
    return total / depthwise(ops.ones_like(x), mg.tensor(ones), strides, pads=pads)


def gelu(x):
    return 0.5 * x * (1.0 + ops.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


TWINS = {
    "depthwise": depthwise,
    "pointwise": pointwise,
    "separable": lambda x, k, p, b, **how: pointwise(depthwise(x, k, **how), p, b),
    "dense": lambda x, k, b: x @ k + b,
    "tied dense": lambda x, k: ops.tanh(x @ k) @ k.T,
    "batch norm": lambda x, g, b: (
        ops.batch_normalization(x, g, b, tuple(range(x.ndim - 1)), 1e-3).output
    ),
    "cross-entropy": lambda x, labels, w: (
        w[labels.data] * ops.softmax_cross_entropy(x, labels.data)
    ),
    "softmax": lambda x: ops.softmax(x, axis=1),
    "max pooling": max_pool,
    "average pooling": mean_pool,
    "global pooling": ops.global_average_pool2d,
    "add": ops.add,
    "multiply": ops.multiply,
    "relu": ops.relu,
    "leaky relu": lambda x: ops.where(x.data > 0, x, 0.1 * x),
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "gelu": gelu,
    "log": lambda p: -ops.log(p + 1e-5),
    "embedding": lambda table, rows: table[rows.data],
}


def test_the_zoo_is_large_and_in_order() -> None:
    assert len(exercises) >= 90
    assert len(set(exercises.names)) == len(exercises)
    assert {one.operation for one in exercises} == {one.name for one in OPERATIONS} == set(TWINS)
    assert [one.difficulty for one in exercises] == sorted(one.difficulty for one in exercises)
    for difficulty in (1, 2, 3):
        assert len(exercises.select(difficulty=difficulty)) >= 15


@every
def test_the_right_gradient_is_that_of_minigrad(exercise: Exercise) -> None:
    """Bit by bit nearly so: the same formula, in other loops."""
    given = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in exercise.inputs]
    leaves = [mg.tensor(x, requires_grad=x.dtype.kind == "f") for x in given]
    output = TWINS[exercise.operation](*leaves, **exercise._options)
    np.testing.assert_allclose(exercise.forward(*given), output.numpy(), rtol=1e-11, atol=1e-12)
    upstream = np.random.default_rng(1).standard_normal(output.shape)
    output.backward(upstream)
    for mine, leaf in zip(exercise.right(upstream, *given), leaves, strict=True):
        if leaf.requires_grad:
            np.testing.assert_allclose(mine, leaf.grad.numpy(), rtol=1e-9, atol=1e-10)
        else:
            assert mine is None


@every
def test_every_exercise_can_be_handed_out(exercise: Exercise) -> None:
    assert exercise.story.endswith(".") and "\n" not in exercise.story
    assert exercise.hint.startswith(f"The gradient of '{exercise.wrong}' is wrong")
    assert exercise.source.startswith("def ") and exercise.story not in exercise.source
    first, again = exercise.inputs, exercise.inputs
    for one, other in zip(first, again, strict=True):
        assert one is not other and one.tobytes() == other.tobytes()


@every
def test_only_the_wrong_gradient_is_blamed(exercise: Exercise) -> None:
    report = exercise.check(exercise.backward)
    assert not report
    assert [check.name for check in report.inputs if not check.passed] == [exercise.wrong]


def test_selection() -> None:
    assert exercises[0].difficulty == 1 and exercises[-1].difficulty == 3
    assert exercises["relu/spoils-upstream"].operation == "relu"
    chosen = exercises.select("relu", difficulty=3)
    assert chosen.names == ["relu/keeps-the-first-mask"]
    assert list(chosen) == [exercises["relu/keeps-the-first-mask"]]
    assert repr(chosen) == "Exercises(1 wrong gradients: relu/keeps-the-first-mask)"
    with pytest.raises(KeyError, match=r"no such exercise; names lists them\. Received: 'relu'"):
        exercises["relu"]


def test_it_is_at_hand() -> None:
    assert mg.gradcheck.exercises is exercises
    assert mg.gradcheck.precision_lab is not None and mg.gradcheck.nondeterminism_lab is not None

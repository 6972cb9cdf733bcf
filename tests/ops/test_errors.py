"""Bad arguments get one clear sentence, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = mg.tensor(np.arange(6.0).reshape(2, 3))
IMAGES = mg.tensor(np.zeros((2, 5, 4, 3)))
KERNEL = mg.tensor(np.zeros((3, 3, 3, 2)))
POINT = mg.tensor(np.zeros((1, 1, 6, 4)))
BIAS = mg.tensor(np.zeros(4))


def separable(**changes: Any) -> mg.Tensor:
    arguments = {"x": IMAGES, "depthwise_kernel": KERNEL, "pointwise_kernel": POINT, "bias": BIAS}
    return ops.separable_conv2d(**(arguments | changes))


CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    # axes
    (lambda: ops.sum(X, axis=2), ValueError, r"no such axis .* 2 axes. Received: axis=2"),
    (lambda: ops.max(X, axis=-3), ValueError, r"Received: axis=-3"),
    (lambda: ops.mean(X, axis=(0, 0)), ValueError, r"given twice. Received: axis=\(0, 0\)"),
    (lambda: ops.sum(X, axis=1.0), TypeError, r"must be an integer. Received: axis=1.0"),
    (lambda: ops.sum(X, axis="rows"), TypeError, r"Received: axis='rows'"),
    (lambda: ops.softmax(X, axis=5), ValueError, r"no such axis"),
    (lambda: ops.cumsum(X, axis=True), TypeError, r"must be an integer"),
    # reductions of nothing
    (lambda: ops.max(X[:0]), ValueError, r"max\(\) of no elements .*shape=\(0, 3\)"),
    (lambda: ops.min(X[:0], axis=0), ValueError, r"min\(\) of no elements"),
    (lambda: ops.argmax(X[:0]), ValueError, r"argmax\(\) of no elements"),
    (lambda: ops.var(X[0, :1], ddof=1), ValueError, r"more than ddof .* 1 elements, ddof=1"),
    # shapes
    (lambda: X + mg.tensor([1.0, 2.0]), ValueError, r"\(2,3\) \(2,\)"),
    (lambda: ops.reshape(X, (4, 2)), ValueError, r"cannot reshape .* size 6 into shape \(4,2\)"),
    (lambda: ops.transpose(X, (0, 0)), ValueError, r"each of the 2 axes .*axes=\(0, 0\)"),
    (lambda: ops.moveaxis(X, 0, (0, 1)), ValueError, r"as many destinations as sources"),
    (lambda: ops.squeeze(X, 0), ValueError, r"size 1 only. Received: axis=0, shape=\(2, 3\)"),
    (lambda: ops.broadcast_to(X, (3, 2)), ValueError, r"\(2, 3\) does not broadcast .*\(3, 2\)"),
    (lambda: ops.sum_to(X, (3, 3)), ValueError, r"\(3, 3\) does not broadcast to shape \(2, 3\)"),
    (lambda: ops.reshape(X, (2.9, 3)), TypeError, r"shape .* integers. Received: shape=\(2.9, 3\)"),
    (lambda: ops.reshape(X, "a"), TypeError, r"integers. Received: shape='a'"),
    (lambda: X.reshape(True, 6), TypeError, r"integers. Received: shape=\(True, 6\)"),
    (lambda: ops.reshape(X, (-5, 3)), ValueError, r"integers >= -1. Received: shape=\(-5, 3\)"),
    (lambda: ops.broadcast_to(X, None), TypeError, r"integers. Received: shape=None"),
    (lambda: ops.stack(3), TypeError, r"stack\(\) needs a sequence of tensors. Received: 3"),
    # operands
    (lambda: X + None, TypeError, r"add\(\) needs tensors, arrays or numbers. Received: b=None"),
    (lambda: None @ X, TypeError, r"matmul\(\) needs .* Received: a=None"),
    (lambda: ops.equal(X, "a"), TypeError, r"needs numbers. Received: str"),
    (lambda: ops.logical_and(X > 1, None), TypeError, r"needs numbers. Received: NoneType"),
    (lambda: ops.where(X > 1, X, None), TypeError, r"where\(\) needs .* Received: b=None"),
    (lambda: -(X > 1), TypeError, r"negative\(\) is not defined .* Received: bool"),
    (lambda: ~X, TypeError, r"operator ~ works on masks.* Received: float64"),
    (lambda: ~mg.tensor([1]), TypeError, r"operator ~ works on masks.* Received: int64"),
    (lambda: mg.tensor([[1, 2], [3]]), TypeError, r"rectangular .*Received: \[\[1, 2\], \[3\]\]"),
    (lambda: ops.astype(X, "no"), TypeError, r"dtype must be a type of numbers.*dtype='no'"),
    (lambda: ops.astype(X, None), TypeError, r"dtype must be .*dtype=None"),
    (lambda: ops.clip(X, "a", 1), TypeError, r"needs numbers. Received: str"),
    (lambda: ops.concatenate([]), ValueError, r"at least one tensor"),
    (lambda: ops.concatenate([X, X[0]]), ValueError, r"Received: \(2, 3\), \(3,\)"),
    (lambda: ops.concatenate([X, X.T]), ValueError, r"differ along axis 0 at most"),
    (lambda: ops.stack([X, X.T]), ValueError, r"one shape. Received: \(2, 3\), \(3, 2\)"),
    (lambda: ops.split(X, 2, axis=1), ValueError, r"axis of size 3 into equal pieces"),
    (lambda: ops.pad(X, -1), ValueError, r"integers >= 0.*pad_width=-1"),
    (lambda: ops.pad(X, ((1, 1), (1, 1), (1, 1))), ValueError, r"each of the 2 axes"),
    (lambda: ops.repeat(X, -1), ValueError, r"repeats must be made of integers >= 0"),
    (lambda: ops.repeat(X, [1, 2], axis=1), ValueError, r"3 positions. Received: shape=\(2,\)"),
    (lambda: ops.tile(X, -1), ValueError, r"reps must be made of integers >= 0.*reps=-1"),
    # products
    (lambda: X @ X, ValueError, r"columns on the left .*shapes \(2, 3\) and \(2, 3\)"),
    (lambda: X @ mg.tensor(2.0), ValueError, r"use \* for numbers.*\(2, 3\) and \(\)"),
    (
        lambda: ops.matmul(np.ones((2, 2, 3)), np.ones((3, 3, 2))),
        ValueError,
        r"leading axes that broadcast.*\(2, 2, 3\) and \(3, 3, 2\)",
    ),
    (lambda: ops.dot(X, X), ValueError, r"sizes differ.*\(2, 3\) and \(2, 3\)"),
    (lambda: ops.tensordot(X, X, 1), ValueError, r"equal sizes.*axes=1"),
    (lambda: ops.tensordot(X, X, 3), ValueError, r"cannot sum over 3 axes"),
    (lambda: ops.tensordot(X, X, ([1, 1], [1, 1])), ValueError, r"pairs of different axes"),
    (lambda: ops.einsum(X, [0, 1]), TypeError, r"needs an equation .*Received: Tensor"),
    (lambda: ops.einsum("ij,jk->ik", X), ValueError, r"has 2 operands, but 1 were given"),
    (lambda: ops.einsum("ijk->i", X), ValueError, r"'ijk' does not fit an operand with 2 axes"),
    (lambda: ops.einsum("i->i", X), ValueError, r"'i' does not fit"),
    (lambda: ops.einsum("ij->ii", X), ValueError, r"once in the result"),
    (lambda: ops.einsum("ij->k", X), ValueError, r"must occur in an operand"),
    (lambda: ops.einsum("i1->i", X), ValueError, r"axes are named by letters"),
    (lambda: ops.einsum("ii", X), ValueError, r"an axis has size 2 and size 3"),
    (lambda: ops.einsum("ij,jk", X, X), ValueError, r"size 3 and size 2.*'ij,jk'"),
    (lambda: ops.einsum("i...->i", X), ValueError, r"must hold the ellipsis"),
    # indices
    (lambda: X[2], IndexError, r"out of bounds"),
    (lambda: X[0, 0, 0], IndexError, r"too many indices"),
    (lambda: X[[0.5, 1.0]], TypeError, r"integers or booleans. Received: an array of float64"),
    (lambda: X[mg.tensor([1.0])], TypeError, r"Received: an array of float32"),
    (lambda: X[[True, False, True]], IndexError, r"boolean"),
    (lambda: ops.take(X, [6]), IndexError, r"out of bounds"),
    (lambda: ops.take(X, [0.5]), TypeError, r"take\(\) needs integer indices"),
    (lambda: ops.take_along_axis(X, [0], 1), ValueError, r"as many axes as x"),
    (lambda: ops.one_hot([3], 3), ValueError, r"from 0 to 2. Received: indices from 3 to 3"),
    (lambda: ops.one_hot([-1], 3), ValueError, r"from 0 to 2"),
    (lambda: ops.one_hot([1.0], 3), TypeError, r"needs integer indices"),
    # bounds and labels
    (lambda: X.clip(mg.tensor(0.0, requires_grad=True)), TypeError, r"low that requires gradients"),
    (lambda: X.clip(np.zeros((3, 3))), ValueError, r"low of shape \(3, 3\)"),
    (lambda: ops.softmax_cross_entropy(X, [0]), ValueError, r"shape \(2,\) .*shape=\(1,\)"),
    (lambda: ops.softmax_cross_entropy(X, [0, 3]), ValueError, r"from 0 to 2 .*from 0 to 3"),
    (lambda: ops.softmax_cross_entropy(X, [-1, 0]), ValueError, r"labels from -1 to 0"),
    (lambda: ops.softmax_cross_entropy(X, [0.0, np.nan]), TypeError, r"must be integers"),
    (lambda: ops.softmax_cross_entropy(1.0, 0), ValueError, r"last axis of classes"),
    # convolution
    (lambda: separable(x=IMAGES[0]), ValueError, r"4 axes.*shape=\(5, 4, 3\)"),
    (lambda: separable(x=IMAGES[..., :2]), ValueError, r"for 3 channels, but x has 2"),
    (lambda: separable(data_format="channels_first"), ValueError, r"but x has 5 \(channels_first"),
    (lambda: separable(depthwise_kernel=KERNEL[0]), ValueError, r"\(kh, kw, C, M\)"),
    (lambda: separable(pointwise_kernel=POINT[0]), ValueError, r"\(1, 1, K, F\)"),
    (lambda: separable(pointwise_kernel=KERNEL), ValueError, r"\(1, 1, K, F\)"),
    (lambda: separable(pointwise_kernel=POINT[:, :, :5]), ValueError, r"5 channels, but gets 6"),
    (lambda: separable(bias=BIAS[:3]), ValueError, r"must have shape \(4,\).*shape=\(3,\)"),
    (lambda: separable(x=IMAGES.astype("float32")), TypeError, r"x: float32, depthwise"),
    (lambda: separable(x=IMAGES.astype("int64")), TypeError, r"float32, or all float64.*x: int64"),
    (lambda: separable(strides=0), ValueError, r"`strides` .*>= 1. Received: strides=0"),
    (lambda: separable(strides=(1, 2, 3)), ValueError, r"Received: strides=\(1, 2, 3\)"),
    (lambda: separable(strides="2"), ValueError, r"`strides`"),
    (lambda: separable(dilation_rate=(1, 0)), ValueError, r"`dilation_rate`"),
    (lambda: separable(padding="full"), ValueError, r"`padding` .*'full'"),
    (lambda: separable(padding="CAUSAL"), ValueError, r"only for 1-D"),
    (lambda: separable(padding=((1, -1), (0, 0))), ValueError, r"integers >= 0"),
    (lambda: separable(padding=None), ValueError, r"`padding`"),
    (lambda: separable(data_format="NHWC"), ValueError, r"`data_format` .*'NHWC'"),
    (lambda: separable(x=IMAGES[:, :2]), ValueError, r"height 2 is smaller than the kernel"),
    (lambda: separable(dilation_rate=3), ValueError, r"dilated kernel of height 7"),
    (lambda: ops.depthwise_conv2d(X, KERNEL), ValueError, r"4 axes"),
    (lambda: ops.pointwise_conv2d(IMAGES, POINT), ValueError, r"for 6 channels, but gets 3"),
    (lambda: ops.max_pool2d(X), ValueError, r"4 axes"),
    (lambda: ops.max_pool2d(IMAGES.astype("int64")), TypeError, r"x: int64"),
    (lambda: ops.max_pool2d(IMAGES, 0), ValueError, r"`pool_size`"),
    (lambda: ops.max_pool2d(IMAGES, 6), ValueError, r"height 5 is smaller"),
    (lambda: ops.max_pool2d(IMAGES, padding=((1, 1), (1, 1))), ValueError, r"'valid' or 'same'"),
    (lambda: ops.global_average_pool2d(X), ValueError, r"4 axes"),
    # normalization
    (lambda: ops.batch_normalization(X, BIAS, None, 0), ValueError, r"gamma .*\(3,\).*=\(4,\)"),
    (lambda: ops.batch_normalization(X, None, 1.0, 0), ValueError, r"beta must have the shape"),
    (lambda: ops.batch_normalization(X, None, None, 0, "a"), ValueError, r"`epsilon` .*='a'"),
    (lambda: ops.batch_normalization(X, None, None, 0, -1.0), ValueError, r"`epsilon` .*>= 0"),
    (lambda: ops.batch_normalization([[1, 2]], None, None, 0), TypeError, r"x: int64"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CASES)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# --- in-place operators -----------------------------------------------------------------------


def test_in_place_operators_change_leaves_inside_no_grad() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    same = x
    with mg.no_grad():
        x += 1.0
        x *= mg.tensor([2.0, 3.0])
        x -= [1.0, 1.0]
        x /= 2.0
        x **= 2
    assert x is same
    assert x.requires_grad and x.is_leaf
    assert x.tolist() == [2.25, 16.0]


def test_in_place_operators_change_constants() -> None:
    x = mg.tensor([1.0, 2.0])
    same = x
    x += 1.0
    assert x is same
    assert x.tolist() == [2.0, 3.0]


def test_in_place_operators_refuse_recorded_leaves() -> None:
    x = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"in place \(\+=\) .*mg\.no_grad"):
        x += 1.0
    assert x.tolist() == [1.0]


def test_in_place_operators_keep_history_right() -> None:
    x = mg.tensor([3.0], requires_grad=True)
    total = mg.tensor([0.0])
    total += x * x  # a running loss
    y = total
    total *= 2.0
    assert (y.tolist(), total.tolist()) == ([9.0], [18.0])
    total.backward()
    assert x.grad.tolist() == [12.0]


def test_in_place_operators_change_neither_shape_nor_type() -> None:
    x, n = mg.tensor([1.0]), mg.tensor([1])
    with pytest.raises(ValueError, match="cannot change the shape"):
        x += [1.0, 2.0]
    with pytest.raises(TypeError, match="float32 for a tensor of int64"):
        n += 0.5
    assert (x.tolist(), n.tolist()) == ([1.0], [1])


OVER_AXES = ["sum", "mean", "var", "std", "max", "min", "prod", "argmax", "argmin", "logsumexp"]


@pytest.mark.parametrize("name", [*OVER_AXES, "global_average_pool2d"])
@pytest.mark.parametrize("value", ["no", 1, 0.0, None, []])
def test_keepdims_is_a_bool(name: str, value: Any) -> None:
    operation, x = getattr(mg.ops, name), mg.tensor(np.ones((2, 3, 3, 2), "float32"))
    with pytest.raises(TypeError, match=r"`keepdims` argument must be True or False\. Received: k"):
        operation(x, keepdims=value)
    assert operation(x, keepdims=np.True_).ndim == 4


@pytest.mark.parametrize("index", [[[0, 1], [2]], ([[0, 1], [2]], 0)])
def test_lists_of_different_lengths_are_no_index(index: Any) -> None:
    x = mg.tensor(np.ones((3, 2), "float32"))
    for use in (
        lambda: x[index],
        lambda: x.__setitem__(index, 7),
        lambda: mg.ops.put_add(x, index, 3),
    ):
        with pytest.raises(
            IndexError, match=r"An index is made of .* Received: .*\[\[0, 1\], \[2\]\]"
        ):
            use()


@pytest.mark.parametrize("shape", [np.array([3, 2]), range(3, 1, -1), mg.tensor([3, 2])])
def test_methods_take_the_sequences_that_operations_take(shape: Any) -> None:
    x = mg.tensor(np.arange(6.0))
    assert x.reshape(shape).shape == mg.ops.reshape(x, shape).shape == (3, 2)
    assert x.reshape(np.int64(6)).shape == (6,)


@pytest.mark.parametrize("bounds", [(0.1, 2), ([0.1] * 3, None), (0, [2.1] * 3)])
def test_integers_clipped_by_fractions_have_floatx(bounds: Any) -> None:
    """As everywhere integers meet Python's numbers; the bounds of NumPy keep their dtype."""
    x = mg.tensor([0, 1, 9])
    found = x.clip(*bounds)
    assert found.dtype == np.float32 == (x + 0.1).dtype
    np.testing.assert_array_equal(found.numpy(), np.clip([0, 1, 9], *bounds).astype("float32"))
    assert x.clip(np.full(3, 0.1)).numpy()[0] == 0.1
    assert x.clip(0, 2).dtype == x.dtype

"""NumPy and tensors in one expression, both ways round, and the rules for their types."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg


def leaf(*values: float, dtype: str = "float64") -> mg.Tensor:
    return mg.tensor(np.array(values, dtype), requires_grad=True)


def test_a_tensor_is_an_array_to_numpy() -> None:
    x = leaf(1.0, 2.0)
    assert np.asarray(x) is x.data
    assert np.array(x).flags.writeable
    assert np.asarray(x, dtype="float32").dtype == np.float32
    assert np.array(x, copy=True) is not x.data
    with pytest.raises(ValueError, match="A copy is needed"):
        np.array(x, dtype="float32", copy=False)
    np.testing.assert_array_equal(x, [1.0, 2.0])


@pytest.mark.parametrize(
    ("left", "gradient"),
    [
        (lambda a, x: a * x, [3.0, 4.0]),
        (lambda a, x: a + x, [1.0, 1.0]),
        (lambda a, x: a - x, [-1.0, -1.0]),
        (lambda a, x: a / x, [-3.0, -1.0]),
        (lambda a, x: a**x, [3.0 * np.log(3.0), 16.0 * np.log(4.0)]),
        (lambda a, x: a @ x, [3.0, 4.0]),
        (lambda a, x: np.multiply(x, a), [3.0, 4.0]),
        (lambda a, x: np.maximum(a, x), [0.0, 0.0]),
    ],
)
def test_an_array_on_the_left_gives_a_recorded_tensor(left: Any, gradient: list[float]) -> None:
    x, array = leaf(1.0, 2.0), np.array([3.0, 4.0])
    result = left(array, x)
    assert isinstance(result, mg.Tensor)
    result.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-14)


def test_a_numpy_scalar_on_the_left() -> None:
    x = leaf(1.0, 2.0, dtype="float32")
    for scalar in (np.float64(2.0), np.float32(2.0), np.int64(2)):
        result = scalar * x
        assert isinstance(result, mg.Tensor)
        assert result.dtype == np.float32
        assert (x * scalar).dtype == np.float32


def test_comparing_an_array_with_a_tensor() -> None:
    result = np.array([1.0, 5.0]) < leaf(2.0, 2.0)
    assert isinstance(result, mg.Tensor)
    assert result.tolist() == [True, False]


def test_numpy_functions_that_are_operations() -> None:
    x = leaf(0.3, 0.6)
    for name in ["exp", "log", "sin", "tanh", "sqrt", "square", "abs", "arctan", "expm1"]:
        result = getattr(np, name)(x)
        assert isinstance(result, mg.Tensor) and result.requires_grad
        np.testing.assert_array_equal(result.numpy(), getattr(np, name)(x.data))
    assert np.isfinite(x).tolist() == [True, True]
    assert np.positive(x) is x


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.floor(x),
        lambda x: np.logaddexp(x, x),
        lambda x: np.add.reduce(x),
        lambda x: np.add(x, 1.0, out=np.zeros(2)),
        lambda x: np.exp(x, where=[True, False]),
    ],
)
def test_other_numpy_functions_say_what_to_do(call: Any) -> None:
    with pytest.raises(TypeError, match=r"does not work on tensors.*\.numpy\(\)"):
        call(leaf(1.0, 2.0))


def test_an_array_cannot_be_changed_in_place_by_a_tensor() -> None:
    array = np.zeros(2)
    with pytest.raises(TypeError, match=r"np\.add with out"):
        array += leaf(1.0, 2.0)


def test_numpy_functions_that_are_methods() -> None:
    x = mg.tensor(np.array([[0.1, 0.7, 0.4], [0.2, 0.9, 0.3]]), requires_grad=True)
    for call in [
        np.sum,
        lambda a: np.mean(a, axis=1, keepdims=True),
        lambda a: np.var(a, 0, ddof=1),
        lambda a: np.max(a, 1),
        lambda a: np.clip(a, 0.2, 0.5),
        lambda a: np.reshape(a, (3, -1)),
        np.transpose,
        lambda a: np.take(a, [0, 0], axis=1),
    ]:
        result = call(x)
        assert isinstance(result, mg.Tensor) and result.requires_grad
        np.testing.assert_allclose(result, call(x.data), rtol=1e-15)
    assert np.argmax(x, axis=1).tolist() == [1, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.concatenate([x, x]),
        lambda x: np.where(x > 1.5, x, 0.0),
        lambda x: np.dot(np.ones(2), x),
        lambda x: np.split(x, 2),
        lambda x: np.mean(x, 0, np.float64),
    ],
)
def test_numpy_functions_do_not_lose_gradients_silently(call: Any) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=r"np\.\w+ is not recorded.*Use an operation"):
        call(x)
    expected = call(x.data)
    np.testing.assert_array_equal(call(x.detach()), expected)
    with mg.no_grad():
        np.testing.assert_array_equal(call(x), expected)


def test_numpy_functions_without_a_gradient_work_on_every_tensor() -> None:
    x = leaf(3.0, 4.0)
    assert np.allclose(x, [3.0, 4.0]) and np.array_equal(x, x.data)
    assert np.shape(x) == (2,) and np.argsort(x).tolist() == [0, 1]
    for fresh in (np.zeros_like(x), np.copy(x)):
        assert type(fresh) is np.ndarray and fresh.flags.writeable
    assert np.linalg.norm(x.detach()) == 5.0
    with pytest.raises(TypeError, match=r"np\.linalg\.norm is not recorded"):
        np.linalg.norm(x)


# --- types ------------------------------------------------------------------------------------

F32, F64, I64 = (np.array([1, 2], dtype) for dtype in ("float32", "float64", "int64"))


@pytest.mark.parametrize("operation", ["add", "multiply", "divide", "power", "maximum", "subtract"])
@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        (F32, 2.0, "float32"),
        (F32, 2, "float32"),
        (F32, np.float64(2.0), "float32"),
        (F32, I64, "float32"),
        (F32, np.int64(2), "float32"),
        (F32, F64, "float64"),
        (F32, [2.0, 3.0], "float32"),
        (F64, F64, "float64"),
        (F64, I64, "float64"),
        (I64, 2.0, "float32"),
        (2.0, F32, "float32"),
        (I64, F32, "float32"),
    ],
)
def test_type_of_a_mixed_result(operation: str, a: Any, b: Any, dtype: str) -> None:
    function = getattr(mg.ops, operation)
    assert function(a, b).dtype == dtype
    tensors = [mg.tensor(x) if isinstance(x, np.ndarray) else x for x in (a, b)]
    assert function(*tensors).dtype == dtype


def test_integers_never_widen_float32() -> None:
    x, n = mg.tensor([[1.5, 2.5]]), mg.tensor([[2], [3]])
    for result in (
        mg.ops.einsum("ij,jk->ik", x, n),
        mg.ops.matmul(x, n),
        mg.ops.tensordot(x, n, 1),
        mg.ops.concatenate([x, n.T]),
        mg.ops.stack([x, n.T]),
        mg.ops.where(x > 2.0, x, n.T),
        mg.ops.put_add(x, [0], (2, 2)) * n,
        mg.ops.batch_normalization(x, [1.0, 1.0], None, 0).output,
    ):
        assert result.dtype == np.float32


def test_integers_stay_integers_until_a_fraction_is_needed() -> None:
    x = mg.tensor([1, 2])
    assert (x + x).dtype == (x * 2).dtype == (-x).dtype == x.sum().dtype == np.int64
    for result in (x / x, mg.ops.exp(x), x.mean(), mg.ops.softmax(x), mg.ops.reciprocal(x)):
        assert result.dtype == np.float32


def test_gradients_have_the_types_of_their_arguments() -> None:
    a, b = leaf(1.0, 2.0, dtype="float32"), leaf(3.0, 4.0)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    a.astype("float64").sum().backward()
    assert a.grad.tolist() == [4.0, 5.0]
    assert not a.astype("int64").requires_grad


@pytest.mark.parametrize("other", ["text", object(), {1: 2}])
def test_what_is_no_number_is_refused(other: Any) -> None:
    with pytest.raises(TypeError, match="Expected a tensor, an array or a number"):
        leaf(1.0) + other


# --- arrays that are not what they seem -------------------------------------------------------


@pytest.mark.parametrize("view", [lambda a: np.broadcast_to(a, (2, 2)), np.ndarray.view])
def test_the_tape_keeps_a_copy_of_read_only_views(view: Any) -> None:
    x, array = leaf(1.0, 2.0), np.array([3.0, 4.0])
    read_only = view(array)
    read_only.flags.writeable = False
    y = (x * read_only).sum(axis=-1)
    array[:] = 100.0
    assert mg.grad(y.sum(), x).tolist() == [3.0 * y.size, 4.0 * y.size]


def test_a_constant_of_our_own_is_not_copied() -> None:
    x, constant = leaf(1.0, 2.0), mg.tensor([3.0, 4.0], dtype="float64")
    assert (x * constant.data)._node.args[1] is constant.data


@pytest.mark.parametrize("kind", [">f8", "<f8"])
def test_other_spellings_of_float64_keep_its_precision(kind: str) -> None:
    array = pickle.loads(pickle.dumps(np.array([0.1, 0.2], kind)))
    x32 = mg.tensor([1.0, 2.0])
    for recorded in (True, False):
        x = mg.tensor(array, requires_grad=recorded)
        assert x.dtype == np.float64 and x.dtype.isnative
        for result in (mg.ops.sigmoid(x), 1.0 / x, x + 1, x * x32, mg.ops.reciprocal(x)):
            assert result.dtype == np.float64
        with mg.enable_grad() if recorded else mg.no_grad():
            assert (x32 * array).dtype == np.float64
    images, kernel = array.reshape(1, 1, 2, 1), array.reshape(1, 2, 1, 1)
    assert mg.ops.depthwise_conv2d(images, kernel).item() == pytest.approx(0.05, rel=1e-15)


@pytest.mark.parametrize(
    "use", [mg.tensor, mg.ops.sum, lambda x: leaf(1.0, 2.0) * x, lambda x: mg.ops.add([x], 1.0)]
)
def test_a_list_of_recorded_tensors_is_refused(use: Any) -> None:
    parts = [leaf(1.0).sum(), leaf(2.0).sum()]
    with pytest.raises(TypeError, match=r"from their history. Join them with mg\.ops\.stack\(\)"):
        use(parts)
    with mg.no_grad():
        use(parts)
    use([part.detach() for part in parts])
    assert mg.ops.stack(parts).requires_grad

"""The tensor itself: making, protecting, converting, comparing, showing and copying it."""

from __future__ import annotations

import copy
import inspect
import math
import operator
import pickle
import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import config
from minigrad.autograd import operations
from minigrad.kernels.cuda import runtime
from minigrad.ops import operators


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values, float), requires_grad=True)


# --- making -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.5, 2.5], "float32"),
        ([[1, 2], [3, 4]], "int64"),
        (3, "int64"),
        (True, "bool"),
        (np.array([1.5]), "float64"),
        (np.float64(1.5), "float64"),
        (np.array([1], "int32"), "int32"),
        ([np.float64(1.5), 2.5], "float64"),
        (mg.tensor([1.5]), "float32"),
        ([mg.tensor(1.5), mg.tensor(2.5)], "float32"),
        ([], "float32"),
    ],
)
def test_dtype_of_a_new_tensor(data: Any, dtype: str) -> None:
    assert mg.tensor(data).dtype == dtype


def test_floatx_is_the_dtype_of_python_numbers() -> None:
    config.set_floatx("float64")
    try:
        assert mg.tensor([1.5]).dtype == np.float64
        assert mg.ops.exp(mg.tensor([1])).dtype == np.float64
    finally:
        config.set_floatx("float32")


@pytest.mark.parametrize("data", [[[1.0], [1.0, 2.0]], ["a"], object(), None, [[1.0, None]]])
def test_what_is_no_array_of_numbers(data: Any) -> None:
    with pytest.raises(TypeError, match="A tensor needs"):
        mg.tensor(data)


def test_values_are_copied() -> None:
    array = np.array([1.0, 2.0])
    x = mg.tensor(array)
    array[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    assert array.flags.writeable


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16", "complex128"])
def test_only_float32_and_float64_require_gradients(dtype: str) -> None:
    with pytest.raises(TypeError, match=f"float32 and float64 .*Received: dtype={dtype}"):
        mg.tensor(np.ones(2, dtype), requires_grad=True)


def test_device() -> None:
    x = mg.tensor([1.0], device="cpu")
    assert x.device == "cpu"
    assert x.to("cpu") is x
    if not runtime.available():
        with pytest.raises(RuntimeError, match=r"^CUDA is not available: .*; .*\.$"):
            x.to("cuda")
    with pytest.raises(ValueError, match="Received: device='tpu'"):
        mg.tensor([1.0], device="tpu")


# --- protection and assignment ----------------------------------------------------------------


def test_arrays_of_tensors_are_read_only() -> None:
    x = leaf(1.0, 2.0)
    for array in [x.data, (x * 2.0).data, x[1:].data, np.asarray(x), x.detach().data]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_numpy_returns_a_copy() -> None:
    x = leaf(1.0, 2.0)
    x.numpy()[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_assign_converts_and_checks() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert x.assign(np.array([3.0, 4.0])) is x
    assert x.dtype == np.float32
    x.data = [5.0, 6.0]
    assert x.tolist() == [5.0, 6.0]
    with pytest.raises(ValueError, match=r"Expected \(2,\), received \(3,\)"):
        x.assign([1.0, 2.0, 3.0])
    with pytest.raises(RuntimeError, match="result of 'multiply'"):
        (x * 2.0).assign([1.0, 2.0])
    assert x.tolist() == [5.0, 6.0]


@pytest.mark.parametrize("bad", [None, "a", "3.5", ["1", "2"], [1.0, None], [[1], [2, 3]], {}])
def test_only_numbers_can_be_assigned(bad: Any) -> None:
    x = mg.tensor([1.0, 2.0])
    attempts = [
        lambda: x.assign(bad),
        lambda: x.__setitem__(slice(None), bad),
        lambda: mg.tensor(bad, dtype="float32"),
        lambda: mg.tensor(3.0).assign(bad),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match=r"A tensor needs .*numbers\. Received: "):
            attempt()
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("key", ["a", 2.5, len, {"a": 1}])
def test_item_assignment_explains_its_indices(key: Any) -> None:
    with pytest.raises(IndexError, match=r"made of integers, slices.*Received: "):
        mg.tensor([1.0, 2.0])[key] = 0.0


def test_large_python_integers_become_floats() -> None:
    assert mg.tensor([10**30, 1.5], dtype="float64").tolist() == [1e30, 1.5]


def test_item_assignment() -> None:
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="do not support item assignment"):
        x[0] = 5.0
    with mg.no_grad():
        x[mg.tensor([0, 1])] = mg.tensor([7.0, 8.0])
    assert x.tolist() == [7.0, 8.0, 3.0]
    y = mg.tensor([1.0, 2.0])
    y[y > 1.0] = 0.0
    assert y.tolist() == [1.0, 0.0]


def test_grad_can_be_set_and_is_checked() -> None:
    x = leaf(1.0, 2.0)
    x.grad = mg.tensor(np.array([1.0, 1.0]))
    (x * 2.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    with pytest.raises(ValueError, match="shape and dtype of its tensor"):
        x.grad = mg.tensor([1.0, 1.0])  # float32
    with pytest.raises(RuntimeError, match="Only a tensor that requires gradients"):
        mg.tensor(1.0).grad = mg.tensor(1.0)


def test_requires_grad_can_be_switched_on_leaves_only() -> None:
    x = mg.tensor([1.0])
    x.requires_grad = True
    assert x.requires_grad and x.is_leaf
    y = x * 2.0
    with pytest.raises(RuntimeError, match="follows from its arguments"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2.0).requires_grad


# --- Python's protocols -----------------------------------------------------------------------


def test_conversions_to_numbers() -> None:
    x = mg.tensor([[2.5]])
    assert (float(x), int(x), bool(x), complex(x)) == (2.5, 2, True, 2.5 + 0j)
    assert x.item() == 2.5
    assert f"{x:.3f}" == "2.500"
    assert [10, 20, 30][mg.tensor(1)] == 20
    assert list(range(mg.tensor(3))) == [0, 1, 2]
    assert math.sqrt(mg.tensor(4.0)) == 2.0


def test_conversions_that_are_not_possible() -> None:
    x = mg.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"exactly one element.*shape=\(2,\)"):
        x.item()
    with pytest.raises(ValueError, match="exactly one element"):
        float(x)
    with pytest.raises(ValueError, match="2 elements is ambiguous"):
        bool(x)
    with pytest.raises(TypeError, match="Received: dtype=float32"):
        [1, 2, 3][mg.tensor(1.0)]


def test_containers() -> None:
    x = leaf(1.0, 2.0, 3.0)
    assert len(x) == 3
    a, b, c = x
    (a * b * c).backward()
    assert x.grad.tolist() == [6.0, 3.0, 2.0]
    assert 2.0 in x
    assert 5.0 not in x
    assert not mg.tensor(np.zeros((0, 2))).tolist()
    for call in (len, iter):
        with pytest.raises(TypeError, match="without axes"):
            call(mg.tensor(1.0))


def test_comparisons_are_elementwise_and_hash_is_identity() -> None:
    x = mg.tensor([1.0, 2.0])
    assert (x == [1.0, 3.0]).tolist() == [True, False]
    assert (x != 1.0).tolist() == [False, True]
    assert (x < 2.0).tolist() == operator.gt(2.0, x).tolist() == [True, False]
    assert (x >= x).data.all() and (x <= x).data.all() and not (x > x).data.any()
    assert (~(x == 1.0)).tolist() == [False, True]
    assert (x == x).dtype == np.bool_
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (x == "a") is False
    assert len({x, x, mg.tensor([1.0, 2.0])}) == 2


# --- showing ----------------------------------------------------------------------------------


def test_repr_shows_values_shape_dtype_device_and_origin() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == (
        "Tensor([1., 2.], shape=(2,), dtype=float32, device=cpu, requires_grad=True)"
    )
    assert repr(x * 2.0) == "Tensor([2., 4.], shape=(2,), dtype=float32, device=cpu, op=multiply)"
    assert "op=sum" in repr(x.sum())
    assert len(repr(mg.tensor(np.zeros((100, 100))))) < 1000
    assert str(x) == f"{x}" == repr(x)


def test_html_shows_facts_statistics_and_a_picture() -> None:
    card = mg.tensor(np.arange(-6.0, 6.0).reshape(3, 4))._repr_html_()
    assert "shape=(3, 4)" in card and "min -6" in card and "max 5" in card
    assert card.count("<rect") == 12
    assert "rgb(0,0,255)" in card  # the most negative value
    odd = mg.tensor([[np.nan, 1.0], [np.inf, -1.0]])._repr_html_()
    assert "2 not finite" in odd
    assert "<svg" not in mg.tensor([1.0, 2.0])._repr_html_()
    assert re.search(r"op=.*multiply", (leaf(1.0) * 2.0)._repr_html_())
    for empty in (np.zeros((0, 3)), np.zeros(0), np.ones((2, 9), bool)):
        assert mg.tensor(empty)._repr_html_().startswith("<div>")


# --- copying ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_leaves_with_the_same_values(duplicate: Any) -> None:
    x = leaf(1.0, 2.0)
    for original in (x, x * 2.0, mg.tensor([1, 2])):
        twin = duplicate(original)
        assert twin is not original
        assert twin.tolist() == original.tolist() and twin.dtype == original.dtype
        assert twin.requires_grad == original.requires_grad and twin.is_leaf
        assert not twin.data.flags.writeable
    twin = duplicate(x)
    (twin * 2.0).sum().backward()
    assert twin.grad.tolist() == [2.0, 2.0]
    assert x.grad is None


def test_declared_operations_are_those_that_are_attached() -> None:
    declared = set(re.findall(r"def (\w+)\(self", inspect.getsource(operations)))
    attached = {*operators._METHODS, *operators._PROPERTIES}
    for table, forms in [
        (operators._BINARY, ("__{}__", "__r{}__", "__i{}__")),
        (operators._UNARY, ("__{}__",)),
        (operators._COMPARISONS, ("__{}__",)),
        (operators._MASKS, ("__{}__", "__r{}__")),
    ]:
        attached |= {form.format(name) for name in table for form in forms}
    assert attached == declared

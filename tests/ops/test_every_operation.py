"""One table with every operation: first and second derivatives, types, layouts.

An operation that is not in the table fails the tests, so none can be forgotten.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.gradcheck import gradcheck, gradgradcheck

NOT_DIFFERENTIABLE = {
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *(
        "isnan",
        "isfinite",
        "logical_not",
        "logical_and",
        "logical_or",
        "logical_xor",
        "argmax",
        "argmin",
        "one_hot",
    ),
    *("zeros_like", "ones_like", "stop_gradient"),
}


@dataclass
class Case:
    """A function of tensors, and the shapes and range of its arguments."""

    operation: str
    function: Callable[..., mg.Tensor]
    shapes: tuple[tuple[int, ...], ...]
    low: float
    high: float
    label: str

    def arrays(self, dtype: str = "float64") -> list[np.ndarray]:
        rng = np.random.default_rng(zlib.crc32(f"{self.operation} {self.label}".encode()))
        return [rng.uniform(self.low, self.high, shape).astype(dtype) for shape in self.shapes]


CASES: list[Case] = []


def case(operation: str, function: Any, *shapes: Any, low: float = -2.0, high: float = 2.0) -> None:
    number = sum(c.operation == operation for c in CASES)
    CASES.append(Case(operation, function, shapes, low, high, f"{operation}-{number}"))


M, V = (2, 3), (3,)

for name in ["add", "subtract", "multiply", "divide", "maximum", "minimum"]:
    operation = getattr(ops, name)
    low = 0.5 if name == "divide" else -2.0
    case(name, operation, M, M, low=low)
    case(name, operation, M, V, low=low)
    case(name, operation, (2, 1, 3), (4, 1), low=low)
    case(name, lambda a, f=operation: f(a, 3.0), M, low=low)
    case(name, lambda b, f=operation: f(3.0, b), M, low=low)
case("power", ops.power, M, V, low=0.5)
case("power", lambda a: a**3, M)
case("power", lambda a: a**-1.5, M, low=0.5)
case("power", lambda b: 2.0**b, M)
case("power", lambda a: a ** [0.0, 1.0, 2.0], M)
for name in ["negative", "square", "abs", "sign", "relu", "exp", "expm1", "erf", "sigmoid"]:
    case(name, getattr(ops, name), M)
for name in ["softplus", "sin", "cos", "arctan", "sinh", "cosh", "tanh", "arcsinh"]:
    case(name, getattr(ops, name), M)
for name in ["reciprocal", "log", "sqrt", "log1p"]:
    case(name, getattr(ops, name), M, low=0.5)
for name in ["tan", "arcsin", "arccos", "arctanh"]:
    case(name, getattr(ops, name), M, low=-0.8, high=0.8)
case("arccosh", ops.arccosh, M, low=1.5, high=3.0)
case("where", lambda a, b: ops.where([True, False, True], a, b), M, V)
case("where", lambda a: ops.where([[True], [False]], a, 2.0), V)
case("clip", lambda x: ops.clip(x, -1.0, 0.5), (3, 4))
case("clip", lambda x: ops.clip(x, high=np.array([0.1, 0.2, 0.3, 0.4])), (3, 4))
case("astype", lambda x: ops.astype(ops.astype(x, "float64") * 2.0, x.dtype), M)

for name in ["sum", "mean", "var", "std", "max", "min", "prod", "logsumexp"]:
    operation = getattr(ops, name)
    case(name, operation, M)
    case(name, lambda x, f=operation: f(x, axis=0), M)
    case(name, lambda x, f=operation: f(x, axis=(0, -1), keepdims=True), (2, 3, 2))
case("var", lambda x: ops.var(x, axis=1, ddof=1), M)
case("std", lambda x: ops.std(x, axis=1, ddof=1), M)
# Zeros are the hard part of a product: one in the first column, two in the second.
case("prod", lambda x: ops.prod(x * [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], axis=0), (3, 2))
case("prod", lambda x: ops.prod(x * [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), (3, 2))
case("cumsum", ops.cumsum, M)
case("cumsum", lambda x: ops.cumsum(x, axis=-1), M)
for name in ["softmax", "log_softmax"]:
    operation = getattr(ops, name)
    case(name, operation, M)
    case(name, lambda x, f=operation: f(x, axis=(0, 2)), (2, 3, 2))
case("softmax_cross_entropy", lambda x: ops.softmax_cross_entropy(x, [2, 0]), M)
case("softmax_cross_entropy", ops.softmax_cross_entropy, M, M, low=0.1)
case("softmax_cross_entropy", lambda x: ops.softmax_cross_entropy(x, [[1, 0], [0, 2]]), (2, 2, 3))

case("reshape", lambda x: ops.reshape(x, (3, -1)), M)
case("transpose", ops.transpose, M)
case("transpose", lambda x: ops.transpose(x, (1, 2, 0)), (2, 3, 4))
case("swapaxes", lambda x: ops.swapaxes(x, 0, -1), (2, 3, 4))
case("moveaxis", lambda x: ops.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4))
case("squeeze", ops.squeeze, (1, 3, 1))
case("squeeze", lambda x: ops.squeeze(x, 0), (1, 3, 1))
case("expand_dims", lambda x: ops.expand_dims(x, (0, -1)), M)
case("broadcast_to", lambda x: ops.broadcast_to(x, (4, 2, 3)), (2, 1))
case("sum_to", lambda x: ops.sum_to(x, (2, 1)), (4, 2, 3))
case("concatenate", lambda a, b, c: ops.concatenate([a, b, c], axis=-1), M, (2, 1), M)
case("concatenate", lambda a: ops.concatenate([a, np.ones((1, 3), a.dtype), a]), M)
case("stack", lambda a, b: ops.stack([a, b, a], axis=1), M, M)
case("split", lambda x: ops.split(x, 3, axis=1)[1], M)
case("split", lambda x: ops.concatenate(ops.split(x, [1, 4])[::-1]), (5, 2))
case("pad", lambda x: ops.pad(x, ((1, 0), (0, 2))), M)
case("pad", lambda x: ops.pad(x, 1), M)
case("flip", ops.flip, M)
case("flip", lambda x: ops.flip(x, 1), M)
case("repeat", lambda x: ops.repeat(x, 2), M)
case("repeat", lambda x: ops.repeat(x, 3, axis=1), M)
case("repeat", lambda x: ops.repeat(x, [0, 3], axis=0), M)
case("tile", lambda x: ops.tile(x, (2, 1, 2)), M)

case("getitem", lambda x: x[1], M)
case("getitem", lambda x: x[..., ::-2, None], M)
case("getitem", lambda x: x[[0, 1, 1, 0, 1]], M)
case("getitem", lambda x: x[[[0, 1], [1, 1]], [2, 0]], M)
case("getitem", lambda x: x[[True, False], 1:], M)
case("getitem", lambda x: x[:, [1, 1, -1]], M)
case("put_add", lambda x: ops.put_add(x, [0, 2, 2], 4), V)
case("put_add", lambda x: ops.put_add(x, (slice(None), [1, 1, 0]), (2, 5)), M)
case("put_add", lambda x: ops.put_add(x, slice(1, 3), (4, 3)), V)
case("take", lambda x: ops.take(x, [5, 0, 5]), M)
case("take", lambda x: ops.take(x, [[1, 0], [0, 0]], axis=0), M)
case("take_along_axis", lambda x: ops.take_along_axis(x, [[0, 0], [2, 1]], axis=1), M)

case("matmul", ops.matmul, (2, 3), (3, 4))
case("matmul", ops.matmul, (3,), (3,))
case("matmul", ops.matmul, (3,), (2, 3, 4))
case("matmul", ops.matmul, (2, 2, 3), (3,))
case("matmul", ops.matmul, (4, 2, 3), (3, 2))
case("matmul", ops.matmul, (2, 1, 2, 3), (3, 3, 2))
case("dot", ops.dot, (3,), (3,))
case("dot", ops.dot, (2, 3), (4, 3, 2))
case("dot", ops.dot, (), (3,))
case("tensordot", ops.tensordot, (2, 3, 2), (3, 2, 2))
case("tensordot", lambda a, b: ops.tensordot(a, b, ([0, 2], [1, 0])), (2, 3, 2), (2, 2, 3))
case("tensordot", lambda a, b: ops.tensordot(a, b, 0), (2,), (3,))
for equation, *shapes in [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iji->j", (2, 3, 2)),
    ("iiii->i", (2, 2, 2, 2)),
    ("ii,ij->j", (2, 2), (2, 3)),
    ("i,j", (2,), (3,)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("i,ij,jk,k->", (2,), (2, 3), (3, 2), (2,)),
    ("ij,kl->i", (2, 3), (2, 2)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)),
    ("b...,...->b...", (2, 3, 2), (3, 2)),
    ("i...->...", (2, 3)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,i->j", (2, 3), (1,)),
]:
    case("einsum", lambda *xs, e=equation: ops.einsum(e, *xs), *shapes)
case("einsum", lambda a: ops.einsum("ij,jk,ki->", a, a, a), (2, 2))

IMAGE = (2, 5, 4, 2)
WAYS: list[dict[str, Any]] = [
    {},
    {"strides": 2},
    {"strides": (2, 1), "padding": "same"},
    {"dilation_rate": (1, 2), "padding": "same"},
    {"strides": 2, "dilation_rate": 2, "padding": ((1, 2), (0, 3))},
    {"padding": "same", "data_format": "channels_first"},
]
for way in WAYS:
    shape = (2, 2, 5, 4) if "data_format" in way else IMAGE
    case(
        "depthwise_conv2d",
        lambda x, k, way=way: ops.depthwise_conv2d(x, k, **way),
        *(shape, (3, 2, 2, 2)),
    )
    case(
        "separable_conv2d",
        lambda x, k, p, b, way=way: ops.separable_conv2d(x, k, p, b, **way),
        *(shape, (3, 2, 2, 2), (1, 1, 4, 3), (3,)),
    )
    case(
        "conv2d",
        lambda x, k, b, way=way: ops.conv2d(x, k, b, **way),
        *(shape, (3, 2, 2, 3), (3,)),
    )
    case(
        "average_pool2d",
        lambda x, way=way: ops.average_pool2d(
            x, 2, way.get("strides"), "same", way.get("data_format", "channels_last")
        ),
        shape,
    )
case("conv2d", lambda x, k: ops.conv2d(x, k, groups=2), (2, 4, 3, 4), (2, 2, 2, 6))
case("conv2d", lambda x, k, b: ops.conv2d(x, k, b, groups=2), IMAGE, (2, 2, 1, 4), (4,))
case("average_pool2d", ops.average_pool2d, IMAGE)
for kind in ("nearest", "bilinear"):
    case("upsample2d", lambda x, kind=kind: ops.upsample2d(x, (2, 3), kind), (2, 3, 2, 2))
    case(
        "upsample2d",
        lambda x, kind=kind: ops.upsample2d(x, (2, 1), kind, "channels_first"),
        (2, 2, 1, 3),
    )
case("separable_conv2d", ops.separable_conv2d, IMAGE, (2, 2, 2, 1), (1, 1, 2, 2))
case("pointwise_conv2d", ops.pointwise_conv2d, IMAGE, (1, 1, 2, 3), (3,))
case("pointwise_conv2d", ops.pointwise_conv2d, IMAGE, (1, 1, 2, 3))
case(
    "pointwise_conv2d",
    lambda x, k, b: ops.pointwise_conv2d(x, k, b, data_format="channels_first"),
    *((2, 2, 3, 3), (1, 1, 2, 3), (3,)),
)
case("max_pool2d", ops.max_pool2d, IMAGE)
case("max_pool2d", lambda x: ops.max_pool2d(x, 3, 2, "same"), IMAGE)
case("max_pool2d", lambda x: ops.max_pool2d(x, 2, 1, "valid", "channels_first"), (2, 2, 3, 4))
case("global_average_pool2d", ops.global_average_pool2d, IMAGE)
case(
    "global_average_pool2d",
    lambda x: ops.global_average_pool2d(x, True, "channels_first"),
    (2, 2, 3, 4),
)
case(
    "batch_normalization",
    lambda x, g, b: ops.batch_normalization(x, g, b, (0, 1, 2), 0.1).output,
    *(IMAGE, (2,), (2,)),
)
case(
    "batch_normalization",
    lambda x, g, b: ops.batch_normalization(x, g, b, (0, 2, 3), 0.1).output,
    *((2, 2, 3, 2), (2,), (2,)),
)
case("batch_normalization", lambda x: ops.batch_normalization(x, None, None, 0).output, (4, 2))
case(
    "batch_normalization",
    lambda x, g, b: ops.batch_normalization(x, g, b, 0, 0.1, "relu").output,
    (4, 2), (2,), (2,),
)  # fmt: skip

every = pytest.mark.parametrize("case", CASES, ids=lambda c: c.label)


def test_every_operation_is_in_the_table() -> None:
    assert {c.operation for c in CASES} | NOT_DIFFERENTIABLE == set(ops.__all__)
    assert not {c.operation for c in CASES} & NOT_DIFFERENTIABLE
    assert all(callable(getattr(ops, name)) for name in ops.__all__)


def leaves(arrays: list[np.ndarray]) -> list[mg.Tensor]:
    return [mg.tensor(array, requires_grad=True) for array in arrays]


def upstream(case: Case, dtype: str = "float64") -> np.ndarray:
    shape = case.function(*map(mg.tensor, case.arrays())).shape
    return np.random.default_rng(7).uniform(-1, 1, shape).astype(dtype)


def assert_close(found: Any, expected: list[np.ndarray], tolerance: float = 2e-8) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(other).all()
        scale = max(1.0, np.abs(other).max(initial=0.0))
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("mode", ["full", "fast"])
@every
def test_first_derivative(case: Case, mode: Any) -> None:
    report = gradcheck(case.function, case.arrays(), mode=mode)
    assert report, report
    assert all(check.verdict == "pass" for check in report.inputs), report


@every
def test_second_derivative(case: Case) -> None:
    report = gradgradcheck(case.function, case.arrays())
    assert report, report


@every
def test_first_derivative_in_float32(case: Case) -> None:
    report = gradcheck(case.function, case.arrays("float32"), mode="fast")
    assert report, report


@every
def test_float32_stays_float32(case: Case) -> None:
    wide = leaves(case.arrays())
    narrow = leaves(case.arrays("float32"))
    g = upstream(case)
    expected, output = case.function(*wide), case.function(*narrow)
    assert output.dtype == np.float32
    exact = mg.grad(expected, wide, g)
    parts = mg.grad(output, narrow, g.astype("float32"), create_graph=True)
    assert all(part.dtype == np.float32 for part in parts)
    assert_close([output, *parts], [x.numpy() for x in (expected, *exact)], 2e-5)
    if all(part.requires_grad for part in parts):
        again = mg.grad(sum((part * part).sum() for part in parts), narrow)
        assert all(part.dtype == np.float32 for part in again)


@every
def test_layout_in_memory_does_not_matter(case: Case) -> None:
    plain = leaves(case.arrays())
    turned = []
    for array in case.arrays():
        view = mg.autograd.wrap(np.flip(np.flip(array.T).copy()).T)
        view.requires_grad = True
        assert array.size < 2 or array.ndim == 0 or not view.data.flags.c_contiguous
        turned.append(view)
    g = upstream(case)
    first, second = case.function(*plain), case.function(*turned)
    np.testing.assert_allclose(second.numpy(), first.numpy(), rtol=1e-13, atol=1e-14)
    for one, other in zip(mg.grad(first, plain, g), mg.grad(second, turned, g), strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-12, atol=1e-13)


@every
def test_arguments_are_not_changed(case: Case) -> None:
    arrays = case.arrays()
    inputs = leaves(arrays)
    output = case.function(*inputs)
    before = output.numpy()
    output.backward(upstream(case), retain_graph=True)
    assert all((x.numpy() == array).all() for x, array in zip(inputs, arrays, strict=True))
    assert (output.numpy() == before).all()
    assert not output.data.flags.writeable

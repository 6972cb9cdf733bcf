"""What operations do at kinks, zeros, infinities, empty and unusual shapes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

INF = float("inf")


def leaf(values: Any, dtype: str = "float64") -> mg.Tensor:
    return mg.tensor(np.array(values, dtype), requires_grad=True)


def slope(function: Any, values: Any) -> list[Any]:
    x = leaf(values)
    result: list[Any] = mg.grad(function(x).sum(), x).tolist()
    return result


# --- kinks ------------------------------------------------------------------------------------


def test_relu_and_abs_have_slope_0_at_0() -> None:
    assert slope(ops.relu, [-1.0, 0.0, 2.0]) == [0.0, 0.0, 1.0]
    assert slope(ops.abs, [-1.0, 0.0, 2.0]) == [-1.0, 0.0, 1.0]
    assert slope(ops.sign, [-1.0, 0.0, 2.0]) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("function", [ops.maximum, ops.minimum])
def test_equal_arguments_share_the_gradient(function: Any) -> None:
    a, b = leaf([1.0, 5.0, 2.0]), leaf([1.0, 2.0, 5.0])
    by_a, by_b = mg.grad(function(a, b).sum(), [a, b])
    assert by_a.tolist()[0] == by_b.tolist()[0] == 0.5
    assert (by_a + by_b).tolist() == [1.0, 1.0, 1.0]
    assert slope(lambda x: function(x, x), [3.0]) == [1.0]


@pytest.mark.parametrize("function", [ops.max, ops.min])
def test_equal_extremes_share_the_gradient(function: Any) -> None:
    assert slope(function, [2.0, 2.0, 2.0, 2.0]) == [0.25] * 4
    first = slope(lambda x: function(x, axis=1), [[1.0, 1.0], [3.0, 4.0]])
    assert first[0] == [0.5, 0.5]
    assert sorted(first[1]) == [0.0, 1.0]


def test_clip_passes_the_gradient_on_the_closed_interval() -> None:
    assert slope(lambda x: x.clip(0.0, 1.0), [-1.0, 0.0, 0.5, 1.0, 2.0]) == [0, 1, 1, 1, 0]
    assert slope(lambda x: x.clip(low=0.0), [-1.0, 0.0, 9.0]) == [0, 1, 1]
    assert slope(lambda x: x.clip(), [-1.0, 0.0]) == [1, 1]


def test_only_the_first_of_equal_pixels_gets_the_gradient_of_a_pool() -> None:
    found = slope(lambda x: ops.max_pool2d(x.reshape(1, 2, 2, 1)), [3.0, 7.0, 7.0, 7.0])
    assert found == [0.0, 1.0, 0.0, 0.0]


# --- powers, roots and logarithms -------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "exponent", "value", "first", "second"),
    [
        (0.0, 2, 0.0, 0.0, 2.0),
        (0.0, 1, 0.0, 1.0, 0.0),
        (0.0, 0, 1.0, 0.0, 0.0),
        (3.0, 0, 1.0, 0.0, 0.0),
        (0.0, 3, 0.0, 0.0, 0.0),
        (-2.0, 3, -8.0, 12.0, -12.0),
        (-2.0, 2, 4.0, -4.0, 2.0),
        (-2.0, -1, -0.5, -0.25, -0.25),
        (4.0, 0.5, 2.0, 0.25, -1 / 32),
    ],
)
@pytest.mark.parametrize("kind", [lambda e: e, lambda e: np.array([float(e)])])
def test_powers(
    base: float, exponent: float, value: float, first: float, second: float, kind: Any
) -> None:
    x = leaf([base])
    y = x ** kind(exponent)
    assert y.tolist() == [value]
    dx = mg.grad(y.sum(), x, create_graph=True)
    assert dx.tolist() == [first]
    again = mg.grad(dx.sum(), x) if dx.requires_grad else ops.zeros_like(x)
    np.testing.assert_allclose(again.numpy(), [second], rtol=1e-14)


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [(2.0, 3.0, 8 * math.log(2)), (2, 3.0, 8 * math.log(2)), (0.0, 2.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_slope_of_a_power_for_its_exponent(base: float, exponent: float, expected: float) -> None:
    assert slope(lambda b: base**b, [exponent]) == [pytest.approx(expected, rel=1e-15, abs=0)]


def test_slope_for_the_exponent_of_a_negative_base_is_nan() -> None:
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert math.isnan(slope(lambda b: ops.power(-2.0, b), [2.0])[0])


def test_mixed_derivative_of_a_power_at_exponent_0() -> None:
    a, b = leaf(3.0), leaf(0.0)
    first = mg.grad(a**b, a, create_graph=True)
    assert mg.grad(first, b).item() == pytest.approx(1 / 3, rel=1e-15, abs=0)


def test_powers_of_integers() -> None:
    assert (mg.tensor([2, 3]) ** 2).tolist() == [4, 9]
    with pytest.raises(ValueError, match="negative integer powers"):
        mg.tensor([2]) ** -1


def test_slope_of_the_root_at_0_is_inf() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert slope(ops.sqrt, [0.0]) == [INF]


def test_std_of_equal_elements_has_slope_0() -> None:
    assert slope(ops.std, [2.0, 2.0, 2.0]) == [0.0, 0.0, 0.0]
    mixed = slope(lambda x: ops.std(x, axis=1), [[2.0, 2.0], [1.0, 3.0]])
    assert mixed == [[0.0, 0.0], [-0.5, 0.5]]


def test_where_hides_values_but_not_infinite_slopes() -> None:
    def careless(x: Any) -> Any:
        return ops.where(x > 0, ops.sqrt(x), 0.0)

    def careful(x: Any) -> Any:
        return ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1.0)), 0.0)

    assert slope(careful, [0.0, 4.0]) == [0.0, 0.25]
    with pytest.warns(RuntimeWarning):
        assert math.isnan(slope(careless, [0.0, 4.0])[0])


# --- products ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]),
        ([0.0], [1.0]),
    ],
)
def test_slope_of_a_product(values: list[float], expected: list[float]) -> None:
    x = leaf(values)
    assert slope(ops.prod, values) == expected
    assert mg.grad(ops.prod(x), x, create_graph=True).tolist() == expected


def test_hessian_of_a_product_with_two_zeros() -> None:
    found = mg.functional.hessian(ops.prod, np.array([0.0, 0.0, 4.0]))
    assert found.tolist() == [[0.0, 4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


# --- exponentials without overflow ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_and_softplus_of_large_numbers(dtype: str) -> None:
    x = leaf([-1000.0, -50.0, 0.0, 50.0, 1000.0], dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        ops.sigmoid(x).numpy(), [0.0, math.exp(-50), 0.5, 1.0, 1.0], rtol=4 * eps
    )
    np.testing.assert_allclose(
        ops.softplus(x).numpy(), [0.0, math.exp(-50), math.log(2), 50.0, 1000.0], rtol=4 * eps
    )
    for function in (ops.sigmoid, ops.softplus, ops.tanh, ops.erf):
        assert np.isfinite(mg.grad(function(x).sum(), x).numpy()).all()


def test_softmax_of_large_and_masked_numbers() -> None:
    x = leaf([[1000.0, 1000.0, -INF], [-INF, -INF, -INF], [0.0, -INF, -1000.0]])
    np.testing.assert_array_equal(ops.softmax(x).numpy(), [[0.5, 0.5, 0], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(
        ops.log_softmax(x).numpy(),
        [[-math.log(2), -math.log(2), -INF], [-INF, -INF, -INF], [0.0, -INF, -1000.0]],
    )
    np.testing.assert_array_equal(
        ops.logsumexp(x, axis=1).numpy(), [1000.0 + math.log(2), -INF, 0.0]
    )
    for function in (ops.softmax, lambda t: ops.logsumexp(t, axis=1)):
        found = mg.grad(function(x).sum(), x).numpy()
        assert np.isfinite(found).all()
        assert (found[1] == 0).all()


def test_logsumexp_of_infinity_and_of_nothing() -> None:
    assert ops.logsumexp(mg.tensor([INF, 1.0])).item() == INF
    assert ops.logsumexp(mg.tensor(np.zeros((2, 0))), axis=1).tolist() == [-INF, -INF]
    assert ops.logsumexp(mg.tensor([-1000.0])).item() == -1000.0


def test_cross_entropy_of_sure_predictions() -> None:
    logits = leaf([[0.0, 1000.0], [0.0, -INF], [3.0, 3.0]])
    loss = ops.softmax_cross_entropy(logits, [0, 0, 1])
    np.testing.assert_allclose(loss.numpy(), [1000.0, 0.0, math.log(2)], rtol=1e-15)
    assert mg.grad(loss.sum(), logits).tolist() == [[-1.0, 1.0], [0.0, 0.0], [0.5, -0.5]]
    dense = ops.softmax_cross_entropy(logits, [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(dense.numpy(), loss.numpy())


# --- erf --------------------------------------------------------------------------------------


def exact_erf(x: float) -> float:
    """Return the error function from its power series in exact fractions."""
    z = Fraction(x)
    term, total, n = z, z, 0
    while abs(term) > Fraction(1, 10**40):
        n += 1
        term *= -z * z / n
        total += term / (2 * n + 1)
    root = Fraction(1772453850905516027298167483341145182798, 10**39)  # sqrt(pi)
    return float(2 * total / root)


@pytest.mark.parametrize("x", [0.0, 1e-12, -0.125, 0.5, 0.875, -1.25, 2.0, -3.0, 4.5])
def test_erf_is_right_to_the_last_bits(x: float) -> None:
    expected = exact_erf(x)
    assert abs(ops.erf(leaf(x)).item() - expected) <= 2 * math.ulp(expected)
    narrow = ops.erf(leaf(x, "float32"))
    assert narrow.dtype == np.float32
    assert abs(narrow.item() - expected) <= 2 * np.spacing(np.float32(abs(expected)))


def test_erf_at_the_ends() -> None:
    values = ops.erf(leaf([-INF, -10.0, -0.0, 10.0, INF, math.nan])).numpy()
    np.testing.assert_array_equal(values, [-1.0, -1.0, -0.0, 1.0, 1.0, math.nan])
    assert math.copysign(1.0, values[2]) == -1.0
    assert ops.erf([1, 2]).dtype == np.float32


# --- empty arrays and arrays without axes -----------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (0, 0)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    x = leaf(np.zeros(shape))
    results = [
        x + 1.0, x * x, ops.exp(x), ops.relu(x), x.sum(), x.sum(axis=0), x.prod(), x.reshape(-1),
        x.T, x[:0], x[..., None], ops.erf(x), ops.softmax(x), ops.softplus(x), x.clip(0.0, 1.0),
        ops.concatenate([x, x]), ops.stack([x, x]), ops.pad(x, 1), x.cumsum(), ops.flip(x),
        ops.repeat(x, 2), ops.tile(x, 2), ops.log_softmax(x), x**2, ops.maximum(x, 0.0),
        ops.sigmoid(x), ops.logsumexp(x), ops.where(x > 0, x, 0.0), x[np.zeros(shape, bool)],
        ops.take(x, []), ops.broadcast_to(x, (2, *shape)), ops.sum_to(x, shape),
    ]  # fmt: skip
    for y in results:
        found = mg.grad(y.sum(), x, create_graph=True)
        assert found.shape == shape


def test_products_of_empty_matrices() -> None:
    a, b = leaf(np.zeros((2, 0))), leaf(np.zeros((0, 3)))
    for y in (a @ b, ops.einsum("ij,jk->ik", a, b), ops.tensordot(a, b, 1)):
        np.testing.assert_array_equal(y.numpy(), np.zeros((2, 3)))
        assert [part.shape for part in mg.grad(y.sum(), [a, b])] == [(2, 0), (0, 3)]


def test_arrays_without_axes() -> None:
    x = leaf(0.5)
    functions = [
        ops.exp, ops.sum, ops.mean, ops.max, ops.min, ops.prod, ops.logsumexp, ops.transpose,
        ops.squeeze, ops.cumsum, ops.flip, ops.erf, ops.softplus, ops.abs, lambda t: t[...],
        lambda t: t[None], lambda t: t.reshape(1), lambda t: ops.stack([t, t]),
        lambda t: ops.broadcast_to(t, (2, 2)), lambda t: ops.repeat(t, 2), lambda t: t * t,
        lambda t: ops.tile(t, 2), lambda t: ops.pad(t, 0), lambda t: ops.einsum(",->", t, t),
        lambda t: ops.where(True, t, 0.0), ops.var, ops.std,
    ]  # fmt: skip
    for function in functions:
        assert mg.grad(function(x).sum(), x).shape == ()


# --- indexing ---------------------------------------------------------------------------------

ARRAY = np.arange(24.0).reshape(2, 3, 4)
INDICES: list[Any] = [
    0, -1, (1, 2, 3), slice(None), (..., 0), (slice(None, None, -1), slice(2, 0, -2)), None,
    (None, ..., None), [0, 0, 1], [[0], [1]], ([0, 1], [2, 2]), (slice(None), [2, 0, 2]),
    ([1, 0, 1], slice(1), [3, 3, 0]), ARRAY > 5, (0, ARRAY[0] > 5), ([True, False], ..., 1),
    (np.array([1, 1]), None, 0), np.array(1), (), np.zeros(0, int), (slice(0), 1), [-1, 1],
    np.int64(1), (1, np.array([[0, 1], [1, 0]])), (slice(None), ARRAY[0, :, 0] > 3), True,
    (slice(None), (0, 0)), ((1, 1, 0),), ((0, 0), range(2)), range(2), (slice(None), ()),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_follows_numpy_and_its_gradient_adds_up(index: Any) -> None:
    x = leaf(ARRAY)
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), ARRAY[index])
    g = np.random.default_rng(0).uniform(size=y.shape)
    expected = np.zeros_like(ARRAY)
    np.add.at(expected, index, g)
    np.testing.assert_allclose(mg.grad(y, x, g).numpy(), expected, rtol=1e-15)
    np.testing.assert_allclose(ops.put_add(g, index, ARRAY.shape).numpy(), expected, rtol=1e-15)


def test_tensors_as_indices() -> None:
    x = leaf(ARRAY)
    assert x[mg.tensor([1, 0])].tolist() == ARRAY[[1, 0]].tolist()
    assert x[mg.tensor(1)].tolist() == ARRAY[1].tolist()
    assert x[x > 5].tolist() == ARRAY[ARRAY > 5].tolist()
    assert x[:, mg.tensor([0, 2]), 1].tolist() == ARRAY[:, [0, 2], 1].tolist()


def test_put_add_broadcasts_its_values() -> None:
    assert ops.put_add(1.0, [0, 0, 2], 3).tolist() == [2.0, 0.0, 1.0]
    assert ops.put_add([1.0, 2.0], slice(1, 3), (4, 2)).tolist() == [[0, 0], [1, 2], [1, 2], [0, 0]]


# --- shapes and reductions follow NumPy -------------------------------------------------------


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max", "min", "prod"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, -2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_follow_numpy(name: str, axis: Any, keepdims: bool) -> None:
    found = getattr(mg.tensor(ARRAY + 1.0), name)(axis=axis, keepdims=keepdims)
    expected = getattr(np, name)(ARRAY + 1.0, axis=axis, keepdims=keepdims)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: m.concatenate([x, x], axis=-1),
        lambda m, x: m.stack([x, x], axis=-1),
        lambda m, x: m.split(x, [1, 3], axis=2)[1],
        lambda m, x: m.pad(x, ((1, 2), (0, 0), (3, 0))),
        lambda m, x: m.pad(x, (1, 2)),
        lambda m, x: m.flip(x, (0, -1)),
        lambda m, x: m.repeat(x, [1, 0, 2], axis=1),
        lambda m, x: m.repeat(x, 2),
        lambda m, x: m.tile(x, (2, 1, 2, 1)),
        lambda m, x: m.moveaxis(x, [0, 2], [-1, 0]),
        lambda m, x: m.swapaxes(x, -1, 0),
        lambda m, x: m.expand_dims(x, (0, 2)),
        lambda m, x: m.squeeze(x[:1]),
        lambda m, x: m.cumsum(x, axis=1),
        lambda m, x: m.argmax(x, axis=-1),
        lambda m, x: m.argmin(x),
        lambda m, x: m.take(x, [[3, 0]], axis=-1),
        lambda m, x: m.take_along_axis(x, m.argmax(x, axis=2, keepdims=True), axis=2),
        lambda m, x: m.tensordot(x, x, ([0, 2], [0, 2])),
        lambda m, x: m.dot(x, x[0, 0]),
        lambda m, x: m.einsum("ijk->kj", x),
        lambda m, x: m.einsum("...k,...k", x, x),
        lambda m, x: m.transpose(x, (2, 0, 1)),
        lambda m, x: m.clip(x, 3.0, 7.0),
        lambda m, x: m.where(x > 3, x, -x),
    ],
)
def test_the_rest_follows_numpy(function: Any) -> None:
    found, expected = function(ops, mg.tensor(ARRAY)), function(np, ARRAY)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)


def test_batch_statistics_are_returned() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (8, 5, 4, 3))
    output, average, variance = ops.batch_normalization(leaf(x), None, None, (0, 1, 2), 1e-3)
    np.testing.assert_allclose(average.numpy(), x.mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(variance.numpy(), x.var(axis=(0, 1, 2)), rtol=1e-14)
    assert not average.requires_grad and not variance.requires_grad
    expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-12)
    empty = ops.batch_normalization(leaf(np.zeros((0, 3))), None, None, 0)
    assert empty.output.shape == (0, 3)
    assert empty.mean.tolist() == empty.variance.tolist() == [0.0, 0.0, 0.0]


def test_masks_combine_with_the_operators_of_numpy() -> None:
    x = mg.tensor([-1.0, 0.5, 2.0])
    a, b = x.data > 0, x.data < 1
    np.testing.assert_array_equal(((x > 0) & (x < 1)).data, a & b)
    np.testing.assert_array_equal(((x > 0) | (x < 1)).data, a | b)
    np.testing.assert_array_equal(((x > 0) ^ (x < 1)).data, a ^ b)
    np.testing.assert_array_equal((a & (x < 1)).data, a & b)
    np.testing.assert_array_equal((True & (x < 1)).data, b)
    for wrong in (lambda: (x > 0) & x, lambda: (x > 0) | 1, lambda: x & (x > 0)):
        with pytest.raises(TypeError, match=r"works on masks, tensors of bool .*Received: .* and"):
            wrong()


def test_lists_are_compared_as_exactly_as_their_tensor() -> None:
    x = mg.tensor([0.1, 0.2], dtype="float64")
    assert (x == [0.1, 0.2]).numpy().all()
    assert (mg.tensor([0.1, 0.2]) == [0.1, 0.2]).numpy().all()
    assert mg.ops.clip(mg.tensor([0.0], dtype="float64"), [1 / 3], 0.9).numpy() == 1 / 3


@pytest.mark.parametrize("array", [np.array([None]), np.array(["1"])])
def test_arrays_of_other_things_are_no_numbers(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="needs numbers"):
        mg.tensor(array, dtype="float32")
    y = mg.tensor([1.0])
    with pytest.raises(TypeError, match="needs numbers"):
        y.assign(array)


def test_axes_of_tensordot_may_be_an_array() -> None:
    a = mg.tensor(np.eye(2))
    assert mg.ops.tensordot(a, a, np.array([1, 1])).shape == (2, 2)

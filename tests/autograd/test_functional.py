"""Derivatives of functions against closed forms, and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional

rng = np.random.default_rng(0)
A = rng.uniform(-1, 1, (3, 3))
X, Y, V = (rng.uniform(0.5, 1.5, 3) for _ in range(3))


def quadratic(x: Any) -> Any:
    return 0.5 * (x * (mg.tensor(A) @ x)).sum()


def cubes(x: Any) -> Any:
    return (x**3).sum()


def mixed(x: Any, y: Any) -> Any:
    return (x**2 * y).sum() + (x[0] * y[1] * y[2])


def vector(x: Any) -> Any:
    return mg.ops.stack([x[0] * x[1], mg.ops.sin(x[2]), x.sum(), x[0] * 0.0 + 1.0])


def vector_jacobian(x: np.ndarray) -> np.ndarray:
    return np.array([[x[1], x[0], 0], [0, 0, np.cos(x[2])], [1, 1, 1], [0, 0, 0]])


def close(found: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-14)


def test_jacobian() -> None:
    close(functional.jacobian(vector, X), vector_jacobian(X))


def test_jacobian_of_matrices() -> None:
    found = functional.jacobian(lambda a: a @ a, A)
    expected = np.einsum("ik,lj->ijkl", np.eye(3), A) + np.einsum("ik,lj->ijkl", A, np.eye(3))
    close(found, expected)


def test_jacobian_for_several_inputs() -> None:
    by_x, by_y = functional.jacobian(lambda x, y: x * y[0], (X, Y))
    close(by_x, np.diag(np.full(3, Y[0])))
    close(by_y, np.outer(X, [1, 0, 0]))


def test_vjp_and_jvp_are_products_with_the_jacobian() -> None:
    v, u = V, rng.uniform(-1, 1, 4)
    output, product = functional.vjp(vector, X, u)
    close(output, vector(mg.tensor(X)).numpy())
    close(product, u @ vector_jacobian(X))
    output, product = functional.jvp(vector, X, v)
    close(output, vector(mg.tensor(X)).numpy())
    close(product, vector_jacobian(X) @ v)


def test_jvp_for_several_inputs() -> None:
    _, product = functional.jvp(lambda x, y: x * y, (X, Y), (V, 2 * V))
    close(product, V * Y + 2 * V * X)


def test_jvp_of_a_linear_function_with_constant_derivative() -> None:
    close(functional.jvp(lambda x: x * 3.0, X, V)[1], 3 * V)
    close(functional.jvp(lambda x: mg.tensor(X), X, V)[1], np.zeros(3))


def test_hessian() -> None:
    close(functional.hessian(quadratic, X), 0.5 * (A + A.T))
    close(functional.hessian(cubes, X), np.diag(6 * X))
    close(functional.hessian(lambda x: x.sum(), X), np.zeros((3, 3)))


def test_hessian_in_blocks() -> None:
    blocks = functional.hessian(mixed, (X, Y))
    pair = np.zeros((3, 3))
    pair[1, 2] = pair[2, 1] = X[0]
    cross = np.diag(2 * X)
    cross[0, 1] += Y[2]
    cross[0, 2] += Y[1]
    close(blocks[0][0], np.diag(2 * Y))
    close(blocks[0][1], cross)
    close(blocks[1][0], cross.T)
    close(blocks[1][1], pair)


def test_hvp_is_the_product_with_the_hessian() -> None:
    value, product = functional.hvp(quadratic, X, V)
    assert value.item() == quadratic(mg.tensor(X)).item()
    close(product, 0.5 * (A + A.T) @ V)
    _, products = functional.hvp(mixed, (X, Y), (V, V))
    blocks = functional.hessian(mixed, (X, Y))
    for row, found in zip(blocks, products, strict=True):
        close(found, sum(block.numpy() @ V for block in row))
    close(functional.hvp(lambda x: x.sum(), X, V)[1], np.zeros(3))


def test_they_work_inside_no_grad_and_leave_inputs_alone() -> None:
    x = mg.tensor(X, requires_grad=True)
    with mg.no_grad():
        close(functional.hessian(cubes, x), np.diag(6 * X))
        close(functional.vjp(cubes, x)[1], 3 * X**2)
    assert x.grad is None


def test_types_are_kept() -> None:
    x = mg.tensor([1.0, 2.0])
    assert functional.jacobian(lambda t: t * t, x).dtype == np.float32
    assert functional.hessian(cubes, x).dtype == np.float32


def test_an_independent_or_empty_output() -> None:
    close(functional.jacobian(lambda x: mg.tensor(Y), X), np.zeros((3, 3)))
    close(functional.jacobian(lambda x: x[:0], X), np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.hessian(lambda x: x, X), ValueError, "return a single number"),
        (lambda: functional.hvp(cubes, X, V[:2]), ValueError, r"Expected \(3,\), received \(2,\)"),
        (lambda: functional.jvp(cubes, X, V[:2]), ValueError, r"Expected \(3,\), received \(2,\)"),
        (lambda: functional.jvp(mixed, (X, Y), (V,)), ValueError, "Expected 2 vectors"),
        (lambda: functional.vjp(lambda x: 3.0, X), TypeError, "must return one tensor"),
        (lambda: functional.jacobian(3, X), TypeError, "Expected a function .*Received: 3"),
        (lambda: functional.vjp(lambda x: x, X), RuntimeError, "needs a single number"),
        (lambda: mg.grad(3.0, X), TypeError, "leave the graph. Received: outputs=3.0"),
        (lambda: mg.grad(mg.tensor(X), [V]), TypeError, r"grad\(\) needs tensors.*inputs="),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()

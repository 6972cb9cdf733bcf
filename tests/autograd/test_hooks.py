"""Hooks on gradients, and gradients of intermediate results."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values, float), requires_grad=True)


def test_a_hook_sees_the_whole_gradient_of_a_leaf_once() -> None:
    x, seen = leaf(1.0, 2.0), []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2.0 + x * 3.0).sum().backward()
    assert seen == [[5.0, 5.0]]


def test_a_hook_replaces_the_gradient_of_a_leaf() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g * 10.0)
    (x * 2.0).sum().backward()
    assert x.grad.tolist() == [20.0, 20.0]


def test_a_hook_replaces_the_gradient_of_an_intermediate_result() -> None:
    x = leaf(1.0, 2.0)
    middle = x * 2.0
    middle.register_hook(lambda g: g.clip(-1.0, 1.0))
    (middle * 5.0).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_hooks_run_in_order_and_can_be_removed() -> None:
    x = leaf(1.0)
    first = x.register_hook(lambda g: g + 1.0)
    x.register_hook(lambda g: g * 10.0)
    (x * 1.0).backward()
    assert x.grad.item() == 20.0
    x.grad = None
    first.remove()
    first.remove()
    (x * 1.0).backward()
    assert x.grad.item() == 10.0


def test_a_hook_that_removes_itself() -> None:
    x, seen = leaf(1.0), []
    handle = x.register_hook(lambda g: (seen.append(1), handle.remove())[0])
    x.register_hook(lambda g: seen.append(2))
    (x * 1.0).backward()
    (x * 1.0).backward()
    assert seen == [1, 2, 2]


def test_hooks_work_in_grad_and_are_differentiated() -> None:
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    first = mg.grad(y, x, create_graph=True)
    assert first.item() == 18.0  # x * 2x
    assert mg.grad(first, x).item() == 12.0


def test_a_hook_must_keep_the_shape() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"Expected \(2,\), received \(\)"):
        (x * 2.0).sum().backward()
    assert x.grad is None


def test_only_tensors_that_require_gradients_have_hooks() -> None:
    with pytest.raises(RuntimeError, match="requires gradients"):
        mg.tensor([1.0]).register_hook(print)


def test_retain_grad_fills_grad_of_an_intermediate_result_once() -> None:
    x = leaf(1.0, 2.0)
    middle = x * 2.0
    middle.retain_grad()
    middle.retain_grad()
    assert middle.grad is None
    (middle * middle).sum().backward()
    assert middle.grad.tolist() == [4.0, 8.0]
    assert x.grad.tolist() == [8.0, 16.0]


def test_retain_grad_sees_what_the_other_hooks_made() -> None:
    x = leaf(1.0)
    middle = x * 2.0
    middle.retain_grad()
    middle.register_hook(lambda g: g * 3.0)
    middle.sum().backward()
    assert middle.grad.item() == 3.0


def test_retain_grad_changes_nothing_for_a_leaf() -> None:
    x = leaf(1.0)
    x.retain_grad()
    (x * 2.0).backward()
    assert x.grad.item() == 2.0


def test_a_hook_keeps_the_dtype_and_returns_tensors() -> None:
    x = mg.tensor([1.0], dtype="float32", requires_grad=True)
    x.register_hook(lambda g: g.astype("float64") * 3.0)
    (x * 2.0).backward()
    assert x.grad.dtype == np.float32 and x.grad.item() == 6.0
    x.register_hook(lambda g: g.numpy())
    with pytest.raises(TypeError, match=r"hook must return a tensor or None. Received: ndarray"):
        (x * 2.0).backward()

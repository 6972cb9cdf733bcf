"""The tape and the walk along it: depth, sharing, memory, retained graphs, recording switches."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import enable_grad, is_grad_enabled


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values, float), requires_grad=True)


def test_a_chain_of_100000_operations() -> None:
    x = leaf(1.0, 2.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [100_001.0, 100_001.0])
    del y  # freed without recursion, too


def test_an_unused_chain_of_100000_operations_is_freed_without_recursion() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = -y
    node = weakref.ref(y._node)
    del y
    assert node() is None


def test_a_diamond_of_depth_30_visits_each_node_once() -> None:
    x = leaf(1.0)
    y = x
    visits = []
    for _ in range(30):
        y = y + y
        y.register_hook(lambda g: visits.append(g.item()))
    start = time.perf_counter()
    y.backward()
    assert time.perf_counter() - start < 0.1  # there are 2**30 paths
    assert x.grad.item() == 2.0**30
    assert visits == [2.0**k for k in range(30)]


def test_gradients_accumulate_on_leaves_over_calls() -> None:
    x = leaf(3.0)
    (x * x).backward()
    (x * 2.0).backward()
    assert x.grad.item() == 8.0
    x.zero_grad()
    assert x.grad is None


def test_a_second_backward_says_what_to_do() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"already used .*'multiply'.*retain_graph=True"):
        y.backward()
    assert x.grad.item() == 6.0


def test_a_used_part_of_a_larger_graph_is_noticed() -> None:
    x = leaf(3.0)
    shared = x * x
    shared.backward()
    with pytest.raises(RuntimeError, match="already used"):
        (shared + x).backward()
    assert x.grad.item() == 6.0


def test_retain_graph() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0


def test_grad_touches_no_leaf_and_frees_the_graph() -> None:
    x = leaf(3.0)
    y = x * x
    assert mg.grad(y, x).item() == 6.0
    assert x.grad is None
    with pytest.raises(RuntimeError, match="already used"):
        mg.grad(y, x)


def test_gradient_of_an_intermediate_result() -> None:
    x = leaf(3.0)
    middle = x * x
    y = middle * middle + x
    found = mg.grad(y, [middle, x])
    assert [part.item() for part in found] == [18.0, 109.0]


def test_gradient_of_a_result_for_itself() -> None:
    x = leaf(3.0)
    y = x * 2.0
    assert mg.grad(y, [y, x])[0].item() == 1.0
    assert mg.grad(x, x).item() == 1.0


def test_unused_inputs_give_zeros() -> None:
    x, other = leaf(3.0), leaf(1.0, 2.0)
    found = mg.grad(x * x, [x, other])
    np.testing.assert_array_equal(found[1].numpy(), [0.0, 0.0])
    assert found[1].dtype == np.float64


def test_branches_that_lead_to_no_target_are_not_computed() -> None:
    x, other = leaf(3.0), leaf(2.0)
    branch = other * 5.0
    visited = []
    branch.register_hook(lambda g: visited.append(g))
    mg.grad(x * branch, x)
    assert not visited


def test_several_outputs_and_their_upstream_gradients() -> None:
    x = leaf(1.0, 2.0)
    a, b = x * 2.0, x * x
    found = mg.grad([a, b], x, [[1.0, 0.0], [1.0, 10.0]])
    np.testing.assert_array_equal(found.numpy(), [4.0, 40.0])
    with pytest.raises(ValueError, match="Expected 2 grad_outputs"):
        mg.grad([x * 1.0, x * 2.0], x, [[1.0, 1.0]])


def test_an_output_that_another_depends_on() -> None:
    x = leaf(3.0)
    a = x * x
    b = a * 2.0
    assert mg.grad([a, b], x).item() == 18.0


def test_higher_derivatives() -> None:
    x = leaf(2.0)
    y = x**5
    for expected in [80.0, 160.0, 240.0, 240.0, 120.0]:
        y = mg.grad(y, x, create_graph=True)
        assert y.item() == expected


def test_upstream_gradient_is_checked() -> None:
    y = leaf(1.0, 2.0) * 2.0
    with pytest.raises(RuntimeError, match=r"shape \(2,\): pass gradient="):
        y.backward()
    with pytest.raises(ValueError, match=r"Expected \(2,\), received \(3,\)"):
        y.backward([1.0, 2.0, 3.0])
    with pytest.raises(RuntimeError, match="does not require gradients"):
        mg.tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match="Input 0 does not require gradients"):
        mg.grad(y, mg.tensor(1.0))


def test_no_grad_as_context_and_decorator() -> None:
    x = leaf(3.0)
    with mg.no_grad():
        assert not is_grad_enabled()
        assert not (x * x).requires_grad
        with enable_grad():
            assert (x * x).requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad

    @mg.no_grad()
    def double(t: mg.Tensor) -> mg.Tensor:
        """Twice."""
        return t * 2.0

    assert not double(x).requires_grad
    assert (double.__name__, double.__doc__) == ("double", "Twice.")
    assert is_grad_enabled()


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_one_no_grad_object_can_be_nested() -> None:
    off = mg.no_grad()
    with off, off:
        pass
    assert is_grad_enabled()


def test_the_switch_belongs_to_the_thread() -> None:
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_build_and_walk_graphs_of_their_own() -> None:
    results = {}

    def work(number: int) -> None:
        x = leaf(float(number))
        y = x
        for _ in range(300):
            y = y + x * x
        y.backward()
        results[number] = x.grad.item()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: 1.0 + 600.0 * n for n in range(8)}


def test_saved_arrays_are_freed_by_backward() -> None:
    x = leaf(*range(10))
    middle = x * 2.0
    array = weakref.ref(middle._data)
    y = (middle * middle).sum()
    del middle
    assert array() is not None  # the square needs it
    y.backward()
    assert array() is None
    assert y.item() == 4 * 285.0


def test_saved_arrays_are_freed_while_walking() -> None:
    x = leaf(*range(10))
    first = x * 2.0
    alive = []
    first.register_hook(lambda g: alive.append([r() is not None for r in arrays]))
    second = first * first
    third = second * second
    arrays = [weakref.ref(second._data), weakref.ref(third._data)]
    y = (third * third).sum()
    del second, third
    y.backward()
    assert alive == [[False, False]]


def test_what_no_derivative_needs_is_not_kept() -> None:
    x = leaf(1.0, 2.0)
    middle = x * 3.0
    array = weakref.ref(middle._data)
    y = middle + 1.0
    del middle
    assert array() is None
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_graph_has_no_reference_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = mg.ops.softmax(x * x) + mg.ops.exp(x)[0]
        y.retain_grad()
        node = weakref.ref(y._node)
        mg.grad(y.sum(), x, create_graph=True)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_assigning_after_recording_does_not_change_recorded_gradients() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.assign([100.0, 200.0])
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 4.0])


def test_changing_the_callers_array_does_not_change_recorded_gradients() -> None:
    x, array = leaf(1.0, 2.0), np.array([3.0, 4.0])
    condition, bound = np.array([True, False]), np.array([10.0, 10.0])
    y = (x * array).sum() + mg.ops.where(condition, x, 0.0).sum()
    y = y + mg.ops.clip(x, high=bound).sum()
    array[:], condition[:], bound[:] = 0.0, False, 0.0
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [5.0, 5.0])


def test_index_arrays_are_kept_as_they_were() -> None:
    x, index = leaf(1.0, 2.0, 3.0), np.array([0, 0])
    y = x[index].sum()
    index[:] = 2
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 0.0, 0.0])


def test_an_error_in_the_forward_records_nothing() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match="broadcast"):
        x * np.ones(3)
    (x * 2.0).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]

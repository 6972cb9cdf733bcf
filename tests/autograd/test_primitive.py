"""Making an operation of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg


def test_an_operation_with_options_and_keywords() -> None:
    @mg.primitive(x=lambda g, x, power: g * power * x ** (power - 1))
    def raised(x: Any, power: int = 2) -> Any:
        return x**power

    x = mg.tensor([2.0, 3.0], requires_grad=True)
    for y in (raised(x), raised(x, 2), raised(x, power=2), raised(x=x), raised(power=2, x=x)):
        assert y.op == "raised"
        assert mg.grad(y.sum(), x).tolist() == [4.0, 6.0]
    assert mg.grad(raised(x, 3).sum(), x).tolist() == [12.0, 27.0]


def test_a_fused_backward_is_used_unless_a_second_derivative_is_asked_for() -> None:
    used = []

    def fused(g: Any, x: Any, wants: tuple[bool, ...]) -> tuple[Any, ...]:
        used.append(wants)
        return (g * 2 * x, None)

    @mg.primitive(
        x=lambda g, x: g * 2.0 * x,
        y=lambda g: g,
        fused=fused,
    )
    def square_plus(x: Any, y: Any, label: str) -> Any:
        return x * x + y

    x = mg.tensor([2.0], requires_grad=True)
    y = mg.tensor([2.0])
    assert mg.grad(square_plus(x, y, "a"), x).item() == 4.0
    assert used == [(True, False, False)]
    first = mg.grad(square_plus(x, y, "a"), x, create_graph=True)
    assert mg.grad(first, x).item() == 2.0
    assert len(used) == 1


def test_an_operation_that_saves_something_for_its_derivative() -> None:
    @mg.primitive(x=lambda g, saved: g * mg.tensor(saved), saves=True)
    def masked(x: Any) -> Any:
        mask = (x > 0).astype(x.dtype)
        return x * mask, mask

    x = mg.tensor([2.0, -1.0], requires_grad=True)
    y = masked(x)
    assert y.tolist() == [2.0, 0.0]
    assert mg.grad(y.sum(), x).tolist() == [1.0, 0.0]


def test_a_wrong_derivative_is_noticed() -> None:
    @mg.primitive(x=lambda g, x: g[0])
    def broken(x: Any) -> Any:
        return x * 1.0

    with pytest.raises(
        RuntimeError, match=r"derivative of 'broken' for 'x' has shape \(\).*\(2,\)"
    ):
        broken(mg.tensor([1.0, 2.0], requires_grad=True)).sum().backward()


@pytest.mark.parametrize("part", [None, 1.0, np.ones(2)], ids=["None", "float", "ndarray"])
def test_a_derivative_must_be_a_tensor(part: Any) -> None:
    @mg.primitive(x=lambda g: part)
    def broken(x: Any) -> Any:
        return x * 1.0

    name = type(part).__name__
    with pytest.raises(TypeError, match=rf"derivative of 'broken' for 'x' must .*tensor.*{name}"):
        broken(mg.tensor([1.0, 2.0], requires_grad=True)).sum().backward()


@pytest.mark.parametrize("out", [None, [1.0], mg.tensor(1.0)], ids=["None", "list", "Tensor"])
@pytest.mark.parametrize("names", ["x", "a, b", "x, y"])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_forward_must_return_an_array(out: Any, names: str, recorded: bool) -> None:
    forward = eval(f"lambda {names}: out", {"out": out})
    forward.__name__ = "broken"
    vjps = {name: lambda g: g for name in names.split(", ")}
    operation = mg.primitive(broadcasts=len(vjps) > 1, **vjps)(forward)
    arguments = [mg.tensor([1.0], requires_grad=recorded)] * len(vjps)
    with pytest.raises(TypeError, match=rf"return an array. Received: {type(out).__name__} from"):
        operation(*arguments)


def test_a_forward_may_return_its_argument() -> None:
    @mg.primitive(x=lambda g: g, y=lambda g: g)
    def first(x: Any, y: Any) -> Any:
        return x

    array = np.ones(2)
    with mg.no_grad():
        result = first(array, 1.0)
    array[0] = 5.0
    assert result.tolist() == [1.0, 1.0]


def test_mistakes_in_a_definition_are_noticed_at_once() -> None:
    with pytest.raises(TypeError, match=r"unknown arguments \['z'\]"):
        mg.primitive(z=lambda g: g)(lambda x: x)
    with pytest.raises(TypeError, match="asks for 'z'"):
        mg.primitive(x=lambda g, z: g)(lambda x: x)
    with pytest.raises(TypeError, match=r"may not be called \['index'\]"):
        mg.primitive(x=lambda g: g)(lambda x, index: x)


def test_missing_and_surplus_arguments() -> None:
    with pytest.raises(TypeError):
        mg.ops.add(mg.tensor(1.0))
    with pytest.raises(TypeError):
        mg.ops.exp(mg.tensor(1.0), mg.tensor(1.0))

    @mg.primitive(a=lambda g, b: g * b, b=lambda g, a: g * a)
    def times(a: Any, b: Any) -> Any:
        return a * b

    with pytest.raises(TypeError, match="missing the argument 'a'"):
        times(b=mg.tensor(1.0))
    with pytest.raises(TypeError):
        times(mg.tensor(1.0), mg.tensor(1.0), mg.tensor(1.0))


def test_operations_keep_their_documentation() -> None:
    assert mg.ops.exp.__name__ == "exp"
    assert "power x" in (mg.ops.exp.__doc__ or "")
    assert repr(mg.ops.multiply.primitive) == "<primitive multiply(a, b)>"
    x = mg.tensor(np.ones((2, 3)), requires_grad=True)
    assert "multiply -> float64[2, 3]" in repr((x * x)._node)


def test_a_fused_backward_may_return_one_array_twice() -> None:
    @mg.primitive(
        a=lambda g: g * 2,
        b=lambda g: g * 2,
        fused=lambda g, wants: (lambda d: (d, d))(g * 2),
    )
    def twice_the_sum(a: Any, b: Any) -> Any:
        return 2 * (a + b)

    a, b = (mg.tensor(np.ones(3, np.float32), requires_grad=True) for _ in range(2))
    ((twice_the_sum(a, b) * 1.0).sum() + (a * 10).sum()).backward()
    assert a.grad is not None and b.grad is not None
    assert a.grad.numpy().tolist() == [12.0] * 3
    assert b.grad.numpy().tolist() == [2.0] * 3

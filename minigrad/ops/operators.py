"""Gives `Tensor` its operators and methods, so that the engine need not know the operations.

``a + b``, ``x[1:]``, ``x.sum()`` and ``np.exp(x)`` all end in the functions of `minigrad.ops`.
What is attached here is declared for type checkers in `minigrad.autograd.operations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd import Tensor, is_grad_enabled
from minigrad.ops import (
    arithmetic,
    casting,
    comparison,
    elementwise,
    indexing,
    joining,
    linalg,
    piecewise,
    reduction,
    shape,
    transfer,
    trigonometric,
)

Operation = Callable[..., Any]

# --- operators --------------------------------------------------------------------------------

_BINARY: dict[str, Operation] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "pow": arithmetic.power,
    "matmul": linalg.matmul,
}
_UNARY: dict[str, Operation] = {
    "neg": arithmetic.negative,
    "abs": piecewise.abs,
    "pos": lambda x: x,
}
_COMPARISONS: dict[str, Operation] = {
    "eq": comparison.equal,
    "ne": comparison.not_equal,
    "lt": comparison.less,
    "le": comparison.less_equal,
    "gt": comparison.greater,
    "ge": comparison.greater_equal,
}


_BOOLEAN = (np.dtype(bool), bool)


def _of_masks(name: str, operation: Operation) -> Operation:
    def method(*masks: Any) -> Any:
        if not all(getattr(x, "dtype", type(x)) in _BOOLEAN for x in masks):
            types = [str(getattr(x, "dtype", type(x).__name__)) for x in masks]
            raise TypeError(
                f"The operator {name} works on masks, tensors of bool such as x > 0. "
                f"Received: {' and '.join(types)}"
            )
        return operation(*masks)

    return method


_MASKS: dict[str, Operation] = {
    "and": _of_masks("&", comparison.logical_and),
    "or": _of_masks("|", comparison.logical_or),
    "xor": _of_masks("^", comparison.logical_xor),
}


def _reflected(operation: Operation) -> Operation:
    def method(self: Tensor, other: Any) -> Any:
        return operation(other, self)

    return method


def _compared(operation: Operation) -> Operation:
    def method(self: Tensor, other: Any) -> Any:
        if other is None or isinstance(other, (str, bytes, dict)):
            return NotImplemented  # so that `x == None` is False, as for everything else
        return operation(self, other)

    return method


def _in_place(name: str, operation: Operation) -> Operation:
    def method(self: Tensor, other: Any) -> Any:
        if self.requires_grad and self.is_leaf and is_grad_enabled():
            raise RuntimeError(
                f"A tensor that collects gradients cannot be changed in place ({name}=) while "
                f"operations are recorded. Write x = x {name} y for a new tensor, or update it "
                f"inside `with mg.no_grad():`."
            )
        result = operation(self, other)
        if not self.is_leaf or result.requires_grad:
            return result  # the name now stands for a new tensor; what was recorded stays right
        if not np.can_cast(result.dtype, self.dtype, casting="same_kind"):
            raise TypeError(
                f"The result of {name}= does not fit into the tensor; write x = x {name} y. "
                f"Received: {result.dtype} for a tensor of {self.dtype}"
            )
        return self.assign(result)

    return method


# --- NumPy functions called on tensors --------------------------------------------------------

_UFUNCS: dict[Any, Operation] = {
    getattr(np, name): getattr(module, name)
    for module, names in {
        arithmetic: "add subtract multiply divide negative power square reciprocal",
        piecewise: "abs sign maximum minimum",
        elementwise: "exp expm1 log log1p sqrt",
        trigonometric: "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh",
        comparison: "equal not_equal less less_equal greater greater_equal isnan isfinite "
        "logical_not logical_and logical_or logical_xor",
        linalg: "matmul",
    }.items()
    for name in names.split()
}
_UNARY["invert"] = _of_masks("~", comparison.logical_not)
_UFUNCS[np.positive] = _UNARY["pos"]
_UFUNCS |= {getattr(np, f"bitwise_{name}"): operation for name, operation in _MASKS.items()}


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    operation = _UFUNCS.get(ufunc)
    if operation is None or method != "__call__" or options:
        called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        extra = f" with {', '.join(sorted(options))}" if operation and options else ""
        raise TypeError(
            f"np.{called}{extra} does not work on tensors. Use an operation of minigrad.ops, or "
            f"np.{called}(x.numpy()), which is not recorded."
        )
    return operation(*inputs)


# --- methods ----------------------------------------------------------------------------------


def _sequence_method(operation: Operation, default: Any = None) -> Operation:
    """Return a method that takes its sizes or axes one by one or as one sequence."""

    def method(self: Tensor, *values: Any) -> Tensor:
        given: Any = values or default
        if len(values) == 1 and type(values[0]) is not int:
            given = values[0]
        result: Tensor = operation(self, given)
        return result

    return method


def _flatten(self: Tensor) -> Tensor:
    return shape.reshape(self, -1)


def _matrix_transpose(self: Tensor) -> Tensor:
    return shape.swapaxes(self, -1, -2)


_METHODS: dict[str, Operation] = {
    name: getattr(module, name)
    for module, names in {
        reduction: "sum mean var std max min prod cumsum argmax argmin",
        shape: "swapaxes squeeze sum_to",
        joining: "repeat",
        indexing: "take",
        piecewise: "clip",
        linalg: "dot",
        casting: "astype",
    }.items()
    for name in names.split()
} | {
    "reshape": _sequence_method(shape.reshape, default=()),
    "transpose": _sequence_method(shape.transpose),
    "flatten": _flatten,
    "ravel": _flatten,
    "to": transfer.to,
    "__getitem__": indexing.getitem,
    "__array_ufunc__": _array_ufunc,
}
_PROPERTIES: dict[str, Operation] = {"T": shape.transpose, "mT": _matrix_transpose}


def _attach() -> None:
    for name, operation in _BINARY.items():
        sign = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**", "matmul": "@"}[
            name
        ]
        setattr(Tensor, f"__{name}__", operation)
        setattr(Tensor, f"__r{name}__", _reflected(operation))
        setattr(Tensor, f"__i{name}__", _in_place(sign, operation))
    for name, operation in _UNARY.items():
        setattr(Tensor, f"__{name}__", operation)
    for name, operation in _COMPARISONS.items():
        setattr(Tensor, f"__{name}__", _compared(operation))
    for name, operation in _MASKS.items():
        setattr(Tensor, f"__{name}__", operation)
        setattr(Tensor, f"__r{name}__", operation)  # masks commute
    for name, operation in _METHODS.items():
        setattr(Tensor, name, operation)
    for name, operation in _PROPERTIES.items():
        setattr(Tensor, name, property(operation))


_attach()

"""One view of everything that can be checked: values and gradients as arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minigrad.autograd import Tensor, enable_grad, grad

Array = NDArray[Any]


class Checkable(Protocol):
    """A function on arrays with a gradient of its own."""

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        ...

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array]) -> list[Any]:
        """Return one gradient per input; None where an input has none."""
        ...


class TensorFunction:
    """A function of tensors: its gradients come from the tape."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        return [out.numpy() for out in self._call([Tensor(a) for a in arrays])]

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array]) -> list[Any]:
        """Return the gradients of a backward pass; zeros where nothing depends on an input."""
        inputs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        with enable_grad():
            outputs = self._call(inputs)
        leaves = [tensor for tensor in inputs if tensor.requires_grad]
        roots = [(out, up) for out, up in zip(outputs, upstream, strict=True) if out.requires_grad]
        if roots:
            parts = grad([out for out, _ in roots], leaves, [up for _, up in roots])
            found = [part.numpy() for part in parts]
        else:
            found = [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
        remaining = iter(found)
        return [next(remaining) if tensor.requires_grad else None for tensor in inputs]

    def _call(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        result = self._fn(*inputs)
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for out in outputs:
            if not isinstance(out, Tensor):
                raise TypeError(
                    "The function must return a tensor or a tuple of tensors; for a function of "
                    f"NumPy arrays pass gradient=... as well. Received: {type(out).__name__}"
                )
        return outputs


class ArrayFunction:
    """A function of NumPy arrays with its gradient: ``gradient(upstream, *inputs)``."""

    def __init__(self, fn: Callable[..., Any], gradient: Callable[..., Any]) -> None:
        self._fn = fn
        self._gradient = gradient
        self._several = False  # several outputs: then the upstream gradient is a tuple as well

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        result = self._fn(*[a.copy() for a in arrays])  # copies: a function may spoil its inputs
        self._several = isinstance(result, (tuple, list))
        return [np.array(out) for out in (result if self._several else [result])]

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array]) -> list[Any]:
        """Return what the given gradient function computes, one entry per input."""
        ups = [up.copy() for up in upstream]
        result = self._gradient(
            tuple(ups) if self._several else ups[0], *[a.copy() for a in arrays]
        )
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(parts) != len(arrays):
            raise ValueError(
                f"gradient(upstream, *inputs) must return one gradient per input. "
                f"Expected {len(arrays)}, received {len(parts)}."
            )
        return [None if part is None else np.asarray(part) for part in parts]


def input_names(fn: Callable[..., Any], count: int) -> list[str]:
    """Return the names of the function's parameters, or ``input 0``, ``input 1``, ... ."""
    fallback = [f"input {position}" for position in range(count)]
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return fallback
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in plain]
    return names[:count] if len(names) >= count else fallback


def function_name(fn: Callable[..., Any]) -> str:
    """Return a readable name of a function, a layer or any other callable."""
    name = getattr(fn, "__name__", None) or getattr(fn, "name", None) or type(fn).__name__
    return "a lambda" if name == "<lambda>" else str(name)

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

    composed: bool  # whether the gradient is put together from those of several operations

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        ...

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array | None]) -> list[Any]:
        """Return one gradient per input; None where an input has none.

        Outputs whose upstream gradient is None play no part.
        """
        ...

    @property
    def changed(self) -> tuple[int, ...]:
        """The positions of inputs that some call changed in place; -1 for an upstream gradient."""
        ...


class TensorFunction:
    """A function of tensors: its gradients come from the tape."""

    composed = True
    changed: tuple[int, ...] = ()  # the arrays of tensors are read-only

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        return [out.data for out in self._call([Tensor(a) for a in arrays])]

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array | None]) -> list[Any]:
        """Return the gradients of a backward pass; zeros where nothing depends on an input."""
        inputs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        with enable_grad():
            outputs = self._call(inputs)
        leaves = [tensor for tensor in inputs if tensor.requires_grad]
        pairs = zip(outputs, upstream, strict=True)
        roots = [(out, up) for out, up in pairs if out.requires_grad and up is not None]
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

    composed = False

    def __init__(self, fn: Callable[..., Any], gradient: Callable[..., Any]) -> None:
        self._fn = fn
        self._gradient = gradient
        self._shapes: list[tuple[tuple[int, ...], Any]] = []
        self._several = False  # several outputs: then the upstream gradient is a tuple as well
        self._changed: set[int] = set()

    @property
    def changed(self) -> tuple[int, ...]:
        """The positions of inputs that some call changed in place; -1 for an upstream gradient."""
        return tuple(sorted(self._changed))

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        copies = [_copy(a) for a in arrays]  # a function may spoil its inputs
        result = self._fn(*copies)
        self._several = isinstance(result, (tuple, list))
        outputs = [np.array(out) for out in (result if self._several else [result])]
        self._shapes = [(out.shape, out.dtype) for out in outputs]
        self._note_changes(arrays, copies)
        return outputs

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array | None]) -> list[Any]:
        """Return what the given gradient function computes, one entry per input."""
        ups = [
            np.zeros(shape, dtype) if up is None else _copy(up)
            for up, (shape, dtype) in zip(upstream, self._shapes, strict=True)
        ]
        originals = [up.copy() for up in ups]
        copies = [_copy(a) for a in arrays]
        result = self._gradient(tuple(ups) if self._several else ups[0], *copies)
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(parts) != len(arrays):
            raise ValueError(
                f"gradient(upstream, *inputs) must return one gradient per input. "
                f"Expected {len(arrays)}, received {len(parts)}."
            )
        found = [None if part is None else np.array(part) for part in parts]
        self._note_changes(arrays, copies)
        if not all(_same(a, b) for a, b in zip(originals, ups, strict=True)):
            self._changed.add(-1)
        return found

    def _note_changes(self, arrays: Sequence[Array], copies: Sequence[Array]) -> None:
        pairs = enumerate(zip(arrays, copies, strict=True))
        self._changed |= {k for k, (before, after) in pairs if not _same(before, after)}


def _copy(array: Array) -> Array:
    """Return a copy that lies in memory as the original does, gaps included."""
    if array.flags.c_contiguous or array.ndim == 0:
        return array.copy()
    return spread(array)


def spread(array: Array) -> Array:
    """Return a copy that is contiguous in no order: axes reversed in memory, with gaps.

    Examples
    --------
    >>> spread(np.zeros((2, 3))).strides
    (8, 32)
    """
    if array.ndim == 0 or array.size == 0:
        return array.copy()
    return np.repeat(array.T, 2, axis=0)[::2].T


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


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

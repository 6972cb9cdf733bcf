"""One view of everything that can be checked: inputs, values and gradients as arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from minigrad.autograd import Tensor, enable_grad, grad
from minigrad.gradcheck.findings import Array


class Checkable(Protocol):
    """A function on arrays with a gradient of its own."""

    composed: bool  # whether the gradient is put together from those of several operations

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs."""
        ...

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array | None]) -> list[Any]:
        """Return one per input, None where there is none; an upstream of None plays no part."""
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
        self._fn, self._gradient = fn, gradient
        self._outputs: list[Array] = []
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
        self._outputs = [np.array(out) for out in (result if self._several else [result])]
        self._note_changes(arrays, copies)
        return self._outputs

    def gradients(self, arrays: Sequence[Array], upstream: Sequence[Array | None]) -> list[Any]:
        """Return what the given gradient function computes, one entry per input."""
        ups = [
            np.zeros_like(out) if up is None else up
            for up, out in zip(upstream, self._outputs, strict=True)
        ]
        handed, copies = [_copy(up) for up in ups], [_copy(a) for a in arrays]
        result = self._gradient(tuple(handed) if self._several else handed[0], *copies)
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(parts) != len(arrays):
            raise ValueError(
                f"gradient(upstream, *inputs) must return one gradient per input. "
                f"Expected {len(arrays)}, received {len(parts)}."
            )
        found = [None if part is None else np.array(part) for part in parts]
        self._note_changes(arrays, copies)
        if not all(map(_same, ups, handed)):
            self._changed.add(-1)
        return found

    def _note_changes(self, arrays: Sequence[Array], copies: Sequence[Array]) -> None:
        pairs = enumerate(zip(arrays, copies, strict=True))
        self._changed |= {k for k, (before, after) in pairs if not _same(before, after)}


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


def _copy(array: Array) -> Array:
    """Return a copy that lies in memory as the original does, gaps included."""
    return array.copy() if array.flags.c_contiguous else spread(array)


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def as_arrays(inputs: Any) -> list[Array]:
    """Return the inputs as a list of arrays; one tensor, array or number counts as one input."""
    parts = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    arrays = []
    for k, part in enumerate(parts):
        try:
            arrays.append(part.numpy() if isinstance(part, Tensor) else np.array(part))
        except ValueError:  # rows of different lengths
            raise ValueError(
                f"Each input must be a tensor, an array or what NumPy makes an array of. "
                f"Received: input {k} = {part!r}"
            ) from None
    return arrays


def on_floats(change: Callable[[Array], Array], arrays: Sequence[Array]) -> list[Array]:
    """Return the arrays, with a change (that keeps their dtype) to the floating point ones."""
    return [np.asarray(change(a), a.dtype) if a.dtype.kind == "f" else a for a in arrays]


def promoted(arrays: Sequence[Array], dtype: Any = np.float64) -> list[Array]:
    """Return floating point arrays in float64 (or another type), others as they are."""
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]


def input_names(fn: Callable[..., Any], count: int, names: Sequence[str] | None) -> list[str]:
    """Return the given names, those of fn's parameters, or ``input 0``, ``input 1``, ... .

    Raises
    ------
    TypeError, ValueError
        If the names are no sequence of strings, or not one for each input.
    """
    if names is not None:
        if not isinstance(names, (tuple, list)) or not all(isinstance(n, str) for n in names):
            raise TypeError(f"names must be a sequence of strings. Received: names={names!r}")
        if len(names) != count:
            raise ValueError(
                f"names must name each input. Expected {count}, received {len(names)}: {names!r}"
            )
        return list(names)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(fn).parameters.values()
        found = [parameter.name for parameter in parameters if parameter.kind in plain]
    except (TypeError, ValueError):
        found = []
    return found[:count] if len(found) >= count else [f"input {k}" for k in range(count)]


def function_name(fn: Callable[..., Any]) -> str:
    """Return a readable name of a function, a layer or any other callable."""
    name = getattr(fn, "__name__", None) or getattr(fn, "name", None) or type(fn).__name__
    return "a lambda" if name == "<lambda>" else str(name)

"""What Python and NumPy ask of a tensor: length, truth, and value as a number or array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd.convert import plain
from minigrad.autograd.graph import recording

if TYPE_CHECKING:
    from minigrad.autograd.tensor import Tensor

# NumPy functions that are methods of a tensor, too; of the reductions, array and axis come first.
_METHODS = ("clip", "dot", "repeat", "reshape", "squeeze", "swapaxes", "take", "transpose")
_REDUCTIONS = ("argmax", "argmin", "cumsum", "max", "mean", "min", "prod", "std", "sum", "var")


class Protocols:
    """The base of `Tensor` that answers Python and NumPy."""

    __slots__ = ()

    if TYPE_CHECKING:  # what Tensor has

        @property
        def shape(self) -> tuple[int, ...]:
            """See `Tensor.shape`."""

        @property
        def size(self) -> int:
            """See `Tensor.size`."""

        @property
        def requires_grad(self) -> bool:
            """See `Tensor.requires_grad`."""

        @property
        def dtype(self) -> np.dtype[Any]:
            """See `Tensor.dtype`."""

        _data: Any

        def item(self) -> Any:
            """See `Tensor.item`."""

        def _on_host(self) -> np.ndarray[Any, Any]: ...
        def __getitem__(self, key: Any) -> Tensor: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self._on_host()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"A copy is needed to convert from {array.dtype} to {np.dtype(dtype)}."
                )
            return array.astype(dtype)
        return np.array(array) if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        """Lend the memory to another library, which must not write to it."""
        if self.requires_grad:
            raise BufferError("Gradients do not follow to another library; lend x.detach() to it.")
        if not hasattr(self._data, "__dlpack__"):
            raise BufferError("The simulator's memory cannot be lent; use x.to('cpu').")
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()  # type: ignore[no-any-return]

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """How CUDA libraries find the memory of an array on a GPU; missing on the CPU."""
        return self._data.__cuda_array_interface__  # type: ignore[no-any-return]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Answer ``np.sum(x)`` and its like; what is no method gets arrays and gives arrays."""
        name = function.__name__
        if isinstance(args[0] if args else None, Protocols) and (
            name in _METHODS or (name in _REDUCTIONS and len(args) <= 2)
        ):
            return getattr(args[0], name)(*args[1:], **kwargs)
        options = {word: _arrays(value) for word, value in kwargs.items()}
        result = function(*_arrays(args), **options)
        new = name.endswith("_like") or name == "copy"
        if recording.on and not new and _holds_floats(result) and _is_recorded((args, kwargs)):
            called = f"{function.__module__}.{name}".replace("numpy.", "np.")
            raise TypeError(
                f"{called} is not recorded, so a tensor that requires gradients would lose them. "
                f"Use an operation of minigrad.ops, or {called} on x.numpy()."
            )
        return result

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("A tensor without axes has no len().")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("A tensor without axes cannot be iterated over.")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool((self._on_host() == plain(value)).any())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"The truth value of a tensor with {self.size} elements is ambiguous. "
                f"Use .data.any() or .data.all()."
            )
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(
                f"Only integer tensors can be used as an index. Received: dtype={self.dtype}."
            )
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)


def _arrays(value: Any) -> Any:
    """Return a value with arrays in place of its tensors, in nested lists and tuples as well."""
    if isinstance(value, Protocols):
        return value._on_host()
    return type(value)(map(_arrays, value)) if type(value) in (list, tuple) else value


def _is_recorded(value: Any) -> bool:
    if isinstance(value, Protocols):
        return value.requires_grad
    parts = value.values() if isinstance(value, dict) else value
    return isinstance(value, (list, tuple, dict)) and any(map(_is_recorded, parts))


def _holds_floats(result: Any) -> bool:
    if isinstance(result, (list, tuple)):
        return any(map(_holds_floats, result))
    return isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "f"

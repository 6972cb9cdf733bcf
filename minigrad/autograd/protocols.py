"""What Python and NumPy ask of a tensor: length, truth, and value as a number or array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd.convert import plain

if TYPE_CHECKING:
    from minigrad.autograd.tensor import Tensor


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
        def dtype(self) -> np.dtype[Any]:
            """See `Tensor.dtype`."""

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
        if self.size != 1:
            raise ValueError(
                f"The truth value of a tensor with {self.size} elements is ambiguous. "
                f"Use .data.any() or .data.all()."
            )
        return bool(self.item())

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

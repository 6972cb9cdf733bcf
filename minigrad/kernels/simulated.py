"""Device memory for numba's simulator: an array that answers as CuPy's does, kept by NumPy.

A tensor on ``device="cuda"`` holds a CuPy array on a GPU, and one of these in the simulator. It is
as strict as CuPy: it never becomes a NumPy array by itself, it does not mix with NumPy arrays, its
reductions are arrays without axes instead of scalars, and it has no write protection. So code that
works on it in the tests has a good chance to work on a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SimulatedArray"]


class SimulatedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array in the simulator's device memory.

    Parameters
    ----------
    host : ndarray
        The values. They are not copied; `get` is the way to copy them back.

    Examples
    --------
    >>> x = SimulatedArray(np.array([1.0, 2.0]))
    >>> (np.exp(x - x) + x).get()
    array([2., 3.])
    >>> x + np.ones(2)
    Traceback (most recent call last):
    TypeError: An array on the device and a NumPy array do not mix.
    """

    __slots__ = ("host",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self.host = host

    shape = property(lambda self: self.host.shape)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    dtype = property(lambda self: self.host.dtype)
    nbytes = property(lambda self: self.host.nbytes)
    strides = property(lambda self: self.host.strides)
    flags = property(lambda self: _Flags(self.host))
    T = property(lambda self: SimulatedArray(self.host.T))
    base = property(lambda self: None)

    def get(self) -> np.ndarray[Any, Any]:
        """Return a copy of the values for the CPU."""
        return np.array(self.host)

    def item(self) -> Any:
        """Return the only element as a Python number."""
        return self.host.item()

    def tolist(self) -> Any:
        """Return the values as nested lists."""
        return self.host.tolist()

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(f"An array on the device has no attribute '{name}'.")

        def method(*args: Any, **options: Any) -> Any:
            return _wrap(getattr(self.host, name)(*_unwrap(args), **_unwrap(options)))

        return method

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("An array on the device does not become a NumPy array by itself; get() it.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return _wrap(getattr(ufunc, method)(*_unwrap(inputs), **_unwrap(options)))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in (np.array, np.asarray) and isinstance(args[0], np.ndarray):
            args = (SimulatedArray(args[0]), *args[1:])  # with like=..., it is copied to the device
        return _wrap(function(*_unwrap(args), **_unwrap(options)))

    def __getitem__(self, key: Any) -> Any:
        return _wrap(self.host[_unwrap(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.host[_unwrap(key)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __float__(self) -> float:
        return float(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __index__(self) -> int:
        return int(self.host.__index__())

    def __repr__(self) -> str:
        return f"SimulatedArray({self.host!r})"


_METHODS = (
    *("all", "any", "argmax", "argmin", "astype", "clip", "copy", "cumsum", "dot", "fill"),
    *("flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape", "sort", "squeeze"),
    *("std", "sum", "swapaxes", "take", "transpose", "var", "view"),
)


class _Flags:
    """What CuPy's flags know."""

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self.c_contiguous = host.flags.c_contiguous
        self.f_contiguous = host.flags.f_contiguous
        self.owndata = host.flags.owndata


def _unwrap(value: Any) -> Any:
    """Return arguments with NumPy arrays in place of simulated ones, and none of NumPy's own."""
    if isinstance(value, SimulatedArray):
        return value.host
    if isinstance(value, (tuple, list)):
        return type(value)(map(_unwrap, value))
    if isinstance(value, dict):
        return {name: _unwrap(part) for name, part in value.items()}
    if isinstance(value, slice):
        return slice(_unwrap(value.start), _unwrap(value.stop), _unwrap(value.step))
    if isinstance(value, np.ndarray):
        raise TypeError("An array on the device and a NumPy array do not mix.")
    return value


def _wrap(result: Any) -> Any:
    """Return results as arrays on the device: each array of them, and scalars as well."""
    if isinstance(result, (np.ndarray, np.generic)):
        return SimulatedArray(np.asarray(result))
    if isinstance(result, (tuple, list)):
        return type(result)(map(_wrap, result))
    return result

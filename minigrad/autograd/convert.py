"""From what users write to arrays: numbers, nested lists, NumPy arrays and tensors."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from minigrad import config
from minigrad._brief import brief
from minigrad.autograd.graph import recording
from minigrad.kernels import devices


def plain(value: Any) -> Any:
    """Return ``value``, a tensor or a tuple with tensors, with arrays in their place."""
    if hasattr(value, "_on_host"):
        return value._on_host()
    if isinstance(value, tuple):
        return tuple(plain(part) for part in value)
    return value


def as_array(data: Any, dtype: Any) -> Any:
    """Return a fresh array that nobody else can write to, in the machine's byte order.

    What is on a device stays there.
    """
    if dtype is not None:
        dtype = number_type(dtype)
    if hasattr(data, "_on_host"):
        data = data._data
    if isinstance(data, (np.ndarray, np.generic)):
        if data.dtype.kind not in "fiubc" and not all(isinstance(x, Number) for x in data.flat):
            dtype = None  # which is refused below
        array = np.array(data, dtype=data.dtype.newbyteorder("=") if dtype is None else dtype)
    elif devices.is_array(data) or hasattr(data, "__dlpack__") or devices.on_gpu(data):
        data = devices.adopt(data)
        array = data.astype(data.dtype if dtype is None else dtype)
    else:
        if isinstance(data, (list, tuple)):
            data = _hosted(data)
        try:
            array = np.array(data, dtype=dtype)
        except (ValueError, TypeError):
            if hasattr(data, "__array__"):  # which knows better
                raise
            raise TypeError(
                f"A tensor needs a rectangular array of numbers. Received: {brief(data)}"
            ) from None
        if dtype is not None and not _holds_arrays(data):
            kind = np.array(data)  # NumPy makes NaN of None, and numbers of their digits
            if kind.dtype.kind in "OSU" and not all(isinstance(x, Number) for x in kind.flat):
                array = kind
        if dtype is None and array.dtype.kind == "f" and not _holds_arrays(data):
            array = array.astype(config.floatx())
    if array.dtype.kind not in "fiubc":
        raise TypeError(
            f"A tensor needs numbers. Received: {type(data).__name__} of dtype {array.dtype}."
        )
    return array


def explained(error: Exception, index: Any) -> Exception:
    """Return an error that tells what was received, where NumPy's does not."""
    if not str(error).startswith(("only integers", "setting an array element with a sequence")):
        return error
    return IndexError(
        "An index is made of integers, slices, ..., None, and arrays of integers or booleans. "
        f"Received: {brief(index)}"
    )


def number_type(dtype: Any) -> np.dtype[Any]:
    """Return the type of elements that ``dtype`` names, in the machine's byte order."""
    try:
        found: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError, SyntaxError):
        found = np.dtype(object)
    if dtype is None or found.kind not in "fiubc":
        raise TypeError(
            f"dtype must be a type of numbers, such as 'float32'. Received: dtype={brief(dtype)}"
        )
    return found


def _hosted(data: Any) -> Any:
    """Return nested lists with their tensors replaced by arrays."""
    if isinstance(data, (list, tuple)):
        return [_hosted(part) for part in data]
    if not hasattr(data, "_on_host"):
        return data
    if data.requires_grad and recording.on:
        raise TypeError(
            "A list of tensors that require gradients would cut them off from their history. Join "
            "them with mg.ops.stack() or mg.ops.concatenate(), or detach() them first."
        )
    return data._on_host()


def _holds_arrays(data: Any) -> bool:
    """Whether nested lists hold NumPy values, which keep their dtype."""
    if isinstance(data, (list, tuple)):
        return bool(data) and _holds_arrays(data[0])
    return hasattr(data, "dtype") or hasattr(data, "__array__")

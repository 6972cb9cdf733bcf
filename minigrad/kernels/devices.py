"""Where an array lives, and how it gets to another device.

Arrays on the CPU are NumPy's; arrays on ``"cuda"`` are CuPy's, or in numba's simulator
`SimulatedArray`. Code that works on arrays of any device calls NumPy's functions, which CuPy
answers, and makes new arrays beside old ones with NumPy's ``like=``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.simulated import SimulatedArray

__all__ = [
    "across",
    "adopt",
    "check_same",
    "device_of",
    "is_array",
    "on_gpu",
    "parse",
    "to_device",
    "to_host",
]

_HOST = (1, 3)  # DLPack's numbers for the CPU's memory, and for its pinned memory
_GPU = (2, 13)  # DLPack's numbers for CUDA memory and for managed CUDA memory


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array as tensors hold them, on any device."""
    if isinstance(value, (np.ndarray, SimulatedArray)):
        return True
    return type(value).__module__.partition(".")[0] == "cupy" and hasattr(value, "get")


def device_of(array: Any) -> str:
    """Return ``"cpu"`` or ``"cuda"``.

    Examples
    --------
    >>> device_of(np.ones(3)), device_of(SimulatedArray(np.ones(3)))
    ('cpu', 'cuda')
    """
    return "cpu" if isinstance(array, np.ndarray) else "cuda"


def parse(device: Any) -> str:
    """Return a device as ``"cpu"`` or ``"cuda"``, and see to it that it can be used.

    Raises
    ------
    ValueError
        For other names, and for another GPU than the current one.
    RuntimeError
        If there is no CUDA here; the text says why, and what to do.
    """
    if device == "cpu":
        return "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", device) if isinstance(device, str) else None
    if match is None:
        raise ValueError(f"A device is 'cpu' or 'cuda'. Received: device={device!r}")
    from minigrad.kernels.cuda import runtime  # imports numba.cuda

    runtime.require()
    number = match[1]
    if number is not None and int(number) != runtime.current_device():
        raise ValueError(
            f"minigrad works on one GPU, number {runtime.current_device()} here; set "
            f"CUDA_VISIBLE_DEVICES={number} to make another one the first. "
            f"Received: device={device!r}"
        )
    return "cuda"


def to_device(array: Any, device: str) -> Any:
    """Return an array on a device: itself if it is there, else a copy."""
    if device_of(array) == device:
        return array
    if device == "cpu":
        return to_host(array)
    from minigrad.kernels.cuda import runtime

    return runtime.upload(array)


def to_host(array: Any) -> np.ndarray[Any, Any]:
    """Return an array as NumPy's: itself if it is one, else a copy of what is on the device."""
    return array if isinstance(array, np.ndarray) else array.get()


def on_gpu(value: Any) -> bool:
    """Whether ``value`` is another library's array in the memory of a GPU."""
    if hasattr(value, "__dlpack_device__"):
        return bool(value.__dlpack_device__()[0] in _GPU)
    return hasattr(value, "__cuda_array_interface__")


def adopt(value: Any) -> Any:
    """Return another library's array as one of ours, in the same memory.

    Parameters
    ----------
    value : object with ``__dlpack__`` or ``__cuda_array_interface__``
        An array of PyTorch, JAX, CuPy, numba and others.

    Raises
    ------
    TypeError
        If it offers neither.
    BufferError
        If it lives where minigrad does not compute.
    """
    if is_array(value):
        return value
    if on_gpu(value):
        from minigrad.kernels.cuda import runtime

        runtime.require()
        return runtime.adopt(value)
    if hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] not in _HOST:
        raise BufferError(
            f"minigrad computes on the CPU or on an NVIDIA GPU; copy the array there first. "
            f"Received: DLPack device {value.__dlpack_device__()}"
        )
    if not hasattr(value, "__dlpack__"):
        raise TypeError(
            f"Expected an array that offers its memory by DLPack. Received: {type(value).__name__}"
        )
    return np.from_dlpack(value)


def across(function: Callable[..., Any], place: str, home: str) -> Callable[..., Any]:
    """Return ``function`` for arrays of another device: they are moved there, results back.

    Examples
    --------
    >>> x = SimulatedArray(np.array([3.0, 4.0]))
    >>> across(np.linalg.norm, "cpu", "cpu")(x)
    np.float64(5.0)
    """

    def moved(value: Any, device: str) -> Any:
        if isinstance(value, tuple):
            return tuple([moved(part, device) for part in value])
        return to_device(value, device) if is_array(value) else value

    def call(*args: Any) -> Any:
        return moved(function(*[moved(arg, place) for arg in args]), home)

    return call


def check_same(name: str, *arrays: Any) -> None:
    """Raise TypeError if arrays live on different devices; numbers live nowhere."""
    found = [device_of(array) for array in arrays if is_array(array)]
    if len(set(found)) > 1:
        raise TypeError(
            f"{name}() needs all tensors on one device: move them with .to('cuda') or .to('cpu'). "
            f"Received: {', '.join(found)}"
        )

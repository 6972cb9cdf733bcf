"""The choice of a backend, and the table (operation, backend) -> function.

A backend is a module with one function per operation: `minigrad.kernels.reference` (the
definition), `minigrad.kernels.loops` (the same, compiled), `minigrad.kernels.cpu` (fast kernels),
`minigrad.kernels.cuda` (a GPU). A backend is imported when it is first needed, so that importing
minigrad compiles nothing.

float32 and float64 go to the chosen backend. Integers and complex numbers, which no compiled kernel
takes, go to the reference: exact tests and complex steps use it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import devices

__all__ = ["OPERATIONS", "current_backend", "lookup", "register", "use_backend"]

Array: TypeAlias = NDArray[Any]
Backend: TypeAlias = Literal["reference", "loops", "cpu", "cuda"]

BACKENDS: tuple[Backend, ...] = ("reference", "loops", "cpu", "cuda")
OPERATIONS = (
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "bias_grad",
    "separable_forward",
    "separable_backward",
    "conv2d_forward",
    "conv2d_input_grad",
    "conv2d_kernel_grad",
    "max_pool_forward",
    "max_pool_backward",
)

_table: dict[tuple[str, str], Callable[..., Any]] = {}
_backend: ContextVar[Backend] = ContextVar("minigrad_backend", default="cpu")
_COMPILED = (np.dtype(np.float32), np.dtype(np.float64))


def current_backend() -> Backend:
    """Return the name of the backend in use: "cpu" unless `use_backend` says otherwise.

    Examples
    --------
    >>> current_backend()
    'cpu'
    """
    return _backend.get()


class use_backend(ContextDecorator):
    """Choose the backend inside a ``with`` block or a decorated function, in this thread or task.

    It chooses who computes convolutions and pooling, not where tensors live: results are on the
    device of the arguments. With "cuda", tensors on the CPU are copied to the GPU for each kernel
    and back; with "reference" or "loops", tensors on a GPU are copied to the CPU. Use `Layer.to`
    to keep a whole network on the GPU: there, "cpu" (the default) means the GPU's own kernels.

    Parameters
    ----------
    name : "reference", "loops", "cpu" or "cuda"

    Raises
    ------
    ValueError
        For an unknown name.
    RuntimeError
        On entering with "cuda" where there is none; the text says why, and what to do.

    Examples
    --------
    >>> with use_backend("reference"):
    ...     current_backend()
    'reference'
    """

    def __init__(self, name: str) -> None:
        self._name = _check_backend(name)
        self._tokens: list[Token[Backend]] = []

    def _recreate_cm(self) -> use_backend:
        # contextlib calls this for each call of a decorated function: threads share no tokens.
        return use_backend(self._name)

    def __enter__(self) -> Backend:
        if self._name == "cuda":
            devices.parse("cuda")
        self._tokens.append(_backend.set(self._name))
        return self._name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _backend.reset(self._tokens.pop())


def register(operation: str, backend: str, fn: Callable[..., Any]) -> None:
    """Enter a function in the table, in place of the one that was there.

    Parameters
    ----------
    operation : str
        One of the public functions' names, such as "depthwise_forward".
    backend : str
    fn : callable
        Takes the public function's arguments: C-contiguous arrays of one dtype.

    Raises
    ------
    ValueError
        For an unknown operation or backend.
    """
    if operation not in OPERATIONS:
        raise ValueError(
            f"Unknown operation. Expected one of {', '.join(OPERATIONS)}. "
            f"Received: operation={operation!r}"
        )
    _table[operation, _check_backend(backend)] = fn


def lookup(operation: str, *arrays: Array | None) -> Callable[..., Any]:
    """Return the function for these arrays on the current backend."""
    backend = _backend.get()
    dtype = arrays[0].dtype if arrays[0] is not None else None
    usual = dtype in _COMPILED and backend != "cuda"
    for array in arrays:
        if array is not None and (type(array) is not np.ndarray or array.dtype is not dtype):
            usual = False
    return _entry(operation, backend) if usual else _lookup(operation, backend, arrays)


def _lookup(
    operation: str, backend: Backend, arrays: tuple[Array | None, ...]
) -> Callable[..., Any]:
    """Do what `lookup` does, for any arrays."""
    if _common_dtype(operation, arrays) not in _COMPILED:
        backend = "reference"
    elsewhere = any(type(array) is not np.ndarray for array in arrays if array is not None)
    if elsewhere or backend == "cuda":
        return _elsewhere(operation, backend, arrays)
    return _entry(operation, backend)


def _entry(operation: str, backend: Backend) -> Callable[..., Any]:
    try:
        return _table[operation, backend]
    except KeyError:
        _load(backend)
        return _table[operation, backend]


def _elsewhere(
    operation: str, backend: Backend, arrays: tuple[Array | None, ...]
) -> Callable[..., Any]:
    """Return the function for arrays on a GPU, or for arrays that are to be computed with there.

    What is on a GPU is computed there. Where the backend and the arrays are on different devices
    (the reference for arrays on a GPU, "cuda" for NumPy's), arrays are copied there and back.
    """
    devices.check_same(operation, *arrays)
    home = devices.device_of(next(array for array in arrays if array is not None))
    if backend == "cpu" and home == "cuda":
        backend = "cuda"
    place = "cuda" if backend == "cuda" else "cpu"
    function = _entry(operation, backend)
    return function if place == home else devices.across(function, place, home)


def _common_dtype(operation: str, arrays: tuple[Array | None, ...]) -> np.dtype[Any]:
    """Return the dtype that all arrays share; raise TypeError where there is none or it is odd."""
    dtypes = [array.dtype for array in arrays if array is not None]
    first = dtypes[0]
    if dtypes.count(first) < len(dtypes):
        names = ", ".join(map(str, dtypes))
        raise TypeError(
            f"{operation} needs arrays of one dtype; convert them with astype(). Received: {names}"
        )
    if first not in _COMPILED and first.kind not in "iuc":
        raise TypeError(
            f"{operation} computes in float32 or float64 (and in integers or complex numbers on "
            f"the reference backend); convert the arrays with astype(). Received: dtype={first}"
        )
    return first


def _load(backend: Backend) -> None:
    """Import a backend and enter its functions in the table; keep what was registered by hand.

    What has no kernel for a GPU yet is computed on the CPU.
    """
    if backend == "cuda":
        devices.parse("cuda")
    module = importlib.import_module(f"minigrad.kernels.{backend}")
    for operation in OPERATIONS:
        function = getattr(module, operation, None)
        if function is None:
            function = devices.across(_entry(operation, "cpu"), "cpu", "cuda")
        _table.setdefault((operation, backend), function)


def _check_backend(name: str) -> Backend:
    for known in BACKENDS:
        if name == known:
            return known
    raise ValueError(
        f"Unknown backend. Expected one of {', '.join(BACKENDS)}. Received: backend={name!r}"
    )

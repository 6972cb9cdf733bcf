"""THE decorator: how every CPU kernel is compiled, cached and spread over threads.

No other module uses numba's decorators (a test looks), so the policy below holds everywhere.

Floating point
    Sums may be reordered and multiplications fused with additions, but NaN and infinity keep their
    meaning (`fastmath` without "nnan" and "ninf"), and a division by zero gives infinity.
Threads
    A parallel kernel is the work of ONE task. `ParallelKernel` runs all tasks, on one thread or on
    many; both ways call the very same compiled task, so the bits of the result do not depend on the
    number of threads, provided that tasks write to different places.
Safety
    Threads are not used in a child after fork (GNU OpenMP would kill it), nor by two callers at
    once where numba's "workqueue" layer is in use (it would abort the process).
Cache
    See `minigrad.kernels.cpu.cache`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar, TypeVarTuple, overload

import numba
from numba.core import types
from numba.extending import intrinsic

from minigrad.kernels.cpu.cache import DiskCache, source_stamp

__all__ = ["SPREAD_FROM", "ParallelKernel", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

FASTMATH = ("reassoc", "contract", "nsz", "arcp", "afn")
_FLAGS: dict[str, Any] = {"fastmath": set(FASTMATH), "error_model": "numpy", "nogil": True}
# Only prange itself: array expressions must not become parallel behind our back.
_PARALLEL = {
    "prange": True,
    "comprehension": False,
    "reduction": False,
    "inplace_binop": False,
    "setitem": False,
    "numpy": False,
    "stencil": False,
    "fusion": False,
}
# Taken when this module is imported, together with the sources that the hash is about.
_STAMP = source_stamp(repr((FASTMATH, sorted(_PARALLEL.items()), "error_model=numpy", "nogil")))

SPREAD_FROM = 1 << 17
"""Multiply-adds from which work is spread over threads: below, waking them up costs more."""

_numba: Any = numba  # much of it has no type hints
prange: Any = numba.prange
_never_inline: Any


@overload
def kernel(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def kernel(
    *, parallel: Literal[True]
) -> Callable[[Callable[[int, *Ts], None]], ParallelKernel[*Ts]]: ...
def kernel(function: Callable[..., Any] | None = None, /, *, parallel: bool = False) -> Any:
    """Compile a function when it is first called. ``@kernel`` or ``@kernel(parallel=True)``.

    Parameters
    ----------
    function : callable
        Takes flat C-contiguous arrays and numbers. Arrays that it only reads should be read-only
        (`minigrad.kernels.cpu.layout.flat` makes them so): each combination of array types is
        compiled once.
    parallel : bool
        Whether the function is the work of one task, whose number is the first argument.

    Returns
    -------
    callable
        The compiled function, or the function itself under ``NUMBA_DISABLE_JIT=1``; a
        `ParallelKernel` where `parallel` is true.

    Examples
    --------
    >>> import numpy as np
    >>> @kernel(parallel=True)
    ... def double_row(row, x):
    ...     x[row] *= 2
    >>> x = np.ones((3, 2))
    >>> double_row(3, x.size, x)
    >>> x.sum()
    12.0
    """
    if function is not None:
        return _compile(function, f"{function.__module__}.{function.__qualname__}")
    return ParallelKernel if parallel else kernel


class ParallelKernel(Generic[*Ts]):
    """A kernel whose tasks run on as many threads as are worth it.

    Made by ``@kernel(parallel=True)``. Call it with the number of tasks, the work of all of them
    together (in multiply-adds), and the task's remaining arguments.
    """

    def __init__(self, task: Callable[[int, *Ts], None]) -> None:
        functools.update_wrapper(self, task)
        name = f"{task.__module__}.{task.__qualname__}"
        body = _compile(task, name)

        def one(number: int, *args: Any) -> None:
            _never_inline()
            body(number, *args)

        one_task = _compile(one, f"{name}.one")

        def serial(tasks: int, *args: Any) -> None:
            for number in range(tasks):
                one_task(number, *args)

        def spread(tasks: int, *args: Any) -> None:
            for number in prange(tasks):
                one_task(number, *args)

        self._serial = _compile(serial, f"{name}.serial")
        self._spread = _compile(spread, f"{name}.spread", parallel=_PARALLEL)

    def __call__(self, tasks: int, work: int, *args: *Ts) -> None:
        """Run tasks 0 ... tasks - 1. Which of them runs first is not defined."""
        if tasks > 1 and work >= SPREAD_FROM and _threads.acquire():
            try:
                self._spread(tasks, *args)
            finally:
                _threads.release()
        else:
            self._serial(tasks, *args)


class _Threads:
    """Says whether the caller may use numba's threads now."""

    def __init__(self) -> None:
        self._forked = False
        self._lock: threading.Lock | None = None
        self._layer = ""

    def acquire(self) -> bool:
        """Return whether a parallel launch is allowed; if so, `release` must follow."""
        if self._forked or _numba.config.DISABLE_JIT or _numba.get_num_threads() == 1:
            return False
        if not self._layer:
            self._layer = _numba.threading_layer()
            self._lock = threading.Lock() if self._layer == "workqueue" else None
        if self._lock is None:
            return True
        # A thread that Python does not know is one of workqueue's own, in the middle of a launch.
        foreign = isinstance(threading.current_thread(), threading._DummyThread)
        return not foreign and self._lock.acquire(blocking=False)

    def release(self) -> None:
        """End a parallel launch."""
        if self._lock is not None:
            self._lock.release()

    def note_fork(self) -> None:
        """Use no threads any more: this process is a child, and theirs did not come along."""
        self._forked = True


def _compile(function: Callable[..., Any], name: str, **options: Any) -> Any:
    """Return numba's dispatcher for a function, with our flags and our cache."""
    dispatcher = _numba.njit(**_FLAGS, **options)(function)
    # Functions from elsewhere are not part of the stamp, so they are compiled anew each time.
    if hasattr(dispatcher, "_cache") and name.startswith("minigrad.kernels."):
        dispatcher._cache = DiskCache(name.removeprefix("minigrad.kernels."), _STAMP)
    return dispatcher


def _mark_never_inline(typing_context: Any) -> Any:
    """Keep the function that calls this intrinsic from being merged into its caller.

    The serial and the parallel launcher then run the same instructions. Inlined, a task could be
    compiled differently in each, and round differently.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


if _numba.config.DISABLE_JIT:

    def _never_inline() -> None:
        pass
else:
    _never_inline = intrinsic(_mark_never_inline)

_threads = _Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.note_fork)

"""THE decorator: how every CPU kernel is compiled, cached and spread over threads.

No other module uses numba's decorators (a test looks), so the policy below holds everywhere.

Floating point
    Sums may be reordered and multiplications fused with additions, but NaN and infinity keep their
    meaning (`fastmath` without "nnan" and "ninf"), and a division by zero gives infinity.
Threads
    A parallel kernel is the work of ONE task. `ParallelKernel` runs all tasks, on one thread or on
    many; both ways call the very same compiled task, so the bits of the result do not depend on the
    number of threads, provided that tasks write to different places.
    A thread that waits for work looks for it some ten microseconds long, then it sleeps (unless
    the environment sets ``OMP_WAIT_POLICY``). GNU OpenMP's default is to spin on: on a busy machine
    each launch takes milliseconds then. To sleep at once makes a training step a tenth longer.
Safety
    Threads are not used in a child after fork (GNU OpenMP would kill it), nor by two callers at
    once where numba's "workqueue" layer is in use (it would abort the process).
Cache
    See `minigrad.kernels.cpu.cache`.
Waiting
    See `minigrad.kernels.cpu.notice`.
"""

from __future__ import annotations

import functools
import operator
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar, TypeVarTuple, overload

import numba
import numpy as np
from numba.core import cgutils

from minigrad.kernels.cpu import notice
from minigrad.kernels.cpu.cache import DiskCache, source_stamp
from minigrad.kernels.cpu.compiler import pipeline

__all__ = ["SPREAD_FROM", "ParallelKernel", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

FASTMATH = ("reassoc", "contract", "nsz", "arcp", "afn")
_FLAGS: dict[str, Any] = {"fastmath": set(FASTMATH), "error_model": "numpy", "nogil": True}
# How to be called from Python and C: superfluous where other compiled code calls.
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
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

if "OMP_WAIT_POLICY" not in os.environ:  # both are read when numba starts its threads
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

SPREAD_FROM = 1 << 19
"""Multiply-adds from which work is spread over threads: below, waking them up costs more."""

APART = 8
"""Numbers from one thread's counter to the next: each one has a cache line for itself."""

_numba: Any = numba  # much of it has no type hints
_cgutils: Any = cgutils
_kind = operator.attrgetter("dtype", "ndim")  # of an array; in a loop that runs in C
prange: Any = numba.prange
DISABLE_JIT = bool(_numba.config.DISABLE_JIT)


@overload
def kernel(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def kernel(
    *, parallel: Literal[True]
) -> Callable[[Callable[[int, *Ts], None]], ParallelKernel[*Ts]]: ...
@overload
def kernel(*, inner: Literal[True]) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def kernel(
    function: Callable[..., Any] | None = None,
    /,
    *,
    parallel: bool = False,
    inner: bool = False,
) -> Any:
    """Compile a function when it is first called: ``@kernel``, or with one of the options.

    Parameters
    ----------
    function : callable
        Takes C-contiguous arrays and numbers. Arrays that it only reads should be read-only
        (`minigrad.kernels.cpu.layout.read_only` makes them so): each combination of array types
        is compiled once.
    parallel : bool
        Whether the function is the work of one task, whose number is the first argument.
    inner : bool
        Whether only other kernels call the function. It then cannot be called from Python, and
        compiles faster.

    Returns
    -------
    callable
        The compiled function, or the function itself under ``NUMBA_DISABLE_JIT=1``; a
        `ParallelKernel` where `parallel` is true.

    Examples
    --------
    >>> import numpy as np
    >>> @kernel(parallel=True)
    ... def double(number, x):
    ...     x[number] *= 2
    >>> x = np.ones(3)
    >>> double(3, x.size, x)
    >>> x
    array([2., 2., 2.])
    """
    if function is not None:
        return _compile(function, **pipeline(inner=False))
    if parallel:
        return ParallelKernel
    return _compile_inner if inner else kernel


class ParallelKernel(Generic[*Ts]):
    """A kernel whose tasks run on as many threads as are worth it.

    Made by ``@kernel(parallel=True)``. Call it with the number of tasks, the work of all of them
    together (in multiply-adds), and the task's remaining arguments: C-contiguous arrays and ints.
    """

    def __init__(self, task: Callable[[int, *Ts], None]) -> None:
        functools.update_wrapper(self, task)
        self.__name__ = task.__name__
        self._task = _compile(task, **_NO_WRAPPERS, **pipeline(inner=False))
        self._addresses: dict[tuple[object, ...], int] = {}

    def __call__(self, tasks: int, work: int, *args: *Ts) -> None:
        """Run tasks 0 ... tasks - 1. Which of them runs first is not defined."""
        if DISABLE_JIT:
            for number in range(tasks):
                self._task(number, *args)
            return
        try:
            kinds: tuple[object, ...] = tuple(map(_kind, args))
        except AttributeError:  # numbers are among them
            kinds = tuple([_kind(a) if isinstance(a, np.ndarray) else type(a) for a in args])
        address = self._addresses.get(kinds)
        if address is None:
            address = self._addresses[kinds] = self._compile(args)
        if tasks > 1 and work >= SPREAD_FROM and (threads := _threads.acquire()):
            try:
                failed = _run_on_threads(tasks, min(tasks, threads), address, *args)
            finally:
                _threads.release()
        else:
            failed = _run_in_order(tasks, address, *args)
        if failed:
            # Kernels do no more than allocate a scratch array, so nothing else can go wrong.
            raise MemoryError(f"A task of the kernel {self.__name__} could not get its memory")

    def _compile(self, args: tuple[Any, ...]) -> int:
        """Return the address of the task's machine code for arguments like these."""
        dispatcher: Any = self._task
        signature = (numba.int64, *(_numba.typeof(arg) for arg in args))
        dispatcher.compile(signature)
        compiled = dispatcher.overloads[signature]
        name = compiled.fndesc.llvm_func_name
        return int(compiled.library.get_pointer_to_function(name))


class _Threads:
    """Says whether the caller may use numba's threads now."""

    def __init__(self) -> None:
        self._usable = True
        self._layer = ""
        self._lock = threading.Lock()

    def acquire(self) -> int:
        """Return how many threads a parallel launch may use; if it may, `release` must follow."""
        if not self._usable:
            return 0
        try:
            threads = int(_numba.get_num_threads())
            if threads == 1:
                return 0
            if not self._layer:
                self._layer = _numba.threading_layer()
        except ValueError:  # the layer that NUMBA_THREADING_LAYER asks for is not there
            self._usable = False
            return 0
        if self._layer != "workqueue":
            return threads
        # A thread that Python does not know is one of workqueue's own, in the middle of a launch.
        foreign = isinstance(threading.current_thread(), threading._DummyThread)
        return threads if not foreign and self._lock.acquire(blocking=False) else 0

    def release(self) -> None:
        """End a parallel launch."""
        if self._layer == "workqueue":
            self._lock.release()

    def note_fork(self) -> None:
        """Use no threads any more: this process is a child, and theirs did not come along."""
        self._usable = False


def _compile(function: Callable[..., Any], cached: bool = True, **options: Any) -> Any:
    """Return numba's dispatcher for a function, with our flags and our cache."""
    dispatcher = _numba.njit(**_FLAGS, **options)(function)
    name = f"{function.__module__}.{function.__qualname__}"
    # Functions from elsewhere are not part of the stamp, so they are compiled anew each time.
    if cached and hasattr(dispatcher, "_cache") and name.startswith("minigrad.kernels."):
        dispatcher._cache = DiskCache(name.removeprefix("minigrad.kernels."), _STAMP)
    return dispatcher


def _compile_inner(function: Callable[..., Any]) -> Any:
    """Return the dispatcher of a function for other kernels, compiled once per types of arguments.

    By itself, numba would compile a function anew for each literal number that it is called with.
    """
    how = pipeline(inner=True)
    # Where there is no machine code of its own, there is nothing to keep on disk, either.
    dispatcher = _compile(function, cached=not how, **_NO_WRAPPERS, **how)
    if not DISABLE_JIT:
        template = dispatcher.get_call_template

        def of_any_value(args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            return template(tuple(_numba.types.unliteral(arg) for arg in args), keywords)

        dispatcher.get_call_template = of_any_value
    return dispatcher


def _call_address(typing_context: Any, address: Any, number: Any, arguments: Any) -> Any:
    """Call the compiled task at an address; return whether it failed: task(number, *arguments)."""
    if not all(t.layout == "C" for t in arguments.types if isinstance(t, _numba.types.Array)):
        raise _numba.errors.TypingError("kernels take C-contiguous arrays only")
    none = _numba.types.none
    types = (number, *arguments.types)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function_type = context.call_conv.get_function_type(none, types)
        function = builder.inttoptr(values[0], function_type.as_pointer())
        members = _cgutils.unpack_tuple(builder, values[2], len(arguments))
        status, _ = context.call_conv.call_function(
            builder, function, none, types, [values[1], *members]
        )
        return status.is_error

    return _numba.types.boolean(address, number, arguments), generate


_call: Any = _numba.extending.intrinsic(_call_address)


def _in_order(tasks: int, address: int, *args: Any) -> bool:
    failed = False
    for number in range(tasks):
        failed |= _call(address, number, args)
    return failed


def _take_task(typing_context: Any, counters: Any, index: Any) -> Any:
    """Return counters[index], and count it up, as one step that no other thread comes between."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        place = builder.gep(array.data, [values[1]])
        return builder.atomic_rmw("add", place, _cgutils.intp_t(1), "monotonic")

    return _numba.int64(counters, index), generate


_take: Any = _numba.extending.intrinsic(_take_task)


def _on_threads(tasks: int, threads: int, address: int, *args: Any) -> bool:
    """Give each thread an equal share of the tasks; who is done helps the others.

    For a thread may come late: it slept, or its processor had other work.
    """
    counters = np.empty(threads * APART, np.int64)
    for share in range(threads):
        counters[share * APART] = share * tasks // threads
    failed = np.zeros(1, np.bool_)
    for thread in prange(threads):
        for other in range(threads):
            share = (thread + other) % threads
            end = (share + 1) * tasks // threads
            number = _take(counters, share * APART)
            while number < end:
                if _call(address, number, args):
                    failed[0] = True
                number = _take(counters, share * APART)
    return bool(failed[0])


_run_in_order = _compile(_in_order, **pipeline(inner=False))
_run_on_threads = _compile(_on_threads, parallel=_PARALLEL)
_threads = _Threads()
notice.listen()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.note_fork)

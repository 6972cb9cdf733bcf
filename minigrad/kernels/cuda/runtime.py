"""Everything that touches `numba.cuda`: its import, the decorator for kernels, and launches.

There are three worlds, and kernels are written once for all of them:

a GPU
    NVIDIA's package numba-cuda compiles, CuPy owns the memory.
the simulator
    ``NUMBA_ENABLE_CUDASIM=1``: numba runs a kernel's threads as threads of the processor, and
    `SimulatedArray` stands for memory on the device. Slow, and needs nothing but numba.
neither
    Importing works all the same; `reason` says what is missing, and launches raise it.

Kernel modules say ``from minigrad.kernels.cuda.runtime import cuda, jit``: the simulator exchanges
module globals that are the module `cuda`, and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, overload

import numba
import numpy as np

from minigrad.kernels.simulated import SimulatedArray

__all__ = [
    "adopt",
    "available",
    "blocks",
    "compute_capability",
    "cuda",
    "current_device",
    "device_name",
    "empty",
    "intrinsic",
    "jit",
    "launch",
    "multiprocessors",
    "reason",
    "require",
    "seconds",
    "simulated",
    "special",
    "synchronize",
    "upload",
    "zeros",
]

INSTALL = "pip install 'minigrad[cuda]'"
MINIMUM = (7, 5)
"""The oldest compute capability that the toolkit of the extra compiles for."""

_SIMULATOR_OPTIONS = ("device", "debug", "inline", "fastmath", "opt")
_one_at_a_time = threading.Lock()  # the simulator can run one kernel only


class _Missing:
    """Stands for `numba.cuda` where it cannot be imported."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"CUDA is not available: {self.why}")


def _import() -> Any:
    """Return the module numba.cuda, or what stands for it.

    numba-cuda raises errors of many kinds where a library is missing, so all of them count.
    """
    os.environ.setdefault("NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS", "0")  # small grids are no mistake
    numba.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # read by then, where numba was imported before
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from numba import cuda
    except Exception as error:
        return _Missing(f"numba.cuda cannot be imported ({_line(error)}); {INSTALL}")
    return cuda


def _line(error: object) -> str:
    """Return the text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


cuda: Any = _import()
intrinsic: Any = None
"""The decorator for functions written in LLVM's language, where there is a compiler."""
with contextlib.suppress(Exception):
    intrinsic = importlib.import_module("numba.cuda.extending").intrinsic


def simulated() -> bool:
    """Whether kernels run in numba's simulator."""
    return bool(numba.config.ENABLE_CUDASIM) and not isinstance(cuda, _Missing)


def available() -> bool:
    """Whether ``device="cuda"`` works here: on a GPU or in the simulator."""
    return reason() is None


@functools.cache
def reason() -> str | None:
    """Return why CUDA is off and what would change that, in one line; None where it works."""
    if isinstance(cuda, _Missing):
        return cuda.why
    if simulated():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _driver_problem() or _package_problem() or _device_problem()
        except Exception as error:
            return f"looking for a GPU failed: {type(error).__name__}: {_line(error)}"


def _driver_error() -> str | None:
    from numba.cuda.cudadrv.driver import driver

    return None if driver.is_available else _line(driver.initialization_error or "none was found")


def _driver_problem() -> str | None:
    error = _driver_error()
    if error is None:
        return None
    why = error.partition(". ")[0]
    return f"no NVIDIA driver answers ({why}); use a machine with an NVIDIA GPU, or device='cpu'"


def _package_problem() -> str | None:
    if getattr(cuda, "implementation", "Built-in") != "NVIDIA":
        return f"numba's built-in CUDA target is no longer maintained, numba-cuda is; {INSTALL}"
    if importlib.util.find_spec("cupy") is None:
        return f"CuPy, which holds the memory of tensors, is not installed; {INSTALL}"
    if not hasattr(np, "row_stack"):
        return f"numba-cuda needs an older NumPy than {np.__version__}; pip install 'numpy<2.5'"
    if not cuda.is_available():
        return f"no CUDA toolkit (libnvvm) was found; {INSTALL}"
    error = _cupy_error()
    return None if error is None else f"CuPy cannot be imported ({error}); {INSTALL}"


def _cupy_error() -> str | None:
    """Return what keeps CuPy from computing, matrix products as well; None where it works."""
    try:
        importlib.import_module("cupy")
        importlib.import_module("cupy_backends.cuda.libs.cublas")
    except Exception as error:
        return _line(error)
    return None


def _device_problem() -> str | None:
    found = compute_capability()
    if found < MINIMUM:
        return (
            f"{device_name()} has compute capability {found[0]}.{found[1]}, and kernels are "
            f"compiled for {MINIMUM[0]}.{MINIMUM[1]} and newer; use a newer GPU or device='cpu'"
        )
    return None


def require() -> None:
    """Raise RuntimeError, with the reason and what to do, unless CUDA works here."""
    why = reason()
    if why is not None:
        raise RuntimeError(f"CUDA is not available: {why}.")


# --- the device -------------------------------------------------------------------------------


def current_device() -> int:
    """Return the number of the current GPU; the simulator's is 0."""
    return 0 if simulated() else int(cuda.get_current_device().id)


def device_name() -> str:
    """Return the name of the current GPU, or "simulator"."""
    if simulated():
        return "simulator"
    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


def compute_capability() -> tuple[int, int]:
    """Return the compute capability of the current GPU; the simulator's is (0, 0)."""
    if simulated():
        return (0, 0)
    major, minor = cuda.get_current_device().compute_capability
    return int(major), int(minor)


def multiprocessors() -> int:
    """Return the number of multiprocessors of the current GPU; the simulator has 1."""
    return 1 if simulated() else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)


def synchronize() -> None:
    """Wait until the device has done everything it was asked to do."""
    if not simulated():
        cuda.synchronize()


def seconds(step: Callable[[], object]) -> float:
    """Return how long the device is busy with ``step``, by events; the simulator's is wall time."""
    if simulated():
        began = time.perf_counter()
        step()
        return time.perf_counter() - began
    first, last = cuda.event(timing=True), cuda.event(timing=True)
    first.record(_stream())
    step()
    last.record(_stream())
    last.synchronize()
    return float(first.elapsed_time(last)) / 1e3


# --- kernels ----------------------------------------------------------------------------------


@overload
def jit(function: Callable[..., Any]) -> Any: ...
@overload
def jit(**options: Any) -> Callable[[Callable[..., Any]], Any]: ...
def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a kernel, or with ``device=True`` a function for kernels; policy lives here.

    Compilation is lazy (it needs a device), without numba's disk cache (which does not see edits in
    other files), and without fast-math: NaN and infinity mean what they mean on the CPU, while
    multiply-adds are fused in any case. Options are those of ``numba.cuda.jit``; what the simulator
    does not know, such as ``launch_bounds``, is dropped there.

    The kernel is a function of module globals only; it stays at hand as ``py_func``.
    """
    if function is None:
        return functools.partial(jit, **options)
    if isinstance(cuda, _Missing):
        return _Uncompiled(function)
    if simulated():
        options = {name: value for name, value in options.items() if name in _SIMULATOR_OPTIONS}
    return cuda.jit(**options)(function)


class _Uncompiled:
    """A kernel where there is no compiler."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        functools.update_wrapper(self, function)

    def __getitem__(self, configuration: Any) -> Any:
        require()

    def __call__(self, *args: Any) -> Any:
        require()


def blocks(count: int, size: int) -> int:
    """Return how many blocks of ``size`` cover ``count`` items: at least one.

    Examples
    --------
    >>> blocks(100, 32), blocks(96, 32), blocks(0, 32)
    (4, 3, 1)
    """
    return max(1, -(-count // size))


def launch(
    kernel: Any,
    grid: int | Sequence[int],
    block: int | Sequence[int],
    *arguments: Any,
    shared: int = 0,
) -> None:
    """Run a kernel on the device, behind what was asked of CuPy's current stream before.

    Parameters
    ----------
    kernel : callable
        What `jit` returned.
    grid, block : int or sequence of int
        Blocks, and threads in a block, along one to three axes.
    *arguments
        Device arrays (the simulator takes NumPy arrays as well) and numbers.
    shared : int
        Bytes of dynamic shared memory.
    """
    require()
    if simulated():
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # indices wrap around on purpose
            kernel[grid, block, 0, shared](*map(_simulated_argument, arguments))
    else:
        kernel[grid, block, _stream(), shared](*map(_device_argument, arguments))


def _stream() -> Any:
    """Return CuPy's current stream, in whose order its kernels run and its memory is reused."""
    import cupy

    pointer = cupy.cuda.get_current_stream().ptr
    return cuda.external_stream(pointer) if pointer else 0


def _device_argument(value: Any) -> Any:
    """Return a device array as numba's, without waiting: it is used on the stream that made it."""
    if hasattr(value, "__cuda_array_interface__"):
        return cuda.as_cuda_array(value, sync=False)
    return value


def _simulated_argument(value: Any) -> Any:
    """Return an array as one that the simulator works on in place instead of copying it."""
    if isinstance(value, SimulatedArray):
        value = value.host
    if not isinstance(value, np.ndarray):
        return value
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    return FakeCUDAArray(value)


def special(name: str, x: Any) -> Any:
    """Return a function of SciPy's collection that NumPy lacks, of a device array."""
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    if simulated():
        from minigrad.kernels.cpu import elementwise

        return SimulatedArray(getattr(elementwise, name)(x.host))
    import cupyx.scipy.special

    return getattr(cupyx.scipy.special, name)(x)


# --- memory -----------------------------------------------------------------------------------


def upload(array: np.ndarray[Any, Any]) -> Any:
    """Return a copy of a NumPy array on the device."""
    if simulated():
        return SimulatedArray(np.array(array))
    import cupy

    return cupy.array(array)


def adopt(value: Any) -> Any:
    """Return another library's array on the current GPU as CuPy's, in the same memory."""
    if simulated():
        raise BufferError(
            "The simulator cannot see the memory of a GPU; unset NUMBA_ENABLE_CUDASIM."
        )
    import cupy

    array = cupy.from_dlpack(value) if hasattr(value, "__dlpack__") else cupy.asarray(value)
    if array.device.id != current_device():
        raise BufferError(
            f"minigrad works on one GPU, number {current_device()} here; copy the array to it. "
            f"Received: an array on GPU number {array.device.id}"
        )
    return array


def empty(shape: int | Sequence[int], dtype: Any) -> Any:
    """Return an uninitialised device array.

    The simulator fills it with NaN (integers with their smallest number), so that what a kernel
    forgot to write shows.
    """
    if not simulated():
        import cupy

        return cupy.empty(shape, dtype)
    dtype = np.dtype(dtype)
    garbage = np.nan if dtype.kind in "fc" else np.iinfo(dtype).min if dtype.kind in "iu" else True
    return SimulatedArray(np.full(shape, garbage, dtype))


def zeros(shape: int | Sequence[int], dtype: Any) -> Any:
    """Return a device array of zeros."""
    if not simulated():
        import cupy

        return cupy.zeros(shape, dtype)
    return SimulatedArray(np.zeros(shape, dtype))

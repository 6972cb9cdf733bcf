"""What `minigrad.doctor` asks about CUDA: versions, what does not fit, and whether a kernel runs.

The kernel runs in a process of its own, with a time limit: a broken driver can end a process, and
a kernel must not leave its traces in this one.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minigrad.kernels.cuda import runtime
from minigrad.kernels.cuda.runtime import cuda, jit

__all__ = ["Line", "lines"]

Line = tuple[str, str, str | None]
"""A subject, how it is, and the command that would mend it."""

_COMMAND = (sys.executable, "-m", "minigrad.kernels.cuda.probe")
TIMEOUT = 120  # seconds; the first kernel of a process is compiled
_NVIDIA = "0x10de"  # its number among the makers of PCI devices
_PINNED = f"{runtime.INSTALL} 'cuda-toolkit==13.0.*'"


def lines() -> Iterator[Line]:
    """Yield what there is to say about CUDA, one subject after the other."""
    supported = _driver_version()
    yield "driver", *_driver(supported)
    yield "toolkit", *_toolkit(supported)
    for name in ("numba-cuda", "cupy-cuda13x"):
        version = _version(name)
        needed = runtime.INSTALL if supported is not None and version is None else None
        yield name, version or "not installed (only a GPU needs it)", needed
    yield "CUDA", *_kernel()


def _driver(supported: tuple[int, int] | None) -> tuple[str, str | None]:
    if supported is not None:
        return f"for CUDA {supported[0]}.{supported[1]} and older", None
    if any(_NVIDIA in path.read_text() for path in Path("/sys/bus/pci/devices").glob("*/vendor")):
        return "none answers, though there is an NVIDIA device", "sudo ubuntu-drivers install"
    return "none, and no NVIDIA device was found", None


def _toolkit(supported: tuple[int, int] | None) -> tuple[str, str | None]:
    """Compare the compiler with the driver and the linker, which must not be older."""
    compiler, linker = _version("nvidia-nvvm"), _version("nvidia-nvjitlink")
    if compiler is None:
        return "not installed (only a GPU needs it)", None if supported is None else runtime.INSTALL
    shown = f"nvvm {compiler}, nvjitlink {linker or 'not installed'}"
    if linker is None or _release(linker) < _release(compiler):
        return f"{shown}: the linker is older than the compiler", _PINNED
    if supported is not None and _release(compiler) > supported:
        return f"{shown}: its PTX is newer than the driver understands", _PINNED
    return shown, None


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver_version() -> tuple[int, int] | None:
    """Return the newest CUDA that the driver works with; None without a driver."""
    if runtime.simulated():
        return None
    try:
        from numba.cuda.cudadrv.driver import driver

        major, minor = driver.get_version()
    except Exception:  # no library, no driver, no device: all the same here
        return None
    return int(major), int(minor)


def _kernel() -> tuple[str, str | None]:
    why = runtime.reason()
    if why is not None:
        state, _, advice = why.rpartition("; ")
        return f"off: {state}", advice
    try:
        done = subprocess.run(_COMMAND, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"broken: a kernel did not end within {TIMEOUT} s", "nvidia-smi"
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return f"broken: a kernel failed: {last}", _PINNED
    return str(json.loads(done.stdout)), None


@jit
def _double(x, y, size):  # type: ignore[no-untyped-def]
    """Thread i doubles number i."""
    i = cuda.grid(1)
    if i < size:
        y[i] = x[i] + x[i]


def _run() -> str:
    """Run a kernel, look at what it computed, and describe the device."""
    size = 40
    x = runtime.upload(np.arange(size, dtype=np.float32))
    y = runtime.empty(size, np.float32)
    runtime.launch(_double, runtime.blocks(size, 32), 32, x, y, size)
    wrong = int((y.get() != 2 * np.arange(size)).sum())
    if wrong:
        raise RuntimeError(f"{wrong} of {size} results of a kernel are wrong")
    major, minor = runtime.compute_capability()
    model = "" if runtime.simulated() else f", compute capability {major}.{minor}"
    return f"{runtime.device_name()}{model}: kernels run"


if __name__ == "__main__":
    print(json.dumps(_run()))

"""What the machine can do at best: products of matrices and copies, as NumPy does them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

__all__ = ["copy_speed", "gpu_speeds", "product_speed"]


def product_speed(size: int = 1536, repeats: int = 12) -> float:
    """Return the speed of a float32 matrix product, in floating-point operations per second.

    Parameters
    ----------
    size : int
        Rows and columns of the matrices.
    repeats : int
        The fastest of so many counts. NumPy's library uses the threads it was started with.

    Examples
    --------
    >>> product_speed(64, 2) > 0.0
    True
    """
    a, b = np.ones((2, size, size), np.float32)
    out = np.empty_like(a)
    return 2.0 * size**3 / _shortest(lambda: np.matmul(a, b, out), repeats)


def copy_speed(threads: int, size: int = 1 << 27, repeats: int = 12) -> float:
    """Return the speed of copying, in bytes per second, read and written bytes together.

    Parameters
    ----------
    threads : int
        How many threads share the work.
    size : int
        Bytes to copy: many more than caches hold.
    repeats : int
        The fastest of so many counts.

    Examples
    --------
    >>> copy_speed(1, 1 << 16, 2) > 0.0
    True
    """
    parts = np.array_split(np.ones(size, np.uint8), threads)
    copies = [np.zeros_like(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(np.copyto, copies, parts))

        return 2.0 * size / _shortest(copy, repeats)


def gpu_speeds(size: int = 8192, length: int = 1 << 28, repeats: int = 12) -> dict[str, float]:
    """Return the speeds of a product and of a copy on a GPU, as `report.Ceilings` takes them.

    Parameters
    ----------
    size : int
        Rows and columns of the float32 matrices; TF32 is off, as CuPy leaves it.
    length : int
        How many float32 to copy.
    repeats : int
        The fastest of so many counts, by events.
    """
    from minigrad.kernels.cuda import runtime  # needs CUDA, or the simulator

    if runtime.simulated():  # on the CPU, where it only has to work
        size, length = min(size, 64), min(length, 1 << 10)
    matrix = runtime.upload(np.ones((size, size), np.float32))
    source, target = runtime.zeros(length, np.float32), runtime.empty(length, np.float32)

    def best(step: Callable[[], object]) -> float:
        step()
        return min(runtime.seconds(step) for _ in range(repeats))

    return {
        "product": 2.0 * size**3 / best(lambda: np.matmul(matrix, matrix)),
        "copy": 8.0 * length / best(lambda: np.copyto(target, source)),
    }


def _shortest(function: Callable[[], object], repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)

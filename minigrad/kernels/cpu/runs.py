"""Work on flat arrays, cut into runs of elements.

The kernels here all take four inputs, three outputs and a list of sizes, as those of the
convolutions do: what launches them on threads is compiled once for each list of types.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from minigrad.kernels.cpu.layout import Array, Numbers

__all__ = ["flat", "runs", "sizes_of"]

Arguments: TypeAlias = tuple[Array, Array, Array, Array, Array, Array, Array]

RUN = 1 << 13
"""Elements in a run: 32 or 64 KB of each array, which is enough to pay for starting a task."""


@functools.lru_cache(256)
def runs(size: int) -> tuple[int, Numbers]:
    """Return the number of runs in so many elements, and the sizes for the kernel: (run,).

    Examples
    --------
    >>> runs(20000)
    (3, array([8192]))
    """
    return -(-size // RUN), sizes_of(RUN)


def sizes_of(*numbers: int) -> Numbers:
    """Return integers as an array for a kernel."""
    found = np.array(numbers, np.int64)
    found.setflags(write=False)
    return found


def flat(inputs: Sequence[Array], outputs: Sequence[Array]) -> Arguments:
    """Return flat views of C-contiguous arrays, read-only ones of the inputs.

    The last of the inputs (of the outputs) stands in for those that are missing up to four (three).
    """
    views = [array.reshape(-1) for array in inputs]
    for view in views:
        view.setflags(write=False)
    a, b, c, d = views + [views[-1]] * (4 - len(views))
    results = [array.reshape(-1) for array in outputs]
    x, y, z = results + [results[-1]] * (3 - len(results))
    return a, b, c, d, x, y, z

"""Work on flat arrays, cut into runs of elements.

The kernels here all take four inputs, three outputs and a list of sizes, as those of the
convolutions do: what launches them on threads is compiled once for each list of types.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from minigrad.kernels.cpu.layout import Array, Numbers

__all__ = ["Rows", "flat", "repeated", "row_runs", "runs", "sizes_of"]

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


Rows: TypeAlias = tuple[int, int, int]
"""An array as (outer, repeats, inner): rows of `inner` elements, of which `repeats` go together."""


@functools.lru_cache(256)
def row_runs(rows: Rows) -> tuple[int, Numbers]:
    """Return the number of runs of outer indices, and the sizes: (per run, repeats, inner, outer).

    Examples
    --------
    >>> row_runs((3, 784, 16))
    (3, array([  1, 784,  16,   3]))
    """
    outer, repeats, inner = rows
    per_run = max(1, RUN // max(repeats * inner, 1))
    return -(-outer // per_run), sizes_of(per_run, repeats, inner, outer)


def repeated(x: Array) -> tuple[Array, Rows] | None:
    """Return (array, rows) if x is that array with each row repeated in place, as by broadcasting.

    Examples
    --------
    >>> array, rows = repeated(np.broadcast_to(np.ones((5, 1, 1, 3)), (5, 2, 4, 3)))
    >>> array.shape, rows
    ((5, 3), (5, 8, 3))
    """
    axes = [axis for axis, stride in enumerate(x.strides) if stride == 0]
    if not x.size or not axes or axes[-1] - axes[0] >= len(axes):
        return None
    first, last = axes[0], axes[-1] + 1
    array = x[(slice(None),) * first + (0,) * len(axes)]
    if not array.flags.c_contiguous:
        return None
    shape = x.shape
    return array, (math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:]))


def sizes_of(*numbers: int) -> Numbers:
    """Return integers as an array for a kernel."""
    found = np.array(numbers, np.int64)
    found.setflags(write=False)
    return found


def flat(inputs: Sequence[Array], outputs: Sequence[Array]) -> Arguments:
    """Return flat views of C-contiguous arrays, read-only ones of the inputs.

    The last of the inputs (of the outputs) stands in for those that are missing up to four (three).
    """
    views = [np.ascontiguousarray(array).reshape(-1) for array in inputs]
    for view in views:
        view.setflags(write=False)
    a, b, c, d = views + [views[-1]] * (4 - len(views))
    results = [array.reshape(-1) for array in outputs]
    x, y, z = results + [results[-1]] * (3 - len(results))
    return a, b, c, d, x, y, z

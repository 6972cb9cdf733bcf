"""How arrays enter and leave the compiled kernels.

Kernels see C-contiguous arrays with the channels last, and their inputs are read-only. So each
kernel is compiled once per dtype, cannot write to its inputs (the compiler refuses), and its
innermost loop runs over neighbouring channels, which processors like. Arrays with channels first
are transposed on the way in and out: one pass over memory, small beside a convolution's work.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad._validate import DataFormat

__all__ = [
    "Array",
    "Numbers",
    "add_chunks",
    "chunking",
    "flat",
    "from_last",
    "read_only",
    "repeat_channels",
    "sum_repeated",
    "to_last",
]

Array: TypeAlias = NDArray[Any]
Numbers: TypeAlias = NDArray[np.int64]
"""`ConvGeometry.numbers`: H, W, H', W', kh, kw, sh, sw, dh, dw, top, left."""

MOST_CHUNKS = 64
MOST_PARTIAL_SUMS = 1 << 20


def to_last(x: Array, data_format: DataFormat) -> Array:
    """Return images with the channels last, C-contiguous; a copy only where they are first."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if data_format == "channels_first" else x


def from_last(x: Array, data_format: DataFormat) -> Array:
    """Return channels_last images in `data_format`, C-contiguous: the inverse of `to_last`."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if data_format == "channels_first" else x


def read_only(x: Array) -> Array:
    """Return a read-only view of a C-contiguous array: the form of a kernel's inputs."""
    view = x.view()
    view.setflags(write=False)
    return view


def flat(x: Array) -> Array:
    """Return a flat read-only view of a C-contiguous array."""
    view = x.reshape(-1)
    view.setflags(write=False)
    return view


def repeat_channels(x: Array, times: int) -> Array:
    """Return (N, H, W, C) images with each channel `times` times: (N, H, W, C times).

    So a depthwise convolution with several kernels per channel becomes one with one kernel. That
    pays where channels are fewer than a vector has lanes.
    """
    shape = (*x.shape, times)
    repeated = np.ascontiguousarray(np.broadcast_to(x[..., np.newaxis], shape))
    return repeated.reshape(*x.shape[:3], x.shape[3] * times)


def sum_repeated(dx: Array, times: int) -> Array:
    """Return the sum over each channel's repetitions: the gradient of `repeat_channels`."""
    n, h, w, channels = dx.shape
    return np.asarray(dx.reshape(n, h, w, channels // times, times).sum(axis=-1))


def add_chunks(partial: Array) -> Array:
    """Return the sum of the chunks' partial sums, (chunks, ...) -> (...), always in one order."""
    return np.asarray(partial.sum(axis=0))


def chunking(tasks: int, size: int) -> tuple[int, int]:
    """Return (chunks, tasks per chunk) for a sum over tasks whose result has `size` elements.

    Each chunk adds up its tasks in order, on one thread; the chunks' partial sums are added in
    order afterwards. The chunks depend on the shapes only, never on the number of threads, so the
    rounding does not either. Many chunks occupy many threads and round less; but their partial sums
    must fit in memory.
    """
    most = max(1, min(MOST_CHUNKS, MOST_PARTIAL_SUMS // max(size, 1)))
    per_chunk = max(1, -(-tasks // most))
    return -(-tasks // per_chunk), per_chunk

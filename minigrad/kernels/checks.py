"""What the public kernels check first: shapes that fit, and memory that compiled code can read.

A compiled kernel does not look at array bounds, so an array of the wrong shape must not reach it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.geometry import ConvGeometry, join_shape, split_shape

__all__ = [
    "check_input",
    "check_kernel",
    "check_output",
    "check_pointwise",
    "expect",
    "plain",
    "plain_or_none",
]

Array: TypeAlias = NDArray[Any]


def plain(array: Array) -> Array:
    """Return the array C-contiguous and aligned, which is what kernels are made for.

    A subclass of ndarray becomes an ndarray. Nothing is copied where nothing needs to change.
    """
    if type(array) is np.ndarray and array.flags.c_contiguous and array.flags.aligned:
        return array
    if not isinstance(array, np.ndarray):
        return np.ascontiguousarray(array, like=array)  # on a GPU, where memory is aligned
    return np.array(array, order="C", subok=False)


def plain_or_none(array: Array | None) -> Array | None:
    """Return `plain(array)`, or None for None."""
    return None if array is None else plain(array)


def expect(name: str, what: str, received: object, expected: object) -> None:
    """Raise ValueError, with the name and the property in its text, unless the two are equal."""
    if received != expected:
        raise ValueError(f"Expected {name} with {what} {expected}. Received: {received}")


def check_input(x: Array, geometry: ConvGeometry) -> tuple[int, int, int]:
    """Check an image batch at the input of a window; return (N, C, pixels per image)."""
    batch, height, width, channels = split_shape(x.shape, geometry.data_format)
    if (height, width) != geometry.input_size:
        expect("x", "height and width", (height, width), geometry.input_size)
    return batch, channels, height * width


def check_output(
    dy: Array, geometry: ConvGeometry, batch: int | None, channels: int | None
) -> None:
    """Check an image batch at the output of a window."""
    received = split_shape(dy.shape, geometry.data_format)
    expected = (
        received[0] if batch is None else batch,
        *geometry.output_size,
        received[3] if channels is None else channels,
    )
    if received != expected:
        expect("dy", "shape", dy.shape, join_shape(*expected, geometry.data_format))


def check_kernel(kernel: Array, geometry: ConvGeometry, channels: int | None) -> None:
    """Check a depthwise kernel, (kh, kw, C, M)."""
    if kernel.ndim != 4 or kernel.shape[:2] != geometry.kernel_size:
        kh, kw = geometry.kernel_size
        expect("a depthwise kernel", "shape", kernel.shape, f"({kh}, {kw}, C, M)")
    if channels is not None and kernel.shape[2] != channels:
        expect("a depthwise kernel", "C =", kernel.shape[2], channels)


def check_pointwise(kernel: Array, channels: int | None, bias: Array | None) -> None:
    """Check a pointwise kernel, (1, 1, K, F), and its bias, (F,)."""
    if kernel.ndim != 4 or kernel.shape[:2] != (1, 1):
        expect("a pointwise kernel", "shape", kernel.shape, "(1, 1, K, F)")
    if channels is not None and kernel.shape[2] != channels:
        expect("a pointwise kernel", "K =", kernel.shape[2], channels)
    if bias is not None and bias.shape != kernel.shape[3:]:
        expect("a bias", "shape", bias.shape, kernel.shape[3:])

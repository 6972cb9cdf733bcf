"""What the public kernels check first: shapes that fit, and memory that compiled code can read.

A compiled kernel does not look at array bounds, so an array of the wrong shape must not reach it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.geometry import ConvGeometry, join_shape, split_shape

__all__ = [
    "check_input",
    "check_kernel",
    "check_output",
    "check_pointwise",
    "check_separable",
    "expect",
    "plain",
    "plain_or_none",
]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


def plain(array: Array) -> Array:
    """Return the array C-contiguous and aligned, which is what kernels are made for.

    A subclass of ndarray becomes an ndarray. Nothing is copied where nothing needs to change.
    """
    if type(array) is np.ndarray:
        flags = array.flags
        if flags.c_contiguous and flags.aligned:
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


def check_input(x: Shape, geometry: ConvGeometry) -> tuple[int, int, int]:
    """Check an image batch at the input of a window; return (N, C, pixels per image)."""
    batch, height, width, channels = split_shape(x, geometry.data_format)
    if (height, width) != geometry.input_size:
        expect("x", "height and width", (height, width), geometry.input_size)
    return batch, channels, height * width


def check_output(
    dy: Shape, geometry: ConvGeometry, batch: int | None, channels: int | None
) -> None:
    """Check an image batch at the output of a window."""
    received = split_shape(dy, geometry.data_format)
    expected = (
        received[0] if batch is None else batch,
        *geometry.output_size,
        received[3] if channels is None else channels,
    )
    if received != expected:
        expect("dy", "shape", dy, join_shape(*expected, geometry.data_format))


def check_kernel(kernel: Shape, geometry: ConvGeometry, channels: int | None) -> None:
    """Check a depthwise kernel, (kh, kw, C, M)."""
    if len(kernel) != 4 or kernel[:2] != geometry.kernel_size:
        kh, kw = geometry.kernel_size
        expect("a depthwise kernel", "shape", kernel, f"({kh}, {kw}, C, M)")
    if channels is not None and kernel[2] != channels:
        expect("a depthwise kernel", "C =", kernel[2], channels)


def check_pointwise(kernel: Shape, channels: int | None, bias: Shape | None) -> None:
    """Check a pointwise kernel, (1, 1, K, F), and its bias, (F,)."""
    if len(kernel) != 4 or kernel[:2] != (1, 1):
        expect("a pointwise kernel", "shape", kernel, "(1, 1, K, F)")
    if channels is not None and kernel[2] != channels:
        expect("a pointwise kernel", "K =", kernel[2], channels)
    if bias is not None and bias != kernel[3:]:
        expect("a bias", "shape", bias, kernel[3:])


@lru_cache(maxsize=1024)
def check_separable(
    geometry: ConvGeometry,
    x: Shape,
    depthwise_kernel: Shape,
    pointwise_kernel: Shape,
    bias: Shape | None,
    dy: Shape | None = None,
    y: Shape | None = None,
) -> None:
    """Check all shapes of a separable convolution; those that fit are remembered."""
    batch, channels, _ = check_input(x, geometry)
    check_kernel(depthwise_kernel, geometry, channels)
    check_pointwise(pointwise_kernel, channels * depthwise_kernel[3], bias)
    for output in (dy, y):
        if output is not None:
            check_output(output, geometry, batch, pointwise_kernel[3])

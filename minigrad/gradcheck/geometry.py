"""Convolutions: the gradient that another stride, dilation rate or padding would give.

If two of the inputs turn out to be the image and the kernel of a depthwise
convolution, in that a plain formula with some geometry reproduces the right gradient, the same
formula is tried with every other geometry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minigrad.gradcheck.catalogue import Array, Entry
from minigrad.gradcheck.suspect import Suspect


class Geometry(NamedTuple):
    """Output pixel i sees input pixel i * stride + tap * dilation - padding, along both axes."""

    stride: int
    dilation: int
    padding: int

    def __str__(self) -> str:
        return f"strides {self.stride}, dilation {self.dilation}, padding {self.padding}"


_ALL = [Geometry(*numbers) for numbers in itertools.product((1, 2, 3), (1, 2, 3), (0, 1, 2))]


def geometries(suspect: Suspect) -> Iterator[Entry]:
    """Yield the gradients of a depthwise convolution with other geometries than the right one."""
    for image, kernel in itertools.permutations(range(len(suspect.arrays)), 2):
        if suspect.k not in (image, kernel) or not _fits(suspect, image, kernel):
            continue
        x, weights = suspect.arrays[image], suspect.arrays[kernel]
        tried = {g: _gradient(suspect, x, weights, g, suspect.k == kernel) for g in _ALL}
        size = np.abs(suspect.right).max(initial=0.0)
        true = [g for g, v in tried.items() if np.abs(v - suspect.right).max() < 1e-6 * size]
        for geometry in true[:1]:
            for other, values in tried.items():
                if other != geometry:
                    yield Entry(*_told(geometry, other), values, 1 + _distance(geometry, other))


def _told(right: Geometry, wrong: Geometry) -> tuple[str, str]:
    if right.padding == wrong.padding and right.dilation == wrong.dilation:
        name = "stride ignored" if wrong.stride == 1 else "wrong stride"
        return name, f"belongs to strides {wrong.stride}, not {right.stride}"
    if right.padding == wrong.padding and right.stride == wrong.stride:
        name = "dilation ignored" if wrong.dilation == 1 else "wrong dilation"
        return name, f"belongs to dilation rate {wrong.dilation}, not {right.dilation}"
    if right.stride == wrong.stride and right.dilation == wrong.dilation:
        text = f"belongs to padding {wrong.padding} before the image, not {right.padding}"
        return "padding on the wrong side", text
    return "wrong geometry", f"belongs to {wrong}, not to {right}"


def _distance(a: Geometry, b: Geometry) -> int:
    return sum(p != q for p, q in zip(a, b, strict=True))


def _fits(suspect: Suspect, image: int, kernel: int) -> bool:
    x, weights = suspect.arrays[image], suspect.arrays[kernel]
    if x.ndim != 4 or weights.ndim != 4 or len(suspect.out_shape) != 4 or not suspect.single:
        return False
    channels, multiplier = weights.shape[2:]
    return (
        x.dtype.kind == "f"
        and x.shape[3] == channels
        and suspect.out_shape[0] == len(x)
        and suspect.out_shape[3] == channels * multiplier
    )


def _gradient(
    suspect: Suspect, x: Array, kernel: Array, geometry: Geometry, for_kernel: bool
) -> Array:
    """Return the gradient of a depthwise convolution for its kernel or its image."""
    u = suspect.upstream.reshape(*suspect.out_shape[:3], *kernel.shape[2:])
    stride, dilation, padding = geometry
    height, width = suspect.out_shape[1:3]
    reach = [
        (size - 1) * stride + (taps - 1) * dilation + 1
        for size, taps in zip((height, width), kernel.shape[:2], strict=True)
    ]
    pads = [
        (padding, max(0, need - size - padding))
        for need, size in zip(reach, x.shape[1:3], strict=True)
    ]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    dx, dkernel = np.zeros(padded.shape), np.zeros(kernel.shape)
    for a, b in np.ndindex(*kernel.shape[:2]):
        rows = slice(a * dilation, a * dilation + (height - 1) * stride + 1, stride)
        columns = slice(b * dilation, b * dilation + (width - 1) * stride + 1, stride)
        if for_kernel:
            dkernel[a, b] = np.einsum("nijc,nijcm->cm", padded[:, rows, columns], u)
        else:
            dx[:, rows, columns] += (u * kernel[a, b]).sum(axis=-1)
    if for_kernel:
        return dkernel
    return dx[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]

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

from minigrad.gradcheck.catalogue import Entry
from minigrad.gradcheck.findings import Array
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
                    yield _told(geometry, other, values)


def _told(right: Geometry, wrong: Geometry, values: Array) -> Entry:
    name, text = "wrong geometry", f"{wrong}, not to {right}"
    differ = [k for k in range(3) if right[k] != wrong[k]]
    if differ == [0]:
        name = "stride ignored" if wrong.stride == 1 else "wrong stride"
        text = f"strides {wrong.stride}, not {right.stride}"
    elif differ == [1]:
        name = "dilation ignored" if wrong.dilation == 1 else "wrong dilation"
        text = f"dilation rate {wrong.dilation}, not {right.dilation}"
    elif differ == [2]:
        name = "padding on the wrong side"
        text = f"padding {wrong.padding} before the image, not {right.padding}"
    return Entry(name, f"belongs to {text}", values, 1 + len(differ))


def _fits(suspect: Suspect, image: int, kernel: int) -> bool:
    x, weights, out = suspect.arrays[image], suspect.arrays[kernel], suspect.out_shape
    if not (x.ndim == weights.ndim == len(out) == 4 and suspect.single and x.dtype.kind == "f"):
        return False
    channels, multiplier = weights.shape[2:]
    return x.shape[3] == channels and (out[0], out[3]) == (len(x), channels * multiplier)


def _gradient(
    suspect: Suspect, x: Array, kernel: Array, geometry: Geometry, for_kernel: bool
) -> Array:
    """Return the gradient of a depthwise convolution for its kernel or its image."""
    stride, dilation, padding = geometry
    size, taps = suspect.out_shape[1:3], kernel.shape[:2]
    u = suspect.upstream.reshape(*suspect.out_shape[:3], *kernel.shape[2:])
    reach = [(size[k] - 1) * stride + (taps[k] - 1) * dilation + 1 for k in (0, 1)]
    pads = [(padding, max(0, reach[k] - x.shape[k + 1] - padding)) for k in (0, 1)]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    dx, dkernel = np.zeros(padded.shape), np.zeros(kernel.shape)
    for tap in np.ndindex(*taps):
        seen = tuple(
            slice(tap[k] * dilation, tap[k] * dilation + (size[k] - 1) * stride + 1, stride)
            for k in (0, 1)
        )
        if for_kernel:
            dkernel[tap] = np.einsum("nijc,nijcm->cm", padded[:, *seen], u)
        else:
            dx[:, *seen] += (u * kernel[tap]).sum(axis=-1)
    if for_kernel:
        return dkernel
    return dx[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]

"""Convolutions: the gradient that another stride, dilation rate or padding would give.

If two of the inputs turn out to be the image and the kernel of a depthwise convolution, in that a
plain formula with some geometry reproduces the right gradient, the same formula is tried with every
other geometry. The zoo uses the formula as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

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


Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
NONE, SAME, LATE = ((0, 0), (0, 0)), ((1, 1), (1, 1)), ((0, 1), (0, 1))
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
    stride, dilation, before = geometry
    size, taps = suspect.out_shape[1:3], kernel.shape[:2]
    reach = [(size[k] - 1) * stride + (taps[k] - 1) * dilation + 1 for k in (0, 1)]
    top, left = ((before, max(0, reach[k] - x.shape[k + 1] - before)) for k in (0, 1))
    both = backward(
        suspect.upstream, x, kernel, (stride, stride), (dilation, dilation), (top, left)
    )
    return both[for_kernel]


# ------------------------------------------------------------------ the definition, in NumPy


def forward(
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pads = NONE,
) -> Array:
    """Return y[n, i, j, c M + m] = Σ_ab x[n, r, s, c] K[a, b, c, m].

    r = i sh + a dh - top, s = j sw + b dw - left; x: (N, H, W, C); kernel: (KH, KW, C, M).
    """
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    size = [
        (padded.shape[k + 1] - (kernel.shape[k] - 1) * dilation[k] - 1) // strides[k] + 1
        for k in (0, 1)
    ]
    y = np.zeros((len(x), size[0], size[1], *kernel.shape[2:]), x.dtype)
    for a, b, rows, columns in windows(kernel.shape[:2], size, strides, dilation):
        y += padded[:, rows, columns, :, np.newaxis] * kernel[a, b]
    return y.reshape(*y.shape[:3], -1)


def backward(
    g: Array,
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pads = NONE,
) -> tuple[Array, Array]:
    """Return (dx, dkernel): every product in `forward` hands g times one factor to the other."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    g = g.reshape(*g.shape[:3], *kernel.shape[2:])
    dx, dkernel = np.zeros_like(padded), np.zeros_like(kernel)
    for a, b, rows, columns in windows(kernel.shape[:2], g.shape[1:3], strides, dilation):
        dx[:, rows, columns] += (g * kernel[a, b]).sum(axis=-1)
        dkernel[a, b] = (padded[:, rows, columns, :, np.newaxis] * g).sum(axis=(0, 1, 2))
    return crop(dx, x, pads), dkernel


def windows(
    taps: Any, size: Any, strides: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield each tap (a, b) of a window with the rows and columns that it meets."""
    for a, b in np.ndindex(*taps):
        rows, columns = (
            slice(tap * rate, tap * rate + (count - 1) * step + 1, step)
            for tap, rate, count, step in zip((a, b), dilation, size, strides, strict=True)
        )
        yield a, b, rows, columns


def crop(dx: Array, x: Array, pads: Pads) -> Array:
    """Return the part of a padded image that is the image."""
    (top, _), (left, _) = pads
    return dx[:, top : top + x.shape[1], left : left + x.shape[2]]

"""Depthwise convolution in NumPy, and what can go wrong in its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.geometry import LATE, SAME, Pads, Pair, backward, forward, windows
from minigrad.gradcheck.zoo.exercise import Gradient, Operation, normal

DEPTHWISE = Operation("depthwise", forward, backward, normal((2, 5, 5, 2), (3, 3, 2, 1)))
bug = DEPTHWISE.bug
PADDED: dict[str, Any] = {"pads": SAME}
STRIDED: dict[str, Any] = {"strides": (2, 2), "pads": SAME}


@bug(1, "kernel", "rotated")
def rotates_kernel_gradient(g: Array, x: Array, kernel: Array) -> Gradient:
    """Turn the kernel's gradient by 180 degrees, because "a convolution flips its kernel"."""
    return backward(g, x, kernel)[1][::-1, ::-1]


@bug(2, "kernel", "upstream flipped", seen="if the upstream gradient is not uniform", **PADDED)
def flips_upstream(g: Array, x: Array, kernel: Array, **how: Any) -> Gradient:
    """Flip the upstream gradient, where the kernel should be flipped."""
    return backward(g[:, ::-1, ::-1], x, kernel, **how)[1]


@bug(1, "x", "kernel rotated", **PADDED)
def correlates_twice(g: Array, x: Array, kernel: Array, **how: Any) -> Gradient:
    """Forget to turn the kernel on the way back: correlate both times."""
    return backward(g, x, kernel[::-1, ::-1], **how)[0]


@bug(2, "kernel", "dilation ignored", seen="if the dilation rate is not 1", dilation=(2, 2))
def ignores_dilation(g: Array, x: Array, kernel: Array, **how: Any) -> Gradient:
    """Ignore the dilation rate in the kernel's gradient."""
    return backward(g, x, kernel)[1]


@bug(2, "x", "stride ignored", seen="if the strides are not 1", **STRIDED)
def ignores_strides(g: Array, x: Array, kernel: Array, **how: Any) -> Gradient:
    """Ignore the strides in the gradient of the image."""
    return backward(g, x, kernel, **PADDED)[0]


@bug(
    2,
    "kernel",
    "padding on the wrong side",
    seen="if the padding is not the same on both sides",
    inputs=normal((2, 4, 6, 2), (3, 3, 2, 1)),
    strides=(2, 2),
    pads=LATE,
)
def pads_before(g: Array, x: Array, kernel: Array, **how: Any) -> Gradient:
    """Put the single row and column of padding before the image, not after it."""
    return backward(g, x, kernel, **{**how, "pads": ((1, 0), (1, 0))})[1]


TWO_FILTERS = normal((2, 4, 4, 3), (2, 2, 3, 2))


@bug(2, "kernel", "channels permuted", seen="if the multiplier is not 1", inputs=TWO_FILTERS)
def mixes_multiplier_and_channel(g: Array, x: Array, kernel: Array) -> Gradient:
    """Take channel q of the output for m C + c instead of c M + m."""
    channels, multiplier = kernel.shape[2:]
    return backward(g.reshape(*g.shape[:3], multiplier, channels).swapaxes(-1, -2), x, kernel)[1]


@bug(2, "x", "missing sum", seen="if the multiplier is not 1", inputs=TWO_FILTERS)
def takes_first_multiplier(g: Array, x: Array, kernel: Array) -> Gradient:
    """Forget the sum over the multiplier: the image hears of the first filter only."""
    first = g.reshape(*g.shape[:3], *kernel.shape[2:])[..., 0]
    return backward(first, x, kernel[..., :1])[0]


@bug(1, "kernel", "missing batch sum")
def forgets_batch(g: Array, x: Array, kernel: Array) -> Gradient:
    """Take the kernel's gradient from the first image only."""
    return backward(g[:1], x[:1], kernel)[1]


@bug(1, "kernel", "divided by the batch size", inputs=normal((3, 4, 5, 2), (2, 2, 2, 1)))
def averages_batch(g: Array, x: Array, kernel: Array) -> Gradient:
    """Average over the images where the kernel's gradient is their sum."""
    return backward(g, x, kernel)[1] / len(x)


@bug(1, "kernel", "divided by the pixels")
def averages_pixels(g: Array, x: Array, kernel: Array) -> Gradient:
    """Average over the output pixels where the kernel's gradient is their sum."""
    return backward(g, x, kernel)[1] / (g.shape[1] * g.shape[2])


@bug(2, "kernel", "shifted by one", inputs=normal((2, 5, 6, 2), (4, 3, 2, 1)))
def counts_taps_from_one(g: Array, x: Array, kernel: Array) -> Gradient:
    """Count the rows of the kernel from 1: the last one comes out where the first belongs."""
    return np.roll(backward(g, x, kernel)[1], 1, axis=0)


@bug(2, "x", "shifted by one", seen="if there is padding", **PADDED)
def crops_late(g: Array, x: Array, kernel: Array, pads: Pads) -> Gradient:
    """Crop the padding from the bottom and the right only: the gradient is off by one pixel."""
    dx = backward(g, np.pad(x, ((0, 0), *pads, (0, 0))), kernel)[0]
    return dx[:, : -2 * pads[0][0] or None, : -2 * pads[1][0] or None]


@bug(1, "kernel", "transposed")
def swaps_kernel_axes(g: Array, x: Array, kernel: Array) -> Gradient:
    """Swap the height and width of the kernel's gradient."""
    return backward(g, x, kernel)[1].swapaxes(0, 1)


UNREAD = normal((2, 6, 6, 2), (3, 3, 2, 1))


@bug(3, "x", "shifted by one", seen="if strides leave a row unread", inputs=UNREAD, strides=(2, 2))
def aligns_with_the_end(g: Array, x: Array, kernel: Array, strides: Pair) -> Gradient:
    """Spread the upstream gradient by the strides, and lay the result against the last row."""
    unread = (x.shape[1] - kernel.shape[0]) % strides[0]
    return np.roll(backward(g, x, kernel, strides)[0], unread, axis=(1, 2))


@bug(2, "kernel", "border missing", seen="if there is padding", **PADDED)
def skips_the_border(g: Array, x: Array, kernel: Array, **how: Any) -> Gradient:
    """Leave out the windows that reach into the padding."""
    return backward(g[:, 1:-1, 1:-1], x, kernel)[1]


@bug(2, "kernel", "one slice", inputs=normal((2, 4, 4, 5), (2, 2, 5, 1)))
def stops_before_last_channel(g: Array, x: Array, kernel: Array) -> Gradient:
    """Let the loop over the channels end one too early."""
    dkernel = backward(g, x, kernel)[1]
    dkernel[:, :, -1] = 0.0
    return dkernel


@bug(2, "x", "not accumulated", seen="if windows overlap")
def overwrites(g: Array, x: Array, kernel: Array) -> Gradient:
    """Assign to the gradient of a pixel where several windows should add to it."""
    dx, split = np.zeros_like(x), g.reshape(*g.shape[:3], *kernel.shape[2:])
    for a, b, rows, columns in windows(kernel.shape[:2], g.shape[1:3], (1, 1), (1, 1)):
        dx[:, rows, columns] = (split * kernel[a, b]).sum(axis=-1)
    return dx


UNEQUAL = normal((2, 7, 7, 2), (3, 3, 2, 1))


@bug(2, "kernel", seen="if the strides differ", inputs=UNEQUAL, strides=(2, 1))
def swaps_strides(g: Array, x: Array, kernel: Array, strides: Pair) -> Gradient:
    """Use the vertical stride for the columns, too."""
    wide = np.pad(x, ((0, 0), (0, 0), (0, 6), (0, 0)))
    return backward(g, wide, kernel, (strides[0], strides[0]))[1]


MANY_TAPS = normal((1, 5, 5, 3), (4, 4, 3, 2))


@bug(3, "kernel", "one element", seen="in one element of many", inputs=MANY_TAPS)
def loses_one_tap(g: Array, x: Array, kernel: Array) -> Gradient:
    """Skip the centre of one filter."""
    dkernel = backward(g, x, kernel)[1]
    dkernel[2, 2, 1, 1] = 0.0
    return dkernel

"""Sizes and padding of a sliding window over an image, in one place.

Convolution and pooling, layers and kernels, shape inference and the computation itself all ask
this module, so they cannot disagree.

The rules, per axis, for an input of n pixels, a kernel of k taps, stride s and dilation d:

- the dilated kernel covers e = (k - 1) d + 1 pixels;
- "valid" gives floor((n - e) / s) + 1 outputs, without padding;
- "same" gives ceil(n / s) outputs, whatever k and d. It pads p = max((out - 1) s + e - n, 0) zeros,
  floor(p / 2) of them before (top, left), the rest after: the odd one goes to the bottom right;
- explicit pads (before, after) give "valid" on n + before + after pixels.

Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from minigrad import _validate
from minigrad._validate import DataFormat, Padding, Pads

__all__ = [
    "ConvGeometry",
    "conv_geometry",
    "join_shape",
    "output_length",
    "same_padding",
    "split_shape",
]


@dataclass(frozen=True, slots=True)
class ConvGeometry:
    """Everything the kernels need to know about a window that slides over an image.

    Make one with `conv_geometry`. Output pixel (i, j), tap (a, b) reads input pixel
    (i strides[0] + a dilation_rate[0] - top, j strides[1] + b dilation_rate[1] - left),
    or zero where that lies outside.

    Attributes
    ----------
    input_size, output_size : tuple of (int, int)
        Height and width of the images.
    kernel_size, strides, dilation_rate : tuple of (int, int)
        The window: its taps, its steps, the distance between its taps.
    pads : ((top, bottom), (left, right))
        Zeros around the input.
    data_format : "channels_last" or "channels_first"
        Where the arrays keep their channels.
    numbers : ndarray of int64, (12,)
        H, W, H', W', kh, kw, sh, sw, dh, dw, top, left: the form that compiled kernels take.
        Read-only, and not part of equality or hash.
    """

    input_size: tuple[int, int]
    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    dilation_rate: tuple[int, int]
    pads: Pads
    output_size: tuple[int, int]
    data_format: DataFormat = "channels_last"
    numbers: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        (top, _), (left, _) = self.pads
        sizes = (self.input_size, self.output_size, self.kernel_size, self.strides)
        numbers = np.array([*sizes, self.dilation_rate, (top, left)], dtype=np.int64).ravel()
        numbers.setflags(write=False)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "_hash", hash((sizes, self.dilation_rate, self.pads)))

    def __hash__(self) -> int:
        return self._hash  # geometries are looked up again and again

    @property
    def taps(self) -> int:
        """Number of taps of the kernel, kh * kw."""
        return self.kernel_size[0] * self.kernel_size[1]


@lru_cache(maxsize=4096)
def conv_geometry(
    input_size: tuple[int, int],
    kernel_size: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: Padding | Pads = "valid",
    dilation_rate: tuple[int, int] = (1, 1),
    data_format: DataFormat = "channels_last",
) -> ConvGeometry:
    """Return the geometry of a window sliding over an image; the result is cached.

    Parameters
    ----------
    input_size : tuple of (int, int)
        Height and width of the input.
    kernel_size, strides, dilation_rate : tuple of (int, int)
        For rows and columns, all >= 1. Strides and dilation may be unequal, and combined.
    padding : "valid", "same", or ((top, bottom), (left, right))
        Zeros around the input.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ConvGeometry

    Raises
    ------
    ValueError
        When an argument is malformed or an output size would be zero or negative.
    TypeError
        When an argument cannot be hashed (use tuples, not lists).

    Examples
    --------
    >>> geometry = conv_geometry((224, 224), (7, 7), (2, 2), "same")
    >>> geometry.output_size, geometry.pads
    ((112, 112), ((2, 3), (2, 3)))
    """
    height, width = _validate.pair(input_size, "input_size", minimum=0)
    kernel = _validate.pair(kernel_size, "kernel_size")
    steps = _validate.pair(strides, "strides")
    if max(steps) > sys.maxsize:
        raise ValueError(f"The strides are too large. Received: strides={strides}")
    dilation = _validate.pair(dilation_rate, "dilation_rate")
    mode = _validate.padding(padding, explicit=True)

    pads: list[tuple[int, int]] = []
    outputs: list[int] = []
    for axis, (size, name) in enumerate(((height, "height"), (width, "width"))):
        k, s, d = kernel[axis], steps[axis], dilation[axis]
        rule = mode if isinstance(mode, str) else mode[axis]
        outputs.append(output_length(size, k, s, rule, d, name=name))
        if isinstance(rule, tuple):
            pads.append(rule)
        else:
            pads.append(same_padding(size, k, s, d) if rule == "same" else (0, 0))
    return ConvGeometry(
        input_size=(height, width),
        kernel_size=kernel,
        strides=steps,
        dilation_rate=dilation,
        pads=(pads[0], pads[1]),
        output_size=(outputs[0], outputs[1]),
        data_format=_validate.data_format(data_format),
    )


@overload
def output_length(
    n: int, k: int, s: int, padding: Padding | tuple[int, int], d: int = 1, *, name: str = "size"
) -> int: ...
@overload
def output_length(
    n: None, k: int, s: int, padding: Padding | tuple[int, int], d: int = 1, *, name: str = "size"
) -> None: ...
@overload
def output_length(
    n: int | None,
    k: int,
    s: int,
    padding: Padding | tuple[int, int],
    d: int = 1,
    *,
    name: str = "size",
) -> int | None: ...
def output_length(
    n: int | None,
    k: int,
    s: int,
    padding: Padding | tuple[int, int],
    d: int = 1,
    *,
    name: str = "size",
) -> int | None:
    """Return the output size of one axis, or None where the input size is None (not known yet).

    Parameters
    ----------
    n : int or None
        Input size.
    k, s : int
        Kernel size and stride.
    padding : "valid", "same", or (before, after)
    d : int
        Dilation rate.
    name : str
        What to call the axis in an error: "height" or "width".

    Returns
    -------
    int or None
        At least 1.

    Raises
    ------
    ValueError
        When no output pixel would be left.

    Examples
    --------
    >>> output_length(299, 3, 2, "same"), output_length(None, 3, 2, "same")
    (150, None)
    """
    if n is None:
        return None
    if n < 1:
        raise ValueError(f"The input of {name} {n} has no pixels. Received: kernel size {k}")
    if padding == "same":
        return -(-n // s)
    before, after = (0, 0) if isinstance(padding, str) else padding
    extent = (k - 1) * d + 1
    # Checked before dividing: the rounded quotient can hide an input that is too small.
    if n + before + after < extent:
        padded = f" (padded to {n + before + after})" if before or after else ""
        dilated = f" (kernel size {k}, dilation rate {d})" if d > 1 else ""
        raise ValueError(
            f"The input of {name} {n}{padded} is smaller than the "
            f"{'dilated ' if d > 1 else ''}kernel of {name} {extent}{dilated}: the output would "
            "be empty. Use a larger input, a smaller kernel, or padding='same'."
        )
    return (n + before + after - extent) // s + 1


def same_padding(n: int, k: int, s: int, d: int = 1) -> tuple[int, int]:
    """Return how many zeros padding='same' adds (before, after) an axis.

    Parameters
    ----------
    n, k, s, d : int
        Input size, kernel size, stride, dilation rate.

    Returns
    -------
    tuple of (int, int)
        With total = max((ceil(n / s) - 1) s + (k - 1) d + 1 - n, 0): floor(total / 2), and the
        rest. The amount depends on n as soon as s > 1, and is not symmetric.

    Examples
    --------
    >>> same_padding(4, 3, 2), same_padding(5, 3, 2)
    ((0, 1), (1, 1))
    """
    total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
    return total // 2, total - total // 2


def split_shape(shape: tuple[int, ...], data_format: DataFormat) -> tuple[int, int, int, int]:
    """Return (N, H, W, C) of a batch of images, wherever it keeps its channels.

    Raises
    ------
    ValueError
        When the shape has not four axes.

    Examples
    --------
    >>> split_shape((8, 3, 32, 48), "channels_first")
    (8, 32, 48, 3)
    """
    if len(shape) != 4:
        raise ValueError(
            f"A batch of images has 4 axes (N, H, W, C in some order). Received: shape={shape}"
        )
    if data_format == "channels_first":
        n, c, h, w = shape
    else:
        n, h, w, c = shape
    return n, h, w, c


def join_shape(
    n: int, h: int, w: int, c: int, data_format: DataFormat
) -> tuple[int, int, int, int]:
    """Return the shape of a batch of images: the inverse of `split_shape`.

    Examples
    --------
    >>> join_shape(8, 32, 48, 3, "channels_first")
    (8, 3, 32, 48)
    """
    return (n, c, h, w) if data_format == "channels_first" else (n, h, w, c)

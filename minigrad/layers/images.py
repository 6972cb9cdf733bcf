"""Shapes of batches of images that may be partly unknown, in both data formats."""

from __future__ import annotations

from typing import cast

from minigrad._validate import Padding
from minigrad.kernels import output_length
from minigrad.layers.shapes import Shape

__all__ = ["channel_axis", "image_shape", "image_size", "window_output"]

Size = tuple[int | None, int | None]


def channel_axis(data_format: str) -> int:
    """Return where the channels are: 1 with channels_first, -1 with channels_last."""
    return 1 if data_format == "channels_first" else -1


def image_size(shape: Shape, data_format: str) -> Size:
    """Return height and width."""
    return cast(Size, shape[2:] if data_format == "channels_first" else shape[1:3])


def image_shape(batch: int | None, size: Size, channels: int | None, data_format: str) -> Shape:
    """Return the shape of a batch of images of a size.

    Examples
    --------
    >>> image_shape(None, (32, 48), 3, "channels_first")
    (None, 3, 32, 48)
    """
    if data_format == "channels_first":
        return (batch, channels, *size)
    return (batch, *size, channels)


def window_output(
    size: Size,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
    dilation_rate: tuple[int, int] = (1, 1),
    *,
    who: str = "a window",
) -> Size:
    """Return the height and width that a sliding window gives; errors say `who` slides it.

    Raises
    ------
    ValueError
        If nothing would be left.

    Examples
    --------
    >>> window_output((None, 7), (3, 3), (2, 2), "valid")
    (None, 3)
    """
    (height, width), (kh, kw), (sh, sw), (dh, dw) = size, window, strides, dilation_rate
    try:
        return (
            output_length(height, kh, sh, padding, dh, name="height"),
            output_length(width, kw, sw, padding, dw, name="width"),
        )
    except ValueError as error:
        raise ValueError(
            f"{error} Received: images of {height} x {width} and a window of {kh} x {kw}, in {who}"
        ) from None

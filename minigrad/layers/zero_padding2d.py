"""`ZeroPadding2D`: zeros around images."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate, config, ops
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.images import channel_axis, image_shape, image_size
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["ZeroPadding2D"]


class ZeroPadding2D(Layer):
    """Put rows and columns of zeros around images.

    Parameters
    ----------
    padding : int, (rows, columns) or ((top, bottom), (left, right))
        How many; one number is for all sides.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        In the constructor for other paddings; later for inputs that have not 4 axes.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/ZeroPadding2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.ZeroPadding2D(((0, 1), (2, 0)))
    >>> layer(np.ones((1, 1, 1, 1))).numpy()[0, :, :, 0]
    array([[0., 0., 1.],
           [0., 0., 0.]], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("padding", "data_format")

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        self.padding = _pads(padding)
        self.data_format = config.resolve_data_format(data_format)
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the larger images."""
        none = (0, 0)
        first = self.data_format == "channels_first"
        pads = (none, none, *self.padding) if first else (none, *self.padding, none)
        return ops.pad(inputs, pads)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape with the larger height and width; sizes may be None."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        height, width = (
            None if size is None else size + sum(pads)
            for size, pads in zip(image_size(shape, self.data_format), self.padding, strict=True)
        )
        channels = shape[channel_axis(self.data_format)]
        return image_shape(shape[0], (height, width), channels, self.data_format)


def _pads(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return padding as ((top, bottom), (left, right))."""
    try:
        if isinstance(value, (tuple, list)) and len(value) == 2:
            rows, columns = (_validate.pair(part, "padding", minimum=0) for part in value)
            return rows, columns
        both = _validate.pair(value, "padding", minimum=0)
        return both, both
    except ValueError:
        raise ValueError(
            f"padding must be an integer >= 0, (rows, columns) or ((top, bottom), (left, right)). "
            f"Received: padding={brief(value)}"
        ) from None


register(ZeroPadding2D)

"""`GlobalAveragePooling2D`: the mean of each channel over the image."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import config, ops
from minigrad.autograd import Tensor
from minigrad.layers.arguments import flag
from minigrad.layers.base import Layer
from minigrad.layers.images import channel_axis, image_shape, image_size
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["GlobalAveragePooling2D", "GlobalAvgPool2D"]


class GlobalAveragePooling2D(Layer):
    """The mean of each channel over height and width.

    Parameters
    ----------
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    keepdims : bool
        Keep height and width, with size 1.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For another data format, inputs that have not 4 axes, and images without pixels.
    TypeError
        For unknown keyword arguments and integer inputs.

    Notes
    -----
    Input: (N, H, W, C) or (N, C, H, W), output: (N, C); with `keepdims` (N, 1, 1, C) or
    (N, C, 1, 1).

    https://www.tensorflow.org/api_docs/python/tf/keras/layers/GlobalAveragePooling2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.GlobalAveragePooling2D()(np.arange(8.0).reshape(1, 2, 2, 2)).numpy()
    array([[3., 4.]], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("data_format", "keepdims")

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        self.data_format = config.resolve_data_format(data_format)
        self.keepdims = flag(keepdims, "keepdims")
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the means."""
        self.compute_output_shape(inputs.shape)  # raises for images without pixels
        return ops.global_average_pool2d(inputs, self.keepdims, self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (N, C), or four sizes with `keepdims`."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        if 0 in image_size(shape, self.data_format):
            raise ValueError(
                f"An image without pixels has no mean. Received: input_shape={shape}, "
                f"data_format={self.data_format!r}"
            )
        batch, channels = shape[0], shape[channel_axis(self.data_format)]
        if self.keepdims:
            return image_shape(batch, (1, 1), channels, self.data_format)
        return (batch, channels)


GlobalAvgPool2D = GlobalAveragePooling2D
register(GlobalAveragePooling2D, "GlobalAvgPool2D")

"""`GlobalAveragePooling2D` and `GlobalMaxPooling2D`: one number of each channel of an image."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import config, ops
from minigrad._brief import brief
from minigrad._validate import flag
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.images import channel_axis, image_shape, image_size
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["GlobalAveragePooling2D", "GlobalAvgPool2D", "GlobalMaxPool2D", "GlobalMaxPooling2D"]


class _GlobalPooling2D(Layer):
    """A reduction over height and width."""

    _arguments: ClassVar[tuple[str, ...]] = ("data_format", "keepdims")

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        self.data_format = config.resolve_data_format(data_format)
        self.keepdims = flag(keepdims, "keepdims")
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=4)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (N, C), or four sizes with `keepdims`."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        if 0 in image_size(shape, self.data_format):
            raise ValueError(
                f"An image without pixels has no mean and no maximum. "
                f"Received: input_shape={shape}, data_format={brief(self.data_format)} for layer "
                f"{self.name!r}"
            )
        batch, channels = shape[0], shape[channel_axis(self.data_format)]
        if self.keepdims:
            return image_shape(batch, (1, 1), channels, self.data_format)
        return (batch, channels)


class GlobalAveragePooling2D(_GlobalPooling2D):
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

    def call(self, inputs: Tensor) -> Tensor:
        """Return the means."""
        self.compute_output_shape(inputs.shape)  # raises for images without pixels
        return ops.global_average_pool2d(inputs, self.keepdims, self.data_format)


class GlobalMaxPooling2D(_GlobalPooling2D):
    """The largest value of each channel over height and width.

    Parameters
    ----------
    data_format, keepdims, **kwargs
        As for `GlobalAveragePooling2D`.

    Raises
    ------
    ValueError, TypeError
        As `GlobalAveragePooling2D`.

    Notes
    -----
    Equal maxima share the gradient.

    https://www.tensorflow.org/api_docs/python/tf/keras/layers/GlobalMaxPooling2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.GlobalMaxPooling2D()(np.arange(8.0).reshape(1, 2, 2, 2)).numpy()
    array([[6., 7.]], dtype=float32)
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Return the maxima."""
        self.compute_output_shape(inputs.shape)  # raises for images without pixels
        axes = (2, 3) if self.data_format == "channels_first" else (1, 2)
        return ops.max(inputs, axis=axes, keepdims=self.keepdims)


GlobalAvgPool2D, GlobalMaxPool2D = GlobalAveragePooling2D, GlobalMaxPooling2D
register(GlobalAveragePooling2D, "GlobalAvgPool2D")
register(GlobalMaxPooling2D, "GlobalMaxPool2D")

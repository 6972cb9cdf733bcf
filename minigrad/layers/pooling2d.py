"""`MaxPooling2D` and `AveragePooling2D`: the largest value of each window, or the mean."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate, config, ops
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.images import channel_axis, image_shape, image_size, window_output
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["AveragePooling2D", "AvgPool2D", "MaxPool2D", "MaxPooling2D"]


class _Pooling2D(Layer):
    """A window that slides over each channel."""

    _arguments: ClassVar[tuple[str, ...]] = ("pool_size", "strides", "padding", "data_format")

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.pool_size = _validate.pair(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else _validate.pair(strides, "strides")
        self.padding = _validate.padding(padding)
        self.data_format = config.resolve_data_format(data_format)
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=4)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the output; sizes may be None."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        size = window_output(
            image_size(shape, self.data_format),
            self.pool_size,
            self.strides,
            self.padding,
            who=f"layer {self.name!r}",
        )
        channels = shape[channel_axis(self.data_format)]
        return image_shape(shape[0], size, channels, self.data_format)


class MaxPooling2D(_Pooling2D):
    """The largest value of each window, channel by channel.

    Parameters
    ----------
    pool_size : int or two ints
        Height and width of the window.
    strides : int or two ints, optional
        Steps of the window; `pool_size` when left out.
    padding : "valid" or "same"
        In any letter case. Padding never wins, not even against negative numbers.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        In the constructor for arguments out of their range; later for inputs that have not 4 axes
        and images that are smaller than the window.

    Notes
    -----
    Input: (N, H, W, C) or (N, C, H, W), output: the same with other H and W. The gradient goes to
    the first of equal maxima.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/MaxPool2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> mg.layers.MaxPooling2D()(image).numpy()[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Return the maxima."""
        return ops.max_pool2d(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class AveragePooling2D(_Pooling2D):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    pool_size, strides, padding, data_format, **kwargs
        As for `MaxPooling2D`. Padding does not count: the mean is over the pixels of the window
        that lie inside the image.

    Raises
    ------
    ValueError, TypeError
        As `MaxPooling2D`.

    Notes
    -----
    Input: (N, H, W, C) or (N, C, H, W), output: the same with other H and W.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/AveragePooling2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> mg.layers.AveragePooling2D(3, 2, "same")(image).numpy()[0, :, :, 0]
    array([[ 5. ,  6.5],
           [11. , 12.5]], dtype=float32)
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Return the means."""
        return ops.average_pool2d(
            inputs, self.pool_size, self.strides, self.padding, self.data_format
        )


MaxPool2D, AvgPool2D = MaxPooling2D, AveragePooling2D
register(MaxPooling2D, "MaxPool2D")
register(AveragePooling2D, "AvgPool2D")

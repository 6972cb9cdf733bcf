"""`UpSampling2D`: larger images."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate, config, ops
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.images import channel_axis, image_shape, image_size
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["UpSampling2D"]


class UpSampling2D(Layer):
    """Enlarge images by whole factors.

    Parameters
    ----------
    size : int or two ints
        The factors for height and width.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    interpolation : "nearest" or "bilinear"
        Repeat pixels, or interpolate linearly between their centres.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        In the constructor for arguments out of their range; later for inputs that have not 4 axes.

    Notes
    -----
    Input: (N, H, W, C) or (N, C, H, W), output: the same with H and W times `size`.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/UpSampling2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.UpSampling2D((1, 2))(np.array([[[[1.0], [2.0]]]])).numpy().ravel()
    array([1., 1., 2., 2.], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("size", "data_format", "interpolation")

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        self.size = _validate.pair(size, "size")
        self.data_format = config.resolve_data_format(data_format)
        self.interpolation = interpolation
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(
                f"interpolation must be 'nearest' or 'bilinear'. "
                f"Received: interpolation={brief(interpolation)}"
            )
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the larger images."""
        return ops.upsample2d(inputs, self.size, self.interpolation, self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape with the larger height and width; sizes may be None."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        height, width = (
            None if size is None else size * factor
            for size, factor in zip(image_size(shape, self.data_format), self.size, strict=True)
        )
        channels = shape[channel_axis(self.data_format)]
        return image_shape(shape[0], (height, width), channels, self.data_format)


register(UpSampling2D)

"""`Flatten`: one row of numbers for each example."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from minigrad import config
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["Flatten"]


class Flatten(Layer):
    """Turn all axes but the batch into one.

    Parameters
    ----------
    data_format : "channels_last" or "channels_first", optional
        With channels_first, axis 1 is moved to the end before flattening, so that a network has
        the same weights behind it for both formats. The setting ``image_data_format`` when left
        out.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For another data format, and for inputs without a batch axis.

    Notes
    -----
    Input: (N, ...), output: (N, product of the rest); (N,) becomes (N, 1). Integers stay integers.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Flatten

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    >>> image = np.array([[[[1.0, 2.0]], [[10.0, 20.0]]]])  # 2 channels of 1x2 pixels
    >>> mg.layers.Flatten("channels_first")(image).numpy()
    array([[ 1., 10.,  2., 20.]], dtype=float32)
    """

    accepts_integers = True
    _arguments: ClassVar[tuple[str, ...]] = ("data_format",)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        self.data_format = config.resolve_data_format(data_format)
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs with two axes."""
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = inputs.transpose((0, *range(2, inputs.ndim), 1))
        # The size is spelled out: -1 would be ambiguous for an empty batch.
        return inputs.reshape((inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (N, product of the rest), which is None if any size of the rest is."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        sizes = [size for size in shape[1:] if size is not None]
        return (shape[0], math.prod(sizes) if len(sizes) == len(shape) - 1 else None)


register(Flatten)

"""`ReLU`: the rectifier as a layer, in its general form."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minigrad import activations
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape

__all__ = ["ReLU"]


class ReLU(SameShape):
    """The rectifier: ``max(x, 0)``, unless told otherwise.

    In general ``min(x, max_value)`` where x is above the threshold, and
    ``negative_slope * (x - threshold)`` elsewhere.

    Parameters
    ----------
    max_value : float, optional
        The largest output, >= 0; no limit when left out. 6 makes the "relu6" of MobileNet.
    negative_slope : float
        Slope below the threshold, >= 0.
    threshold : float
        Where the rectifier opens, >= 0.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For arguments that are negative or no numbers.

    Notes
    -----
    Input and output: any shape, in the layer's dtype.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/ReLU

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.ReLU(max_value=6, negative_slope=0.5)([-2.0, 3.0, 9.0]).numpy()
    array([-1.,  3.,  6.], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("max_value", "negative_slope", "threshold")

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.max_value = None if max_value is None else _not_negative(max_value, "max_value")
        self.negative_slope = _not_negative(negative_slope, "negative_slope")
        self.threshold = _not_negative(threshold, "threshold")
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the rectified inputs."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


def _not_negative(value: Any, name: str) -> float:
    number = isinstance(value, (int, float, np.integer, np.floating))
    if not number or isinstance(value, bool) or not 0.0 <= value < math.inf:
        raise ValueError(f"{name} must be a number >= 0. Received: {name}={brief(value)}")
    return float(value)


register(ReLU)
activations.register(ReLU)  # so that activation="ReLU" works, as in Keras

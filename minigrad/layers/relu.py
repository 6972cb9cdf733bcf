"""`ReLU`: the rectifier as a layer, in its general form."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import activations
from minigrad._validate import number
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
        self.max_value = max_value
        if max_value is not None:
            self.max_value = float(number(max_value, "max_value", minimum=0))
        self.negative_slope = float(number(negative_slope, "negative_slope", minimum=0))
        self.threshold = float(number(threshold, "threshold", minimum=0))
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the rectified inputs."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


register(ReLU)
activations.register(ReLU)  # so that activation="ReLU" works, as in Keras

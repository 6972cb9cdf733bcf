"""`Activation`: an activation function as a layer."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad.autograd import Tensor
from minigrad.layers.arguments import resolve
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape

__all__ = ["Activation"]


class Activation(SameShape):
    """Apply an activation function.

    Parameters
    ----------
    activation : str, dict, callable or layer
        A name such as "relu", or a function from a tensor to a tensor of the same shape.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For an unknown name.

    Notes
    -----
    Input and output: any shape, in the layer's dtype.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Activation

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.Activation("relu")([-1.0, 2.0]).numpy()
    array([0., 2.], dtype=float32)
    """

    activation: Any
    _arguments: ClassVar[tuple[str, ...]] = ("activation",)

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        resolve(self, activation=activation)
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``activation(inputs)``."""
        result: Tensor = self.activation(inputs)
        return result


register(Activation)

"""`LeakyReLU`, `ELU` and `Softmax`: activations with an argument, as layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad import _validate, activations
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape
from minigrad.layers.shapes import InputSpec, Shape

__all__ = ["ELU", "LeakyReLU", "Softmax"]


class LeakyReLU(SameShape):
    """``x`` where it is positive, ``alpha * x`` elsewhere.

    Parameters
    ----------
    alpha : float
        The slope, >= 0; Keras 3's name for it, ``negative_slope``, is understood as well. Note
        that the function ``"leaky_relu"`` has a slope of 0.2.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For a slope that is negative or no number.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/LeakyReLU

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.LeakyReLU(0.5)([-2.0, 3.0]).numpy()
    array([-1.,  3.], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        slope = kwargs.pop("negative_slope", alpha)
        self.alpha = _validate.number(slope, "alpha", minimum=0)
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the activation of the inputs."""
        return activations.leaky_relu(inputs, self.alpha)


class ELU(SameShape):
    """``x`` where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Parameters
    ----------
    alpha : float
        The limit far below 0 is -alpha.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For an alpha that is no number.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/ELU,
    D. Clevert et al., 2015, https://arxiv.org/abs/1511.07289

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.ELU(2.0)([-100.0, 3.0]).numpy()
    array([-2.,  3.], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        self.alpha = _validate.number(alpha, "alpha")
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the activation of the inputs."""
        return activations.elu(inputs, self.alpha)


class Softmax(SameShape):
    """Positive numbers whose sum along an axis is 1.

    Parameters
    ----------
    axis : int, or a list of ints
        What the sum runs over.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        If the input has fewer than two axes or not that one.
    TypeError
        For an axis that is no integer, unknown keyword arguments and integer inputs.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Softmax

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.Softmax()([[0.0, 0.0], [0.0, 1000.0]]).numpy()
    array([[0.5, 0.5],
           [0. , 1. ]], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        several = isinstance(axis, (list, tuple))
        axes = axis if several else [axis]
        if not axes or any(
            not isinstance(part, (int, np.integer)) or isinstance(part, bool) for part in axes
        ):
            raise TypeError(
                f"axis must be an integer or a list of them. Received: axis={brief(axis)}"
            )
        self.axis = [int(part) for part in axes] if several else int(axis)
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the softmax of the inputs."""
        return activations.softmax(inputs, self.axis)  # type: ignore[arg-type]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the input, if it has the axis."""
        shape = super().compute_output_shape(input_shape)
        for axis in self.axis if isinstance(self.axis, list) else [self.axis]:
            if not -len(shape) <= axis < len(shape):
                raise ValueError(
                    f"The input of layer {self.name!r} has no axis {axis}. "
                    f"Received: axis={self.axis}, input_shape={shape}"
                )
        return shape


for _layer in (LeakyReLU, ELU, Softmax):
    register(_layer)
    activations.register(_layer)  # so that Dense(8, activation=LeakyReLU(0.1)) can be saved

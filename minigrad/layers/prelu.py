"""`PReLU`: a rectifier that learns its slopes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad import activations, ops
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.arguments import resolve
from minigrad.layers.base import Parameter
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape
from minigrad.layers.shapes import InputSpec, Shape, known

__all__ = ["PReLU"]


class PReLU(SameShape):
    """``x`` where it is positive, ``alpha * x`` elsewhere, with a learned alpha for each place.

    Parameters
    ----------
    alpha_initializer : str, dict, array or callable
    alpha_regularizer : str, dict or callable, optional
    alpha_constraint : str, dict or callable, optional
    shared_axes : int or list of ints, optional
        Axes along which there is one alpha only, counted with the batch as axis 0: [1, 2] gives
        channels_last images one for each channel, whatever their height and width.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Attributes
    ----------
    alpha : Parameter, the shape of one example with 1 at the shared axes

    Raises
    ------
    ValueError
        For shared axes that are no axes of an example, and inputs of another size than before.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/PReLU,
    K. He et al., 2015, https://arxiv.org/abs/1502.01852

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.PReLU(alpha_initializer="ones")([[-2.0, 3.0]]).numpy()
    array([[-2.,  3.]], dtype=float32)
    """

    alpha: Parameter
    alpha_initializer: Any
    alpha_regularizer: Any
    alpha_constraint: Any

    _arguments: ClassVar[tuple[str, ...]] = (
        "alpha_initializer",
        "alpha_regularizer",
        "alpha_constraint",
        "shared_axes",
    )

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        resolve(
            self,
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        axes = shared_axes if isinstance(shared_axes, (list, tuple)) else [shared_axes]
        if shared_axes is not None and any(
            not isinstance(axis, (int, np.integer)) or isinstance(axis, bool) or axis < 1
            for axis in axes
        ):
            raise ValueError(
                f"shared_axes must be axes >= 1 of the input (0 is the batch). "
                f"Received: shared_axes={brief(shared_axes)}"
            )
        self.shared_axes = None if shared_axes is None else [int(axis) for axis in axes]
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Make the slopes; see `Layer.build`."""
        sizes = {
            axis: known(size, "Sizes of axes that are not shared", input_shape)
            for axis, size in enumerate(input_shape)
            if axis > 0 and axis not in (self.shared_axes or [])
        }
        self.alpha = self.add_weight(
            "alpha",
            [sizes.get(axis, 1) for axis in range(1, len(input_shape))],
            self.alpha_initializer,
            self.alpha_regularizer,
            self.alpha_constraint,
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the activation of the inputs."""
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the input."""
        shape = super().compute_output_shape(input_shape)
        if any(axis >= len(shape) for axis in self.shared_axes or []):
            raise ValueError(
                f"shared_axes of layer {self.name!r} must be axes of its input. "
                f"Received: shared_axes={self.shared_axes}, input_shape={shape}"
            )
        return shape


register(PReLU)
activations.register(PReLU)

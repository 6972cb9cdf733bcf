"""`Dense`: a matrix product along the last axis."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from minigrad import _validate, ops
from minigrad._validate import flag
from minigrad.autograd import Tensor
from minigrad.layers.arguments import names_in, resolved, spread
from minigrad.layers.base import Layer, Parameter
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, known, to_shape

__all__ = ["Dense"]


class Dense(Layer):
    """Fully connected layer: ``activation(inputs @ kernel + bias)``.

    Inputs with more than two axes are multiplied along the last one.

    Parameters
    ----------
    units : int
        Size of the last axis of the output.
    activation : str, dict, callable or layer, optional
    use_bias : bool
    kernel_initializer, bias_initializer : str, dict, array or callable
    kernel_regularizer, bias_regularizer : str, dict or callable, optional
    activity_regularizer : str, dict or callable, optional
        Loss of the output after the activation; divided by the batch size.
    kernel_constraint, bias_constraint : str, dict or callable, optional
        Applied by optimizers after each of their updates.
    **kwargs
        Those of `Layer`: name, trainable, dtype, input_shape, weights, and so on.

    Attributes
    ----------
    kernel : Parameter, (last axis of the input, units)
    bias : Parameter, (units,), or None

    Raises
    ------
    ValueError
        In the constructor for arguments out of their range; later if the input has fewer than two
        axes or another last axis than the layer was built for.

    Notes
    -----
    Input: (N, ..., d), output: (N, ..., units), in the layer's dtype.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Dense

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.Dense(3, activation="softmax")
    >>> layer(np.ones((2, 4))).shape, layer.count_params()
    ((2, 3), 15)
    """

    kernel: Parameter
    bias: Parameter | None = None
    activation: Any
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        arguments = spread(locals(), "units", "use_bias")
        self.units = _validate.positive_int(units, "units")
        self.use_bias = flag(use_bias, "use_bias")
        super().__init__(**resolved(self, arguments))
        self.input_spec = InputSpec(min_ndim=2)

    _arguments: ClassVar[tuple[str, ...]] = names_in(__init__)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias; see `Layer.build`."""
        size = known(input_shape[-1], "The last axis", input_shape)
        self.kernel = self.add_weight(
            "kernel",
            (size, self.units),
            self.kernel_initializer,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                (self.units,),
                self.bias_initializer,
                self.bias_regularizer,
                self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``activation(inputs @ kernel + bias)``."""
        outputs = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        result: Tensor = self.activation(outputs)
        return result

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the input with `units` as its last size."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        return (*shape[:-1], self.units)

    def macs(self, input_shape: Any) -> int:
        """Return the number of multiply-adds for one example."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        return self.units * math.prod(known(size, "All sizes", shape) for size in shape[1:])


register(Dense)

"""What all convolutional layers share: the window, its sizes, and the shapes."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate, activations, config, ops
from minigrad._validate import flag
from minigrad.autograd import Tensor
from minigrad.layers.arguments import resolved
from minigrad.layers.base import Layer, Parameter
from minigrad.layers.images import channel_axis, image_shape, image_size, window_output
from minigrad.layers.shapes import InputSpec, Shape, known, to_shape

__all__ = ["ConvBase"]


class ConvBase(Layer):
    """Base of `Conv2D`, `SeparableConv2D` and `DepthwiseConv2D`.

    The arguments are documented there. All of them are checked here, in the constructor.
    """

    bias: Parameter | None = None
    activation: Any
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any
    _operation: ClassVar[str]  # of `minigrad.ops`, which knows fewer limits

    def __init__(
        self,
        *,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: Any,
        dilation_rate: Any,
        use_bias: Any,
        **kwargs: Any,
    ) -> None:
        self.kernel_size = _validate.pair(kernel_size, "kernel_size")
        self.strides = _validate.pair(strides, "strides")
        self.padding = _validate.padding(padding)
        self.data_format = config.resolve_data_format(data_format)
        self.dilation_rate = _validate.pair(dilation_rate, "dilation_rate")
        self.use_bias = flag(use_bias, "use_bias")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "strides > 1 cannot be combined with dilation_rate > 1 in this layer, whatever the "
                f"axes (mg.ops.{self._operation} computes it). "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
        super().__init__(**resolved(self, kwargs))
        self.input_spec = InputSpec(ndim=4)

    @property
    def _window(self) -> dict[str, Any]:
        """The options of the operation."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "data_format": self.data_format,
        }

    def _activated(self, *inputs: Any, **options: Any) -> Tensor:
        """Return the activation of the operation's result; ReLU is part of the same pass."""
        fused = self.activation is activations.relu
        operation = getattr(ops, self._operation)
        options |= {**self._window, "activation": "relu" if fused else None}
        outputs = operation(*inputs, **options)
        result: Tensor = outputs if fused else self.activation(outputs)
        return result

    def _output_channels(self, channels: int | None) -> int | None:
        raise NotImplementedError

    def _macs_per_pixel(self, channels: int) -> int:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the output.

        Parameters
        ----------
        input_shape : tuple of (int or None)
            (N, H, W, C), or (N, C, H, W) with channels_first; each size may be None.

        Returns
        -------
        tuple of (int or None)

        Raises
        ------
        ValueError
            If the rank is not 4, the layer was built for other channels, or the image is too
            small to give any output.
        """
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        size = window_output(
            image_size(shape, self.data_format),
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
            who=f"layer {self.name!r}",
        )
        channels = self._output_channels(shape[channel_axis(self.data_format)])
        return image_shape(shape[0], size, channels, self.data_format)

    def _channels(self, input_shape: Shape) -> int:
        """Return how many channels there are, and take no other number of them from now on."""
        axis = channel_axis(self.data_format)
        channels = known(input_shape[axis], "The number of channels", input_shape)
        self.input_spec = InputSpec(ndim=4, axes={axis: channels})
        return channels

    def _build_bias(self, size: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", (size,), self.bias_initializer, self.bias_regularizer, self.bias_constraint
            )

    def macs(self, input_shape: Any) -> int:
        """Return the number of multiply-adds for one image.

        Parameters
        ----------
        input_shape : tuple of (int or None)
            With the batch axis; height, width and channels must be known.
        """
        shape = to_shape(input_shape)
        size = image_size(self.compute_output_shape(shape), self.data_format)
        height, width = (known(length, "Height and width", shape) for length in size)
        axis = channel_axis(self.data_format)
        channels = known(shape[axis], "The number of channels", shape)
        return height * width * self._macs_per_pixel(channels)

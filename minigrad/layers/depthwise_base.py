"""What the layers that begin with a depthwise convolution share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from minigrad import _validate, config
from minigrad.layers.arguments import flag, resolve
from minigrad.layers.base import Layer, Parameter
from minigrad.layers.images import channel_axis, image_shape, image_size, window_output
from minigrad.layers.shapes import InputSpec, Shape, known, to_shape

__all__ = ["DepthwiseBase"]


class DepthwiseBase(Layer):
    """Base of `SeparableConv2D` and `DepthwiseConv2D`: the window, its sizes, and the shapes.

    The arguments are documented there. All of them are checked here, in the constructor.
    """

    depthwise_kernel: Parameter
    bias: Parameter | None = None
    activation: Any
    depthwise_initializer: Any
    bias_initializer: Any
    depthwise_regularizer: Any
    bias_regularizer: Any
    depthwise_constraint: Any
    bias_constraint: Any

    # Keras 2 writes these into configurations although they do nothing.
    _legacy_keys: ClassVar[frozenset[str]] = frozenset(
        {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"}
    )
    _advice: ClassVar[dict[str, str]] = {
        "kernel_initializer": "Use `depthwise_initializer`.",
        "kernel_regularizer": "Use `depthwise_regularizer`.",
        "kernel_constraint": "Use `depthwise_constraint`.",
        "groups": "The depthwise step convolves each channel by itself; use `depth_multiplier`.",
    }

    def __init__(
        self,
        *,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: Any,
        dilation_rate: Any,
        depth_multiplier: Any,
        use_bias: Any,
        identifiers: Mapping[str, Any],
        activity_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        self.kernel_size = _validate.pair(kernel_size, "kernel_size")
        self.strides = _validate.pair(strides, "strides")
        self.padding = _validate.padding(padding)
        self.data_format = config.resolve_data_format(data_format)
        self.dilation_rate = _validate.pair(dilation_rate, "dilation_rate")
        self.depth_multiplier = _validate.positive_int(depth_multiplier, "depth_multiplier")
        self.use_bias = flag(use_bias, "use_bias")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "strides > 1 cannot be combined with dilation_rate > 1 in this layer, whatever the "
                "axes (mg.ops.depthwise_conv2d computes it). "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
        resolve(self, **identifiers)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
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

    def _output_channels(self, channels: int | None) -> int | None:
        return None if channels is None else channels * self.depth_multiplier

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
        )
        channels = self._output_channels(shape[channel_axis(self.data_format)])
        return image_shape(shape[0], size, channels, self.data_format)

    def _build_depthwise(self, input_shape: Shape) -> int:
        """Check the shape, make the depthwise kernel, and return how many channels it gives."""
        axis = channel_axis(self.data_format)
        channels = known(input_shape[axis], "The number of channels", input_shape)
        self.compute_output_shape(input_shape)  # raises for images that are too small
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            self.depthwise_regularizer,
            self.depthwise_constraint,
        )
        self.input_spec = InputSpec(ndim=4, axes={axis: channels})
        return channels * self.depth_multiplier

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

    def _macs_per_pixel(self, channels: int) -> int:
        return self.kernel_size[0] * self.kernel_size[1] * channels * self.depth_multiplier

"""What the layers that begin with a depthwise convolution share."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate
from minigrad.layers.base import Parameter
from minigrad.layers.conv_base import ConvBase
from minigrad.layers.shapes import Shape

__all__ = ["DepthwiseBase"]


class DepthwiseBase(ConvBase):
    """Base of `SeparableConv2D` and `DepthwiseConv2D`: the depthwise kernel."""

    depthwise_kernel: Parameter
    depthwise_initializer: Any
    depthwise_regularizer: Any
    depthwise_constraint: Any

    _operation = "depthwise_conv2d"
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

    def __init__(self, *, depth_multiplier: Any, **kwargs: Any) -> None:
        self.depth_multiplier = _validate.positive_int(depth_multiplier, "depth_multiplier")
        super().__init__(**kwargs)

    def _output_channels(self, channels: int | None) -> int | None:
        return None if channels is None else channels * self.depth_multiplier

    def _build_depthwise(self, input_shape: Shape) -> int:
        """Check the shape, make the depthwise kernel, and return how many channels it gives."""
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            self.depthwise_regularizer,
            self.depthwise_constraint,
        )
        return channels * self.depth_multiplier

    def _macs_per_pixel(self, channels: int) -> int:
        return self.kernel_size[0] * self.kernel_size[1] * channels * self.depth_multiplier

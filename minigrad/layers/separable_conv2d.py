"""`SeparableConv2D`: a depthwise convolution, then a pointwise one."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate
from minigrad.autograd import Tensor
from minigrad.layers.arguments import names_in, spread
from minigrad.layers.base import Parameter
from minigrad.layers.conv2d import Conv2D
from minigrad.layers.conversion import full
from minigrad.layers.depthwise_base import DepthwiseBase
from minigrad.layers.registry import register

__all__ = ["SeparableConv2D", "SeparableConvolution2D"]


class SeparableConv2D(DepthwiseBase):
    """Depthwise separable convolution of images.

    Each input channel is convolved by itself with `depth_multiplier` small kernels (the depthwise
    step). Then, at each pixel, all channels are mixed into `filters` new ones (the pointwise
    step). With D for what the first step gives and o = c * depth_multiplier + m::

        D[n, i, j, o]   = sum over a, b:  x[n, i sh + a dh, j sw + b dw, c] K[a, b, c, m]
        out[n, i, j, f] = activation(bias[f] + sum over o:  D[n, i, j, o] Q[0, 0, o, f])

    Compared with a full convolution this takes about ``1 / filters + 1 / (kh * kw)`` of the
    multiplications. Nothing happens between the two steps; the block of MobileNet, which has
    batch normalization and an activation there, is `DepthwiseConv2D`, those two, and a 1x1
    convolution.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int or two ints
        Height and width of the depthwise kernels.
    strides : int or two ints
        Steps of the window along the height and the width; they may differ.
    padding : "valid" or "same"
        In any letter case. "valid": no padding. "same": zeros, so that the output has
        ``ceil(size / stride)`` pixels; where their number is odd, the extra row or column is at
        the bottom or right.
    data_format : "channels_last" or "channels_first", optional
        Whether images are (N, H, W, C) or (N, C, H, W). When left out, the setting
        ``image_data_format`` at the time of construction. The weights do not depend on it.
    dilation_rate : int or two ints
        Distance of the taps of the depthwise kernels; they may differ.
    depth_multiplier : int
        Number of depthwise kernels for each input channel.
    activation : str, dict, callable or layer, optional
        Applied to the output. "softmax" acts on the last axis, with channels_first too.
    use_bias : bool
        Whether to add a number per filter before the activation.
    depthwise_initializer, pointwise_initializer, bias_initializer : str, dict, array or callable
        Where the first values of the weights come from. None means Glorot's uniform distribution,
        for the bias too (as in Keras).
    depthwise_regularizer, pointwise_regularizer, bias_regularizer : str, dict or callable, optional
        Losses of the weights, see `Layer.losses`.
    activity_regularizer : str, dict or callable, optional
        Loss of the output after the activation; divided by the batch size.
    depthwise_constraint, pointwise_constraint, bias_constraint : str, dict or callable, optional
        Applied by optimizers after each of their updates. The default ``axis=0`` of the
        constraints on norms is the kernel's height; for norms per filter take ``axis=[0, 1]``
        (depthwise) and ``axis=[0, 1, 2]`` (pointwise).
    **kwargs
        Those of `Layer`: name, trainable, dtype, input_shape, weights, and so on.

    Attributes
    ----------
    depthwise_kernel : Parameter, (kh, kw, C, depth_multiplier)
    pointwise_kernel : Parameter, (1, 1, C * depth_multiplier, filters)
    bias : Parameter, (filters,), or None

    Raises
    ------
    ValueError
        In the constructor: if an argument is out of its range, padding is "causal", or any stride
        is greater than 1 and so is any dilation rate (the documented limit of Keras;
        ``mg.ops.separable_conv2d`` computes it). Later: if the input has not 4 axes, has other
        channels than the layer was built for, or is so small that nothing would be left.
    TypeError
        For unknown keyword arguments, ``use_bias`` other than True and False, integer images.

    Notes
    -----
    Input: (N, H, W, C), output: (N, H', W', filters), both in the layer's dtype; or (N, C, H, W)
    and (N, filters, H', W') with channels_first. N may be 0. Height and width may vary from call
    to call.

    Behaves as https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/SeparableConv2D
    says. Known as the building block of Xception (F. Chollet, 2017, https://arxiv.org/abs/1610.02357).

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2)
    >>> layer(np.ones((2, 5, 6, 3))).shape
    (2, 5, 6, 8)
    >>> [weight.shape for weight in layer.weights]
    [(3, 3, 3, 2), (1, 1, 6, 8), (8,)]
    >>> layer.count_params(), layer.macs((None, 5, 6, 3))
    (110, 3060)
    """

    pointwise_kernel: Parameter
    pointwise_initializer: Any
    pointwise_regularizer: Any
    pointwise_constraint: Any

    _operation = "separable_conv2d"
    _advice: ClassVar[dict[str, str]] = DepthwiseBase._advice | {
        f"kernel_{word}": f"There are two kernels: use `depthwise_{word}` and `pointwise_{word}`."
        for word in ("initializer", "regularizer", "constraint")
    }

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        arguments = spread(locals(), "filters")
        self.filters = _validate.positive_int(filters, "filters")
        super().__init__(**arguments)

    _arguments: ClassVar[tuple[str, ...]] = names_in(__init__)

    def build(self, input_shape: Any) -> None:
        """Make the kernels and the bias; see `Layer.build`."""
        depthwise_channels = self._build_depthwise(input_shape)
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            (1, 1, depthwise_channels, self.filters),
            self.pointwise_initializer,
            self.pointwise_regularizer,
            self.pointwise_constraint,
        )
        self._build_bias(self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``activation(separable convolution of inputs + bias)``."""
        return self._activated(inputs, self.depthwise_kernel, self.pointwise_kernel, self.bias)

    def to_conv2d(self) -> Conv2D:
        """Return a built `Conv2D` that computes the same, with the product of the two kernels.

        Raises
        ------
        ValueError
            If the layer is not built.

        Examples
        --------
        >>> import minigrad as mg
        >>> layer = mg.layers.SeparableConv2D(4, 3)
        >>> layer.build((None, 8, 8, 3))
        >>> layer.count_params(), layer.to_conv2d().count_params()
        (43, 112)
        """
        return full(self)

    def _output_channels(self, channels: int | None) -> int | None:
        return self.filters

    def _macs_per_pixel(self, channels: int) -> int:
        pointwise = channels * self.depth_multiplier * self.filters
        return super()._macs_per_pixel(channels) + pointwise


SeparableConvolution2D = SeparableConv2D
register(SeparableConv2D, "SeparableConvolution2D")

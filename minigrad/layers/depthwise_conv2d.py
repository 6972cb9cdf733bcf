"""`DepthwiseConv2D`: each channel is convolved by itself."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import ops
from minigrad.autograd import Tensor
from minigrad.layers.arguments import names_in, spread
from minigrad.layers.depthwise_base import DepthwiseBase
from minigrad.layers.registry import register

__all__ = ["DepthwiseConv2D", "DepthwiseConvolution2D"]


class DepthwiseConv2D(DepthwiseBase):
    """Depthwise convolution of images: the first step of a separable convolution, with a bias.

    Each input channel is convolved by itself with `depth_multiplier` kernels; output channel
    ``c * depth_multiplier + m`` comes from input channel c and its kernel m.

    Note the order of the arguments: `depth_multiplier` is the fourth, before `data_format`,
    and there is no ``filters``.

    Parameters
    ----------
    kernel_size : int or two ints
        Height and width of the kernels.
    strides : int or two ints
        Steps of the window; they may differ.
    padding : "valid" or "same"
        In any letter case; as in `SeparableConv2D`.
    depth_multiplier : int
        Number of kernels for each input channel.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    dilation_rate : int or two ints
        Distance of the taps of the kernels; they may differ.
    activation : str, dict, callable or layer, optional
        Applied to the output.
    use_bias : bool
        Whether to add a number per output channel before the activation.
    depthwise_initializer, bias_initializer : str, dict, array or callable
        Where the first values of the weights come from.
    depthwise_regularizer, bias_regularizer : str, dict or callable, optional
        Losses of the weights.
    activity_regularizer : str, dict or callable, optional
        Loss of the output after the activation; divided by the batch size.
    depthwise_constraint, bias_constraint : str, dict or callable, optional
        Applied by optimizers after each of their updates.
    **kwargs
        Those of `Layer`: name, trainable, dtype, input_shape, weights, and so on.

    Attributes
    ----------
    depthwise_kernel : Parameter, (kh, kw, C, depth_multiplier)
    bias : Parameter, (C * depth_multiplier,), or None

    Raises
    ------
    ValueError, TypeError
        As `SeparableConv2D`.

    Notes
    -----
    Input: (N, H, W, C), output: (N, H', W', C * depth_multiplier), or with the channels first.

    Behaves as https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/DepthwiseConv2D
    says.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.DepthwiseConv2D(3, 2, "same", 2)
    >>> layer(np.ones((1, 7, 8, 3))).shape
    (1, 4, 4, 6)
    >>> [weight.shape for weight in layer.weights]
    [(3, 3, 3, 2), (6,)]
    """

    _advice: ClassVar[dict[str, str]] = DepthwiseBase._advice | {
        "filters": "The number of output channels is that of the input times `depth_multiplier`."
    }

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**spread(locals()))

    _arguments: ClassVar[tuple[str, ...]] = names_in(__init__)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias; see `Layer.build`."""
        self._build_bias(self._build_depthwise(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``activation(depthwise convolution of inputs + bias)``."""
        outputs = ops.depthwise_conv2d(inputs, self.depthwise_kernel, **self._window)
        if self.bias is not None:
            # The shape says where the channels are; sizes must not decide, they may be equal.
            first = self.data_format == "channels_first"
            outputs = outputs + (self.bias.reshape(-1, 1, 1) if first else self.bias)
        result: Tensor = self.activation(outputs)
        return result


DepthwiseConvolution2D = DepthwiseConv2D
register(DepthwiseConv2D, "DepthwiseConvolution2D")

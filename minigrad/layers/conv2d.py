"""`Conv2D`: every filter sees all channels."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad import _validate
from minigrad.autograd import Tensor
from minigrad.layers.arguments import names_in, spread
from minigrad.layers.base import Parameter
from minigrad.layers.conv_base import ConvBase
from minigrad.layers.conversion import Separation, separated
from minigrad.layers.images import channel_axis
from minigrad.layers.registry import register

__all__ = ["Conv2D", "Convolution2D"]


class Conv2D(ConvBase):
    """Full convolution of images: ``activation(convolution + bias)``.

    It has no kernel for a GPU: on ``"cuda"`` its arrays are copied to the CPU and back.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int or two ints
        Height and width of the kernels.
    strides : int or two ints
        Steps of the window; they may differ.
    padding : "valid" or "same"
        In any letter case; as in `SeparableConv2D`.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    dilation_rate : int or two ints
        Distance of the taps of the kernels; they may differ.
    groups : int
        Cut channels and filters into as many parts, which do not see each other. Divides both.
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
    kernel : Parameter, (kh, kw, C / groups, filters)
    bias : Parameter, (filters,), or None

    Raises
    ------
    ValueError, TypeError
        As `SeparableConv2D`; also for groups that do not divide filters and channels.

    Notes
    -----
    Input: (N, H, W, C), output: (N, H', W', filters), or with the channels first.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Conv2D

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.Conv2D(8, 3, padding="same", groups=2)
    >>> layer(np.ones((1, 5, 6, 4))).shape, layer.kernel.shape
    ((1, 5, 6, 8), (3, 3, 2, 8))
    >>> layer.count_params(), layer.macs((None, 5, 6, 4))
    (152, 4320)
    """

    kernel: Parameter
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any

    _operation = "conv2d"
    _advice: ClassVar[dict[str, str]] = {
        "depth_multiplier": "That is an argument of SeparableConv2D and DepthwiseConv2D."
    }

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
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
        arguments = spread(locals(), "filters", "groups")
        self.filters = _validate.positive_int(filters, "filters")
        self.groups = _validate.positive_int(groups, "groups")
        if self.filters % self.groups:
            raise ValueError(
                f"groups must divide filters. Received: groups={groups}, filters={filters}"
            )
        super().__init__(**arguments)

    _arguments: ClassVar[tuple[str, ...]] = names_in(__init__)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias; see `Layer.build`."""
        self.kernel = self.add_weight(
            "kernel",
            (*self.kernel_size, self._channels(input_shape) // self.groups, self.filters),
            self.kernel_initializer,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        self._build_bias(self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``activation(convolution of inputs + bias)``."""
        return self._activated(inputs, self.kernel, self.bias, groups=self.groups)

    def to_separable(self, rank: int) -> Separation:
        """Return the separable convolution that comes nearest, and how near it comes.

        The taps of one input channel to all filters are a (kh kw, F) matrix. A separable
        convolution with `depth_multiplier` r can be any matrices of rank r in their place, so the
        best one (in the sum of squares) comes from the r largest singular values of each::

            error² = Σ_c Σ_{m > r} σ_{c,m}² / Σ_c Σ_m σ_{c,m}²

        Parameters
        ----------
        rank : int
            The `depth_multiplier`, from 1 to min(kh kw, F); with the largest, nothing is lost.

        Returns
        -------
        layer : SeparableConv2D
            Built, with the same activation and bias.
        error : float
            The norm of what is lost relative to that of the kernel; 0 for a kernel of zeros.

        Raises
        ------
        ValueError
            If the layer is not built, has groups, or for another rank.

        Notes
        -----
        C. Eckart, G. Young, 1936, https://doi.org/10.1007/BF02288367

        Examples
        --------
        >>> import numpy as np
        >>> import minigrad as mg
        >>> layer = mg.layers.Conv2D(4, 3, kernel_initializer="ones")
        >>> layer.build((None, 8, 8, 2))
        >>> separable, error = layer.to_separable(1)
        >>> separable.depth_multiplier, error < 1e-6, separable.count_params()
        (1, True, 30)
        """
        return separated(self, rank)

    def _check_input_shape(self, shape: Any) -> None:
        super()._check_input_shape(shape)
        if (shape[channel_axis(self.data_format)] or 0) % self.groups:
            raise ValueError(
                f"groups of layer {self.name!r} must divide the channels of its input. "
                f"Received: groups={self.groups}, input_shape={shape}"
            )

    def _output_channels(self, channels: int | None) -> int | None:
        return self.filters

    def _macs_per_pixel(self, channels: int) -> int:
        return self.kernel_size[0] * self.kernel_size[1] * channels // self.groups * self.filters


Convolution2D = Conv2D
register(Conv2D, "Convolution2D")

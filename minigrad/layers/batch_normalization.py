"""`BatchNormalization`: mean 0 and variance 1 for each channel, then a learned scale and offset."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minigrad import ops
from minigrad._brief import brief
from minigrad._validate import flag
from minigrad.autograd import Tensor
from minigrad.layers.arguments import resolve
from minigrad.layers.base import Layer, Parameter
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, known, to_shape

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """Normalize each channel over the batch, then scale and shift it.

    In training the mean and the variance are those of the batch, and the moving averages follow
    them: ``moving = momentum * moving + (1 - momentum) * statistic``. In inference, and whenever
    the layer is frozen (``trainable = False``), the moving averages are used and nothing changes::

        y = gamma * (x - mean) / sqrt(variance + epsilon) + beta

    Parameters
    ----------
    axis : int
        The axis of the channels: -1 for channels_last, 1 for channels_first.
    momentum : float
        Of the moving averages, from 0 to 1.
    epsilon : float
        Added to the variance, > 0.
    center, scale : bool
        Whether there is an offset `beta`, and a scale `gamma`.
    beta_initializer, gamma_initializer : str, dict, array or callable
    moving_mean_initializer, moving_variance_initializer : str, dict, array or callable
    beta_regularizer, gamma_regularizer : str, dict or callable, optional
    beta_constraint, gamma_constraint : str, dict or callable, optional
    **kwargs
        Those of `Layer`: name, trainable, dtype, input_shape, weights, and so on.

    Attributes
    ----------
    gamma, beta : Parameter, (C,), or None
    moving_mean, moving_variance : Parameter, (C,)
        Not trainable.

    Raises
    ------
    ValueError
        In the constructor for arguments out of their range; later for an axis that the input
        does not have, or other channels than the layer was built for.
    TypeError
        For unknown keyword arguments (``renorm`` and ``fused`` too) and integer inputs.

    Notes
    -----
    Input and output: (N, ..., C, ...), in the layer's dtype. An empty batch changes no average.

    The variance is that of the batch itself (divided by N, the numbers of a channel), also in the
    moving average: the biased one, as in Keras 3 and in tf_keras' unfused kernel. The fused kernel
    that tf_keras takes for images (4 axes) multiplies it by N / (N - 1) in the moving average.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/BatchNormalization,
    S. Ioffe and C. Szegedy, 2015, https://arxiv.org/abs/1502.03167

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.BatchNormalization(momentum=0.5, epsilon=1e-6)
    >>> x = np.array([[1.0], [3.0]])
    >>> layer(x, training=True).numpy().round(3).tolist()
    [[-1.0], [1.0]]
    >>> layer.moving_mean.numpy(), layer.moving_variance.numpy()
    (array([1.], dtype=float32), array([1.], dtype=float32))
    >>> layer(x).numpy().round(3).tolist()
    [[0.0], [2.0]]
    """

    gamma: Parameter | None = None
    beta: Parameter | None = None
    moving_mean: Parameter
    moving_variance: Parameter
    beta_initializer: Any
    gamma_initializer: Any
    moving_mean_initializer: Any
    moving_variance_initializer: Any
    beta_regularizer: Any
    gamma_regularizer: Any
    beta_constraint: Any
    gamma_constraint: Any

    _arguments: ClassVar[tuple[str, ...]] = (
        "axis",
        "momentum",
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "moving_mean_initializer",
        "moving_variance_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )
    _legacy_keys: ClassVar[frozenset[str]] = frozenset(
        {"fused", "renorm_clipping", "renorm_momentum"}
    )
    _neutral_keys: ClassVar[frozenset[str]] = Layer._neutral_keys | {
        "adjustment",
        "renorm",
        "synchronized",
        "virtual_batch_size",
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.axis = _axis(axis)
        self.momentum = _number(momentum, "momentum", 0.0, 1.0)
        self.epsilon = _number(epsilon, "epsilon", 0.0, math.inf)
        if self.epsilon == 0.0:
            raise ValueError(f"epsilon must be greater than 0. Received: epsilon={brief(epsilon)}")
        self.center = flag(center, "center")
        self.scale = flag(scale, "scale")
        resolve(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Make scale, offset and moving averages; see `Layer.build`."""
        if not -len(input_shape) <= self.axis < len(input_shape) or self._at(input_shape) == 0:
            raise ValueError(
                f"axis must be an axis of the input other than that of the batch. "
                f"Received: axis={self.axis}, input_shape={input_shape}"
            )
        size = known(input_shape[self.axis], f"The size of axis {self.axis}", input_shape)
        if self.scale:
            self.gamma = self.add_weight(
                "gamma",
                (size,),
                self.gamma_initializer,
                self.gamma_regularizer,
                self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                "beta", (size,), self.beta_initializer, self.beta_regularizer, self.beta_constraint
            )
        self.moving_mean = self.add_weight(
            "moving_mean", (size,), self.moving_mean_initializer, trainable=False
        )
        self.moving_variance = self.add_weight(
            "moving_variance", (size,), self.moving_variance_initializer, trainable=False
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: Tensor, training: bool = False, relu: bool = False) -> Tensor:
        """Return the normalized inputs, after ReLU if that is asked for; move the averages."""
        axis = self._at(inputs.shape)
        if training and self.trainable and inputs.size:
            others = tuple(i for i in range(inputs.ndim) if i != axis)
            result = ops.batch_normalization(
                inputs, self.gamma, self.beta, others, self.epsilon, "relu" if relu else None
            )
            self._move(self.moving_mean, result.mean)
            self._move(self.moving_variance, result.variance)
            return result.output
        scale = 1.0 / ops.sqrt(self.moving_variance + self.epsilon)
        if self.gamma is not None:
            scale = scale * self.gamma
        offset = -self.moving_mean * scale
        if self.beta is not None:
            offset = offset + self.beta
        along = tuple(-1 if i == axis else 1 for i in range(inputs.ndim))
        outputs: Tensor = inputs * scale.reshape(along) + offset.reshape(along)
        return ops.relu(outputs) if relu else outputs

    def _move(self, average: Parameter, statistic: Tensor) -> None:
        kept = self.momentum * average.data
        average.assign(kept + (1.0 - self.momentum) * statistic.data)

    def _at(self, shape: Any) -> int:
        """Return the axis counted from the front."""
        return self.axis % len(shape)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the input."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        return shape


def _axis(value: Any) -> int:
    """Return the axis as an int; Keras 2 writes ``[3]`` into the configuration of a built layer."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    raise ValueError(f"axis must be one integer. Received: axis={brief(value)}")


def _number(value: Any, name: str, low: float, high: float) -> float:
    """Return a number between bounds as a float."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not real or not low <= value <= high or value == math.inf:
        raise ValueError(
            f"{name} must be a number from {low} to {high}. Received: {name}={brief(value)}"
        )
    return float(value)


register(BatchNormalization)

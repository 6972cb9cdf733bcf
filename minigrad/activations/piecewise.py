"""Activations with kinks: linear pieces, and the exponential units.

At a kink the derivative is the one that TensorFlow returns; each docstring says which.
"""

from __future__ import annotations

from typing import Any

from minigrad import ops
from minigrad._registry import Registry
from minigrad.autograd import Tensor, constant

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def linear(x: Any) -> Tensor:
    """Return x unchanged; ``None`` stands for this activation.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.get(None)(mg.tensor([-1.0, 2.0])).numpy()
    array([-1.,  2.], dtype=float32)
    """
    return constant(x)


registry = Registry("activation", functions=True, default=linear)


def relu(
    x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """Return max(x, 0), or its general form.

    Parameters
    ----------
    x : Tensor or array_like
    alpha : float
        The slope below the threshold (Keras 3 calls it ``negative_slope``).
    max_value : float, optional
        The largest result.
    threshold : float
        What is not above it counts as 0, before ``alpha * max(threshold - x, 0)`` is subtracted:
        with both given, values between 0 and the threshold become negative.

    Returns
    -------
    Tensor
        y = x·[x > threshold], clipped to [0, max_value], minus alpha·max(threshold - x, 0).

    Notes
    -----
    The derivative at the threshold is 0 (alpha, for the plain leaky form); at `max_value` it is 1,
    except for `relu6`.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([-10.0, -5.0, 0.0, 5.0, 10.0])
    >>> mg.activations.relu(x, alpha=0.5, max_value=5.0, threshold=5.0).numpy()
    array([-7.5, -5. , -2.5,  0. ,  5. ], dtype=float32)
    """
    if alpha == 0.0 and max_value is None and threshold == 0.0:
        return ops.relu(x)
    if max_value is None and threshold == 0.0:
        return leaky_relu(x, alpha)
    x = constant(x)
    if threshold != 0.0:
        y = ops.where(ops.less_equal(x, threshold), 0.0, x)  # NaN stays NaN
        if max_value is not None:
            y = ops.clip(y, 0.0, max_value)
    elif max_value == 6.0:
        y = relu6(x)
    else:
        y = ops.clip(ops.relu(x), 0.0, max_value)
    return y - alpha * ops.relu(threshold - x) if alpha != 0.0 else y


def leaky_relu(x: Any, alpha: float = 0.2) -> Tensor:
    """Return x where x > 0, alpha·x elsewhere (the derivative at 0 is alpha).

    The slope of this function is 0.2 by default, that of Keras' layer ``LeakyReLU`` 0.3.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.leaky_relu(mg.tensor([-1.0, 2.0])).numpy()
    array([-0.2,  2. ], dtype=float32)
    """
    x = constant(x)
    return ops.where(ops.less_equal(x, 0.0), alpha * x, x)


def relu6(x: Any) -> Tensor:
    """Return min(max(x, 0), 6); the derivative is 0 at both ends.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.relu6(mg.tensor([-1.0, 2.0, 9.0])).numpy()
    array([0., 2., 6.], dtype=float32)
    """
    x = ops.relu(x)
    return ops.where(ops.greater_equal(x, 6.0), 6.0, x)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Return x where x > 0, alpha·(exp(x) - 1) elsewhere (https://arxiv.org/abs/1511.07289).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.elu(mg.tensor([-1.0, 2.0])).numpy()
    array([-0.63212055,  2.        ], dtype=float32)
    """
    x = constant(x)
    positive = ops.greater(x, 0.0)
    # exp only sees the branch it is for: where the other is taken, it must not overflow.
    return ops.where(positive, x, alpha * ops.expm1(ops.where(positive, 0.0, x)))


def selu(x: Any) -> Tensor:
    """Return scale·elu(x, alpha) with the constants of https://arxiv.org/abs/1706.02515.

    They keep mean 0 and variance 1 from layer to layer, given ``lecun_normal`` kernels. The
    derivative at 0 is the scale.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.selu(mg.tensor([-1.0, 2.0])).numpy()
    array([-1.1113307,  2.101402 ], dtype=float32)
    """
    x = constant(x)
    negative = ops.less(x, 0.0)
    below = SELU_ALPHA * ops.expm1(ops.where(negative, x, 0.0))
    return SELU_SCALE * ops.where(negative, below, x)


def hard_sigmoid(x: Any) -> Tensor:
    """Return 0.2·x + 0.5 clipped to [0, 1], as TF 2.4 does (Keras 3 has the slope 1/6).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.activations.hard_sigmoid(mg.tensor([-3.0, 1.0])).numpy()
    array([0. , 0.7], dtype=float32)
    """
    return ops.clip(0.2 * constant(x) + 0.5, 0.0, 1.0)


for _function in (linear, relu, leaky_relu, relu6, elu, selu, hard_sigmoid):
    registry.register(_function)

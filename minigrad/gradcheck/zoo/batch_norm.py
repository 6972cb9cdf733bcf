"""Batch normalization in NumPy, for training, and what can go wrong in its gradient."""

from __future__ import annotations

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.zoo.exercise import Gradient, Gradients, Operation, normal

EPSILON = 1e-3


def forward(x: Array, gamma: Array, beta: Array) -> Array:
    """Return γ (x - μ) / sqrt(σ² + ε) + β, with mean μ and variance σ² per channel (last axis)."""
    return gamma * normalized(x)[0] + beta


def backward(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Return (dx, dgamma, dbeta)."""
    axes, (hat, deviation) = batch_axes(x), normalized(x)
    return projected(g, hat, gamma / deviation), (g * hat).sum(axis=axes), g.sum(axis=axes)


def projected(g: Array, hat: Array, scale: Array) -> Array:
    """Return dx: μ and σ² depend on all of x, so g loses its mean and its part along x̂."""
    axes = batch_axes(g)
    return np.asarray(scale * (g - g.mean(axis=axes) - hat * (g * hat).mean(axis=axes)))


def normalized(x: Array) -> tuple[Array, Array]:
    """Return the normalized x and the deviation sqrt(σ² + ε)."""
    deviation = np.sqrt(x.var(axis=batch_axes(x)) + EPSILON)
    return (x - x.mean(axis=batch_axes(x))) / deviation, deviation


def batch_axes(x: Array) -> tuple[int, ...]:
    """Return all axes but that of the channels."""
    return tuple(range(x.ndim - 1))


BATCH_NORM = Operation("batch norm", forward, backward, normal((6, 3), (3,), (3,)))
bug = BATCH_NORM.bug


@bug(1, "x", "statistics terms")
def takes_statistics_for_constants(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Forget that mean and variance depend on x."""
    return g * gamma / normalized(x)[1]


@bug(2, "x", "variance term")
def takes_variance_for_constant(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Remember the mean, forget that the variance depends on x."""
    return gamma / normalized(x)[1] * (g - g.mean(axis=batch_axes(x)))


@bug(3, "x", seen="by 1 / N", inputs=normal((40, 2), (2,), (2,)))
def divides_by_n_minus_one(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Use the unbiased variance on the way back only."""
    axes, (hat, deviation) = batch_axes(x), normalized(x)
    along = hat * (g * hat).sum(axis=axes) / (len(x) - 1)
    return gamma / deviation * (g - g.mean(axis=axes) - along)


@bug(
    3,
    "x",
    seen="if a channel hardly varies",
    inputs=lambda rng: (
        rng.standard_normal((6, 3)) * [1.0, 0.03, 1.0],
        *normal((3,), (3,))(rng),
    ),
)
def adds_epsilon_outside(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Write sqrt(σ²) + ε for sqrt(σ² + ε) on the way back."""
    deviation = x.std(axis=batch_axes(x)) + EPSILON
    return projected(g, (x - x.mean(axis=batch_axes(x))) / deviation, gamma / deviation)


@bug(1, "gamma")
def forgets_to_normalize(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Multiply by x where the normalized x belongs."""
    return (g * x).sum(axis=batch_axes(x))


@bug(1, "beta", "divided by the batch size")
def averages_beta(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Take the mean where the gradient of β is a sum."""
    return g.mean(axis=batch_axes(x))


@bug(2, "gamma", "missing spatial sum", seen="with images", inputs=normal((2, 3, 3, 2), (2,), (2,)))
def sums_over_images_only(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Sum over the batch axis and keep the first pixel, so that the shape fits."""
    return (g * normalized(x)[0]).sum(axis=0)[0, 0]


@bug(3, "x", "stale", seen="if the function is called at more than one point")
def keeps_old_deviation(
    g: Array, x: Array, gamma: Array, beta: Array, memory: dict[str, Array]
) -> Gradient:
    """Store the deviation of the first batch, and divide by it for ever."""
    hat, deviation = normalized(x)
    return projected(g, hat, gamma / memory.setdefault("deviation", deviation))


@bug(2, "x", "input forgotten", seen="if gamma is not 1")
def forgets_gamma(g: Array, x: Array, gamma: Array, beta: Array) -> Gradient:
    """Forget the factor γ, which starts at 1 in every network."""
    return backward(g, x, np.ones_like(gamma), beta)[0]

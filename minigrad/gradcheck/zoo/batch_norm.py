"""Batch normalization in NumPy, for training, and what can go wrong in its gradient."""

from __future__ import annotations

import numpy as np

from minigrad.gradcheck.zoo.exercise import Array, Gradients, Operation, normal

EPSILON = 1e-3


def forward(x: Array, gamma: Array, beta: Array) -> Array:
    """Return γ (x - μ) / sqrt(σ² + ε) + β, with mean μ and variance σ² per channel (last axis)."""
    return gamma * normalized(x)[0] + beta


def backward(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Return (dx, dgamma, dbeta).

    μ and σ² depend on all of x, so dx loses its mean and its part along the normalized x.
    """
    axes, (hat, deviation) = batch_axes(x), normalized(x)
    along = hat * (g * hat).mean(axis=axes)
    dx = gamma / deviation * (g - g.mean(axis=axes) - along)
    return dx, (g * hat).sum(axis=axes), g.sum(axis=axes)


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
def takes_statistics_for_constants(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Forget that mean and variance depend on x."""
    return g * gamma / normalized(x)[1], *backward(g, x, gamma, beta)[1:]


@bug(2, "x", "variance term")
def takes_variance_for_constant(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Remember the mean, forget that the variance depends on x."""
    dx = gamma / normalized(x)[1] * (g - g.mean(axis=batch_axes(x)))
    return dx, *backward(g, x, gamma, beta)[1:]


@bug(3, "x", seen="by 1 / N", inputs=normal((40, 2), (2,), (2,)))
def divides_by_n_minus_one(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Use the unbiased variance on the way back only."""
    axes, n = batch_axes(x), len(x)
    hat, deviation = normalized(x)
    along = hat * (g * hat).sum(axis=axes) / (n - 1)
    return gamma / deviation * (g - g.mean(axis=axes) - along), *backward(g, x, gamma, beta)[1:]


@bug(
    3,
    "x",
    seen="if a channel hardly varies",
    inputs=lambda rng: (
        rng.standard_normal((6, 3)) * [1.0, 0.03, 1.0],
        rng.standard_normal(3),
        rng.standard_normal(3),
    ),
)
def adds_epsilon_outside(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Write sqrt(σ²) + ε for sqrt(σ² + ε) on the way back."""
    axes = batch_axes(x)
    deviation = x.std(axis=axes) + EPSILON
    hat = (x - x.mean(axis=axes)) / deviation
    along = hat * (g * hat).mean(axis=axes)
    dx = gamma / deviation * (g - g.mean(axis=axes) - along)
    return dx, *backward(g, x, gamma, beta)[1:]


@bug(1, "gamma")
def forgets_to_normalize(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Multiply by x where the normalized x belongs."""
    dx, _, dbeta = backward(g, x, gamma, beta)
    return dx, (g * x).sum(axis=batch_axes(x)), dbeta


@bug(1, "beta", "divided by the batch size")
def averages_beta(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Take the mean where the gradient of β is a sum."""
    return *backward(g, x, gamma, beta)[:2], g.mean(axis=batch_axes(x))


@bug(
    2,
    "gamma",
    "missing spatial sum",
    seen="with images",
    inputs=normal((2, 3, 3, 2), (2,), (2,)),
)
def sums_over_images_only(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Sum over the batch axis and keep the first pixel, so that the shape fits."""
    dx, _, dbeta = backward(g, x, gamma, beta)
    return dx, (g * normalized(x)[0]).sum(axis=0)[0, 0], dbeta


@bug(3, "x", "stale", seen="if the function is called at more than one point")
def keeps_old_deviation(
    g: Array, x: Array, gamma: Array, beta: Array, memory: dict[str, Array]
) -> Gradients:
    """Store the deviation of the first batch, and divide by it for ever."""
    dx, dgamma, dbeta = backward(g, x, gamma, beta)
    deviation = normalized(x)[1]
    return dx * deviation / memory.setdefault("deviation", deviation), dgamma, dbeta


@bug(2, "x", "input forgotten", seen="if gamma is not 1")
def forgets_gamma(g: Array, x: Array, gamma: Array, beta: Array) -> Gradients:
    """Forget the factor γ, which starts at 1 in every network."""
    return backward(g, x, np.ones_like(gamma), beta)[0], *backward(g, x, gamma, beta)[1:]

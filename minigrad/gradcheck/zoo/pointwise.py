"""Pointwise (1 x 1) convolution and separable convolution in NumPy, and their wrong gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.gradcheck.zoo import depthwise
from minigrad.gradcheck.zoo.exercise import Array, Gradients, Operation, normal


def forward(x: Array, kernel: Array, bias: Array) -> Array:
    """Return y[n, i, j, f] = Σ_q x[n, i, j, q] Q[q, f] + bias[f]."""
    return x @ kernel + bias


def backward(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Return (dx, dkernel, dbias): the kernel and the bias serve all pixels of all images."""
    dkernel = np.einsum("nijq,nijf->qf", x, g)
    return g @ kernel.T, dkernel, g.sum(axis=(0, 1, 2))


POINTWISE = Operation("pointwise", forward, backward, normal((2, 3, 4, 3), (3, 3), (3,)))
bug = POINTWISE.bug


@bug(1, "kernel", "transposed", seen="in its values if input and output have equally many channels")
def transposes_kernel_gradient(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Write x^T g the other way round."""
    dx, dkernel, dbias = backward(g, x, kernel, bias)
    return dx, dkernel.T, dbias


@bug(1, "x", "kernel transposed", seen="if input and output have equally many channels")
def forgets_to_transpose(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Multiply by the kernel on the way back as on the way there."""
    return g @ kernel, *backward(g, x, kernel, bias)[1:]


@bug(1, "bias", "missing spatial sum")
def forgets_pixels(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Sum the bias gradient over the images, not over the pixels."""
    return *backward(g, x, kernel, bias)[:2], g.sum(axis=0)[0, 0]


@bug(1, "bias", "divided by the positions")
def averages_bias(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Take the mean where the bias gradient is a sum."""
    return *backward(g, x, kernel, bias)[:2], g.mean(axis=(0, 1, 2))


@bug(1, "bias", "missing")
def forgets_bias(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Forget the bias: it never learns."""
    return *backward(g, x, kernel, bias)[:2], np.zeros_like(bias)


@bug(3, "kernel", "precision", seen="in the fourth digit")
def sums_in_half_precision(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Sum the kernel's gradient in a float16 buffer, as mixed precision by hand does."""
    dx, dkernel, dbias = backward(g, x, kernel, bias)
    return dx, dkernel.astype(np.float16).astype(kernel.dtype), dbias


@bug(2, "x", "wrong axes", seen="if there is more than one image")
def adds_the_images(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Add the gradients of all images, and give each image the sum."""
    summed = (g @ kernel.T).sum(axis=0, keepdims=True)
    return np.repeat(summed, len(x), axis=0), *backward(g, x, kernel, bias)[1:]


@bug(
    3,
    "kernel",
    "wrong dtype",
    seen="in float32",
    inputs=lambda rng: tuple(
        rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3, 4, 3), (3, 3), (3,))
    ),
)
def widens(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Sum in float64, which is wise, and forget to go back: all updates become float64."""
    dx, _, dbias = backward(g, x, kernel, bias)
    return dx, np.einsum("nijq,nijf->qf", x.astype(np.float64), g.astype(np.float64)), dbias


# ---------------------------------------------------------------------- separable convolution


def separable_forward(
    x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array, **how: Any
) -> Array:
    """Return the pointwise convolution of the depthwise convolution of x."""
    return forward(depthwise.forward(x, depthwise_kernel, **how), pointwise_kernel, bias)


def separable_backward(
    g: Array, x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array, **how: Any
) -> Gradients:
    """Return (dx, ddepthwise_kernel, dpointwise_kernel, dbias), by the chain rule."""
    features = depthwise.forward(x, depthwise_kernel, **how)
    dfeatures, dpointwise, dbias = backward(g, features, pointwise_kernel, bias)
    return *depthwise.backward(dfeatures, x, depthwise_kernel, **how), dpointwise, dbias


SEPARABLE = Operation(
    "separable",
    separable_forward,
    separable_backward,
    normal((2, 4, 4, 3), (3, 3, 3, 1), (3, 4), (4,)),
)
bug = SEPARABLE.bug
PADDED: dict[str, Any] = {"pads": depthwise.SAME}


@bug(2, "pointwise_kernel", **PADDED)
def uses_image_for_features(
    g: Array, x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array, **how: Any
) -> Gradients:
    """Multiply by the image where the features between the two stages belong."""
    dx, ddepthwise, _, dbias = separable_backward(
        g, x, depthwise_kernel, pointwise_kernel, bias, **how
    )
    return dx, ddepthwise, backward(g, x, pointwise_kernel, bias)[1], dbias


@bug(3, "pointwise_kernel", "stale", seen="if the function is called at more than one point")
def keeps_old_features(
    g: Array,
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array,
    memory: dict[str, Array],
) -> Gradients:
    """Cache the features, and never compute them again."""
    dx, ddepthwise, _, dbias = separable_backward(g, x, depthwise_kernel, pointwise_kernel, bias)
    features = memory.setdefault("features", depthwise.forward(x, depthwise_kernel))
    return dx, ddepthwise, backward(g, features, pointwise_kernel, bias)[1], dbias


@bug(1, "depthwise_kernel", "scaled by 2", **PADDED)
def adds_twice(
    g: Array, x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array, **how: Any
) -> Gradients:
    """Add the depthwise gradient to the buffer once per stage: twice."""
    dx, ddepthwise, *rest = separable_backward(
        g, x, depthwise_kernel, pointwise_kernel, bias, **how
    )
    return dx, ddepthwise + ddepthwise, *rest


@bug(2, "bias", "wrong axes", seen="if images are as wide as the filters are many", **PADDED)
def sums_over_channels(
    g: Array, x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array, **how: Any
) -> Gradients:
    """Sum the bias gradient over the first three axes as if the channels came second."""
    return *separable_backward(g, x, depthwise_kernel, pointwise_kernel, bias, **how)[:3], g.sum(
        axis=(0, 1, 3)
    )


@bug(2, "depthwise_kernel", "upstream ignored", seen="if the upstream gradient is not all ones")
def assumes_a_sum(
    g: Array, x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array
) -> Gradients:
    """Start the chain rule from ones, as if the loss were the sum of the output."""
    dx, _, dpointwise, dbias = separable_backward(g, x, depthwise_kernel, pointwise_kernel, bias)
    ones = np.ones_like(g)
    return (
        dx,
        separable_backward(ones, x, depthwise_kernel, pointwise_kernel, bias)[1],
        dpointwise,
        dbias,
    )


@bug(2, "x", "mutated", seen="in what is left of the image afterwards", **PADDED)
def spoils_the_image(
    g: Array, x: Array, depthwise_kernel: Array, pointwise_kernel: Array, bias: Array, **how: Any
) -> Gradients:
    """Compute the right gradients, then reuse the memory of the image for its own."""
    dx, *rest = separable_backward(g, x, depthwise_kernel, pointwise_kernel, bias, **how)
    x[...] = dx
    return x, *rest

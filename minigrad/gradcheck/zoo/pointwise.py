"""Pointwise (1 x 1) convolution and separable convolution in NumPy, and their wrong gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.gradcheck import geometry
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.zoo.exercise import Gradient, Gradients, Operation, normal


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
def transposes_kernel_gradient(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Write x^T g the other way round."""
    return backward(g, x, kernel, bias)[1].T


@bug(1, "x", "kernel transposed", seen="if input and output have equally many channels")
def forgets_to_transpose(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Multiply by the kernel on the way back as on the way there."""
    return g @ kernel


@bug(1, "bias", "missing spatial sum")
def forgets_pixels(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Sum the bias gradient over the images, not over the pixels."""
    return g.sum(axis=0)[0, 0]


@bug(1, "bias", "divided by the positions")
def averages_bias(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Take the mean where the bias gradient is a sum."""
    return g.mean(axis=(0, 1, 2))


@bug(1, "bias", "missing")
def forgets_bias(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Forget the bias: it never learns."""
    return np.zeros_like(bias)


@bug(3, "kernel", "precision", seen="in the fourth digit")
def sums_in_half_precision(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Sum the kernel's gradient in a float16 buffer, as mixed precision by hand does."""
    return backward(g, x, kernel, bias)[1].astype(np.float16).astype(kernel.dtype)


@bug(2, "x", "wrong axes", seen="if there is more than one image")
def adds_the_images(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Add the gradients of all images, and give each image the sum."""
    return np.repeat((g @ kernel.T).sum(axis=0, keepdims=True), len(x), axis=0)


FLOATS = normal((2, 3, 4, 3), (3, 3), (3,), dtype="float32")


@bug(3, "kernel", "wrong dtype", seen="in float32", inputs=FLOATS)
def widens(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Sum in float64, which is wise, and forget to go back: all updates become float64."""
    return np.einsum("nijq,nijf->qf", x.astype(np.float64), g.astype(np.float64))


# ---------------------------------------------------------------------- separable convolution


def separable_forward(x: Array, kernel: Array, mix: Array, bias: Array, **how: Any) -> Array:
    """Return the pointwise convolution (kernel: mix) of the depthwise convolution of x."""
    return forward(geometry.forward(x, kernel, **how), mix, bias)


def separable_backward(
    g: Array, x: Array, kernel: Array, mix: Array, bias: Array, **how: Any
) -> Gradients:
    """Return (dx, dkernel, dmix, dbias), by the chain rule."""
    features = geometry.forward(x, kernel, **how)
    dfeatures, dmix, dbias = backward(g, features, mix, bias)
    return *geometry.backward(dfeatures, x, kernel, **how), dmix, dbias


SEPARABLE = Operation(
    "separable",
    separable_forward,
    separable_backward,
    normal((2, 4, 4, 3), (3, 3, 3, 1), (3, 4), (4,)),
)
bug = SEPARABLE.bug
PADDED: dict[str, Any] = {"pads": geometry.SAME}


@bug(2, "mix", **PADDED)
def uses_image_for_features(
    g: Array, x: Array, kernel: Array, mix: Array, bias: Array, **how: Any
) -> Gradient:
    """Multiply by the image where the features between the two stages belong."""
    return backward(g, x, mix, bias)[1]


@bug(3, "mix", "stale", seen="if the function is called at more than one point")
def keeps_old_features(
    g: Array, x: Array, kernel: Array, mix: Array, bias: Array, memory: dict[str, Array]
) -> Gradient:
    """Cache the features, and never compute them again."""
    features = memory.setdefault("features", geometry.forward(x, kernel))
    return backward(g, features, mix, bias)[1]


@bug(1, "kernel", "scaled by 2", **PADDED)
def adds_twice(g: Array, x: Array, kernel: Array, mix: Array, bias: Array, **how: Any) -> Gradient:
    """Add the depthwise gradient to the buffer once per stage: twice."""
    return 2.0 * separable_backward(g, x, kernel, mix, bias, **how)[1]


@bug(2, "bias", "wrong axes", seen="if images are as wide as the filters are many", **PADDED)
def sums_over_channels(
    g: Array, x: Array, kernel: Array, mix: Array, bias: Array, **how: Any
) -> Gradient:
    """Sum the bias gradient over the first three axes as if the channels came second."""
    return g.sum(axis=(0, 1, 3))


@bug(2, "kernel", "upstream ignored", seen="if the upstream gradient is not all ones")
def assumes_a_sum(g: Array, x: Array, kernel: Array, mix: Array, bias: Array) -> Gradient:
    """Start the chain rule from ones, as if the loss were the sum of the output."""
    return separable_backward(np.ones_like(g), x, kernel, mix, bias)[1]


@bug(2, "x", "mutated", seen="in what is left of the image afterwards", **PADDED)
def spoils_the_image(
    g: Array, x: Array, kernel: Array, mix: Array, bias: Array, **how: Any
) -> Gradient:
    """Compute the right gradient, then reuse the memory of the image for it."""
    x[...] = separable_backward(g, x, kernel, mix, bias, **how)[0]
    return x

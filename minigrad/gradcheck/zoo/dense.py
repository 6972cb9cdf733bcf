"""Dense layers in NumPy, one alone and two that share their weights, and their wrong gradients."""

from __future__ import annotations

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.zoo.exercise import Gradient, Gradients, Operation, normal

DENSE = Operation(
    "dense",
    lambda x, kernel, bias: x @ kernel + bias,
    lambda g, x, kernel, bias: (g @ kernel.T, x.T @ g, g.sum(axis=0)),
    normal((4, 3), (3, 3), (3,)),
)
bug = DENSE.bug


@bug(1, "kernel", "transposed", seen="in its values if input and output have equal sizes")
def transposes_kernel_gradient(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Write g^T x for x^T g."""
    return g.T @ x


@bug(1, "kernel", "divided by the batch size")
def averages_batch(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Divide by the batch size, which the loss has done already."""
    return x.T @ g / len(x)


@bug(1, "bias", "missing batch sum")
def keeps_one_example(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Take the bias gradient from the first example, so that its shape fits."""
    return g[0]


@bug(1, "x", "negated")
def descends_already(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Return the direction of descent where the gradient is asked for."""
    return -(g @ kernel.T)


@bug(3, "kernel", "weight decay", seen="as a relative error of about 1e-4")
def decays_weights(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Add weight decay in the layer, although the optimizer adds it."""
    return x.T @ g + 1e-4 * kernel


@bug(3, "kernel", "nondeterministic", seen="in the last bits, and not twice the same")
def adds_in_any_order(
    g: Array, x: Array, kernel: Array, bias: Array, memory: dict[str, np.random.Generator]
) -> Gradient:
    """Add the examples in the order in which threads finish, here by a seeded shuffle."""
    rng = memory.setdefault("order", np.random.default_rng(0))
    dkernel = np.zeros_like(kernel)
    for k in rng.permutation(len(x)):
        dkernel += np.outer(x[k], g[k])
    return dkernel


@bug(
    3, "kernel", "one element", seen="in one element of many", inputs=normal((4, 12), (12, 9), (9,))
)
def stops_one_short(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """End the loop over the elements of the kernel one too early."""
    dkernel = np.zeros_like(kernel)
    for k in range(kernel.size - 1):
        row, column = divmod(k, kernel.shape[1])
        dkernel[row, column] = x[:, row] @ g[:, column]
    return dkernel


@bug(2, "x", "upstream clipped", seen="if the upstream gradient is larger than 1")
def clips_upstream(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Clip the upstream gradient: left over from a run that exploded."""
    return np.clip(g, -1.0, 1.0) @ kernel.T


@bug(2, "kernel", "upstream scaled", seen="if the largest upstream gradient is not 1")
def normalizes_upstream(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Divide the upstream gradient by its largest element, "for stability"."""
    return x.T @ (g / (np.abs(g).max() or 1.0))


@bug(2, "kernel", "not reset", seen="from the second call on")
def never_zeroes_the_buffer(
    g: Array, x: Array, kernel: Array, bias: Array, memory: dict[str, Array]
) -> Gradient:
    """Add to a buffer that nobody sets to zero between two calls."""
    memory["dkernel"] = memory.get("dkernel", 0.0) + x.T @ g
    return memory["dkernel"]


@bug(2, "x", "squeezed", seen="if there is one example only", inputs=normal((1, 3), (3, 2), (2,)))
def squeezes(g: Array, x: Array, kernel: Array, bias: Array) -> Gradient:
    """Squeeze the result: a batch of one example loses its axis."""
    return np.squeeze(g @ kernel.T)


# ---------------------------------------------------------------------- shared weights


def tied_backward(g: Array, x: Array, kernel: Array) -> Gradients:
    """Return (dx, dkernel); the kernel is used twice, so its gradient is a sum of two."""
    code = np.tanh(x @ kernel)
    inner = (g @ kernel) * (1.0 - code * code)
    return inner @ kernel.T, x.T @ inner + g.T @ code


TIED = Operation(  # an encoder and a decoder with the same kernel
    "tied dense",
    lambda x, kernel: np.tanh(x @ kernel) @ kernel.T,
    tied_backward,
    normal((4, 3), (3, 2)),
)


@TIED.bug(2, "kernel", "not accumulated")
def forgets_second_use(g: Array, x: Array, kernel: Array) -> Gradient:
    """Overwrite the gradient from the decoder by that from the encoder."""
    return x.T @ ((g @ kernel) * (1.0 - np.tanh(x @ kernel) ** 2))

"""Dense layers in NumPy, one alone and two that share their weights, and their wrong gradients."""

from __future__ import annotations

import numpy as np

from minigrad.gradcheck.zoo.exercise import Array, Gradients, Operation, normal


def forward(x: Array, kernel: Array, bias: Array) -> Array:
    """Return y = x K + b for rows x."""
    return x @ kernel + bias


def backward(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Return (dx, dkernel, dbias)."""
    return g @ kernel.T, x.T @ g, g.sum(axis=0)


DENSE = Operation("dense", forward, backward, normal((4, 3), (3, 3), (3,)))
bug = DENSE.bug


@bug(1, "kernel", "transposed", seen="in its values if input and output have equal sizes")
def transposes_kernel_gradient(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Write g^T x for x^T g."""
    return g @ kernel.T, g.T @ x, g.sum(axis=0)


@bug(1, "kernel", "divided by the batch size")
def averages_batch(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Divide by the batch size, which the loss has done already."""
    return g @ kernel.T, x.T @ g / len(x), g.sum(axis=0)


@bug(1, "bias", "missing batch sum")
def keeps_one_example(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Take the bias gradient from the first example, so that its shape fits."""
    return g @ kernel.T, x.T @ g, g[0]


@bug(1, "x", "negated")
def descends_already(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Return the direction of descent where the gradient is asked for."""
    return -(g @ kernel.T), x.T @ g, g.sum(axis=0)


@bug(3, "kernel", "weight decay", seen="as a relative error of about 1e-4")
def decays_weights(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Add weight decay in the layer, although the optimizer adds it."""
    return g @ kernel.T, x.T @ g + 1e-4 * kernel, g.sum(axis=0)


@bug(3, "kernel", "nondeterministic", seen="in the last bits, and not twice the same")
def adds_in_any_order(
    g: Array, x: Array, kernel: Array, bias: Array, memory: dict[str, np.random.Generator]
) -> Gradients:
    """Add the examples in the order in which threads finish, here by a seeded shuffle."""
    rng = memory.setdefault("order", np.random.default_rng(0))
    dkernel = np.zeros_like(kernel)
    for k in rng.permutation(len(x)):
        dkernel += np.outer(x[k], g[k])
    return g @ kernel.T, dkernel, g.sum(axis=0)


@bug(
    3, "kernel", "one element", seen="in one element of many", inputs=normal((4, 12), (12, 9), (9,))
)
def stops_one_short(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """End the loop over the elements of the kernel one too early."""
    dkernel = np.zeros_like(kernel)
    for k in range(kernel.size - 1):
        row, column = divmod(k, kernel.shape[1])
        dkernel[row, column] = x[:, row] @ g[:, column]
    return g @ kernel.T, dkernel, g.sum(axis=0)


@bug(2, "x", "upstream clipped", seen="if the upstream gradient is larger than 1")
def clips_upstream(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Clip the upstream gradient: left over from a run that exploded."""
    return np.clip(g, -1.0, 1.0) @ kernel.T, x.T @ g, g.sum(axis=0)


@bug(2, "kernel", "upstream scaled", seen="if the largest upstream gradient is not 1")
def normalizes_upstream(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Divide the upstream gradient by its largest element, "for stability"."""
    return g @ kernel.T, x.T @ (g / (np.abs(g).max() or 1.0)), g.sum(axis=0)


@bug(2, "kernel", "not reset", seen="from the second call on")
def never_zeroes_the_buffer(
    g: Array, x: Array, kernel: Array, bias: Array, memory: dict[str, Array]
) -> Gradients:
    """Add to a buffer that nobody sets to zero between two calls."""
    memory["dkernel"] = memory.get("dkernel", 0.0) + x.T @ g
    return g @ kernel.T, memory["dkernel"], g.sum(axis=0)


@bug(2, "x", "squeezed", seen="if there is one example only", inputs=normal((1, 3), (3, 2), (2,)))
def squeezes(g: Array, x: Array, kernel: Array, bias: Array) -> Gradients:
    """Squeeze the result: a batch of one example loses its axis."""
    return np.squeeze(g @ kernel.T), x.T @ g, g.sum(axis=0)


# ---------------------------------------------------------------------- shared weights


def tied_forward(x: Array, kernel: Array) -> Array:
    """Return tanh(x K) K^T: an encoder and a decoder with the same kernel."""
    return np.asarray(np.tanh(x @ kernel) @ kernel.T)


def tied_backward(g: Array, x: Array, kernel: Array) -> Gradients:
    """Return (dx, dkernel); the kernel is used twice, so its gradient is a sum of two."""
    code = np.tanh(x @ kernel)
    inner = (g @ kernel) * (1.0 - code * code)
    return inner @ kernel.T, x.T @ inner + g.T @ code


TIED = Operation("tied dense", tied_forward, tied_backward, normal((4, 3), (3, 2)))


@TIED.bug(2, "kernel", "not accumulated")
def forgets_second_use(g: Array, x: Array, kernel: Array) -> Gradients:
    """Overwrite the gradient from the decoder by that from the encoder."""
    inner = (g @ kernel) * (1.0 - np.tanh(x @ kernel) ** 2)
    return inner @ kernel.T, x.T @ inner

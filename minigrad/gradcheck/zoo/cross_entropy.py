"""Softmax and cross-entropy in NumPy, per example, and what can go wrong in their gradients."""

from __future__ import annotations

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.zoo.exercise import Gradient, Gradients, Inputs, Operation, normal


def forward(logits: Array, labels: Array, weights: Array) -> Array:
    """Return -w[label] log softmax(z)[label] for each row z; one weight per class."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    entropy = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return np.asarray(weights[labels] * entropy)


def backward(g: Array, logits: Array, labels: Array, weights: Array) -> Gradients:
    """Return (dlogits, None, dweights): softmax(z) - onehot(label) for each row."""
    dweights = np.zeros_like(weights)  # for each class the sum over its examples
    np.add.at(dweights, labels, g * forward(logits, labels, np.ones_like(weights)))
    return rows(g * weights[labels], probabilities(logits), labels), None, dweights


def probabilities(logits: Array) -> Array:
    """Return softmax(z) for each row z, safe for large numbers."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def rows(g: Array, p: Array, labels: Array) -> Array:
    """Return g (p - onehot(label)) for each row p."""
    dlogits = p * g[:, np.newaxis]
    dlogits[np.arange(len(labels)), labels] -= g
    return dlogits


def _inputs(scale: float = 1.0, labels: tuple[int, ...] = (2, 0, 3, 1)) -> Inputs:
    return lambda rng: (
        scale * rng.standard_normal((len(labels), 4)),
        np.array(labels),
        rng.uniform(0.5, 2.0, 4),
    )


CROSS_ENTROPY = Operation("cross-entropy", forward, backward, _inputs())
bug = CROSS_ENTROPY.bug


@bug(1, "logits", "divided by the batch size")
def averages_batch(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Divide by the batch size, although the loss is returned per example."""
    return rows(g * weights[labels], probabilities(logits), labels) / len(logits)


@bug(2, "logits", "upstream ignored", seen="if the upstream gradient is not all ones")
def forgets_upstream(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Take the loss for the last node of the graph, whose upstream gradient is 1."""
    return rows(weights[labels], probabilities(logits), labels)


@bug(1, "logits")
def subtracts_from_all_rows(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Index with p[:, labels] for p[arange(n), labels]: each row pays for all labels."""
    p = probabilities(logits)
    p[:, labels] -= 1.0
    return p * (g * weights[labels])[:, np.newaxis]


SHARED = _inputs(labels=(2, 0, 2, 1))


@bug(2, "weights", "not accumulated", seen="if two examples share a label", inputs=SHARED)
def assigns_by_index(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Add with dweights[labels] += ..., which counts a label that comes twice only once."""
    dweights = np.zeros_like(weights)
    dweights[labels] += g * forward(logits, labels, np.ones_like(weights))
    return dweights


@bug(2, "logits", "not finite", seen="for large logits", inputs=_inputs(scale=1e3))
def overflows(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Forget to subtract the largest logit before exp on the way back."""
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rows(g * weights[labels], p, labels)


@bug(3, "logits", seen="for large logits", inputs=_inputs(scale=20.0))
def clips_logits(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Clip the logits to ±10 on the way back, against overflow."""
    return rows(g * weights[labels], probabilities(np.clip(logits, -10.0, 10.0)), labels)


@bug(1, "logits", "negated")
def swaps_operands(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Write onehot - p for p - onehot."""
    return rows(-g * weights[labels], probabilities(logits), labels)


@bug(1, "logits")
def forgets_onehot(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Return the probabilities, as if the labels did not matter."""
    return probabilities(logits) * (g * weights[labels])[:, np.newaxis]


@bug(3, "logits", seen="in the fourth digit")
def smooths_labels(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Smooth the labels by 1e-4 on the way back, and not on the way there."""
    dlogits = rows(g * weights[labels], probabilities(logits), labels)
    scale = 1e-4 * (g * weights[labels])[:, np.newaxis]
    return dlogits + scale * (np.eye(logits.shape[1])[labels] - 1.0 / logits.shape[1])


@bug(1, "logits")
def normalizes_over_the_batch(g: Array, logits: Array, labels: Array, weights: Array) -> Gradient:
    """Take the softmax over the examples: the wrong axis."""
    return rows(g * weights[labels], probabilities(logits.T).T, labels)


# ---------------------------------------------------------------------- the softmax alone


def softmax_backward(g: Array, x: Array) -> Gradients:
    """Return p (g - <p, g>) for each row."""
    p = probabilities(x)
    return (p * (g - (p * g).sum(axis=1, keepdims=True)),)


SOFTMAX = Operation("softmax", lambda x: probabilities(x), softmax_backward, normal((3, 4)))


@SOFTMAX.bug(2, "x", "diagonal only")
def uses_the_sigmoid_rule(g: Array, x: Array) -> Gradient:
    """Write p (1 - p) g: the diagonal of the Jacobian only."""
    p = probabilities(x)
    return p * (1.0 - p) * g

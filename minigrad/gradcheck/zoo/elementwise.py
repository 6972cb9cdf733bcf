"""Elementwise functions and broadcasting in NumPy, and what can go wrong in their gradients."""

from __future__ import annotations

import math

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.zoo.exercise import Gradient, Operation, normal

ADD = Operation("add", lambda a, b: a + b, lambda g, a, b: (g, g.sum(axis=0)), normal((3, 4), (4,)))


@ADD.bug(1, "b", "missing sum")
def forgets_broadcasting(g: Array, a: Array, b: Array) -> Gradient:
    """Hand g on to both, whatever their shapes."""
    return g


OUTER = Operation(
    "multiply",
    lambda a, b: a * b,
    lambda g, a, b: ((g * b).sum(axis=1, keepdims=True), (g * a).sum(axis=0, keepdims=True)),
    normal((3, 1), (1, 3)),
)


@OUTER.bug(2, "a", "wrong axes", seen="if the shapes allow both")
def sums_the_other_axis(g: Array, a: Array, b: Array) -> Gradient:
    """Sum over the rows where the columns were broadcast."""
    return (g * b).sum(axis=0).reshape(a.shape)


@OUTER.bug(1, "b")
def takes_its_own_factor(g: Array, a: Array, b: Array) -> Gradient:
    """Multiply by b where the other factor belongs."""
    return (g * b).sum(axis=0, keepdims=True)


# ---------------------------------------------------------------------- ReLU and its relatives

RELU = Operation(
    "relu", lambda x: np.maximum(x, 0.0), lambda g, x: (g * (x > 0.0),), normal((4, 5))
)


@RELU.bug(2, "x", "mutated", seen="in what is left of the upstream gradient afterwards")
def spoils_upstream(g: Array, x: Array) -> Gradient:
    """Zero the upstream gradient in place: right here, wrong for whoever shares it."""
    g *= x > 0.0
    return g


@RELU.bug(1, "x")
def masks_by_upstream(g: Array, x: Array) -> Gradient:
    """Ask for the sign of the upstream gradient, not of the input."""
    return g * (g > 0.0)


@RELU.bug(3, "x", "stale", seen="if the function is called at more than one point")
def keeps_the_first_mask(g: Array, x: Array, memory: dict[str, Array]) -> Gradient:
    """Store the mask of the first call and use it for ever."""
    return g * memory.setdefault("mask", x > 0.0)


LEAKY = Operation(
    "leaky relu",
    lambda x: np.where(x > 0.0, x, 0.1 * x),
    lambda g, x: (np.where(x > 0.0, g, 0.1 * g),),
    lambda rng: (rng.integers(-2, 3, (4, 5)).astype(float),),
)


@LEAKY.bug(3, "x", seen="at exactly 0")
def leaves_a_gap(g: Array, x: Array) -> Gradient:
    """Treat x > 0 and x < 0, and nobody treats 0: no slope at all where two would do."""
    return g * (x > 0.0) + 0.1 * g * (x < 0.0)


# ---------------------------------------------------------------------- smooth functions

TANH = Operation(
    "tanh", lambda x: np.tanh(x), lambda g, x: (g * (1.0 - np.tanh(x) ** 2),), normal((3, 4))
)


@TANH.bug(1, "x", "wrong formula")
def forgets_the_square(g: Array, x: Array) -> Gradient:
    """Write 1 - tanh(x)."""
    return g * (1.0 - np.tanh(x))


@TANH.bug(2, "x", "upstream squared", seen="if the upstream gradient is neither 0 nor 1")
def multiplies_twice(g: Array, x: Array) -> Gradient:
    """Multiply by the upstream gradient in two places."""
    return g * (g - g * np.tanh(x) ** 2)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


SIGMOID = Operation(
    "sigmoid", _sigmoid, lambda g, x: (g * _sigmoid(x) * (1.0 - _sigmoid(x)),), normal((3, 4))
)


@SIGMOID.bug(1, "x", "input and output swapped")
def takes_input_for_output(g: Array, x: Array) -> Gradient:
    """Write x (1 - x): the rule holds for the output."""
    return g * x * (1.0 - x)


@SIGMOID.bug(2, "x", "upstream without sign", seen="if the upstream gradient is negative somewhere")
def drops_the_sign(g: Array, x: Array) -> Gradient:
    """Take the magnitude of the upstream gradient."""
    return np.abs(g) * _sigmoid(x) * (1.0 - _sigmoid(x))


ROOT = Operation(
    "sqrt",
    lambda x: np.sqrt(x),
    lambda g, x: (g * 0.5 / np.sqrt(x),),
    lambda rng: (rng.uniform(0.5, 2.0, (3, 4)),),
)


@ROOT.bug(1, "x", "scaled by 2")
def forgets_the_half(g: Array, x: Array) -> Gradient:
    """Write 1 / sqrt(x)."""
    return g / np.sqrt(x)


SQUARE = Operation(
    "square",
    lambda x: x * x,
    lambda g, x: (2.0 * x * g,),
    lambda rng: (1e-6 * rng.standard_normal((3, 4)),),
)


@SQUARE.bug(2, "x", "scaled by 1/2", seen="in small units, if a fixed tolerance is compared with")
def forgets_the_two(g: Array, x: Array) -> Gradient:
    """Write x g, for lengths in metres that are a micrometre long."""
    return x * g


def _gelu(x: Array) -> Array:
    """Return x Φ(x), in the tanh approximation."""
    return np.asarray(0.5 * x * (1.0 + np.tanh(_bend(x))))


def _bend(x: Array) -> Array:
    return np.asarray(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))


def _gelu_slope(x: Array, factor: float = math.sqrt(2.0 / math.pi)) -> Array:
    """Return the derivative, by the product rule on both factors."""
    inner = factor * (1.0 + 3.0 * 0.044715 * x * x)
    tanh = np.tanh(_bend(x))
    return np.asarray(0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner)


GELU = Operation("gelu", _gelu, lambda g, x: (g * _gelu_slope(x),), normal((3, 4)))


@GELU.bug(3, "x", seen="in the fourth digit")
def differentiates_the_exact_one(g: Array, x: Array) -> Gradient:
    """Use Φ(x) + x φ(x), the derivative of what the tanh approximates."""
    below = np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in x.ravel()]).reshape(x.shape)
    return g * (below + x * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))


@GELU.bug(3, "x", seen="in the fifth digit")
def rounds_a_constant(g: Array, x: Array) -> Gradient:
    """Write 0.79788 for sqrt(2 / π), with a digit lost: 0.7978."""
    return g * _gelu_slope(x, 0.7978)


@GELU.bug(3, "x", "wrong dtype", seen="in float32", inputs=normal((3, 4), dtype="float32"))
def widens_by_a_constant(g: Array, x: Array) -> Gradient:
    """Keep the constant as np.float64, which turns every float32 into float64."""
    return g * _gelu_slope(x, np.float64(math.sqrt(2.0 / math.pi)))


SURPRISE = Operation(
    "log",
    lambda p: -np.log(p + 1e-5),
    lambda g, p: (-g / (p + 1e-5),),
    lambda rng: (rng.uniform(0.05, 0.9, (3, 4)),),
)


@SURPRISE.bug(3, "p", seen="in the fourth digit")
def forgets_the_epsilon(g: Array, p: Array) -> Gradient:
    """Write -1 / p: the ε that keeps the logarithm finite is gone."""
    return -g / p


def _rows_added(g: Array, table: Array, rows: Array) -> tuple[Array, None]:
    total = np.zeros_like(table)
    np.add.at(total, rows, g)
    return total, None


TABLE = Operation(
    "embedding",
    lambda table, rows: table[rows],
    _rows_added,
    lambda rng: (rng.standard_normal((5, 3)), np.array([1, 4, 1, 0])),
)


@TABLE.bug(2, "table", "not accumulated", seen="if a row is looked up twice")
def counts_repeated_rows_once(g: Array, table: Array, rows: Array) -> Gradient:
    """Add with total[rows] += g, which keeps only the last of equal rows."""
    total = np.zeros_like(table)
    total[rows] += g
    return total

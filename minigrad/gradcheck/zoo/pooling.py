"""Max, average and global average pooling in NumPy, and what can go wrong in their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.geometry import NONE, SAME, Pads, Pair, crop, windows
from minigrad.gradcheck.zoo.exercise import Gradient, Gradients, Operation, normal

TWO = (2, 2)


def max_forward(x: Array, pool: Pair = TWO, strides: Pair = TWO, pads: Pads = NONE) -> Array:
    """Return the maximum of each window of x: (N, H, W, C); padding never wins."""
    largest: Array = views(x, pool, strides, pads).max(axis=0)
    return largest


def max_backward(
    g: Array, x: Array, pool: Pair = TWO, strides: Pair = TWO, pads: Pads = NONE
) -> Gradients:
    """Return (dx,): each g is added to the pixel that won its window, the first one of equals."""
    winner = views(x, pool, strides, pads).argmax(axis=0)
    return (route(g, winner, x, pool, strides, pads),)


def views(x: Array, pool: Pair, strides: Pair, pads: Pads, fill: float = -np.inf) -> Array:
    """Return for each tap of the window what it sees: (taps, N, H', W', C)."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    size = [(padded.shape[k + 1] - pool[k]) // strides[k] + 1 for k in (0, 1)]
    return np.stack([padded[:, rows, cols] for _, _, rows, cols in windows(pool, size, strides)])


def route(g: Array, winner: Array, x: Array, pool: Pair, strides: Pair, pads: Pads) -> Array:
    """Return dx: each g is added where the winner of its window came from."""
    dx = np.pad(np.zeros_like(x), ((0, 0), *pads, (0, 0)))
    for tap, (_, _, rows, columns) in enumerate(windows(pool, g.shape[1:3], strides)):
        dx[:, rows, columns] += g * (winner == tap)
    return crop(dx, x, pads)


def few_numbers(rng: np.random.Generator) -> tuple[Array, ...]:
    """Return an image with equal neighbours."""
    return (rng.integers(0, 3, (2, 4, 4, 2)).astype(float),)


MAX_POOL = Operation("max pooling", max_forward, max_backward, normal((2, 4, 4, 2)))
bug = MAX_POOL.bug
OVERLAP = {"pool": (3, 3), "strides": (1, 1)}
SAME_3: dict[str, Any] = {"pool": (3, 3), "strides": TWO, "pads": SAME}


def negative(rng: np.random.Generator) -> tuple[Array, ...]:
    """Return an image below zero."""
    return (-rng.uniform(0.5, 2.0, (1, 5, 5, 2)),)


@bug(3, "x", seen="if a window has two equal maxima", inputs=few_numbers)
def rewards_all_winners(g: Array, x: Array) -> Gradient:
    """Compare with the maximum: all equal ones get the whole gradient."""
    seen = views(x, TWO, TWO, NONE)
    dx = np.zeros_like(x)
    for tap, (_, _, rows, columns) in enumerate(windows(TWO, g.shape[1:3], TWO)):
        dx[:, rows, columns] += g * (seen[tap] == seen.max(axis=0))
    return dx


@bug(2, "x", "not accumulated", seen="if windows overlap", inputs=normal((1, 5, 5, 2)), **OVERLAP)
def overwrites(g: Array, x: Array, pool: Pair, strides: Pair) -> Gradient:
    """Assign to the winner where several windows should add to it."""
    winner = views(x, pool, strides, NONE).argmax(axis=0)
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(*g.shape):
        a, b = divmod(int(winner[n, i, j, c]), pool[1])
        dx[n, i * strides[0] + a, j * strides[1] + b, c] = g[n, i, j, c]
    return dx


@bug(2, "x")
def swaps_rows_and_columns(g: Array, x: Array) -> Gradient:
    """Decode the position of the winner as (column, row)."""
    winner = views(x, TWO, TWO, NONE).argmax(axis=0)
    swapped = 2 * (winner % 2) + winner // 2
    return route(g, swapped, x, TWO, TWO, NONE)


@bug(3, "x", seen="at the border, if everything there is negative", inputs=negative, **SAME_3)
def pads_with_zeros(g: Array, x: Array, pool: Pair, strides: Pair, pads: Pads) -> Gradient:
    """Pad with zeros on the way back: the padding wins against negative numbers."""
    winner = views(x, pool, strides, pads, fill=0.0).argmax(axis=0)
    return route(g, winner, x, pool, strides, pads)


GAPS: dict[str, Any] = {"inputs": normal((1, 8, 8, 2)), "strides": (3, 3)}


@bug(2, "x", "stride ignored", seen="if the strides are not the pool size", **GAPS)
def assumes_strides(g: Array, x: Array, strides: Pair) -> Gradient:
    """Take the strides to be the pool size on the way back."""
    winner = views(x, TWO, strides, NONE).argmax(axis=0)
    return route(g, winner, x, TWO, TWO, NONE)


# ---------------------------------------------------------------------- average pooling


def mean_forward(x: Array, pool: Pair = TWO, strides: Pair = TWO, pads: Pads = NONE) -> Array:
    """Return the mean of each window of x: (N, H, W, C); padding does not count."""
    total: Array = views(x, pool, strides, pads, fill=0.0).sum(axis=0)
    return total / counts(x, pool, strides, pads)


def mean_backward(
    g: Array, x: Array, pool: Pair = TWO, strides: Pair = TWO, pads: Pads = NONE
) -> Gradients:
    """Return (dx,): each pixel of a window gets the same share of its g."""
    return (spread(g / counts(x, pool, strides, pads), x, pool, strides, pads),)


def counts(x: Array, pool: Pair, strides: Pair, pads: Pads) -> Array:
    """Return how many pixels of the image each window holds."""
    number: Array = views(np.ones_like(x), pool, strides, pads, fill=0.0).sum(axis=0)
    return number


def spread(share: Array, x: Array, pool: Pair, strides: Pair, pads: Pads) -> Array:
    """Return dx: each window adds its share to all of its pixels."""
    dx = np.pad(np.zeros_like(x), ((0, 0), *pads, (0, 0)))
    for _, _, rows, columns in windows(pool, share.shape[1:3], strides):
        dx[:, rows, columns] += share
    return crop(dx, x, pads)


MEAN_POOL = Operation("average pooling", mean_forward, mean_backward, normal((2, 4, 6, 2)))


@MEAN_POOL.bug(1, "x", "scaled by the window")
def forgets_to_divide(g: Array, x: Array) -> Gradient:
    """Give each pixel the whole gradient, as a sum would."""
    return spread(g, x, TWO, TWO, NONE)


@MEAN_POOL.bug(3, "x", seen="at the border", inputs=normal((1, 5, 5, 2)), **SAME_3)
def counts_the_padding(g: Array, x: Array, pool: Pair, strides: Pair, pads: Pads) -> Gradient:
    """Divide by the size of the window, although padding does not count on the way there."""
    return spread(g / (pool[0] * pool[1]), x, pool, strides, pads)


@MEAN_POOL.bug(
    2, "x", "not accumulated", seen="if windows overlap", inputs=normal((1, 5, 5, 2)), **OVERLAP
)
def keeps_the_last_window(g: Array, x: Array, pool: Pair, strides: Pair) -> Gradient:
    """Assign to pixels where several windows should add to them."""
    dx = np.zeros_like(x)
    for _, _, rows, columns in windows(pool, g.shape[1:3], strides):
        dx[:, rows, columns] = g / (pool[0] * pool[1])
    return dx


def global_backward(g: Array, x: Array) -> Gradients:
    """Return (dx,): all pixels of a channel share its g equally."""
    share = g[:, np.newaxis, np.newaxis] / (x.shape[1] * x.shape[2])
    return (np.broadcast_to(share, x.shape).copy(),)


GLOBAL_POOL = Operation(
    "global pooling", lambda x: x.mean(axis=(1, 2)), global_backward, normal((2, 3, 5, 4))
)


@GLOBAL_POOL.bug(2, "x", seen="if images are not square")
def squares_the_height(g: Array, x: Array) -> Gradient:
    """Divide by H H for H W."""
    return global_backward(g, x)[0] * x.shape[2] / x.shape[1]


@GLOBAL_POOL.bug(1, "x", "scaled by the pixels")
def does_not_divide(g: Array, x: Array) -> Gradient:
    """Give each pixel the whole gradient."""
    return global_backward(g, x)[0] * (x.shape[1] * x.shape[2])


@GLOBAL_POOL.bug(1, "x", "divided by the batch size")
def averages_the_batch(g: Array, x: Array) -> Gradient:
    """Divide by the number of images as well."""
    return global_backward(g, x)[0] / len(x)

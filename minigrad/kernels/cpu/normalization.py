"""Batch normalization on the CPU: two passes over memory each way.

Arrays are seen as (A, C, B): C features, each one normalized over A and B. B is 1 where the
features come last, A where they come first. A task owns a few indices of A, whose part of the array
fits in the cache. Sums over tasks are taken in a fixed order, in float64; tasks depend on the shape
only, so the bits of the result do not depend on the number of threads.

Where the features come last and are few, several rows are taken as one long row, for the sake of
the processor's vectors: that only makes for more partial sums.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.runs import flat, sizes_of

__all__ = ["Layout", "gradients", "moments", "scale_and_shift"]

Layout = tuple[int, int, int]
"""A, C, B."""

CHUNK = 1 << 15
"""Elements of a task: 128 or 256 KB, read twice by the statistics, the second time in the cache."""
LONG_ROW = 64
WORK = 2  # of one element, in multiply-adds


class _Plan(NamedTuple):
    tasks: int
    fold: int  # rows that are taken as one
    sizes: Numbers  # A, C, B and indices of A per task, after folding
    counts: Array  # elements of each partial sum, (partial sums, 1)


@functools.lru_cache(256)
def _plan(layout: Layout) -> _Plan:
    outer, features, inner = layout
    fold = 1
    while inner == 1 and outer % (2 * fold) == 0 and 2 * fold * features <= LONG_ROW:
        fold *= 2
    outer, features = outer // fold, features * fold
    per_task = max(1, CHUNK // (features * inner))
    tasks = -(-outer // per_task)
    counts = np.full(tasks, per_task * inner, np.float64)
    counts[-1] = (outer - (tasks - 1) * per_task) * inner
    sizes = sizes_of(outer, features, inner, per_task)
    return _Plan(tasks, fold, sizes, np.repeat(counts, fold)[:, None])


def moments(x: Array, layout: Layout) -> tuple[Array, Array]:
    """Return mean and variance of each feature, precisely however large the mean is.

    Parameters
    ----------
    x : ndarray of float32 or float64, C-contiguous, not empty
    layout : tuple of int
        (A, C, B), the product of which is the size of x.

    Returns
    -------
    mean, variance : ndarray, (C,)
        The variance is divided by A B.

    Examples
    --------
    >>> moments(np.array([1.0, 10.0, 3.0, 30.0]), (2, 2, 1))
    (array([ 2., 20.]), array([  1., 100.]))
    """
    plan = _plan(layout)
    features = layout[1]
    means = np.empty((plan.tasks, features * plan.fold), x.dtype)
    rests, squares = np.empty_like(means), np.empty_like(means)
    _moments(plan.tasks, WORK * x.size, *flat((x,), (means, rests, squares)), plan.sizes)
    parts = means.reshape(-1, features).astype(np.float64)
    missing = rests.reshape(-1, features) / plan.counts
    np.add(parts, missing, out=parts, where=np.isfinite(missing))  # an infinite mean stays infinite
    total = plan.counts.sum()
    mean = (plan.counts * parts).sum(axis=0) / total
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it should be
        parts -= mean
    parts *= parts
    parts *= plan.counts
    parts += squares.reshape(-1, features)
    variance = parts.sum(axis=0) / total
    return mean.astype(x.dtype), variance.astype(x.dtype)


def scale_and_shift(x: Array, mean: Array, scale: Array, offset: Array, layout: Layout) -> Array:
    """Return (x - mean) scale + offset, with (C,) arrays.

    Examples
    --------
    >>> two = np.array([2.0])
    >>> scale_and_shift(np.array([1.0, 2.0, 4.0]), two, two, two, (1, 1, 3))
    array([0., 2., 6.])
    """
    plan = _plan(layout)
    y = empty(x.shape, x.dtype)
    vectors = [np.tile(vector, plan.fold) for vector in (mean, scale, offset)]
    _scale_and_shift(plan.tasks, WORK * x.size, *flat((x, *vectors), (y,)), plan.sizes)
    return y


def gradients(
    g: Array,
    x: Array,
    mean: Array,
    scale: Array,
    gamma: Array | None,
    layout: Layout,
    need_dx: bool,
) -> tuple[Array | None, Array, Array]:
    """Return the gradients of x (None if it is not needed), of gamma and of beta.

    Parameters
    ----------
    g, x : ndarray of float32 or float64, C-contiguous, not empty
        The gradient of the output, and what was normalized.
    mean, scale : ndarray, (C,)
        The mean, and 1 / sqrt(variance + epsilon).
    gamma : ndarray (C,), or None for 1
    layout : tuple of int
        (A, C, B).
    need_dx : bool

    Examples
    --------
    >>> x, one = np.array([1.0, 3.0]), np.array([1.0])
    >>> gradients(np.array([5.0, 1.0]), x, 2 * one, one, None, (2, 1, 1), True)
    (array([0., 0.]), array([-4.]), array([6.]))
    """
    plan = _plan(layout)
    features = layout[1]
    betas = np.empty((plan.tasks, features * plan.fold), x.dtype)
    gammas = np.empty_like(betas)
    means = np.tile(mean, plan.fold)
    _sums(plan.tasks, WORK * x.size, *flat((g, x, means), (betas, gammas)), plan.sizes)
    beta_part = betas.reshape(-1, features).sum(axis=0, dtype=np.float64)
    gamma_part = gammas.reshape(-1, features).sum(axis=0, dtype=np.float64) * scale
    dx = None
    if need_dx:
        # dx = (g - (beta_part + (x - mean) scale gamma_part) / n) scale gamma
        number = layout[0] * layout[2]
        factor = scale if gamma is None else scale * gamma
        slope = -gamma_part * scale * factor / number
        constant = -beta_part * factor / number
        vectors = np.empty((4, plan.fold, features), x.dtype)
        for row, vector in zip(vectors, (mean, factor, slope, constant), strict=True):
            row[:] = vector
        dx = empty(x.shape, x.dtype)
        _input_gradient(plan.tasks, WORK * x.size, *flat((g, x, vectors), (dx,)), plan.sizes)
    return dx, gamma_part.astype(x.dtype), beta_part.astype(x.dtype)


@kernel(parallel=True)
def _moments(
    task: int, x: Array, _b: Array, _c: Array, _d: Array,
    mean: Array, rest: Array, square: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Write for a task's part of each feature: its mean, and the sums around it.

    They are the sum of differences (what rounding has left out of the mean) and of squares.
    """
    outer, features, inner, per_task = sizes[0], sizes[1], sizes[2], sizes[3]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    count, at = (end - start) * inner, task * features
    if inner == 1:
        means, squares = mean[at : at + features], square[at : at + features]
        rests = rest[at : at + features]
        for c in range(features):
            means[c] = 0
            rests[c] = 0
            squares[c] = 0
        for a in range(start, end):
            row = x[a * features : (a + 1) * features]
            for c in range(features):
                means[c] += row[c]
        for c in range(features):
            means[c] /= count
        for a in range(start, end):
            row = x[a * features : (a + 1) * features]
            for c in range(features):
                difference = row[c] - means[c]
                rests[c] += difference
                squares[c] += difference * difference
        return
    for c in range(features):
        total = x.dtype.type(0)
        for a in range(start, end):
            first = (a * features + c) * inner
            part = x[first : first + inner]
            for b in range(inner):
                total += part[b]
        centre = x.dtype.type(total / count)
        left, spread = x.dtype.type(0), x.dtype.type(0)
        for a in range(start, end):
            first = (a * features + c) * inner
            part = x[first : first + inner]
            for b in range(inner):
                difference = part[b] - centre
                left += difference
                spread += difference * difference
        mean[at + c] = centre
        rest[at + c] = left
        square[at + c] = spread


@kernel(parallel=True)
def _scale_and_shift(
    task: int, x: Array, mean: Array, scale: Array, offset: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    outer, features, inner, per_task = sizes[0], sizes[1], sizes[2], sizes[3]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    for a in range(start, end):
        if inner == 1:
            row, out = x[a * features : (a + 1) * features], y[a * features : (a + 1) * features]
            for c in range(features):
                out[c] = (row[c] - mean[c]) * scale[c] + offset[c]
            continue
        for c in range(features):
            m, s, o = mean[c], scale[c], offset[c]
            first = (a * features + c) * inner
            part, out = x[first : first + inner], y[first : first + inner]
            for b in range(inner):
                out[b] = (part[b] - m) * s + o


@kernel(parallel=True)
def _sums(
    task: int, g: Array, x: Array, mean: Array, _d: Array,
    beta: Array, gamma: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Write the sums of g and of g (x - mean) over a task's part of each feature."""
    outer, features, inner, per_task = sizes[0], sizes[1], sizes[2], sizes[3]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    at = task * features
    if inner == 1:
        betas, gammas = beta[at : at + features], gamma[at : at + features]
        for c in range(features):
            betas[c] = 0
            gammas[c] = 0
        for a in range(start, end):
            row, up = x[a * features : (a + 1) * features], g[a * features : (a + 1) * features]
            for c in range(features):
                betas[c] += up[c]
                gammas[c] += up[c] * (row[c] - mean[c])
        return
    for c in range(features):
        total, product, m = x.dtype.type(0), x.dtype.type(0), mean[c]
        for a in range(start, end):
            first = (a * features + c) * inner
            part, up = x[first : first + inner], g[first : first + inner]
            for b in range(inner):
                total += up[b]
                product += up[b] * (part[b] - m)
        beta[at + c] = total
        gamma[at + c] = product


@kernel(parallel=True)
def _input_gradient(
    task: int, g: Array, x: Array, vectors: Array, _d: Array,
    dx: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Write factor g + slope (x - mean) + constant; `vectors` holds these four, mean first."""
    outer, features, inner, per_task = sizes[0], sizes[1], sizes[2], sizes[3]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    mean, factor = vectors[:features], vectors[features : 2 * features]
    slope, constant = vectors[2 * features : 3 * features], vectors[3 * features :]
    for a in range(start, end):
        if inner == 1:
            first, last = a * features, (a + 1) * features
            row, up, out = x[first:last], g[first:last], dx[first:last]
            for c in range(features):
                out[c] = factor[c] * up[c] + (slope[c] * (row[c] - mean[c]) + constant[c])
            continue
        for c in range(features):
            m, f, s, t = mean[c], factor[c], slope[c], constant[c]
            first = (a * features + c) * inner
            last = first + inner
            part, up, out = x[first:last], g[first:last], dx[first:last]
            for b in range(inner):
                out[b] = f * up[b] + (s * (part[b] - m) + t)

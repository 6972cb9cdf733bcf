"""Batch normalization on the CPU, with ReLU behind it or not: two passes over memory each way.

Arrays are seen as (A, C, B): C features, each one normalized over A and B. B is 1 where the
features come last, A where they come first. A task owns a few indices of A, whose part of the array
fits in the cache. Sums over tasks are taken in a fixed order, in float64; tasks depend on the shape
only, so the bits of the result do not depend on the number of threads.

Where the features come last, several rows are taken as one long row: short rows would spend their
time on beginning and ending loops. Its sums are those of several partial rows, added at the end.
They stay in registers, for a few columns and a piece of the memory at a time.

ReLU needs no pass and no array of its own: its gradient passes where the normalized value, which is
computed again with the same operations, is positive. Without ReLU the bound is NaN instead of 0.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from minigrad.kernels.cpu.column_sums import add_up
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.runs import flat, sizes_of
from minigrad.kernels.cpu.simd import keep, pointer

__all__ = ["Layout", "gradients", "moments", "scale_and_shift"]

Layout = tuple[int, int, int]
"""A, C, B."""

CHUNK = 1 << 15
"""Elements of a task: 128 or 256 KB, read twice by the statistics, the second time in the cache."""
LONG_ROW = 512
WORK = 2  # of one element, in multiply-adds


class _Plan(NamedTuple):
    tasks: int
    sizes: Numbers  # A, C, B, indices of A per task, rows in a long one, with ReLU?, in place?


@functools.lru_cache(256)
def _plan(layout: Layout, relu: bool = False, in_place: bool = False) -> _Plan:
    outer, features, inner = layout
    fold = 64 // math.gcd(64, features)  # whole vectors, if that is not too long
    if fold * features > LONG_ROW or inner > 1:
        fold = max(1, LONG_ROW // features) if inner == 1 else 1
    per_task = max(1, CHUNK // (features * inner * fold)) * fold
    sizes = sizes_of(outer, features, inner, per_task, fold, relu, in_place)
    return _Plan(-(-outer // per_task), sizes)


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
    parts = np.empty((3, plan.tasks, layout[1]), x.dtype)
    _moments(plan.tasks, WORK * x.size, *flat((x,), list(parts)), plan.sizes)
    found = np.empty((2, layout[1]), x.dtype)
    _combine(parts, plan.sizes, found)
    return found[0], found[1]


def scale_and_shift(
    x: Array, mean: Array, scale: Array, offset: Array, layout: Layout, relu: bool = False
) -> Array:
    """Return (x - mean) scale + offset, with (C,) arrays; with ReLU, 0 where that is negative.

    Examples
    --------
    >>> two = np.array([2.0])
    >>> scale_and_shift(np.array([1.0, 2.0, 4.0]), two, two, -two, (1, 1, 3), True)
    array([0., 0., 2.])
    """
    plan = _plan(layout, relu)
    y = empty(x.shape, x.dtype)
    vectors = np.concatenate((mean, scale, offset))
    _scale_and_shift(plan.tasks, WORK * x.size, *flat((x, vectors), (y,)), plan.sizes)
    return y


def gradients(
    g: Array,
    x: Array,
    mean: Array,
    scale: Array,
    gamma: Array | None,
    layout: Layout,
    need_dx: bool,
    relu: Array | None = None,
    in_place: bool = False,
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
    relu : ndarray (C,), optional
        The offset, if ReLU followed: g passes where ``(x - mean) scale gamma + offset > 0``.
    in_place : bool
        Overwrite g.

    Examples
    --------
    >>> x, one = np.array([1.0, 3.0]), np.array([1.0])
    >>> gradients(np.array([5.0, 1.0]), x, 2 * one, one, None, (2, 1, 1), True)
    (array([0., 0.]), array([-4.]), array([6.]))
    """
    # In place, the kernel gets one array to read and write: were there two, the compiler could not
    # know that they are the same, and would compute element by element.
    in_place = in_place and layout[2] == 1
    plan = _plan(layout, relu is not None, in_place)
    features = layout[1]
    vectors = np.empty((5, features), x.dtype)
    vectors[0] = mean
    vectors[1] = scale if gamma is None else scale * gamma
    vectors[2] = 0 if relu is None else relu
    parts = np.empty((2, plan.tasks, features), x.dtype)
    _sums(plan.tasks, WORK * x.size, *flat((g, x, vectors), list(parts)), plan.sizes)
    found = np.empty((2, features), x.dtype)
    _slopes(parts, scale, plan.sizes, found, vectors)
    dx = None
    if need_dx:
        dx = g if in_place else empty(x.shape, x.dtype)
        given = (x, vectors) if in_place else (x, vectors, g)
        _input_gradient(plan.tasks, WORK * x.size, *flat(given, (dx,)), plan.sizes)
    return dx, found[0], found[1]


@kernel
def _combine(parts: Array, sizes: Numbers, found: Array) -> None:
    """Write mean and variance from those of the tasks, added up in float64, in their order.

    A task gives its mean, the sum of what rounding has left out of that, and the sum of squares.
    """
    outer, features, inner, per_task = sizes[0], sizes[1], sizes[2], sizes[3]
    tasks, number = parts.shape[1], outer * inner
    means, total = np.empty((tasks, features)), np.zeros(features)
    for t in range(tasks):
        count = (min((t + 1) * per_task, outer) - t * per_task) * inner
        for c in range(features):
            missing = np.float64(parts[1, t, c]) / count
            exact = np.float64(parts[0, t, c])
            means[t, c] = exact + missing if math.isfinite(missing) else exact  # infinity stays
            total[c] += count * means[t, c]
    spread = np.zeros(features)
    for c in range(features):
        total[c] /= number
        found[0, c] = total[c]
    for t in range(tasks):
        count = (min((t + 1) * per_task, outer) - t * per_task) * inner
        for c in range(features):
            difference = means[t, c] - total[c]  # inf - inf is NaN, as it should be
            spread[c] += parts[2, t, c] + count * difference * difference
    for c in range(features):
        found[1, c] = spread[c] / number


@kernel
def _slopes(parts: Array, scale: Array, sizes: Numbers, found: Array, vectors: Array) -> None:
    """Write the gradients of gamma and beta, and what that of x takes from them.

    dx = (g - (d_beta + (x - mean) scale d_gamma) / n) factor = factor g + slope (x - mean) + rest
    """
    features, number = sizes[1], sizes[0] * sizes[2]
    sums = np.zeros((2, features))
    for t in range(parts.shape[1]):
        for c in range(features):
            sums[0, c] += parts[0, t, c]
            sums[1, c] += parts[1, t, c]
    for c in range(features):
        if sizes[5] and math.isnan(vectors[0, c] * vectors[1, c] + vectors[2, c]):
            sums[0, c] = 0.0  # all values are NaN, which are not positive, though not <= 0 either
        d_beta, d_gamma = sums[0, c], sums[1, c] * scale[c]
        found[0, c] = d_gamma
        found[1, c] = d_beta
        vectors[3, c] = -d_gamma * scale[c] * vectors[1, c] / number
        vectors[4, c] = -d_beta * vectors[1, c] / number


@kernel(inner=True)
def _long(vectors: Array, number: int, features: int, fold: int) -> Array:
    """Return the first vectors, each one repeated to the length of a long row."""
    rows = np.empty((number, fold * features), vectors.dtype)
    for i in range(number):
        for f in range(fold):
            for c in range(features):
                rows[i, f * features + c] = vectors[i * features + c]
    return rows


@kernel(inner=True)
def _folded(row: Array, features: int, out: Array) -> None:
    """Write the sums of the rows that make up a long one."""
    for c in range(features):
        out[c] = row[c]
    for first in range(features, len(row), features):
        for c in range(features):
            out[c] += row[first + c]


@kernel(parallel=True)
def _moments(
    task: int, x: Array, _b: Array, _c: Array, _d: Array,
    mean: Array, rest: Array, square: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Write for a task's part of each feature: its mean, and the sums around it.

    They are the sum of differences (what rounding has left out of the mean) and of squares.
    """
    outer, features, inner, per_task, fold = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    count, at = (end - start) * inner, task * features
    if inner == 1:
        first, last, length = start * features, end * features, fold * features
        vectors = np.zeros(3 * features, x.dtype)  # of which one is needed
        for around_mean in (False, True):
            rows, sums = _long(vectors, 3, features, fold), np.zeros(2 * length, x.dtype)
            add_up(
                pointer(x), pointer(x), True, pointer(rows), pointer(sums), length, features,
                first, last, x.dtype.type(0),
            )  # fmt: skip
            keep(rows)
            if not around_mean:
                _folded(sums[:length], features, vectors)
                for c in range(features):
                    vectors[c] /= count
                    mean[at + c] = vectors[c]
        _folded(sums[:length], features, rest[at : at + features])
        _folded(sums[length:], features, square[at : at + features])
        return
    for c in range(features):
        total = x.dtype.type(0)
        for a in range(start, end):
            first = (a * features + c) * inner
            part = x[first : first + inner]
            for b in range(inner):
                total += part[b]
        middle = x.dtype.type(total / count)
        left, spread = x.dtype.type(0), x.dtype.type(0)
        for a in range(start, end):
            first = (a * features + c) * inner
            part = x[first : first + inner]
            for b in range(inner):
                difference = part[b] - middle
                left += difference
                spread += difference * difference
        mean[at + c] = middle
        rest[at + c] = left
        square[at + c] = spread


@kernel(parallel=True)
def _scale_and_shift(
    task: int, x: Array, vectors: Array, _c: Array, _d: Array,
    y: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    outer, features, inner, per_task, fold = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    low = x.dtype.type(0 if sizes[5] else np.nan)
    if inner == 1:
        wide, rows = fold * features, _long(vectors, 3, features, fold)
        mean, scale, offset = rows[0], rows[1], rows[2]
        for first in range(start * features, end * features, wide):
            last = min(first + wide, end * features)
            row, out = x[first:last], y[first:last]
            for c in range(len(row)):
                value = (row[c] - mean[c]) * scale[c] + offset[c]
                out[c] = low if value <= low else value  # NaN stays
        return
    for a in range(start, end):
        for c in range(features):
            m, s, o = vectors[c], vectors[features + c], vectors[2 * features + c]
            first = (a * features + c) * inner
            part, out = x[first : first + inner], y[first : first + inner]
            for b in range(inner):
                value = (part[b] - m) * s + o
                out[b] = low if value <= low else value


@kernel(parallel=True)
def _sums(
    task: int, g: Array, x: Array, vectors: Array, _d: Array,
    beta: Array, gamma: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Write the sums of g and of g (x - mean) over a task's part of each feature."""
    outer, features, inner, per_task, fold = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    zero, low = x.dtype.type(0), x.dtype.type(0 if sizes[5] else np.nan)
    at = task * features
    if inner == 1:
        length, rows = fold * features, _long(vectors, 3, features, fold)
        sums = np.zeros(2 * length, x.dtype)
        add_up(
            pointer(x), pointer(g), False, pointer(rows), pointer(sums), length, features,
            start * features, end * features, low,
        )  # fmt: skip
        keep(rows)
        _folded(sums[:length], features, beta[at : at + features])
        _folded(sums[length:], features, gamma[at : at + features])
        return
    for c in range(features):
        m, s, o = vectors[c], vectors[features + c], vectors[2 * features + c]
        total, product = zero, zero
        for a in range(start, end):
            first = (a * features + c) * inner
            part, up = x[first : first + inner], g[first : first + inner]
            for b in range(inner):
                centred = part[b] - m
                passed = zero if centred * s + o <= low else up[b]
                total += passed
                product += passed * centred
        beta[at + c] = total
        gamma[at + c] = product


@kernel(parallel=True)
def _input_gradient(
    task: int, x: Array, vectors: Array, g: Array, _d: Array,
    dx: Array, _y: Array, _z: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Write factor g + slope (x - mean) + rest; g lies in dx already if sizes[6] says so."""
    outer, features, inner, per_task, fold = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    start, end = task * per_task, min((task + 1) * per_task, outer)
    zero, low = x.dtype.type(0), x.dtype.type(0 if sizes[5] else np.nan)
    if inner == 1:
        wide, rows = fold * features, _long(vectors, 5, features, fold)
        mean, factor, offset, slope, rest = rows[0], rows[1], rows[2], rows[3], rows[4]
        for first in range(start * features, end * features, wide):
            last = min(first + wide, end * features)
            row, out = x[first:last], dx[first:last]
            if sizes[6]:
                for c in range(len(row)):
                    centred = row[c] - mean[c]
                    passed = zero if centred * factor[c] + offset[c] <= low else out[c]
                    out[c] = factor[c] * passed + (slope[c] * centred + rest[c])
                continue
            up = g[first:last]
            for c in range(len(row)):
                centred = row[c] - mean[c]
                passed = zero if centred * factor[c] + offset[c] <= low else up[c]
                out[c] = factor[c] * passed + (slope[c] * centred + rest[c])
        return
    for a in range(start, end):
        for c in range(features):
            m, f, o = vectors[c], vectors[features + c], vectors[2 * features + c]
            s, r = vectors[3 * features + c], vectors[4 * features + c]
            first = (a * features + c) * inner
            last = first + inner
            part, up, out = x[first:last], g[first:last], dx[first:last]
            for b in range(inner):
                centred = part[b] - m
                passed = zero if centred * f + o <= low else up[b]
                out[b] = f * passed + (s * centred + r)

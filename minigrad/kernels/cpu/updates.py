"""The rules of optimizers, for all parameters at once: one pass over memory."""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, Numbers
from minigrad.kernels.cpu.runs import flat, runs

__all__ = ["adam"]

WORK = 16  # of one element, in multiply-adds


def adam(
    value: Array,
    gradient: Array,
    first: Array,
    second: Array,
    rates: tuple[float, float, float, float],
) -> tuple[Array, Array, Array]:
    """Return the value and the running means after a step of `minigrad.optimizers.Adam`.

    Parameters
    ----------
    value, gradient, first, second : ndarray
        Of one shape and dtype, C-contiguous; the last two are the running means of the gradient and
        of its square.
    rates : tuple of float
        How far the two means move, the step's size with its correction of the bias, and epsilon.

    Returns
    -------
    value, first, second : ndarray

    Examples
    --------
    >>> import numpy as np
    >>> zero, one = np.zeros(1), np.ones(1)
    >>> [array.item() for array in adam(zero, one, zero, zero, (0.5, 0.25, 0.125, 0.5))]
    [-0.0625, 0.5, 0.25]
    """
    new = np.empty_like(value), np.empty_like(first), np.empty_like(second)
    tasks, sizes = runs(value.size)
    _adam(
        tasks,
        WORK * value.size,
        *flat((value, gradient, first, second), new),
        sizes,
        np.array(rates, value.dtype),
    )
    return new


@kernel(parallel=True)
def _adam(
    task: int,
    value: Array,
    gradient: Array,
    first: Array,
    second: Array,
    new_value: Array,
    new_first: Array,
    new_second: Array,
    sizes: Numbers,
    rates: Array,
) -> None:
    start, end = task * sizes[0], min((task + 1) * sizes[0], value.size)
    a, b, step, epsilon = rates[0], rates[1], rates[2], rates[3]
    for i in range(start, end):
        g = gradient[i]
        m = first[i] + a * (g - first[i])
        v = second[i] + b * (g * g - second[i])
        new_first[i] = m
        new_second[i] = v
        new_value[i] = value[i] - step * m / (math.sqrt(v) + epsilon)

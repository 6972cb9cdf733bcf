"""A wrong gradient and all that a diagnosis may want to know about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from minigrad.gradcheck.differences import Differences, best_step, elements, flat
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.properties import attempt

_MOST_EVALUATIONS = 40_000  # of the function, in all, for one diagnosis
_MOST_NUMBERS = 4_000_000  # in a Jacobian


class Suspect:
    """The gradient of one input, with the Jacobian of the function to try explanations on.

    Everything about the right gradient is measured by central differences; the code under
    suspicion is not asked again.
    """

    def __init__(self, wrong: Array, differences: Differences, names: Sequence[str]) -> None:
        self.wrong, self.names = np.asarray(wrong, np.float64), list(names)
        self.k, self.x, self.arrays = differences.k, differences.x, differences.arrays
        self.name, self.outputs = names[self.k], differences.outputs
        self.upstream = np.asarray(differences.upstream[0], np.float64)
        self.single = len(self.outputs) == 1
        self.out_shape = self.outputs[0].shape
        self.batch = self.out_shape[0] if self.out_shape else 1
        self.epsilon = differences.epsilon
        self._differences = differences
        self._left = _MOST_EVALUATIONS

    @cached_property
    def right(self) -> Array:
        """The right gradient."""
        found = self.jacobian()
        if found is None:
            return self._differences.slopes(factor=4.0)
        return self.pull(found, self.upstream)

    def pull(self, jacobian: Array, upstream: Array) -> Array:
        """Return the gradient that a Jacobian gives for an upstream gradient."""
        return np.asarray((flat([upstream]) @ jacobian).reshape(self.x.shape))

    def jacobian(self, arrays: Sequence[Array] | None = None, k: int | None = None) -> Array | None:
        """Return the derivatives of all outputs by one input: (output size, input size).

        Other inputs than the given ones, and another of them than the one under suspicion, may be
        asked for. None for several outputs, where it is too large, or where the function fails.
        """
        if arrays is None and k is None:
            return self._own_jacobian
        return self._jacobian(arrays or self.arrays, self.k if k is None else k)

    @cached_property
    def _own_jacobian(self) -> Array | None:
        return self._jacobian(self.arrays, self.k)

    def _jacobian(self, arrays: Sequence[Array], k: int) -> Array | None:
        x, outs, own = arrays[k], math.prod(self.out_shape), self._differences
        self._left -= 2 * x.size
        if not self.single or self._left < 0 or outs * x.size > _MOST_NUMBERS:
            return None
        base = attempt(lambda: own.evaluate(arrays))
        if base is None or base[0].shape != self.out_shape:
            return None
        differences = Differences(own.evaluate, arrays, k, own.upstream, base, self.epsilon)

        def columns() -> Array:
            found = np.empty((outs, x.size))
            for column, direction in enumerate(elements(x)):
                step = 8.0 * best_step(self.epsilon) * direction.scale
                (high, forth), (low, back) = (
                    differences.moved(direction, h) for h in (step, -step)
                )
                found[:, column] = (high - low) / (forth - back)
            return found

        return attempt(columns)  # type: ignore[no-any-return]

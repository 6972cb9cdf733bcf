"""A wrong gradient and all that a diagnosis may want to know about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.gradcheck.compare import elements
from minigrad.gradcheck.differences import Differences, best_step, flat
from minigrad.gradcheck.properties import attempt

Array = NDArray[Any]

_MOST_EVALUATIONS = 40_000  # of the function, in all, for one diagnosis
_MOST_NUMBERS = 4_000_000  # in a Jacobian


class Suspect:
    """The gradient of one input, with the Jacobian of the function to try explanations on.

    Everything about the right gradient is measured by central differences; the code under
    suspicion is not asked again.

    Parameters
    ----------
    name : str
        The input's name.
    k : int
        Its position.
    wrong : array
        The gradient that failed.
    evaluate : callable
        The function, from a list of arrays to a list of arrays.
    arrays, names
        All inputs.
    upstream, outputs : sequence of arrays
        The upstream gradient used, and the function's values.
    epsilon : float
        The rounding unit.
    """

    def __init__(
        self,
        k: int,
        wrong: Array,
        evaluate: Callable[[Sequence[Array]], list[Array]],
        arrays: Sequence[Array],
        names: Sequence[str],
        upstream: Sequence[Array],
        outputs: Sequence[Array],
        epsilon: float,
    ) -> None:
        self.k, self.name, self.names = k, names[k], list(names)
        self.arrays = list(arrays)
        self.x: Array = arrays[k]
        self.wrong = np.asarray(wrong, np.float64)
        self.single = len(outputs) == 1
        self.out_shape = outputs[0].shape
        self.upstream = np.asarray(upstream[0], np.float64)
        self.outputs = list(outputs)
        self.epsilon = epsilon
        self._upstreams = list(upstream)
        self._evaluate = evaluate
        self._left = _MOST_EVALUATIONS

    @property
    def batch(self) -> int:
        """The length of the first axis of the output."""
        return self.out_shape[0] if self.out_shape else 1

    @cached_property
    def right(self) -> Array:
        """The right gradient."""
        found = self.jacobian()
        if found is not None:
            return self.pull(found, self.upstream) if self.single else self._measured()
        return self._measured()

    def jacobian(self, arrays: Sequence[Array] | None = None, k: int | None = None) -> Array | None:
        """Return the derivatives of all outputs by one input: (output size, input size).

        Parameters
        ----------
        arrays : sequence of arrays, optional
            Other inputs than the given ones.
        k : int, optional
            Another input than the one under suspicion.

        Returns
        -------
        array or None
            None for several outputs, where it is too large, or where the function fails.
        """
        if arrays is None and k is None:
            return self._own_jacobian
        return self._jacobian(arrays or self.arrays, self.k if k is None else k)

    @cached_property
    def _own_jacobian(self) -> Array | None:
        return self._jacobian(self.arrays, self.k)

    def _jacobian(self, arrays: Sequence[Array], k: int) -> Array | None:
        x, outs = arrays[k], math.prod(self.out_shape)
        self._left -= 2 * x.size
        if not self.single or self._left < 0 or outs * x.size > _MOST_NUMBERS:
            return None
        base = attempt(lambda: self._evaluate(arrays))
        if base is None or base[0].shape != self.out_shape:
            return None
        differences = Differences(
            lambda moved: self._evaluate([*arrays[:k], moved, *arrays[k + 1 :]]),
            x,
            self._upstreams,
            base,
            self.epsilon,
        )
        found = np.empty((outs, x.size))
        for column, direction in enumerate(elements(x)):
            step = 8.0 * best_step(self.epsilon) * direction.scale
            pair = attempt(
                lambda direction=direction, step=step: (  # type: ignore[misc]
                    differences.moved(direction, step),
                    differences.moved(direction, -step),
                )
            )
            if pair is None:
                return None
            (high, forth), (low, back) = pair
            found[:, column] = (high - low) / (forth - back)
        return found

    def _measured(self) -> Array:
        differences = Differences(
            lambda moved: self._evaluate(
                [*self.arrays[: self.k], moved, *self.arrays[self.k + 1 :]]
            ),
            self.x,
            self._upstreams,
            self.outputs,
            self.epsilon,
        )
        slopes = [
            differences.measure(d, 4.0 * best_step(self.epsilon) * d.scale).value
            for d in elements(self.x)
        ]
        return np.array(slopes).reshape(self.x.shape)

    def pull(self, jacobian: Array, upstream: Array) -> Array:
        """Return the gradient that a Jacobian gives for an upstream gradient."""
        return np.asarray((flat([upstream]) @ jacobian).reshape(self.x.shape))

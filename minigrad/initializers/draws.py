"""Initializers that draw from one distribution whatever the shape, and orthogonal matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad._validate import number
from minigrad.initializers.base import (
    Array,
    RandomInitializer,
    checked_dtype,
    checked_shape,
    register,
)
from minigrad.random import generator


class RandomUniform(RandomInitializer):
    """Uniformly distributed in [minval, maxval).

    Identifiers: ``"random_uniform"``, ``"uniform"``, ``"RandomUniform"``.

    Parameters
    ----------
    minval, maxval : float
        The bounds.
    seed : int, optional
        See `RandomInitializer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.initializers.RandomUniform(0, 1, seed=1)((2, 3))
    >>> bool(((w >= 0) & (w <= 1)).all())
    True
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.minval = number(minval, "minval")
        self.maxval = number(maxval, "maxval", minimum=self.minval)

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return random numbers, of an integer dtype too; see `Initializer.__call__`."""
        kind = checked_dtype(dtype, "fiu")
        if kind.kind == "f":
            return super().__call__(shape, dtype)
        sizes = checked_shape(shape)
        return generator(self.seed, stream=sizes).integers(
            math.ceil(self.minval), math.ceil(self.maxval), sizes, dtype=kind
        )

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.asarray(rng.uniform(self.minval, self.maxval, shape))


class RandomNormal(RandomInitializer):
    """Normally distributed.

    Identifiers: ``"random_normal"``, ``"normal"``, ``"RandomNormal"``.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation.
    seed : int, optional
        See `RandomInitializer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> normal = mg.initializers.RandomNormal(stddev=0.1, seed=1)
    >>> bool((normal((2, 3)) == normal((2, 3))).all())
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = number(mean, "mean")
        self.stddev = number(stddev, "stddev", minimum=0)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.asarray(rng.normal(self.mean, self.stddev, shape))


class TruncatedNormal(RandomNormal):
    """Normally distributed, with values beyond two standard deviations drawn again.

    The standard deviation of the result is smaller than `stddev`, by the factor 0.8796; unlike
    `VarianceScaling` this class does not make up for it.

    Identifiers: ``"truncated_normal"``, ``"TruncatedNormal"``.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation before truncation.
    seed : int, optional
        See `RandomInitializer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.initializers.TruncatedNormal(stddev=1.0, seed=1)(1000)
    >>> bool(abs(w).max() <= 2.0)
    True
    """

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * truncated_normal(rng, shape)


class Orthogonal(RandomInitializer):
    """Orthonormal columns (rows, where there are more columns than rows).

    The axes before the last are taken as one: a kernel of shape (kh, kw, C, F) is a matrix of
    kh*kw*C rows and F columns. The matrix is uniformly distributed, which needs the signs of R's
    diagonal to be moved into Q (Mezzadri 2007, "How to generate random matrices from the
    classical compact groups", https://arxiv.org/abs/math-ph/0609050).

    Identifiers: ``"orthogonal"``, ``"Orthogonal"``.

    Parameters
    ----------
    gain : float
        The length of the columns.
    seed : int, optional
        See `RandomInitializer`.

    Examples
    --------
    >>> import minigrad as mg
    >>> q = mg.initializers.Orthogonal(seed=1)((5, 3), dtype="float64")
    >>> np.allclose(q.T @ q, np.eye(3))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = number(gain, "gain")

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ValueError(
                f"Orthogonal needs a shape with at least 2 axes. Received: shape={shape}"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        matrix = q.T if rows < columns else q
        return np.ascontiguousarray(self.gain * matrix.reshape(shape))


def truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return standard normal numbers with those beyond -2 and 2 drawn again."""
    values = rng.standard_normal(math.prod(shape))
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = rng.standard_normal(np.count_nonzero(outside))
    return values.reshape(shape)


register(RandomUniform, "uniform", "RandomUniformV2")
register(RandomNormal, "normal", "RandomNormalV2")
register(TruncatedNormal, "TruncatedNormalV2")
register(Orthogonal, "OrthogonalV2")

"""What all initializers share: the call, the checks of its arguments, and the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import config
from minigrad._brief import brief
from minigrad._configurable import Configurable
from minigrad._registry import Registry
from minigrad._validate import is_integer
from minigrad.random import check_seed, generator

Array = np.ndarray[Any, Any]

registry = Registry("initializer")
register = registry.register


class Initializer(Configurable):
    """Makes the first values of a weight: ``initializer(shape, dtype=None)`` returns a new array.

    Derive from it, write ``__call__``, and register the class to make it known by its name.

    Source: https://keras.io/api/layers/initializers/

    Examples
    --------
    >>> import minigrad as mg
    >>> class Halves(mg.initializers.Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return np.full(shape, 0.5, dtype)
    >>> Halves()((2,), "float32")
    array([0.5, 0.5], dtype=float32)
    """

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return a new array.

        Parameters
        ----------
        shape : int or sequence of int
            Sizes of the axes, each >= 0.
        dtype : str or numpy dtype, optional
            The type of the elements; ``config.floatx()`` by default.

        Returns
        -------
        numpy.ndarray
            Of that shape and dtype.

        Raises
        ------
        ValueError
            For a shape or dtype that this initializer cannot fill.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype=None).")


class RandomInitializer(Initializer):
    """An initializer that draws random numbers.

    With an integer seed every call for one shape gives the same values; other shapes get
    independent ones. Without a seed every call draws new values from the common source, which
    `minigrad.set_random_seed` makes repeatable.

    Examples
    --------
    >>> import minigrad as mg
    >>> seeded, fresh = mg.initializers.HeNormal(seed=1), mg.initializers.HeNormal()
    >>> bool((seeded(9) == seeded(9)).all()), bool((fresh(9) == fresh(9)).all())
    (True, False)
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = check_seed(seed)

    def __call__(self, shape: int | Sequence[int], dtype: Any = None) -> Array:
        """Return a new array of random numbers; see `Initializer.__call__`."""
        sizes = checked_shape(shape)
        kind = config.resolve_dtype(dtype)
        # Drawn in double precision: float32 weights are the rounded float64 ones.
        return self._draw(generator(self.seed, stream=sizes), sizes).astype(kind, copy=False)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Return an array of float64."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Make an initializer from a configuration, by Keras 2 or 3 as well."""
        # Keras 3 writes `input_axes` and `output_axes` (None), Keras 1 a `dtype`.
        foreign = [k for k in ("input_axes", "output_axes") if config.get(k, 0) is None]
        return cls(**{k: v for k, v in config.items() if k not in (*foreign, "dtype")})


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Return `shape` as a tuple of plain ints, all >= 0."""
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else shape
    try:
        sizes = tuple(sizes)
    except TypeError:
        sizes = (None,)
    if all(is_integer(size) and size >= 0 for size in sizes):
        return tuple(int(n) for n in sizes)
    raise ValueError(f"The shape of a weight must be integers >= 0. Received: shape={brief(shape)}")


def checked_dtype(dtype: Any, kinds: str) -> np.dtype[Any]:
    """Return `dtype` (None: floatx); its kind must be among `kinds`, as in ``"fiub"``."""
    try:
        kind = np.dtype(config.floatx() if dtype is None else dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in kinds:
        raise ValueError(f"A weight needs a numeric dtype. Received: dtype={brief(dtype)}")
    return kind

"""Where random numbers come from: one source for initializers, dropout and shuffling.

`set_random_seed` makes everything that draws from it repeatable. It has nothing to do with NumPy's
own global state, which is neither read nor changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._brief import brief

__all__ = ["check_seed", "generator", "set_random_seed"]

_source = np.random.default_rng()


def set_random_seed(seed: int) -> None:
    """Start the common source of random numbers anew.

    Weights made, dropout masks drawn and batches shuffled after the call are then the same in every
    run that makes the same calls in the same order.

    Parameters
    ----------
    seed : int
        Not negative.

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> from minigrad import random
    >>> random.set_random_seed(7)
    >>> first = random.generator().integers(100)
    >>> random.set_random_seed(7)
    >>> bool(random.generator().integers(100) == first)
    True
    """
    global _source
    number = check_seed(seed)
    if number is None:
        raise ValueError("The seed must be an integer >= 0. Received: seed=None")
    _source = np.random.default_rng(number)


def generator(seed: int | None = None, stream: tuple[int, ...] = ()) -> np.random.Generator:
    """Return a generator: the common source for None, a new one for a number.

    Parameters
    ----------
    seed : int, optional
        The same seed gives the same numbers every time.
    stream : tuple of int
        Tells apart independent generators with one seed.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> from minigrad import random
    >>> a, b = random.generator(3), random.generator(3)
    >>> a is b, bool(a.random() == b.random())
    (False, True)
    """
    number = check_seed(seed)
    if number is None:
        return _source
    return np.random.default_rng(np.random.SeedSequence(number, spawn_key=stream))


def check_seed(seed: Any) -> int | None:
    """Return `seed` as a plain int or None.

    Raises
    ------
    ValueError
        Unless it is None or an integer that is not negative.
    """
    if seed is None:
        return None
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0:
        return int(seed)
    raise ValueError(f"The seed must be None or an integer >= 0. Received: seed={brief(seed)}")

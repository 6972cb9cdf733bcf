"""Many small arrays laid end to end, so that one operation does for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Joined"]

Array = np.ndarray[Any, Any]


class Joined:
    """Joins arrays into a flat one, and cuts flat arrays into pieces of the same shapes.

    Pieces are views. Joining them again costs nothing, for the flat array is remembered.

    Examples
    --------
    >>> joined = Joined()
    >>> flat = joined.join([np.zeros(2), np.ones((1, 2))])
    >>> pieces = joined.cut(flat * 2, [(2,), (1, 2)])
    >>> pieces
    [array([0., 0.]), array([[2., 2.]])]
    >>> joined.join(pieces) is pieces[0].base
    True
    """

    def __init__(self) -> None:
        self._flat: Array | None = None
        self._pieces: list[Array] = []

    def join(self, arrays: Sequence[Array]) -> Array:
        """Return the elements of all arrays, which have one dtype, in one flat array."""
        flat = self._flat
        if len(arrays) == len(self._pieces) and flat is not None:
            same = [a is b and a.base is flat for a, b in zip(arrays, self._pieces, strict=True)]
            if all(same):
                return flat
        if len(arrays) == 1:
            return arrays[0].reshape(-1)
        return np.concatenate([array.reshape(-1) for array in arrays])

    def cut(self, flat: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        """Return pieces of these shapes, which together have the size of the flat array."""
        pieces = []
        start = 0
        for shape in shapes:
            end = start + math.prod(shape)
            pieces.append(flat[start:end].reshape(shape))
            start = end
        self._flat, self._pieces = flat, pieces
        return pieces

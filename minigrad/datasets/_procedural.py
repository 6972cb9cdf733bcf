"""What the procedural data sets share: draws that are the same everywhere, gratings, the split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from minigrad import config
from minigrad._validate import integer

__all__ = ["Array", "Draws", "Examples", "grating", "integer", "split"]

Array: TypeAlias = np.ndarray[Any, Any]
Examples: TypeAlias = tuple[Array, Array]


class Draws:
    """Random numbers from raw PCG64 output, whose stream NumPy keeps fixed (NEP 19).

    Examples
    --------
    >>> Draws(0, 0).uniform((2,), -1, 1).round(3).tolist(), Draws(0, 0).integers(4, (3,)).tolist()
    ([0.886, -0.367], [3, 1, 2])
    """

    def __init__(self, seed: int, stream: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream,)))

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Array:
        """Return numbers from `low` to below `high`, float64."""
        raw = self._bits.random_raw(int(np.prod(shape))) >> np.uint64(11)
        return (low + (high - low) * 2.0**-53 * raw.astype(np.float64)).reshape(shape)

    def integers(self, below: int, shape: tuple[int, ...]) -> Array:
        """Return integers from 0 to below `below`, int64."""
        return (self.uniform(shape) * below).astype(np.int64)

    def balanced(self, classes: int, n: int) -> Array:
        """Return n labels in random order, each class as often as any other (to within one)."""
        order = np.argsort(self._bits.random_raw(n), kind="stable")
        labels: Array = np.arange(n, dtype=np.int64)[order] % classes
        return labels


def grating(angle: Array, frequency: Array, phase: Array, size: int) -> Array:
    """Return waves with one direction each: (n, size, size), from -1 to 1.

    Parameters
    ----------
    angle, phase : ndarray
        (n,), radians; with angle 0 the wave runs along the rows: vertical stripes.
    frequency : ndarray
        (n,), in cycles per pixel.
    size : int
        Height and width in pixels.
    """
    rows, columns = np.mgrid[:size, :size]
    column = [np.asarray(each)[:, None, None] for each in (angle, frequency, phase)]
    along = np.cos(column[0]) * columns + np.sin(column[0]) * rows
    waves: Array = np.sin(2 * np.pi * column[1] * along + column[2])
    return waves


def split(
    make: Callable[[Draws, Array], Array],
    classes: int,
    train: int,
    test: int,
    seed: int,
    data_format: str | None,
) -> tuple[Examples, Examples]:
    """Return a training and a test set.

    Parameters
    ----------
    make : callable
        Gets draws and labels (n,), and returns images (n, height, width, channels).
    classes : int
    train, test, seed, data_format
        As in the functions that call this.

    Raises
    ------
    ValueError
        If one of the latter is out of range.
    """
    counts = integer(train, "train"), integer(test, "test")
    seed = integer(seed, "seed", 0)
    layout = config.resolve_data_format(data_format)
    made = []
    for stream, n in enumerate(counts):
        draws = Draws(seed, stream)
        labels = draws.balanced(classes, n)
        x = make(draws, labels).astype(np.float32)
        if layout == "channels_first":
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
        made.append((x, labels))
    return made[0], made[1]

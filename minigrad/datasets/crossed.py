"""A task between channels and space: a separable layer fails, a full convolution solves it."""

from __future__ import annotations

import numpy as np

from minigrad.datasets._procedural import Array, Draws, Examples, integer, split

__all__ = ["crossed_channels"]


def crossed_channels(
    train: int = 1024,
    test: int = 512,
    *,
    size: int = 8,
    seed: int = 0,
    data_format: str | None = None,
) -> tuple[Examples, Examples]:
    """Return pairs of noise images of which one is the other, moved by one pixel or not at all.

    The class is the displacement, 3 * row + column for row, column in 0, 1, 2 (class 4: not moved).
    Each channel alone is white noise, and so are both at any one pixel in all classes but one. A
    full 3x3 convolution solves it: one filter per class compares the second channel at one place
    of its window with the first channel in the middle. In a `SeparableConv2D` all filters share one
    window per channel, only its weight differs between them: with depth_multiplier 1 the nine
    displacements are looked at through one and the same window, and most are confused. (A
    depth_multiplier of 9 has room for one window for each.)

    Parameters
    ----------
    train, test, seed, data_format
        As in `shapes`.
    size : int
        Height and width, >= 4. The smaller, the less can be guessed from a single window.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        As in `shapes`, but images have two channels, from -1 to 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> (x, y), _ = mg.datasets.crossed_channels(train=9)
    >>> first, second = x[y == 5][0].transpose(2, 0, 1)
    >>> bool((first[:, :-1] == second[:, 1:]).all())
    True
    """
    pixels = integer(size, "size", 4)

    def make(draws: Draws, labels: Array) -> Array:
        n = len(labels)
        wide = draws.uniform((n, pixels + 2, pixels + 2), -1.0, 1.0)
        rows, columns = np.divmod(labels, 3)
        places = np.arange(pixels)
        # second[i] = wide[i + 1], first[i] = second[i + displacement]
        first = wide[
            np.arange(n)[:, None, None],
            rows[:, None, None] + places[:, None],
            columns[:, None, None] + places,
        ]
        return np.stack([first, wide[:, 1:-1, 1:-1]], axis=-1)

    return split(make, 9, train, test, seed, data_format)

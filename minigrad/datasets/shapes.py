"""Circles, squares, triangles and crosses."""

from __future__ import annotations

import numpy as np

from minigrad.datasets._procedural import Array, Draws, Examples, integer, split

__all__ = ["SHAPES", "shapes"]

SHAPES = ("circle", "square", "triangle", "cross")


def shapes(
    train: int = 1024,
    test: int = 256,
    *,
    size: int = 16,
    noise: float = 0.2,
    seed: int = 0,
    data_format: str | None = None,
) -> tuple[Examples, Examples]:
    """Return one filled shape per image: a first task for a network of separable convolutions.

    The class is the shape: 0 circle, 1 square, 2 triangle, 3 cross. Place, size, colour and
    background are random. Edges are found by filters in space in each channel, but which colour is
    brighter than the background differs, so filters and mixing work together.

    Parameters
    ----------
    train, test : int
        How many images to make, >= 1; all classes are equally frequent to within one.
    size : int
        Height and width, >= 8. The shapes are a half to nearly all of it wide.
    noise : float
        Each pixel gets a number from -noise to noise.
    seed : int
        Which images, >= 0.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channel axis goes; ``config.image_data_format()`` if None.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images: float32, (n, size, size, 3) or (n, 3, size, size), from -noise to 1 + noise. Labels:
        int64, (n,). The same on every machine.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> (x, y), _ = mg.datasets.shapes(train=8)
    >>> x.shape, mg.datasets.SHAPES[y[0]] in ("circle", "square", "triangle", "cross")
    ((8, 16, 16, 3), True)
    """
    pixels = integer(size, "size", 8)

    def make(draws: Draws, labels: Array) -> Array:
        n = len(labels)
        radius = draws.uniform((n, 1, 1), pixels / 4, pixels / 2 - 1)
        middle = pixels / 2 - 0.5
        rows, columns = (
            np.arange(pixels).reshape(shape)
            - middle
            - draws.uniform((n, 1, 1), -1.0, 1.0) * (middle - radius)
            for shape in ((1, -1, 1), (1, 1, -1))
        )
        inside = _inside(rows / radius, columns / radius)
        mask = np.take_along_axis(inside, labels[None, :, None, None], axis=0)[0][..., None]
        back = draws.uniform((n, 1, 1, 3))
        # At least 0.4 brighter or darker than the background in each channel.
        shift = draws.uniform((n, 1, 1, 3), 0.4, 0.6)
        front = np.where(back < 0.5, back + shift, back - shift).clip(0.0, 1.0)
        dots = draws.uniform((n, pixels, pixels, 3), -noise, noise)
        return np.where(mask, front, back) + dots

    return split(make, len(SHAPES), train, test, seed, data_format)


def _inside(v: Array, u: Array) -> Array:
    """Return for each shape whether points are inside; -1 to 1 is its whole height and width."""
    down, right = np.abs(v), np.abs(u)
    circle = v * v + u * u <= 1.0
    square = np.maximum(down, right) <= 0.85
    triangle = (down <= 1.0) & (2 * right <= v + 1.0)
    cross = (np.minimum(down, right) <= 0.3) & (np.maximum(down, right) <= 1.0)
    return np.stack([circle, square, triangle, cross])

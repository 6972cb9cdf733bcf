"""Textures that only filters in space, or only the mixing of channels, can tell apart."""

from __future__ import annotations

import numpy as np

from minigrad.datasets._procedural import Array, Draws, Examples, grating, integer, split

__all__ = ["colour_textures", "oriented_textures"]

# Of green and of blue relative to red.
OPPONENTS = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])


def oriented_textures(
    train: int = 512,
    test: int = 256,
    *,
    size: int = 16,
    noise: float = 0.3,
    seed: int = 0,
    data_format: str | None = None,
) -> tuple[Examples, Examples]:
    """Return stripes in four directions: depthwise filters suffice to tell them apart.

    The class is the direction (0: vertical stripes, 1: rising to the left, 2: horizontal, 3: rising
    to the right). Wavelength (3 to 5 pixels), phase, contrast and the colour are random. So every
    channel alone shows the class, through the correlations of neighbouring pixels; the values of
    single pixels have the same distribution in all classes, whatever the channels are mixed to.
    Filters in space are needed, mixing is not: a `DepthwiseConv2D` with pooling and a `Dense`
    layer learns this, a network of 1x1 convolutions is left at chance, 25 %.

    Parameters
    ----------
    train, test, size, noise, seed, data_format
        As in `shapes`; `size` is >= 4.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        As in `shapes`, but images are around 0, and the same on every machine to within the
        rounding of its sine.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> (x, y), _ = mg.datasets.oriented_textures(train=8)
    >>> x.shape, sorted(y.tolist())
    ((8, 16, 16, 3), [0, 0, 1, 1, 2, 2, 3, 3])
    """
    pixels = integer(size, "size", 4)

    def make(draws: Draws, labels: Array) -> Array:
        n = len(labels)
        waves = _waves(draws, labels * (np.pi / 4), pixels)
        colour = draws.uniform((n, 1, 1, 3), 0.3, 1.0) * np.where(
            draws.uniform((n, 1, 1, 3)) < 0.5, -1.0, 1.0
        )
        clean: Array = waves * colour
        return clean + draws.uniform((n, pixels, pixels, 3), -noise, noise)

    return split(make, 4, train, test, seed, data_format)


def colour_textures(
    train: int = 512,
    test: int = 256,
    *,
    size: int = 16,
    noise: float = 0.3,
    seed: int = 0,
    data_format: str | None = None,
) -> tuple[Examples, Examples]:
    """Return textures of opposing colours: only pointwise mixing tells them apart.

    All three channels show the same stripes, of random direction, wavelength and phase. The class
    says where they are turned into their opposite: 0 nowhere (grey), 1 in green, 2 in blue, 3 in
    both. A sine and its negative cannot be told apart when the phase is random, so no channel
    alone says anything, and no sum of what is found in the channels one by one does. But a sum of
    channels is zero or not, at every single pixel: two 1x1 convolutions learn this, and a
    `DepthwiseConv2D` of any size with pooling and a `Dense` layer is left near chance, 25 %.

    Parameters
    ----------
    train, test, size, noise, seed, data_format
        As in `oriented_textures`.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        As in `oriented_textures`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Why sums of the channels' own features f, g cannot work: let class A show (t, t) and class B
    (t, -t), with t and -t equally likely. The mean of f(t) + g(t) is that of f(t) + g(-t).

    Examples
    --------
    >>> import minigrad as mg
    >>> (x, y), _ = mg.datasets.colour_textures(train=4, noise=0.0)
    >>> grey = x[y == 0][0]
    >>> bool((grey[..., 0] == grey[..., 2]).all())
    True
    """
    pixels = integer(size, "size", 4)

    def make(draws: Draws, labels: Array) -> Array:
        n = len(labels)
        waves = _waves(draws, draws.uniform((n,), 0.0, np.pi), pixels)
        signs = np.concatenate([np.ones((n, 1)), OPPONENTS[labels]], axis=1)
        clean: Array = waves * signs[:, None, None, :]
        return clean + draws.uniform((n, pixels, pixels, 3), -noise, noise)

    return split(make, 4, train, test, seed, data_format)


def _waves(draws: Draws, angle: Array, size: int) -> Array:
    n = len(angle)
    wavelength = draws.uniform((n,), 3.0, 5.0)
    phase = draws.uniform((n,), 0.0, 2 * np.pi)
    waves: Array = grating(angle, 1.0 / wavelength, phase, size)[..., None]
    return waves

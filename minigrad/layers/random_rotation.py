"""`RandomRotation`: turn images at random, in training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad.layers.augmentation import Array, Resampling, bounds
from minigrad.layers.registry import register

__all__ = ["RandomRotation"]


class RandomRotation(Resampling):
    """Turn each image around its middle by a random angle in training; nothing in inference.

    Parameters
    ----------
    factor : float, or (float, float)
        The range of the angle, as fractions of a full turn; 0.1 stands for (-0.1, 0.1), at most 36
        degrees. Positive angles are counter-clockwise.
    fill_mode, interpolation, seed, fill_value, data_format
        As for `RandomTranslation`.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For arguments that are out of range, and for inputs that have not 4 axes.

    Notes
    -----
    https://www.tensorflow.org/api_docs/python/tf/keras/layers/RandomRotation

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.RandomRotation((0.25, 0.25))  # always a quarter
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> layer(x, training=True).numpy()[0, :, :, 0].round(6)
    array([[2., 4.],
           [1., 3.]], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format",
    )  # fmt: skip

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.factor = bounds(factor, "factor")
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)

    def _places(
        self, count: int, size: tuple[int, int], generator: np.random.Generator
    ) -> tuple[Array, Array]:
        angle = 2 * np.pi * generator.uniform(*self.factor, (count, 1, 1))
        middle = (size[0] - 1) / 2, (size[1] - 1) / 2
        down, right = np.arange(size[0])[:, None] - middle[0], np.arange(size[1]) - middle[1]
        # Where a pixel comes from: turned back, with rows that count downwards. A rounding of 1e-9
        # keeps quarters of a turn from mixing in pixels of the border.
        rows = np.round(middle[0] + np.cos(angle) * down + np.sin(angle) * right, 9)
        columns = np.round(middle[1] - np.sin(angle) * down + np.cos(angle) * right, 9)
        return rows, columns


register(RandomRotation)

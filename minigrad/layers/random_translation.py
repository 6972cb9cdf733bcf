"""`RandomTranslation`: shift images at random, in training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad.layers.augmentation import Array, Resampling, bounds
from minigrad.layers.registry import register

__all__ = ["RandomTranslation"]


class RandomTranslation(Resampling):
    """Shift each image by a random fraction of its size in training; do nothing in inference.

    Parameters
    ----------
    height_factor, width_factor : float, or (float, float)
        The range of the shift, as fractions of height and width; 0.1 stands for (-0.1, 0.1).
        Positive shifts go down and to the right.
    fill_mode : "reflect", "constant", "nearest" or "wrap"
        What comes in at the border: the image mirrored there, `fill_value`, the nearest pixel, or
        the other side of the image.
    interpolation : "bilinear" or "nearest"
        What to do with fractions of a pixel; "nearest" shifts by whole pixels.
    seed : int, optional
        Makes the sequence of draws repeatable.
    fill_value : float
        For ``fill_mode="constant"``.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For arguments that are out of range, and for inputs that have not 4 axes.

    Notes
    -----
    https://www.tensorflow.org/api_docs/python/tf/keras/layers/RandomTranslation

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.RandomTranslation(0, (0.25, 0.25), "constant")  # always one pixel of 4
    >>> x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 4, 1)
    >>> layer(x, training=True).numpy().ravel()
    array([0., 1., 2., 3.], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value",
        "data_format",
    )  # fmt: skip

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.height_factor = bounds(height_factor, "height_factor")
        self.width_factor = bounds(width_factor, "width_factor")
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)

    def _places(
        self, count: int, size: tuple[int, int], generator: np.random.Generator
    ) -> tuple[Array, Array]:
        down = generator.uniform(*self.height_factor, (count, 1, 1)) * size[0]
        right = generator.uniform(*self.width_factor, (count, 1, 1)) * size[1]
        return np.arange(size[0])[:, None] - down, np.arange(size[1]) - right


register(RandomTranslation)

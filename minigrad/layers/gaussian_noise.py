"""`GaussianNoise`: add noise, in training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad import random
from minigrad._brief import brief
from minigrad.autograd import Tensor, wrap
from minigrad.kernels.devices import to_device
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape

__all__ = ["GaussianNoise"]


class GaussianNoise(SameShape):
    """Add normally distributed noise in training; do nothing in inference.

    Parameters
    ----------
    stddev : float
        The standard deviation of the noise, >= 0.
    seed : int, optional
        Makes the sequence of draws repeatable.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For a standard deviation that is no number >= 0.

    Notes
    -----
    Input and output: any shape.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/GaussianNoise

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.GaussianNoise(0.5, seed=0)
    >>> float(layer(np.zeros(10000), training=True).numpy().std().round(2))
    0.5
    """

    _arguments: ClassVar[tuple[str, ...]] = ("stddev", "seed")

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        number = isinstance(stddev, (int, float, np.integer, np.floating))
        if not number or isinstance(stddev, bool) or not 0.0 <= stddev < np.inf:
            raise ValueError(f"stddev must be a number >= 0. Received: stddev={brief(stddev)}")
        self.stddev = float(stddev)
        self.seed = random.check_seed(seed)
        self._generator = None if seed is None else random.generator(seed)
        super().__init__(**kwargs)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the inputs, with noise in training."""
        if not training or self.stddev == 0.0:
            return inputs
        generator = random.generator() if self._generator is None else self._generator
        noise = generator.normal(0.0, self.stddev, inputs.shape).astype(inputs.dtype)
        return inputs + wrap(to_device(noise, inputs.device))


register(GaussianNoise)

"""`Dropout` and `SpatialDropout2D`: forget some of the input, at random, in training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad import config, random
from minigrad._brief import brief
from minigrad.autograd import Tensor, wrap
from minigrad.kernels.devices import to_device
from minigrad.layers.images import image_shape
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape
from minigrad.layers.shapes import InputSpec, to_shape

__all__ = ["Dropout", "SpatialDropout2D"]


class Dropout(SameShape):
    """Set a random fraction of the input to 0 in training; do nothing in inference.

    What is kept is divided by ``1 - rate``, so that sums keep their expected values.

    Parameters
    ----------
    rate : float
        The fraction to drop, from 0 to 1.
    noise_shape : tuple of (int or None), optional
        Shape of the mask: 1 where it is shared along an axis, None for the size of the input.
        ``(None, 1, 1, None)`` drops whole channels of channels_last images.
    seed : int, optional
        Makes the sequence of masks repeatable. When left out, they come from the common source of
        random numbers, see `minigrad.random.set_random_seed`.
    **kwargs
        Those of `Layer`: name, trainable, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        If an argument is out of its range, or `noise_shape` does not fit the input.

    Notes
    -----
    Input and output: any shape, in the layer's dtype. The gradient passes where the input did.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Dropout,
    N. Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.Dropout(0.5, seed=1)
    >>> sorted(set(layer(np.ones((4, 8)), training=True).numpy().ravel().tolist()))
    [0.0, 2.0]
    >>> layer(np.ones((1, 3))).numpy()
    array([[1., 1., 1.]], dtype=float32)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("rate", "noise_shape", "seed")

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        number = isinstance(rate, (int, float, np.integer, np.floating))
        if not number or isinstance(rate, bool) or not 0.0 <= rate <= 1.0:
            raise ValueError(f"rate must be a number from 0 to 1. Received: rate={brief(rate)}")
        self.rate = float(rate)
        self.noise_shape = None if noise_shape is None else to_shape(noise_shape, "noise_shape")
        self.seed = random.check_seed(seed)
        self._generator = None if seed is None else random.generator(seed)
        super().__init__(**kwargs)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the inputs, with some of them dropped in training."""
        if not training or self.rate == 0.0:
            return inputs
        generator = random.generator() if self._generator is None else self._generator
        kept = generator.random(self._mask_shape(inputs.shape)) >= self.rate
        # With rate 1 nothing is kept, so what that would be divided by does not matter.
        mask = np.divide(kept, (1.0 - self.rate) or 1.0, dtype=inputs.dtype)
        return inputs * wrap(to_device(mask, inputs.device))

    def _mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.noise_shape is None:
            return shape
        if len(self.noise_shape) == len(shape):
            mask = tuple(
                size if part is None else part
                for part, size in zip(self.noise_shape, shape, strict=True)
            )
            if all(part in (1, size) for part, size in zip(mask, shape, strict=True)):
                return mask
        raise ValueError(
            f"noise_shape must have one size per axis of the input: 1, None or the size itself. "
            f"Received: noise_shape={self.noise_shape}, input_shape={shape}"
        )


class SpatialDropout2D(Dropout):
    """Drop whole channels of images in training: neighbouring pixels tell too much of each other.

    Parameters
    ----------
    rate : float
        The fraction of the channels to drop, from 0 to 1.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    seed : int, optional
        As for `Dropout`.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError, TypeError
        As `Dropout`; also for inputs that have not 4 axes.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/SpatialDropout2D,
    J. Tompson et al., 2015, https://arxiv.org/abs/1411.4280

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.SpatialDropout2D(0.5, seed=1)
    >>> y = layer(np.ones((1, 3, 3, 8)), training=True).numpy()
    >>> bool((y == y[:, :1, :1]).all())
    True
    """

    _arguments: ClassVar[tuple[str, ...]] = ("rate", "data_format", "seed")
    _neutral_keys: ClassVar[frozenset[str]] = Dropout._neutral_keys | {"noise_shape"}

    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        self.data_format = config.resolve_data_format(data_format)
        super().__init__(rate, image_shape(None, (1, 1), None, self.data_format), seed, **kwargs)
        self.input_spec = InputSpec(ndim=4)


register(Dropout)
register(SpatialDropout2D)

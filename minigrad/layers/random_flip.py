"""`RandomFlip`: mirror images at random, in training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad import ops
from minigrad.autograd import Tensor, wrap
from minigrad.kernels.devices import to_device
from minigrad.layers.augmentation import Augmentation, choice
from minigrad.layers.registry import register

__all__ = ["RandomFlip"]


class RandomFlip(Augmentation):
    """Mirror each image with probability 1/2 in training; do nothing in inference.

    Parameters
    ----------
    mode : "horizontal_and_vertical", "horizontal" or "vertical"
        Left and right change places in "horizontal"; each direction is drawn on its own.
    seed : int, optional
        Makes the sequence of draws repeatable.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        For another mode, and for inputs that have not 4 axes.

    Notes
    -----
    https://www.tensorflow.org/api_docs/python/tf/keras/layers/RandomFlip

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.RandomFlip("horizontal", seed=0)
    >>> x = np.array([0.0, 1.0, 2.0]).reshape(1, 1, 3, 1).repeat(4, axis=0)
    >>> sorted({tuple(image.ravel().tolist()) for image in layer(x, training=True).numpy()})
    [(0.0, 1.0, 2.0), (2.0, 1.0, 0.0)]
    """

    _arguments: ClassVar[tuple[str, ...]] = ("mode", "seed", "data_format")

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        words = ("horizontal_and_vertical", "horizontal", "vertical")
        self.mode = choice(mode, "mode", words)
        super().__init__(seed, data_format, **kwargs)

    def _change(self, inputs: Tensor, generator: np.random.Generator) -> Tensor:
        rows = 2 if self.data_format == "channels_first" else 1
        for word, axis in (("vertical", rows), ("horizontal", rows + 1)):
            if word in self.mode:
                turned = generator.random((inputs.shape[0], 1, 1, 1)) < 0.5
                mask = wrap(to_device(turned, inputs.device))
                inputs = ops.where(mask, ops.flip(inputs, axis), inputs)
        return inputs


register(RandomFlip)

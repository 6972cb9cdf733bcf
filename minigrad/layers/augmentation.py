"""What random changes of images have in common: only in training, one draw per image."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import config, ops, random
from minigrad._brief import brief
from minigrad.autograd import Tensor, wrap
from minigrad.kernels.devices import to_device
from minigrad.layers.images import image_size
from minigrad.layers.same_shape import SameShape
from minigrad.layers.shapes import InputSpec

__all__ = ["FILL_MODES", "Augmentation", "Resampling", "bounds", "choice"]

Array = np.ndarray[Any, Any]
FILL_MODES = ("reflect", "constant", "nearest", "wrap")


class Augmentation(SameShape):
    """A layer that changes images at random in training, and does nothing in inference.

    Parameters
    ----------
    seed : int, optional
        Makes the sequence of changes repeatable; the common source of random numbers otherwise.
    data_format : "channels_last" or "channels_first", optional
        The setting ``image_data_format`` when left out.
    **kwargs
        Those of `Layer`.
    """

    def __init__(self, seed: int | None, data_format: str | None, **kwargs: Any) -> None:
        self.seed = random.check_seed(seed)
        self._generator = None if seed is None else random.generator(seed)
        self.data_format = config.resolve_data_format(data_format)
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return changed images in training, and the inputs otherwise."""
        if not training or 0 in inputs.shape:
            return inputs
        generator = random.generator() if self._generator is None else self._generator
        return self._change(inputs, generator)

    def _change(self, inputs: Tensor, generator: np.random.Generator) -> Tensor:
        raise NotImplementedError


class Resampling(Augmentation):
    """Images whose pixels are taken from other places, with bilinear interpolation.

    Parameters
    ----------
    fill_mode : "reflect", "constant", "nearest" or "wrap"
        What lies outside: the image mirrored at its border (``d c b a | a b c d | d c b a``),
        `fill_value`, the nearest pixel, or the image again.
    fill_value : float
        For "constant".
    seed, data_format, **kwargs
        As for `Augmentation`.
    """

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        self.fill_mode = choice(fill_mode, "fill_mode", FILL_MODES)
        self.interpolation = choice(interpolation, "interpolation", ("bilinear", "nearest"))
        if isinstance(fill_value, bool) or not isinstance(
            fill_value, (int, float, np.integer, np.floating)
        ):
            raise ValueError(
                f"fill_value must be a number. Received: fill_value={brief(fill_value)}"
            )
        self.fill_value = float(fill_value)
        super().__init__(seed, data_format, **kwargs)

    def _places(
        self, count: int, size: tuple[int, int], generator: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return the rows and columns, float64, that the pixels come from; they broadcast."""
        raise NotImplementedError

    def _change(self, inputs: Tensor, generator: np.random.Generator) -> Tensor:
        height, width = (int(n or 0) for n in image_size(inputs.shape, self.data_format))
        count, first = inputs.shape[0], self.data_format == "channels_first"
        rows, columns = self._places(count, (height, width), generator)
        if self.interpolation == "nearest":
            rows, columns = np.round(rows), np.round(columns)
        shape = (count, height, width)
        pixels = (*inputs.shape[:2], -1) if first else (count, -1, inputs.shape[-1])
        flat = ops.reshape(inputs, pixels)
        axis, spread = (2, (count, 1, -1)) if first else (1, (count, -1, 1))
        total: Any = None
        for row, row_weight in _neighbours(rows):
            for column, column_weight in _neighbours(columns):
                place_y, inside_y = _fold(row, height, self.fill_mode)
                place_x, inside_x = _fold(column, width, self.fill_mode)
                index = np.broadcast_to(place_y * width + place_x, shape).reshape(spread)
                weight = np.broadcast_to(row_weight * column_weight, shape)
                inside = np.broadcast_to(inside_y & inside_x, shape)
                kept = np.where(inside, weight, 0.0).astype(inputs.dtype).reshape(spread)
                part = ops.take_along_axis(flat, to_device(index, inputs.device), axis)
                part = part * wrap(to_device(kept, inputs.device))
                if self.fill_mode == "constant" and self.fill_value:
                    outside = (weight - np.where(inside, weight, 0.0)) * self.fill_value
                    fill = outside.astype(inputs.dtype).reshape(spread)
                    part = part + wrap(to_device(fill, inputs.device))
                total = part if total is None else total + part
        outputs: Tensor = ops.reshape(total, inputs.shape)
        return outputs


def _neighbours(places: Array) -> list[tuple[Array, Array]]:
    """Return the whole numbers below and above, with their weights in linear interpolation."""
    below = np.floor(places)
    fraction = places - below
    return [(below.astype(np.int64), 1.0 - fraction), (below.astype(np.int64) + 1, fraction)]


def _fold(places: Array, size: int, mode: str) -> tuple[Array, Array]:
    """Return where in the image places outside of it are found, and which lie inside."""
    inside = (places >= 0) & (places < size)
    if mode == "reflect":
        around = places % (2 * size)
        return np.minimum(around, 2 * size - 1 - around), np.ones_like(inside)
    if mode == "wrap":
        return places % size, np.ones_like(inside)
    found = places.clip(0, size - 1)
    return found, inside if mode == "constant" else np.ones_like(inside)


def choice(value: Any, name: str, among: tuple[str, ...]) -> str:
    """Return `value` if it is one of several words; ValueError otherwise."""
    if isinstance(value, str) and value in among:
        return value
    words = ", ".join(map(repr, among))
    raise ValueError(f"{name} must be one of {words}. Received: {name}={brief(value)}")


def bounds(value: Any, name: str) -> tuple[float, float]:
    """Return a range: from -value to value for a number, else the two numbers given.

    Raises
    ------
    ValueError
        For a negative number, or a pair that is not in order.
    """
    pair = value if isinstance(value, (tuple, list)) else (-value, value) if _real(value) else ()
    if len(pair) != 2 or not all(map(_real, pair)) or pair[0] > pair[1]:
        raise ValueError(
            f"{name} must be a number >= 0 or a pair (lower, upper). "
            f"Received: {name}={brief(value)}"
        )
    return float(pair[0]), float(pair[1])


def _real(value: Any) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating))
    return number and not isinstance(value, bool) and bool(np.isfinite(value))

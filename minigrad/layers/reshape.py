"""`Reshape`: the same numbers of each example in another shape."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from minigrad._brief import brief
from minigrad._validate import is_integer
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.registry import register
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["Reshape"]


class Reshape(Layer):
    """Give each example another shape; the batch axis stays.

    Parameters
    ----------
    target_shape : tuple of int
        Without the batch axis. One size may be -1: it follows from the others.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        In the constructor for sizes that are no integers >= 0 and a second -1; later for inputs
        of another size.

    Notes
    -----
    Integers stay integers.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Reshape

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.Reshape((4, -1))(np.ones((2, 4, 3, 5))).shape
    (2, 4, 15)
    """

    accepts_integers = True
    _arguments: ClassVar[tuple[str, ...]] = ("target_shape",)

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        sizes = tuple(target_shape) if isinstance(target_shape, (tuple, list)) else (target_shape,)
        whole = all(is_integer(size) and size >= -1 for size in sizes)
        if not whole or sizes.count(-1) > 1:
            raise ValueError(
                f"target_shape must hold integers >= 0, and at most one -1. "
                f"Received: target_shape={brief(target_shape)}"
            )
        self.target_shape = tuple(int(size) for size in sizes)
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs in their new shape."""
        return inputs.reshape(self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return (N, *target_shape), with the size in place of -1, or None if it is not known."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        known = math.prod(size for size in self.target_shape if size != -1)
        rest: int | None = None
        if None not in shape[1:]:
            size = math.prod(size for size in shape[1:] if size is not None)
            rest = size // known if known else 0
            if (rest if -1 in self.target_shape else 1) * known != size:
                raise ValueError(
                    f"Layer {self.name!r} cannot give inputs of shape {shape} the shape "
                    f"{(shape[0], *self.target_shape)}: the number of elements differs. "
                    f"Received: input_shape={shape}, target_shape={self.target_shape}"
                )
        return (shape[0], *(rest if size == -1 else size for size in self.target_shape))


register(Reshape)

"""`Rescaling`: from 0 ... 255 to numbers that a network likes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad import ops
from minigrad._brief import brief
from minigrad.autograd import Tensor, wrap
from minigrad.layers.registry import register
from minigrad.layers.same_shape import SameShape
from minigrad.layers.shapes import InputSpec

__all__ = ["Rescaling"]


class Rescaling(SameShape):
    """Return ``inputs * scale + offset``.

    Parameters
    ----------
    scale, offset : float, or a list of floats
        One number, or one for each place along the last axis.
    **kwargs
        Those of `Layer`: name, dtype, input_shape, and so on.

    Raises
    ------
    ValueError
        In the constructor for arguments that are no numbers; later for inputs whose last axis has
        another length.
    TypeError
        For unknown keyword arguments and complex inputs.

    Notes
    -----
    Input and output: any shape. The output has the layer's dtype; the input may be integers.

    https://www.tensorflow.org/api_docs/python/tf/keras/layers/Rescaling

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.Rescaling(1 / 128, -1)(np.array([[0, 64, 255]], np.uint8)).numpy()
    array([[-1.       , -0.5      ,  0.9921875]], dtype=float32)
    """

    accepts_integers = True
    _arguments: ClassVar[tuple[str, ...]] = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        self.scale, self.offset = _numbers(scale, "scale"), _numbers(offset, "offset")
        super().__init__(**kwargs)
        sizes = {len(part) for part in (self.scale, self.offset) if isinstance(part, tuple)}
        if len(sizes) > 1:
            raise ValueError(
                f"scale and offset must be of one length. Received: scale={scale}, offset={offset}"
            )
        self.input_spec = InputSpec(min_ndim=1, axes={-1: sizes.pop()}) if sizes else InputSpec()

    def call(self, inputs: Tensor) -> Tensor:
        """Return the scaled inputs."""
        x = ops.astype(inputs, self._dtype)
        scale, offset = (
            wrap(np.array(part, x.dtype, like=x.data)) if isinstance(part, tuple) else part
            for part in (self.scale, self.offset)
        )
        outputs: Tensor = x * scale + offset
        return outputs


def _numbers(value: Any, name: str) -> float | tuple[float, ...]:
    """Return one number or several as floats."""
    try:
        found = np.array(value)
    except ValueError:  # rows of different lengths
        found = np.array(None)
    if found.dtype.kind not in "iuf" or found.ndim > 1 or not np.isfinite(found).all():
        raise ValueError(
            f"{name} must be a number or a list of numbers. Received: {name}={brief(value)}"
        )
    return tuple(found.astype(float).tolist()) if found.ndim else float(found)


register(Rescaling)

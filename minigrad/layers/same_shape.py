"""The base of layers that change numbers, and not their shape."""

from __future__ import annotations

from typing import Any

from minigrad.layers.base import Layer
from minigrad.layers.shapes import InputSpec, Shape, to_shape

__all__ = ["SameShape"]


class SameShape(Layer):
    """A layer of one input whose output has the shape of that."""

    input_spec: InputSpec | None = InputSpec()  # of one tensor, of any shape

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the input."""
        shape = to_shape(input_shape)
        self._check_input_shape(shape)
        return shape

"""`Add`, `Multiply` and `Concatenate`: several tensors become one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minigrad import ops
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.registry import register
from minigrad.layers.shapes import Shape, shape_of
from minigrad.ops.arithmetic import add_images

__all__ = ["Add", "Concatenate", "Multiply"]


class _Merge(Layer):
    """A layer that is called on a list of tensors; `build` gets a list of shapes."""

    def _check_input_shape(self, shape: Any) -> None:
        if not isinstance(shape, list) or len(shape) < 2:
            received = shape if isinstance(shape, list) else f"one tensor of shape {shape}"
            raise ValueError(
                f"Layer {self.name!r} must be called on a list of at least 2 tensors. "
                f"Received: {received}"
            )
        self._merged(shape)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the result for a list of shapes; sizes may be None."""
        shapes = shape_of(input_shape)
        self._check_input_shape(shapes)
        return self._merged(shapes)

    def _merged(self, shapes: list[Shape]) -> Shape:
        """Return the shape of the result, or raise ValueError."""
        raise NotImplementedError

    def _differ(self, shapes: list[Shape], what: str) -> ValueError:
        listed = ", ".join(map(str, shapes))
        return ValueError(f"Layer {self.name!r} needs inputs {what}. Received: shapes {listed}")


class _Elementwise(_Merge):
    """An operation on two tensors, applied from the first to the last."""

    _operation: ClassVar[Callable[[Any, Any], Tensor]]

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Return the sum or the product."""
        ndim = max(x.ndim for x in inputs)
        parts = [x.reshape(_lifted(x.shape, ndim)) if x.ndim < ndim else x for x in inputs]
        return functools.reduce(type(self)._operation, parts)

    def _merged(self, shapes: list[Shape]) -> Shape:
        if () in shapes:
            raise self._differ(shapes, "with a batch axis")
        lifted = [_lifted(shape, max(map(len, shapes))) for shape in shapes]
        return tuple(self._size(sizes, shapes) for sizes in zip(*lifted, strict=True))

    def _size(self, sizes: tuple[int | None, ...], shapes: list[Shape]) -> int | None:
        """Return the size of one axis after broadcasting."""
        found = {size for size in sizes if size not in (1, None)}
        if len(found) > 1:
            raise self._differ(shapes, "of one shape (sizes of 1 are repeated)")
        if found:
            return found.pop()
        return None if None in sizes else 1


def _lifted(shape: Any, ndim: int) -> Any:
    """Return a shape with axes of size 1 after the batch axis."""
    return (*shape[:1], *(1,) * (ndim - len(shape)), *shape[1:])


class Add(_Elementwise):
    """The sum of two or more tensors: the end of a residual block.

    Parameters
    ----------
    **kwargs
        Those of `Layer`: name, dtype, and so on.

    Raises
    ------
    ValueError
        If it is called on fewer than two tensors, or their shapes do not fit.

    Notes
    -----
    Input: a list of tensors of one shape. Sizes of 1 are repeated, and tensors with fewer axes get
    axes of size 1 behind the batch axis.

    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Add

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.Add()([np.ones((1, 2)), np.array([[1.0, 2.0]])]).numpy()
    array([[2., 3.]], dtype=float32)
    """

    _operation = add_images


class Multiply(_Elementwise):
    """The product of two or more tensors, element by element: gates and attention.

    Parameters
    ----------
    **kwargs
        Those of `Layer`: name, dtype, and so on.

    Raises
    ------
    ValueError, TypeError
        As `Add`.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Multiply

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> image, gate = np.ones((1, 4, 4, 2)), np.array([[1.0, 0.5]])
    >>> mg.layers.Multiply()([image, gate]).numpy()[0, 0, 0]
    array([1. , 0.5], dtype=float32)
    """

    _operation = ops.multiply


class Concatenate(_Merge):
    """Tensors joined along an axis.

    Parameters
    ----------
    axis : int
        Not that of the batch.
    **kwargs
        Those of `Layer`: name, dtype, and so on.

    Raises
    ------
    ValueError
        If it is called on fewer than two tensors, their shapes differ along other axes, or there
        is no such axis.
    TypeError
        For an axis that is no integer, unknown keyword arguments and integer inputs.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Concatenate

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.layers.Concatenate()([np.ones((1, 2, 2, 3)), np.ones((1, 2, 2, 1))]).shape
    (1, 2, 2, 4)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
            raise TypeError(f"axis must be an integer. Received: axis={brief(axis)}")
        self.axis = int(axis)
        super().__init__(**kwargs)

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Return the tensors as one."""
        return ops.concatenate(inputs, axis=self.axis)

    def _merged(self, shapes: list[Shape]) -> Shape:
        ndim = len(shapes[0])
        axis = self.axis % max(ndim, 1)
        if not -ndim <= self.axis < ndim or axis == 0:
            raise self._differ(shapes, f"with an axis {self.axis} that is not that of the batch")
        if any(len(shape) != ndim for shape in shapes):
            raise self._differ(shapes, "with the same number of axes")
        merged: list[int | None] = []
        for place, sizes in enumerate(zip(*shapes, strict=True)):
            known = [size for size in sizes if size is not None]
            if place == axis:
                merged.append(sum(known) if len(known) == len(sizes) else None)
            elif len(set(known)) > 1:
                raise self._differ(shapes, f"that differ along axis {self.axis} at most")
            else:
                merged.append(known[0] if known else None)
        return tuple(merged)


for _layer in (Add, Multiply, Concatenate):
    register(_layer)

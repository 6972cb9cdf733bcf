"""Shapes that may be partly unknown, and what a layer expects of its input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from minigrad._brief import brief
from minigrad._validate import is_integer

__all__ = ["InputSpec", "Shape", "known", "shape_of", "to_shape"]

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes of axes; None where a size is not known yet (the batch, often height and width)."""


def to_shape(value: Any, name: str = "input_shape") -> Shape:
    """Return a shape as a tuple of plain ints and None.

    Parameters
    ----------
    value : iterable of int or None
        A tuple, a list, or anything like it.
    name : str
        What to call it in an error.

    Returns
    -------
    tuple of (int or None)

    Raises
    ------
    TypeError
        If it is not a sequence (None, a number, a string).
    ValueError
        If a size is not an integer >= 0 or None.

    Examples
    --------
    >>> to_shape([None, 28, 28, 1])
    (None, 28, 28, 1)
    """
    if value is None or isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise TypeError(
            f"A shape must be a tuple of integers, with None for unknown sizes. "
            f"Received: {name}={brief(value)}"
        )
    sizes = tuple(value)
    for size in sizes:
        if size is not None and not (is_integer(size) and size >= 0):
            raise ValueError(
                f"The sizes of a shape must be integers >= 0, or None where they are unknown. "
                f"Received: {name}={brief(value)}"
            )
    return tuple(None if size is None else int(size) for size in sizes)


def shape_of(value: Any, name: str = "input_shape") -> Any:
    """Return a shape, or a list of shapes where the input is a list of tensors."""
    if isinstance(value, (tuple, list)) and any(isinstance(part, (tuple, list)) for part in value):
        return [to_shape(part, name) for part in value]
    return to_shape(value, name)


def known(size: int | None, what: str, shape: Shape) -> int:
    """Return a size that must not be None.

    Raises
    ------
    ValueError
        If it is None; `what` says which size it is.
    """
    if size is None:
        raise ValueError(f"{what} must be known here. Received: input_shape={shape}")
    return size


@dataclass(frozen=True)
class InputSpec:
    """What a layer expects of the shape of its input.

    Parameters
    ----------
    ndim, min_ndim : int, optional
        The number of axes, exactly or at least.
    axes : dict of int to int
        The size that an axis must have; axes may be counted from the end.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/InputSpec

    Examples
    --------
    >>> InputSpec(ndim=2, axes={-1: 3}).check((None, 4), "layer 'head'")
    Traceback (most recent call last):
    ValueError: Input of layer 'head' must have size 3 on axis -1. Received: input_shape=(None, 4)
    """

    ndim: int | None = None
    min_ndim: int | None = None
    axes: Mapping[int, int] = field(default_factory=dict)

    def check(self, shape: Shape, who: str) -> None:
        """Raise ValueError if `shape` does not fit; an unknown size fits everything."""
        if self.ndim is not None and len(shape) != self.ndim:
            raise ValueError(
                f"Input of {who} must have {self.ndim} axes. "
                f"Received: input_shape={shape}, with {len(shape)}"
            )
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            raise ValueError(
                f"Input of {who} must have at least {self.min_ndim} axes. "
                f"Received: input_shape={shape}, with {len(shape)}"
            )
        for axis, size in self.axes.items():
            if shape[axis] not in (None, size):
                raise ValueError(
                    f"Input of {who} must have size {size} on axis {axis}. "
                    f"Received: input_shape={shape}"
                )

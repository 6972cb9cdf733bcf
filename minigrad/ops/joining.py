"""Putting tensors together, taking them apart, and repeating them."""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad.autograd import Tensor, constant, primitive
from minigrad.ops._common import (
    ANY,
    Axis,
    Operand,
    Shape,
    constants,
    normalize_axes,
    normalize_axis,
    sizes,
)
from minigrad.ops.casting import common_dtype
from minigrad.ops.indexing import _getitem, take
from minigrad.ops.shape import _broadcast_to, _reshape, reshape


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    """Return an index that takes ``part`` of one axis, and all of the others."""
    return (slice(None),) * axis + (part,)


@primitive(
    xs=lambda g, index, axis, sizes: g[
        _along(axis, slice(sum(sizes[:index]), sum(sizes[: index + 1])))
    ],
    plain=True,
)
def _concatenate(*xs: Any, axis: int, sizes: list[int], dtype: Any) -> Any:
    return np.concatenate(xs, axis=axis, dtype=dtype)


def concatenate(arrays: Sequence[Operand], axis: int = 0) -> Tensor:
    """Return tensors joined along an axis that they have.

    Parameters
    ----------
    arrays : sequence of Tensor or array_like
        At least one; their shapes differ along ``axis`` at most.
    axis : int

    Raises
    ------
    ValueError
        If there are no arrays or their shapes do not match.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.concatenate([mg.tensor([1.0, 2.0]), mg.tensor([3.0])]).numpy()
    array([1., 2., 3.], dtype=float32)
    """
    xs = _several("concatenate", arrays)
    place = normalize_axis(axis, xs[0].ndim)
    try:
        sizes = [x._data.shape[place] for x in xs]
        return _concatenate(*xs, axis=place, sizes=sizes, dtype=common_dtype(*xs))
    except (ValueError, IndexError):
        shapes = [x.shape for x in xs]
        if len({(len(shape), shape[:place], shape[place + 1 :]) for shape in shapes}) == 1:
            raise
        raise ValueError(
            f"concatenate() needs shapes that differ along axis {place} at most. "
            f"Received: {', '.join(map(str, shapes))}"
        ) from None


@primitive(xs=lambda g, index, axis: g[_along(axis, index)], plain=True)
def _stack(*xs: Any, axis: int, dtype: Any) -> Any:
    shape = xs[0].shape  # np.stack checks what `stack` has checked already
    shape = (*shape[:axis], 1, *shape[axis:])
    return np.concatenate([x.reshape(shape) for x in xs], axis=axis, dtype=dtype)


def stack(arrays: Sequence[Operand], axis: int = 0) -> Tensor:
    """Return tensors of one shape joined along a new axis.

    Raises
    ------
    ValueError
        If there are no arrays or their shapes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.stack([mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0])]).numpy()
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    xs = _several("stack", arrays)
    shapes = [x._data.shape for x in xs]
    if shapes.count(shapes[0]) < len(shapes):
        raise ValueError(
            f"stack() needs tensors of one shape. Received: {', '.join(map(str, shapes))}"
        )
    return _stack(*xs, axis=normalize_axis(axis, len(shapes[0]) + 1), dtype=common_dtype(*xs))


def _several(name: str, arrays: Sequence[Operand]) -> list[Tensor]:
    if not isinstance(arrays, Iterable):
        raise TypeError(f"{name}() needs a sequence of tensors. Received: {brief(arrays)}")
    xs = constants(*arrays)
    if not xs:
        raise ValueError(f"{name}() needs at least one tensor. Received: none")
    return xs


def split(x: Operand, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Return x cut into pieces along an axis.

    Parameters
    ----------
    x : Tensor or array_like
    indices_or_sections : int or sequence of int
        How many equal pieces, or where to cut.
    axis : int

    Raises
    ------
    ValueError
        If x cannot be cut into that many equal pieces.

    Examples
    --------
    >>> import minigrad as mg
    >>> [part.tolist() for part in mg.ops.split(mg.tensor([1.0, 2.0, 3.0]), [1])]
    [[1.0], [2.0, 3.0]]
    """
    x = constant(x)
    place = normalize_axis(axis, x.ndim)
    size = x.shape[place]
    cuts = sizes(indices_or_sections, "indices_or_sections", ANY)
    if type(indices_or_sections) is int or np.ndim(indices_or_sections) == 0:
        (sections,) = cuts
        if sections < 1 or size % sections:
            raise ValueError(
                f"split() cannot cut an axis of size {size} into equal pieces. "
                f"Received: indices_or_sections={sections}"
            )
        cuts = tuple([size // sections * i for i in range(1, sections)])
    edges = pairwise([None, *cuts, None])
    return [_getitem(x, _along(place, slice(start, stop))) for start, stop in edges]


def _inside(pads: tuple[tuple[int, int], ...], shape: Shape) -> tuple[slice, ...]:
    """Return the index of what is not padding, of this shape."""
    return tuple([slice(before, before + n) for (before, _), n in zip(pads, shape, strict=True)])


@primitive(x=lambda g, in_shape, pads: g[_inside(pads, in_shape)], plain=True)
def _pad(x: Any, pads: tuple[tuple[int, int], ...]) -> Any:
    shape = [before + size + after for (before, after), size in zip(pads, x.shape, strict=True)]
    padded = np.zeros(shape, x.dtype, like=x)
    padded[_inside(pads, x.shape)] = x
    return padded


def pad(x: Operand, pad_width: Any) -> Tensor:
    """Return x with zeros around it.

    Parameters
    ----------
    x : Tensor or array_like
    pad_width : int, (before, after), or one such pair per axis
        How many zeros to add, as in `numpy.pad`.

    Raises
    ------
    ValueError
        If the widths are negative or do not fit the number of axes.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.pad(mg.tensor([1.0, 2.0]), (1, 2)).numpy()
    array([0., 1., 2., 0., 0.], dtype=float32)
    """
    x = constant(x)
    widths: Any
    try:
        widths = np.array(pad_width)
        if widths.shape != (x.ndim, 2):
            widths = np.broadcast_to(widths, (x.ndim, 2))
    except ValueError:
        widths = None
    if widths is None or (widths.size and (widths.dtype.kind not in "iu" or widths.min() < 0)):
        raise ValueError(
            f"pad_width must hold integers >= 0: one, (before, after), or a pair for each of the "
            f"{x.ndim} axes. Received: pad_width={pad_width}"
        )
    return _pad(x, tuple(map(tuple, widths.tolist())))


@primitive(x=lambda g, axes: _mirrored(g, axes), plain=True)
def _flip(x: Any, axes: tuple[int, ...]) -> Any:
    return _mirrored(x, axes)


def _mirrored(x: Any, axes: tuple[int, ...]) -> Any:
    whole, back = slice(None), slice(None, None, -1)
    return x[tuple([back if axis in axes else whole for axis in range(x.ndim)])]


def flip(x: Operand, axis: Axis = None) -> Tensor:
    """Return x with the order of its elements reversed along some axes (all of them by default).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.flip(mg.tensor([1.0, 2.0, 3.0])).numpy()
    array([3., 2., 1.], dtype=float32)
    """
    x = constant(x)
    return _flip(x, normalize_axes(axis, x.ndim))


def repeat(x: Operand, repeats: Any, axis: int | None = None) -> Tensor:
    """Return x with each element repeated in place.

    Parameters
    ----------
    x : Tensor or array_like
    repeats : int or sequence of int
        How often; one number for all, or one for each position along the axis.
    axis : int, optional
        x is flattened when left out.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.repeat(mg.tensor([1.0, 2.0]), 2).numpy()
    array([1., 1., 2., 2.], dtype=float32)
    """
    x = constant(x)
    if axis is None:
        x, axis = reshape(x, -1), 0
    place = normalize_axis(axis, x.ndim)
    counts = np.array(sizes(repeats, "repeats")).reshape(np.shape(repeats))
    before, size, after = x.shape[:place], x.shape[place], x.shape[place + 1 :]
    if counts.ndim == 0:
        times = int(counts)
        x = _broadcast_to(_reshape(x, (*before, size, 1, *after)), (*before, size, times, *after))
        return _reshape(x, (*before, size * times, *after))
    if counts.shape != (size,):
        raise ValueError(
            f"repeats must be one number or one for each of the {size} positions. "
            f"Received: shape={counts.shape}"
        )
    return take(x, np.repeat(np.arange(size), counts), axis=place)


def tile(x: Operand, reps: Any) -> Tensor:
    """Return copies of x laid side by side.

    Parameters
    ----------
    x : Tensor or array_like
    reps : int or sequence of int
        How many copies along each of the last axes (new leading axes where there are more).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.tile(mg.tensor([1.0, 2.0]), (2, 2)).numpy()
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]], dtype=float32)
    """
    x = constant(x)
    times = [*sizes(reps, "reps")]
    ndim = max(len(times), x.ndim)
    times = [1] * (ndim - len(times)) + times
    shape = [1] * (ndim - x.ndim) + list(x.shape)
    apart = [n for size in shape for n in (1, size)]
    many = [n for pair in zip(times, shape, strict=True) for n in pair]
    x = _broadcast_to(_reshape(x, tuple(apart)), tuple(many))
    return _reshape(x, tuple([t * size for t, size in zip(times, shape, strict=True)]))

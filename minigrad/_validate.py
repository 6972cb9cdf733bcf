"""Argument normalisation shared by operations and layers: many spellings in, one plain form out.

Keras accepts ``3``, ``(3, 3)``, ``[3, 3]`` and NumPy integers where a kernel size is asked for.
These functions turn every accepted spelling into plain Python values (so that a configuration can
be written as JSON) and reject the rest with an error that repeats what was received.

Only the standard library and NumPy are used here, so any part of the package may import it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NoReturn, TypeAlias, TypeGuard, overload

import numpy as np

from minigrad._brief import brief

__all__ = [
    "DataFormat",
    "Padding",
    "Pads",
    "data_format",
    "flag",
    "integer",
    "is_integer",
    "number",
    "padding",
    "pair",
    "positive_int",
    "weights_shape",
]

DataFormat: TypeAlias = Literal["channels_last", "channels_first"]
Pads: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Explicit zero padding: ((top, bottom), (left, right))."""
Padding: TypeAlias = Literal["valid", "same"]


def positive_int(value: object, name: str) -> int:
    """Return `value` as a plain int that is at least 1.

    Parameters
    ----------
    value : object
        An int, a NumPy integer, or a float without a fractional part.
    name : str
        The argument's name, for the error message.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        For anything else: bools, strings, None, fractions, numbers below 1.

    Examples
    --------
    >>> positive_int(4.0, "filters")
    4
    """
    number = _integer(value, integral_floats=True)
    if number is None or number < 1:
        raise ValueError(
            f"The `{name}` argument must be an integer >= 1. Received: {name}={brief(value)}"
        )
    return number


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether `value` is an int or a NumPy integer; a bool is neither here."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def integer(value: object, name: str, minimum: int = 1) -> int:
    """Return `value` as a plain int that is at least `minimum`: a count, a size, a seed.

    Parameters
    ----------
    value : object
        An int or a NumPy integer; unlike `positive_int`, no float, whole as it may be.
    name : str
        The argument's name, for the error message.
    minimum : int

    Returns
    -------
    int

    Raises
    ------
    ValueError
        For anything else; a bool is not an integer here.

    Examples
    --------
    >>> integer(np.int64(0), "seed", 0)
    0
    """
    if is_integer(value) and value >= minimum:
        return int(value)
    raise ValueError(f"{name} must be an integer >= {minimum}. Received: {name}={brief(value)}")


def flag(value: object, name: str) -> bool:
    """Return `value` as a bool.

    Raises
    ------
    TypeError
        Unless it is a bool already: 'no' and None say something else than they mean.
    """
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"The `{name}` argument must be True or False. Received: {name}={brief(value)}")


def number(
    value: object,
    name: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Return `value` as a finite Python number within bounds; an int stays an int.

    Parameters
    ----------
    value : object
        An int, a float, or a NumPy number. Bools and strings are not numbers.
    name : str
        The argument's name, for the error message.
    minimum, maximum : float, optional
        Bounds that may be reached.
    above, below : float, optional
        Bounds that may not be reached.

    Returns
    -------
    float or int

    Raises
    ------
    ValueError
        For anything else, NaN and infinity included.

    Examples
    --------
    >>> number(0.5, "momentum", minimum=0, below=1)
    0.5
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        low = (minimum is None or value >= minimum) and (above is None or value > above)
        high = (maximum is None or value <= maximum) and (below is None or value < below)
        if low and high:
            return value
    limits = {">=": minimum, ">": above, "<=": maximum, "<": below}
    wanted = " and ".join(f"{sign} {limit}" for sign, limit in limits.items() if limit is not None)
    if minimum is not None and maximum is not None:
        wanted = f"from {minimum} to {maximum}"
    raise ValueError(
        f"The `{name}` argument must be a finite number{' ' * bool(wanted)}{wanted}. "
        f"Received: {name}={brief(value)}"
    )


def pair(value: object, name: str, *, minimum: int = 1) -> tuple[int, int]:
    """Return `value` as a tuple of two plain ints: one for the rows, one for the columns.

    Parameters
    ----------
    value : object
        One integer (used twice), or an iterable of two integers. Members may be NumPy integers
        or floats without a fractional part; a bare float is rejected, as in Keras.
    name : str
        The argument's name, for the error message.
    minimum : int
        The smallest value allowed.

    Returns
    -------
    tuple of (int, int)

    Raises
    ------
    ValueError
        For anything else: bools, strings, None, another length, fractions, small numbers.

    Examples
    --------
    >>> pair(3, "kernel_size")
    (3, 3)
    >>> pair([1, 2.0], "strides")
    (1, 2)
    """
    # What layers give is what this function has returned before.
    if type(value) is tuple and [*map(type, value)] == [int, int] and min(value) >= minimum:
        return value
    if type(value) is int and value >= minimum:
        return value, value
    members, shown = _members(value)
    numbers = [_integer(member, integral_floats=members is not None) for member in members or ()]
    if members is None:
        number = _integer(value, integral_floats=False)
        numbers = [number, number]
    if len(numbers) == 2:
        first, second = numbers
        if first is not None and second is not None and min(first, second) >= minimum:
            return first, second
    raise ValueError(
        f"The `{name}` argument must be an integer or a tuple of 2 integers, "
        f"all >= {minimum}. Received: {name}={brief(shown)}"
    )


@overload
def padding(value: object, *, explicit: Literal[False] = False) -> Padding: ...
@overload
def padding(value: object, *, explicit: bool) -> Padding | Pads: ...
def padding(value: object, *, explicit: bool = False) -> Padding | Pads:
    """Return a padding mode in lower case, or explicit pads as a tuple of tuples of ints.

    Parameters
    ----------
    value : object
        "valid" or "same" in any letter case (white space is not stripped) or, where `explicit`
        is true, ((top, bottom), (left, right)) with integers >= 0.
    explicit : bool
        Whether explicit pads are allowed.

    Returns
    -------
    "valid", "same", or ((top, bottom), (left, right))

    Raises
    ------
    ValueError
        For anything else; "causal" gets a message of its own.

    Examples
    --------
    >>> padding("SAME")
    'same'
    >>> padding([[0, 1], [2, 2]], explicit=True)
    ((0, 1), (2, 2))
    """
    if isinstance(value, str):
        match value.lower():
            case "valid":
                return "valid"
            case "same":
                return "same"
            case "causal":
                raise ValueError(
                    "padding='causal' is only for 1-D convolutions: an image has no past. "
                    f"Use 'valid' or 'same'. Received: padding={brief(value)}"
                )
    members, shown = _members(value)
    if explicit and members is not None and len(members) == 2:
        sides = [_members(member) for member in members]
        shown = [side[1] for side in sides]
        pads = [_side(side[0]) for side in sides]
        if pads[0] is not None and pads[1] is not None:
            return pads[0], pads[1]
    wanted = "'valid' or 'same'"
    if explicit:
        wanted = "'valid', 'same', or ((top, bottom), (left, right)) with integers >= 0"
    raise ValueError(f"The `padding` argument must be {wanted}. Received: padding={brief(shown)}")


def data_format(value: object) -> DataFormat:
    """Return a data format in lower case.

    ``None`` (the global default) is the caller's business: it is resolved by the configuration.

    Parameters
    ----------
    value : object
        "channels_last" or "channels_first" in any letter case.

    Returns
    -------
    "channels_last" or "channels_first"

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> data_format("CHANNELS_FIRST")
    'channels_first'
    """
    if isinstance(value, str):
        match value.lower():
            case "channels_last":
                return "channels_last"
            case "channels_first":
                return "channels_first"
    return _reject_data_format(value)


def _reject_data_format(value: object) -> NoReturn:
    raise ValueError(
        "The `data_format` argument must be 'channels_last' or 'channels_first'. "
        f"Received: data_format={brief(value)}"
    )


def weights_shape(received: tuple[int, ...], shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Return the shape in which weights broadcast to `shape`; a last axis of 1 comes or goes.

    Raises
    ------
    ValueError
        If there is none; `what` says what ``sample_weight`` must be, and what has `shape`.
    """
    fitting = received
    if len(received) == len(shape) + 1 and received[-1] == 1:
        fitting = received[:-1]
    elif 0 < len(received) == len(shape) - 1:
        fitting = (*received, 1)
    try:
        fits = np.broadcast_shapes(fitting, shape) == shape
    except ValueError:
        fits = False
    if fits:
        return fitting
    raise ValueError(
        f"`sample_weight` must be {what} have shape {shape}. Received: shape={received}"
    )


def _integer(value: object, *, integral_floats: bool) -> int | None:
    """Return `value` as an int, or None where it is not one. A bool is not an integer here."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (int, np.integer)):
        return int(value)
    if integral_floats and isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    return None


def _members(value: object) -> tuple[list[object] | None, object]:
    """Return the members of an iterable (None where it is not one) and what an error may show.

    A generator can be read only once, so what was read stands in for it. Strings are not lists of
    characters and mappings are not lists of keys: they count as not iterable.
    """
    if isinstance(value, (str, bytes, bytearray, dict)) or not isinstance(value, Iterable):
        return None, value
    if isinstance(value, np.ndarray):
        return (None, value) if value.ndim == 0 else (value.tolist(), value.tolist())
    members: list[object] = []
    for member in value:
        members.append(member)
        if len(members) > 16:  # an endless generator must not hang the constructor
            break
    return members, value if isinstance(value, (tuple, list, set, frozenset)) else tuple(members)


def _side(members: list[object] | None) -> tuple[int, int] | None:
    """Return (before, after) as ints, or None where they are not two integers >= 0."""
    numbers = [_integer(member, integral_floats=True) for member in members or ()]
    if len(numbers) != 2:
        return None
    before, after = numbers
    if before is None or after is None or min(before, after) < 0:
        return None
    return before, after

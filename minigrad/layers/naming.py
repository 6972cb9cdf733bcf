"""Names of layers that were given none: ``separable_conv2d``, ``separable_conv2d_1``, and so on."""

from __future__ import annotations

import itertools
from typing import Any

from minigrad._brief import brief
from minigrad._registry import snake_case

__all__ = ["auto_name", "check_name", "reset_names"]

_counters: dict[str, itertools.count[int]] = {}


def auto_name(cls: type) -> str:
    """Return a new name for an instance of a class: in snake case, numbered from the second on.

    Examples
    --------
    >>> from minigrad import layers
    >>> layers.reset_names()
    >>> auto_name(layers.SeparableConv2D), auto_name(layers.SeparableConv2D)
    ('separable_conv2d', 'separable_conv2d_1')
    """
    stem = snake_case(cls.__name__)
    number = next(_counters.setdefault(stem, itertools.count()))
    return f"{stem}_{number}" if number else stem


def reset_names() -> None:
    """Start counting anew, so that the next layer of each class gets the name without a number.

    Layers that exist keep their names. Useful in tests and at the start of an experiment.

    Examples
    --------
    >>> from minigrad import layers
    >>> layers.reset_names()
    >>> layers.Flatten().name, layers.Flatten().name
    ('flatten', 'flatten_1')
    """
    _counters.clear()


def check_name(name: Any) -> str:
    """Return `name` if it can be the name of a layer.

    Raises
    ------
    TypeError
        Unless it is a string.
    ValueError
        If it is empty.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"The `name` of a layer must be a string. Received: name={brief(name)} "
            f"(type {type(name).__name__})"
        )
    if not name:
        raise ValueError("The `name` of a layer must not be empty. Received: name=''")
    return name

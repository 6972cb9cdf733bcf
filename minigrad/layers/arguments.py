"""Arguments of constructors: identifiers to objects and back, flags, and the shape of the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import activations, constraints, initializers, regularizers
from minigrad._brief import brief
from minigrad.layers.shapes import Shape, to_shape

__all__ = ["flag", "full_input_shape", "plain", "resolve"]

# The last word of an argument's name says what it takes.
_KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "activation": (activations.get, activations.serialize),
    "initializer": (initializers.get, initializers.serialize),
    "regularizer": (regularizers.get, regularizers.serialize),
    "constraint": (constraints.get, constraints.serialize),
}


def resolve(layer: Any, **identifiers: Any) -> None:
    """Set attributes to the objects that identifiers stand for.

    Parameters
    ----------
    layer : object
        What gets the attributes.
    **identifiers
        ``bias_initializer="zeros"`` for instance: the last word of the name says what kind of
        object it is.

    Raises
    ------
    ValueError
        For an identifier that stands for nothing; the message names the argument.
    """
    for name, identifier in identifiers.items():
        get, _ = _KINDS[name.rpartition("_")[2]]
        try:
            found = get(identifier)
        except ValueError as error:
            raise ValueError(f"{error} (for the argument `{name}`)") from None
        setattr(layer, name, found)


def plain(name: str, value: Any) -> Any:
    """Return the value of an argument as it appears in a configuration."""
    kind = _KINDS.get(name.rpartition("_")[2])
    return value if kind is None else kind[1](value)


def flag(value: Any, name: str) -> bool:
    """Return `value` as a bool.

    Raises
    ------
    TypeError
        Unless it is a bool already: 'no' and None say something else than they mean.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"The `{name}` argument must be True or False. Received: {name}={brief(value)}"
        )
    return bool(value)


def full_input_shape(
    input_shape: Any, batch_input_shape: Any, input_dim: Any, batch_size: Any
) -> Shape | None:
    """Return the shape with the batch axis that the arguments describe, or None.

    ``batch_input_shape`` wins over ``input_shape``, and that over ``input_dim``.
    """
    if batch_input_shape is not None:
        return to_shape(batch_input_shape, "batch_input_shape")
    if input_shape is not None:
        return (*to_shape((batch_size,), "batch_size"), *to_shape(input_shape))
    if input_dim is not None:
        return to_shape((batch_size, input_dim), "input_dim")
    return None

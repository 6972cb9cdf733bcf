"""Arguments of constructors: identifiers to objects and back, and the shape of the input."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minigrad import activations, constraints, initializers, regularizers
from minigrad.layers.shapes import Shape, to_shape

__all__ = ["full_input_shape", "names_in", "plain", "resolve", "resolved", "spread"]

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


def names_in(constructor: Callable[..., None]) -> tuple[str, ...]:
    """Return the names of a constructor's arguments, without ``self`` and ``**kwargs``."""
    parameters = inspect.signature(constructor).parameters.values()
    return tuple(p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD)


def spread(found: dict[str, Any], *taken: str) -> dict[str, Any]:
    """Return the arguments of a constructor that begins with it, from its ``locals()``.

    The constructors of Keras have up to 19 arguments, most of which only go on to the base class.
    Their names stand in the signature; here they need not be written again.

    Parameters
    ----------
    found : dict
        ``locals()``, with further ones in ``kwargs``.
    *taken : str
        The names of those that the constructor needs itself.
    """
    given = {name: found[name] for name in found if name not in ("self", "__class__", "kwargs")}
    return {name: given[name] for name in given if name not in taken} | dict(found["kwargs"])


def resolved(layer: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Set attributes as `resolve` does for the identifiers in there, and return the others.

    The activity regularizer is one of the others: all layers have it.
    """
    known = [n for n in layer._arguments if n in arguments and n != "activity_regularizer"]
    own = {name: arguments[name] for name in known if name.rpartition("_")[2] in _KINDS}
    resolve(layer, **own)
    return {name: arguments[name] for name in arguments if name not in own}


def plain(name: str, value: Any) -> Any:
    """Return the value of an argument as it appears in a configuration."""
    kind = _KINDS.get(name.rpartition("_")[2])
    return value if kind is None else kind[1](value)


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

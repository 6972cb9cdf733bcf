"""The parts of a model: the layers inside it, the names of its weights, and undoing a failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad import activations
from minigrad.layers import Activation, BatchNormalization, Layer, Parameter, ReLU

__all__ = ["all_or_nothing", "inner_layers", "named_weights", "takes_along"]


def takes_along(layer: Layer, follower: Layer) -> bool:
    """Whether a layer does in one pass what it and its follower do in two, if told ``relu=True``.

    `BatchNormalization` does it for ReLU. Layers of other classes may have a `call` of their own,
    and so may single layers: someone looks what goes through.
    """
    if type(layer) is not BatchNormalization or layer._dtype != follower._dtype:
        return False
    if "call" in vars(layer) or "call" in vars(follower):
        return False
    if not (layer.activity_regularizer is None is follower.activity_regularizer):
        return False
    if type(follower) is Activation:
        return follower.activation is activations.relu
    if type(follower) is not ReLU or follower.max_value is not None:
        return False
    return follower.negative_slope == 0.0 == follower.threshold


def named_weights(layer: Layer) -> dict[str, Parameter]:
    """Return all weights by the path that leads to them, each one once.

    Names follow the attributes, ``"head.bias"`` or ``"blocks.0.kernel"``, so they do not depend
    on how many layers were made before. Layers of a `Sequential` are ``"layers.0"`` and so on.
    """
    found: dict[str, Parameter] = {}
    seen: set[int] = set()

    def visit(layer: Layer, prefix: str) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        for weight in layer._parameters():
            if id(weight) not in seen:
                seen.add(id(weight))
                name = wanted = prefix + weight.name
                number = 0
                while name in found:  # the attributes `_head` and `head`, for instance
                    number += 1
                    name = f"{wanted}_{number}"
                found[name] = weight
        for path, inner in inner_layers(vars(layer)):
            visit(inner, f"{prefix}{path}.")

    visit(layer, "")
    return found


@contextmanager
def all_or_nothing(model: Layer) -> Iterator[None]:
    """Put the layers that are not built yet back to what they were if the block fails."""
    before = [(layer, dict(vars(layer))) for layer in model._tree() if not layer.built]
    try:
        yield
    except BaseException:
        for layer, state in before:
            vars(layer).clear()
            vars(layer).update(state)
        raise


def inner_layers(
    parts: dict[Any, Any] | list[Any] | tuple[Any, ...],
) -> Iterator[tuple[str, Layer]]:
    """Yield the layers in nested containers with their paths."""
    items = parts.items() if isinstance(parts, dict) else enumerate(parts)
    for key, part in items:
        if isinstance(part, Layer):
            yield str(key).lstrip("_"), part
        elif isinstance(part, (dict, list, tuple)):
            for path, layer in inner_layers(part):
                yield f"{str(key).lstrip('_')}.{path}", layer

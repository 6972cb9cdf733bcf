"""Where the first number that is none came from: which operation, in which layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd import Tensor, watch
from minigrad.layers import Parameter
from minigrad.layers.base import current_layer

if TYPE_CHECKING:
    from minigrad.models.steps import Steps

__all__ = ["NonFiniteError", "check_step"]


class NonFiniteError(ArithmeticError):
    """A loss or a gradient is NaN or infinite; the message says where that began."""


def check_step(
    model: Steps,
    batch: tuple[Any, Any, Any],
    before: Sequence[tuple[Parameter, str, Any]],
    loss: Tensor,
    gradients: Sequence[Tensor | None],
    parameters: Sequence[Parameter],
) -> None:
    """Look at the loss and the gradients of a step before it is made.

    Raises
    ------
    NonFiniteError
        If one of them is NaN or infinite.
    """
    if not finite(loss.data):
        raise NonFiniteError(_cause(model, batch, before))
    for gradient, parameter in zip(gradients, parameters, strict=True):
        if gradient is not None and not finite(gradient.data):
            raise NonFiniteError(
                f"{kind(gradient.data)} in the gradient of {parameter.path}, while the loss is "
                f"{loss.item():g}"
            )


def finite(array: Any) -> bool:
    """Whether all numbers of a floating-point array are finite."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def kind(array: Any) -> str:
    """Return what is wrong with an array: "NaN" or "infinity"."""
    return "NaN" if np.isnan(array).any() else "infinity"


def _cause(
    model: Steps, batch: tuple[Any, Any, Any], before: Sequence[tuple[Parameter, str, Any]]
) -> str:
    """Compute a batch again, with every operation watched."""
    for parameter, _, data in before:
        if not finite(data):
            return f"{kind(data)} in the weight {parameter.path}, before the batch"
    found: list[str] = []

    def look(name: str, array: Any) -> None:
        if not found and hasattr(array, "dtype") and not finite(np.asarray(array)):
            layer = current_layer()
            place = "the loss" if layer is None else f"layer {layer.name!r}"
            found.append(f"{kind(array)} from {name} in {place}")

    x, y, weight = batch
    with watch(look), np.errstate(all="ignore"):
        model._total_loss(y, model._outputs(x, training=True), weight)
    return found[0] if found else "NaN that did not come again when the batch was computed anew"

"""Pairs of gradients and parameters: the checks before an update, the constraint after it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minigrad.autograd import Tensor, constant, no_grad
from minigrad.kernels.devices import check_same

Array = np.ndarray[Any, Any]


def checked(pairs: list[tuple[Any, Tensor]]) -> list[tuple[Array, Tensor]]:
    """Return the pairs that take part in this step, with gradients as arrays."""
    checked: list[tuple[Array, Tensor]] = []
    missing = []
    seen: set[int] = set()
    for position, (gradient, parameter) in enumerate(pairs):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                "apply_gradients() takes pairs of (gradient, parameter), in this order; a "
                f"parameter is a Tensor. Received: {type(parameter).__name__}"
            )
        label = _label(parameter, position)
        if id(parameter) in seen:
            raise ValueError(f"Each parameter can be given once only. Received twice: {label}")
        seen.add(id(parameter))
        if not parameter.requires_grad:
            continue
        if not parameter.is_leaf:
            raise ValueError(
                f"Only parameters can be updated, not the results of operations. "
                f"Received: {label}, the result of '{parameter.op}'"
            )
        if gradient is None:
            missing.append(label)
            continue
        array = constant(gradient, parameter).data
        if array.shape != parameter.shape or array.dtype != parameter.dtype:
            raise ValueError(
                f"A gradient must have the shape and dtype of its parameter. Expected "
                f"{parameter.dtype}{list(parameter.shape)} for {label}. "
                f"Received: {array.dtype}{list(array.shape)}"
            )
        check_same("apply_gradients", array, parameter.data)
        checked.append((array, parameter))
    if missing and not checked:
        raise ValueError(
            "There is no gradient for any parameter: call backward() on the loss first, and "
            f"check that the loss depends on them. Received None for: {', '.join(missing)}"
        )
    if missing:
        warnings.warn(
            f"These parameters have no gradient and are not updated: {', '.join(missing)}. "
            "The loss does not depend on them.",
            stacklevel=3,
        )
    return checked


def _label(parameter: Tensor, position: int) -> str:
    label = getattr(parameter, "path", None) or getattr(parameter, "name", None)
    return f"'{label}'" if isinstance(label, str) else f"parameter {position}"


def constrained(parameter: Tensor, value: Array) -> Array:
    """Return the projection of a new value by the parameter's constraint, if there is one."""
    constraint = getattr(parameter, "constraint", None)
    if constraint is None:
        return value
    with no_grad():
        projected = constraint(Tensor(value))
    array: Array = constant(projected, parameter).data
    if array.shape != parameter.shape:
        raise ValueError(
            f"A constraint must keep the shape {parameter.shape}. "
            f"Received: {array.shape} from {constraint!r}"
        )
    return array

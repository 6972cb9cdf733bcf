"""Pairs of gradients and parameters: checks and clipping before an update, constraints after it."""

from __future__ import annotations

import math
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
    for position, (gradient, parameter) in enumerate(pairs):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                "apply_gradients() takes pairs of (gradient, parameter), in this order; a "
                f"parameter is a Tensor. Received: {type(parameter).__name__}"
            )
        if parameter._node is None:  # frozen
            continue
        if not parameter.is_leaf:
            raise ValueError(
                f"Only parameters can be updated, not the results of operations. "
                f"Received: {_label(parameter, position)}, the result of '{parameter.op}'"
            )
        if gradient is None:
            missing.append(_label(parameter, position))
            continue
        array = (gradient if isinstance(gradient, Tensor) else constant(gradient, parameter))._data
        data = parameter._data
        if array.shape != data.shape or array.dtype != data.dtype:
            raise ValueError(
                f"A gradient must have the shape and dtype of its parameter. Expected "
                f"{data.dtype}{list(data.shape)} for {_label(parameter, position)}. "
                f"Received: {array.dtype}{list(array.shape)}"
            )
        if type(array) is not type(data):
            check_same("apply_gradients", array, data)
        checked.append((array, parameter))
    if len({id(parameter) for _, parameter in pairs}) < len(pairs):
        seen: set[int] = set()
        for position, (_, parameter) in enumerate(pairs):
            if id(parameter) in seen:
                raise ValueError(
                    f"Each parameter can be given once only. Received twice: "
                    f"{_label(parameter, position)}"
                )
            seen.add(id(parameter))
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
    array: Array = Tensor(constant(projected, parameter), dtype=parameter.dtype).data
    if array.shape != parameter.shape:
        raise ValueError(
            f"A constraint must keep the shape {parameter.shape}. "
            f"Received: {array.shape} from {constraint!r}"
        )
    return array


def clipped(gradients: list[Array], limits: Any) -> list[Array]:
    """Return gradients as the ``clipvalue``, ``clipnorm`` or ``global_clipnorm`` leaves them."""
    if limits.clipvalue is not None:
        return [np.clip(g, -limits.clipvalue, limits.clipvalue) for g in gradients]
    if limits.clipnorm is not None:
        return [g * _shrink(_norm([g]), limits.clipnorm) for g in gradients]
    if limits.global_clipnorm is not None:
        factor = _shrink(_norm(gradients), limits.global_clipnorm)
        return [g * factor for g in gradients]
    return gradients


def _norm(gradients: list[Array]) -> float:
    return math.sqrt(sum(float(np.sum(np.square(g))) for g in gradients))


def _shrink(norm: float, limit: float) -> float:
    return limit / norm if norm > limit else 1.0

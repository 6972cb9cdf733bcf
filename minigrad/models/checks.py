"""What `fit` checks before it begins."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad._brief import brief
from minigrad.autograd import Tensor, no_grad, wrap
from minigrad.callbacks import Callback
from minigrad.layers.symbolic import map_structure
from minigrad.models.data import Data, Ports
from minigrad.models.sources import Arrays, Source, gives_batches, source

if TYPE_CHECKING:
    from minigrad.models.metrics import Metrics
    from minigrad.models.training import Trainer

__all__ = ["callbacks", "fraction", "rehearse", "validation"]

LOOKED_AT = 2**22  # numbers in the outputs that are made up at a time


def callbacks(value: Any) -> list[Callback]:
    """Return a list of callbacks.

    Raises
    ------
    TypeError
        If something in it is not a `Callback`.
    """
    if value is None:
        return []
    found = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    for each in found:
        if not isinstance(each, Callback):
            raise TypeError(f"callbacks must be a list of Callback. Received: {brief(each)}")
    return found


def fraction(value: Any) -> float:
    """Return a validation split.

    Raises
    ------
    ValueError
        Unless it is a number from 0 to below 1.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0.0 <= float(value) < 1.0:
        raise ValueError(
            "validation_split must be a number from 0 to below 1. "
            f"Received: validation_split={brief(value)}"
        )
    return float(value)


def validation(value: Any, size: int, steps: Any, ports: Ports) -> Source | None:
    """Return where the batches for validation come from.

    Raises
    ------
    ValueError, TypeError
        Unless it is ``(x, y)`` or ``(x, y, sample_weight)``, gives batches, or is None; see
        `minigrad.models.sources`.
    """
    name, word = "validation_data", "validation_steps"
    if value is None:
        if steps is not None:
            raise ValueError(f"{word} needs validation_data. Received: {word}={brief(steps)}")
        return None
    if gives_batches(value):
        return source(value, None, None, size, steps, ports, name, word, endless=True)
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        length = f" of length {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise ValueError(
            "validation_data must be a tuple (x, y) or (x, y, sample_weight). "
            f"Received: {type(value).__name__}{length}"
        )
    x, y, weight = (*value, None)[:3]
    return Arrays(Data.of(x, y, weight, "validation ", ports), size, steps, word)


def rehearse(model: Trainer, data: Data, metrics: Metrics, which: str = "") -> None:
    """Build the model and find out whether examples and targets suit it, without training.

    One example goes through the model, in inference mode. Then loss and metrics see all targets,
    with outputs made up in the right shape: a label that is out of range is found now, and not
    after half an epoch.

    Raises
    ------
    ValueError, TypeError
        If something does not fit. At most, layers that had no weights have some then.
    """
    if model.loss is None:
        raise ValueError(
            f"The model '{model.name}' was compiled without a loss; it can only predict. "
            "Call compile(optimizer, loss)."
        )
    with no_grad():
        outputs = model._outputs(data.x[:1], training=False)
        largest = max(output.size for output in _list(outputs))
        rows = max(1, LOOKED_AT // max(largest, 1))
        for start in range(0, len(data), rows):
            y = data.y[start : start + rows]
            made_up = map_structure(partial(_even, len(y)), outputs)
            try:
                model.loss(y, made_up)
                metrics.update_state({}, y, made_up)
            except (ValueError, TypeError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                shapes = ", ".join(str((None, *output.shape[1:])) for output in _list(outputs))
                raise kind(
                    f"The {which}targets do not suit the model '{model.name}', whose outputs have "
                    f"shape {shapes}. {error}"
                ) from error
            finally:
                metrics.reset_state()


def _list(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else [outputs]


def _even(examples: int, output: Tensor) -> Tensor:
    """Return outputs for so many examples in which every class is equally probable."""
    shape = (examples, *output.shape[1:])
    return wrap(np.full(shape, 1.0 / max(math.prod(shape[-1:]), 2), output.dtype))

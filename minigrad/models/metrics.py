"""The numbers that a compiled model reports: the loss, and metrics found by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad import metrics as registry
from minigrad._brief import brief
from minigrad.models.data import Inputs, Several, one_each

__all__ = ["Metrics", "listed"]


class Metrics:
    """The mean losses over the examples, and what is reported beside them.

    Parameters
    ----------
    wanted : list of str, dict, Metric or callable, optional
        A function gets ``(y_true, y_pred)`` and returns one number per example; its mean is
        reported. For several outputs a list of such lists, or a dict by their names.
    outputs : tuple of str
        The names of several outputs; they become part of the names of the metrics.
    losses : list of str
        The names of their losses.

    Raises
    ------
    TypeError
        If it is not a list.
    ValueError
        For unknown names, and if two metrics have the same name.
    """

    def __init__(
        self, wanted: Any = None, outputs: tuple[str, ...] = (), losses: Iterable[str] = ()
    ) -> None:
        self._losses = dict.fromkeys(["loss", *losses], 0.0)
        self._examples = 0.0
        self._places: list[int | None] = []  # which output each metric looks at
        self._parts: dict[str, registry.Metric] = {}
        if not outputs:
            self._add(wanted, None, "")
            return
        wanted = {} if wanted is None else wanted
        each = one_each(wanted, outputs, "metrics", "lists", some=True)
        for place, (name, own) in enumerate(zip(outputs, each, strict=True)):
            self._add(listed(own), place, f"{name}_")

    def _add(self, wanted: Any, place: int | None, prefix: str) -> None:
        if wanted is None:
            return
        if not isinstance(wanted, (list, tuple)):
            raise TypeError(f"metrics must be a list. Received: metrics={brief(wanted)}")
        for each in wanted:
            part = registry.get(each)
            if part is None or isinstance(part, registry.Mean):
                raise ValueError(
                    f"A metric must compare targets and outputs. Received: {brief(each)} in "
                    f"metrics={wanted!r}"
                )
            if np.ndim(part.result()):
                raise ValueError(
                    "A model reports one number for each metric. "
                    f"Received: {brief(part)}, whose result "
                    "is an array"
                )
            if isinstance(each, str):
                part.name = each  # reported as it was asked for, "mae" for instance, as by Keras
            name = prefix + part.name
            if name in self.names or part in self._parts.values():
                raise ValueError(
                    f"Every metric needs a name of its own, and not 'loss'. Received: {brief(name)}"
                    f" in metrics={wanted!r}"
                )
            self._parts[name] = part
            self._places.append(place)

    @property
    def names(self) -> list[str]:
        """The names of the losses and of the metrics, in the order in which they were given."""
        return [*self._losses, *self._parts]

    def parts(self, place: int | None = None) -> list[Any]:
        """Return the metrics of an output, without the loss."""
        pairs = zip(self._parts.values(), self._places, strict=True)
        return [part for part, each in pairs if each == place]

    def update_state(self, losses: Mapping[str, float], y: Inputs, outputs: Any) -> None:
        """Count a batch."""
        for part, place in zip(self._parts.values(), self._places, strict=True):
            if isinstance(y, Several):
                part.update_state(y.parts[place or 0], outputs[place])
            else:
                part.update_state(y, outputs)
        for name, loss in losses.items():
            self._losses[name] += loss * len(y)
        self._examples += len(y)

    def results(self) -> dict[str, float]:
        """Return the values so far by name; 0 before the first batch."""
        number = max(self._examples, 1.0)
        found = {name: total / number for name, total in self._losses.items()}
        for name, part in self._parts.items():
            found[name] = float(part.result())
        return found

    def reset_state(self) -> None:
        """Forget what was counted."""
        self._losses, self._examples = dict.fromkeys(self._losses, 0.0), 0.0
        for part in self._parts.values():
            part.reset_state()


def listed(wanted: Any) -> Any:
    """Return one metric as a list, lists and None as they are."""
    return wanted if wanted is None or isinstance(wanted, (list, tuple)) else [wanted]

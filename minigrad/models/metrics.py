"""The numbers that a compiled model reports: the loss, and metrics found by name."""

from __future__ import annotations

from typing import Any

from minigrad import metrics as registry
from minigrad.autograd import Tensor
from minigrad.models.data import Array

__all__ = ["Metrics"]


class Metrics:
    """The mean loss over the examples, and what is reported beside it.

    Parameters
    ----------
    wanted : list of str, dict, Metric or callable, optional
        A function gets ``(y_true, y_pred)`` and returns one number per example; its mean is
        reported.

    Raises
    ------
    TypeError
        If it is not a list.
    ValueError
        For unknown names, and if two metrics have the same name.
    """

    def __init__(self, wanted: Any = None) -> None:
        if wanted is None:
            wanted = []
        if not isinstance(wanted, (list, tuple)):
            raise TypeError(f"metrics must be a list. Received: metrics={wanted!r}")
        self._loss = self._examples = 0.0
        self._parts: dict[str, registry.Metric] = {}
        for each in wanted:
            part = registry.get(each)
            if part is None or isinstance(part, registry.Mean):
                raise ValueError(
                    f"A metric must compare targets and outputs. Received: {each!r} in "
                    f"metrics={wanted!r}"
                )
            if part.name in self._parts or part.name == "loss":
                raise ValueError(
                    f"Every metric needs a name of its own, and not 'loss'. Received: {part.name!r}"
                    f" in metrics={wanted!r}"
                )
            self._parts[part.name] = part

    @property
    def names(self) -> list[str]:
        """``"loss"`` and the names of the metrics, in the order in which they were given."""
        return ["loss", *self._parts]

    @property
    def parts(self) -> list[Any]:
        """The metrics, without the loss."""
        return list(self._parts.values())

    def update_state(self, loss: float, y: Array, outputs: Tensor) -> None:
        """Count a batch."""
        for part in self._parts.values():
            part.update_state(y, outputs)
        self._loss += loss * len(y)
        self._examples += len(y)

    def results(self) -> dict[str, float]:
        """Return the values so far by name; 0 before the first batch."""
        found = {"loss": self._loss / max(self._examples, 1.0)}
        for name, part in self._parts.items():
            found[name] = float(part.result())
        return found

    def reset_state(self) -> None:
        """Forget what was counted."""
        self._loss = self._examples = 0.0
        for part in self._parts.values():
            part.reset_state()

"""Watching one of the reported numbers: which it is, and whether it has become better."""

from __future__ import annotations

import math
import operator
from typing import Any

from minigrad._brief import brief
from minigrad._validate import number
from minigrad.callbacks.base import Callback, Logs

__all__ = ["Monitor", "whole"]

MODES = ("auto", "min", "max")
RISING = ("acc", "auc", "precision", "recall", "f1_score")  # in names of what should be large


class Monitor(Callback):
    """A callback that looks at one number of each epoch.

    Parameters
    ----------
    monitor : str
        Its name in the logs.
    mode : "auto", "min" or "max"
        What is better; "auto" takes "max" for accuracies, AUC, precision, recall and F1.
    min_delta : float
        Smaller changes are none.

    Raises
    ------
    TypeError
        For a `monitor` that is no string.
    ValueError
        For another mode, or a `min_delta` that is negative.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(
                f"monitor must be the name of a log. Received: monitor={brief(monitor)}"
            )
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}. Received: mode={brief(mode)}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = number(min_delta, "min_delta", minimum=0)
        larger_is_better = any(name in monitor.lower() for name in RISING)
        rising = mode == "max" or (mode == "auto" and larger_is_better)
        self._compare: Any = operator.gt if rising else operator.lt
        self._margin = self.min_delta if rising else -self.min_delta
        self.worst = -math.inf if rising else math.inf

    def value(self, logs: Logs) -> float:
        """Return the number that is watched.

        Raises
        ------
        ValueError
            If it is not in the logs; the message lists what is.
        """
        if self.monitor not in logs:
            raise ValueError(
                f"{type(self).__name__} watches {self.monitor!r}, which is not reported. Reported "
                f"are: {', '.join(logs)}. (Names with val_ need validation data.)"
            )
        return logs[self.monitor]

    def is_better(self, value: float, best: float) -> bool:
        """Tell whether `value` is better than `best` by more than `min_delta`; NaN never is."""
        return bool(self._compare(value - self._margin, best))


def whole(value: Any, name: str) -> int:
    """Return a number of epochs as an int; ValueError for fractions and negative ones."""
    found = number(value, name, minimum=0)
    if found != int(found):
        raise ValueError(
            f"The `{name}` argument must be an integer. Received: {name}={brief(value)}"
        )
    return int(found)

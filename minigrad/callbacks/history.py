"""`History`: what happened in training."""

from __future__ import annotations

from typing import Any

from minigrad.callbacks.base import Callback, Logs

__all__ = ["History"]


class History(Callback):
    """What happened in training: one number per epoch for the loss and for every metric.

    `fit` makes one, returns it and keeps it as ``model.history``.

    Attributes
    ----------
    history : dict of str to list of float
        ``loss``, the metrics, and ``val_loss``... if there was validation data.
    epoch : list of int
        The numbers of the epochs.

    Examples
    --------
    >>> from minigrad import callbacks
    >>> record = callbacks.History()
    >>> record.on_epoch_end(0, {"loss": 2.0})
    >>> record.on_epoch_end(1, {"loss": 1.5})
    >>> record.history, record.epoch
    ({'loss': [2.0, 1.5]}, [0, 1])
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Append the epoch's numbers."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def get_state(self) -> dict[str, Any]:
        """Return the numbers so far."""
        return {"history": self.history, "epoch": self.epoch}

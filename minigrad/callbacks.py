"""Callbacks: code that `fit` calls at the start and end of training, epochs and batches."""

from __future__ import annotations

from typing import Any

__all__ = ["Callback", "History"]

Logs = dict[str, float]


class Callback:
    """What `fit` calls while it trains; override the methods you need.

    ``logs`` holds the loss and metrics so far. A callback ends the training after the current batch
    by setting ``self.model.stop_training = True``.

    Source: https://keras.io/api/callbacks/base_callback/

    Attributes
    ----------
    model : Model
        The model in training.
    params : dict
        ``epochs``, ``steps`` (batches in an epoch) and ``verbose``.

    Examples
    --------
    >>> from minigrad import callbacks
    >>> class PrintLoss(callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(epoch, logs["loss"])
    >>> PrintLoss().on_epoch_end(3, {"loss": 0.5})
    3 0.5
    """

    model: Any = None
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        """Remember the model; called before the training begins."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Remember how the training goes; called before it begins."""
        self.params = params

    def on_train_begin(self, logs: Logs) -> None:
        """Do something before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """Do something after the last epoch; ``logs`` are those of that epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Do something before the first batch of epoch number ``epoch``, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Do something after an epoch; ``logs`` include those of the validation, ``val_loss``..."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Do something before batch number ``batch``, counted from 0 in every epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Do something after a batch; ``logs`` are the means over the epoch so far."""


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

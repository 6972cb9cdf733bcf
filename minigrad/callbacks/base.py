"""What all callbacks share: the moments at which `fit` calls them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = ["Callback", "Logs", "expect_folder"]

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
        ``epochs``, ``steps`` (batches in an epoch) and ``verbose``; and ``initial_epoch`` and
        ``seed``, which `on_train_begin` may change.
    crew : list of Callback
        All callbacks of the training, in their order: the user's, a `History`, and those that
        act last.
    acts_last : bool
        Whether the callback is called after all others.

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
    crew: Sequence[Callback] = ()
    acts_last: ClassVar[bool] = False

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

    def get_state(self) -> dict[str, Any]:
        """Return what the callback remembers, as arrays and data for JSON; see `set_state`."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned; `BackupAndRestore` calls it after an interruption.

        By default every item becomes an attribute.
        """
        for name, value in state.items():
            setattr(self, name, value)


def expect_folder(folder: str, path: str) -> None:
    """Raise FileNotFoundError if the folder that a file is to be written to does not exist."""
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"The folder {folder!r} does not exist. Received: path={path!r}")

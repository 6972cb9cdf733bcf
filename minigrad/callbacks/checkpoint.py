"""`ModelCheckpoint`: the model in a file after each epoch, or after each that was better."""

from __future__ import annotations

import os
import string
from typing import Any

from minigrad._validate import number
from minigrad.callbacks.base import Logs, expect_folder
from minigrad.callbacks.monitor import Monitor

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Monitor):
    """Save the model or its weights at the end of epochs.

    A file is replaced only after the new one is complete (`minigrad.models.archive`).

    Source: https://keras.io/api/callbacks/model_checkpoint/

    Parameters
    ----------
    filepath : str or path-like
        May contain ``{epoch:02d}`` (counted from 1) and names of logs, ``{val_loss:.3f}``.
    monitor, mode
        See `minigrad.callbacks.monitor.Monitor`.
    verbose : 0 or 1
        Say so.
    save_best_only : bool
        Save only after epochs that were better than all before.
    save_weights_only : bool
        ``save_weights`` instead of ``save``.
    save_freq : "epoch" or int
        After every so many batches instead; `monitor` then sees the means over the epoch so far.
    initial_value_threshold : float, optional
        With `save_best_only`: what the first one must be better than.

    Examples
    --------
    >>> import os, tempfile
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = mg.callbacks.ModelCheckpoint(os.path.join(folder, "m-{epoch}.npz"))
    ...     _ = model.fit([[1.0]], [[1.0]], epochs=2, callbacks=[keep], verbose=0)
    ...     sorted(os.listdir(folder))
    ['m-1.npz', 'm-2.npz']
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not whole:
            raise ValueError(
                f"save_freq must be 'epoch' or a number of batches. Received: {save_freq!r}"
            )
        self.filepath = os.fspath(filepath)
        if not all(
            name is None or name for _, name, _, _ in string.Formatter().parse(self.filepath)
        ):
            raise ValueError(
                "The brackets {} in filepath must hold names, such as {epoch}. "
                f"Received: filepath={self.filepath!r}"
            )
        self.verbose, self.save_freq = verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        start = initial_value_threshold
        self.best = self.worst if start is None else number(start, "initial_value_threshold")
        self._epoch = self._batches = 0

    def on_train_begin(self, logs: Logs) -> None:
        """Look whether the folder is there, before hours of work."""
        folder = os.path.dirname(self.filepath)
        if "{" not in folder:
            expect_folder(folder, self.filepath)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Save, if it is time."""
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % int(self.save_freq) == 0:
            self._save(self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save, if wanted."""
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if not self.is_better(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise ValueError(
                f"filepath asks for {error}, which is not reported. Reported are: epoch, "
                f"{', '.join(logs)}. Received: filepath={self.filepath!r}"
            ) from None
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {path}")

    def get_state(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": float(self.best).hex(), "_batches": self._batches}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from the state of another run."""
        self.best, self._batches = float.fromhex(state["best"]), state["_batches"]

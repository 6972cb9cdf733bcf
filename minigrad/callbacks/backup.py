"""`BackupAndRestore`: a training that is killed goes on where it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from minigrad.callbacks.base import Callback, Logs

__all__ = ["BackupAndRestore"]


class BackupAndRestore(Callback):
    """Keep everything that the training depends on in a file, and go on from it.

    After each epoch, weights, optimizer, random numbers, history and the other callbacks' states
    are written, all or nothing. When `fit` is called again, with the same arguments and an equal
    model, it goes on after the last epoch that is in the file, and ends with the same bits as if
    it had never been interrupted, whatever the moment at which it was killed.

    Source: https://keras.io/api/callbacks/backup_and_restore/

    Parameters
    ----------
    backup_dir : str or path-like
        A folder for the file; made if it does not exist.
    delete_checkpoint : bool
        Remove the file when the training has come to its end.

    Raises
    ------
    ValueError
        From `fit`, if the file belongs to another model.

    Examples
    --------
    >>> import tempfile
    >>> import minigrad as mg
    >>> class PowerCut(mg.callbacks.Callback):
    ...     def on_epoch_begin(self, epoch, logs):
    ...         if epoch == 2:
    ...             raise RuntimeError("lights out")
    >>> def train(folder, *callbacks):
    ...     mg.set_random_seed(1)
    ...     model = mg.Sequential([mg.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     callbacks = [mg.callbacks.BackupAndRestore(folder), *callbacks]
    ...     model.fit([[1.0], [2.0]], [[3.0], [5.0]], epochs=4, verbose=0, callbacks=callbacks)
    ...     return model.get_weights()[0].item(), model.history.epoch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     whole = train(folder)
    ...     try:
    ...         train(folder, PowerCut())
    ...     except RuntimeError:
    ...         print("interrupted")
    ...     train(folder) == whole
    interrupted
    True
    """

    acts_last = True

    def __init__(self, backup_dir: str | os.PathLike[str], delete_checkpoint: bool = True) -> None:
        self.path = Path(backup_dir) / "training.npz"
        self.delete_checkpoint = delete_checkpoint

    def on_train_begin(self, logs: Logs) -> None:
        """Go on from the file, if there is one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            return
        kinds = [type(each).__name__ for each in self._others()]
        info = self.model.restore_training(self.path, kinds)
        self.params.update(seed=info["seed"], initial_epoch=info["epochs_done"])
        self.model.stop_training = info.get("stopped", False)
        for other, (_, state) in zip(self._others(), info["callbacks"], strict=True):
            other.set_state(state)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the file."""
        info: dict[str, Any] = {
            "seed": self.params["seed"],
            "epochs_done": epoch + 1,
            "stopped": self.model.stop_training,  # another callback has ended the training
            "callbacks": [[type(each).__name__, each.get_state()] for each in self._others()],
        }
        self.model.backup_training(self.path, info)

    def on_train_end(self, logs: Logs) -> None:
        """Remove the file, if wanted."""
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)

    def _others(self) -> list[Callback]:
        """Return the callbacks that remember anything."""
        return [each for each in self.crew if each.get_state()]

"""Ending the training: when nothing gets better, and when numbers are no numbers any more."""

from __future__ import annotations

from typing import Any

from minigrad._validate import number
from minigrad.callbacks.base import Callback, Logs
from minigrad.callbacks.monitor import Monitor, whole

__all__ = ["EarlyStopping", "TerminateOnNaN"]


class EarlyStopping(Monitor):
    """End the training when a number has not become better for some epochs.

    Source: https://keras.io/api/callbacks/early_stopping/

    Parameters
    ----------
    monitor, min_delta, mode
        See `minigrad.callbacks.monitor.Monitor`.
    patience : int
        How many epochs without progress are endured; 0 ends at the first.
    verbose : 0 or 1
        Say so.
    baseline : float, optional
        Only what is better than this counts as progress.
    restore_best_weights : bool
        Give the model the weights of its best epoch at the end: those that were evaluated, also
        if the optimizer has averages of them (`use_ema`), as in Keras.
    start_from_epoch : int
        Epochs before it are not looked at.

    Attributes
    ----------
    best : float
        The best value so far.
    best_epoch, stopped_epoch : int
        Counted from 0.

    Examples
    --------
    >>> from minigrad import callbacks
    >>> callbacks.EarlyStopping(monitor="val_accuracy", patience=3).worst
    -inf
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = whole(patience, "patience")
        self.start_from_epoch = whole(start_from_epoch, "start_from_epoch")
        self.baseline = None if baseline is None else number(baseline, "baseline")
        self.verbose = verbose
        self.restore_best_weights = restore_best_weights
        self._start()

    def _start(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.worst
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        """Start anew."""
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look whether the epoch was better."""
        value = self.value(logs)
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        """Restore the best weights, if wanted."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: no progress in {self.monitor}, stopping early")
        if self.restore_best_weights and self.best_weights is not None:
            self.model.set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        """Return the best epoch so far and its weights."""
        return {
            "wait": self.wait,
            "best": float(self.best).hex(),
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from the state of another run."""
        self.wait, self.best_epoch = state["wait"], state["best_epoch"]
        self.best, self.best_weights = float.fromhex(state["best"]), state["best_weights"]


class TerminateOnNaN(Callback):
    """End the training at the first loss or gradient that is NaN or infinite, and say why.

    The step is not made: the weights are those before the batch. The batch is computed once more
    to find the operation that made the first such number, and the layer that it belongs to.

    Source: https://keras.io/api/callbacks/terminate_on_nan/

    Attributes
    ----------
    cause : str or None
        What was found; it is printed as well.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Explode(mg.layers.Layer):
    ...     def call(self, inputs):
    ...         return inputs * float("inf")
    >>> model = mg.Sequential([mg.layers.Dense(1, kernel_initializer="ones"), Explode(name="boom")])
    >>> model.compile("sgd", "mse")
    >>> guard = mg.callbacks.TerminateOnNaN()
    >>> _ = model.fit([[1.0]], [[1.0]], callbacks=[guard], verbose=0)
    Batch 0 of epoch 1: infinity from multiply in layer 'boom'; no step was made, the training ends.
    """

    def __init__(self) -> None:
        self.cause: str | None = None

    def on_train_begin(self, logs: Logs) -> None:
        """Ask the model to look at every loss and gradient, until `fit` ends."""
        self.cause = None
        self._epoch = 0
        self.model.on_nonfinite = self._stop

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Remember the epoch."""
        self._epoch, self._batch = epoch, 0

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Remember the batch."""
        self._batch = batch

    def _stop(self, cause: str) -> None:
        self.cause = cause
        print(
            f"Batch {self._batch} of epoch {self._epoch + 1}: {cause}; no step was made, the "
            "training ends."
        )

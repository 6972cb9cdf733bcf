"""Changing the learning rate between epochs: by a rule, or when nothing gets better."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minigrad._validate import number
from minigrad.callbacks.base import Callback, Logs
from minigrad.callbacks.monitor import Monitor, whole

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """Set the learning rate at the start of each epoch.

    Source: https://keras.io/api/callbacks/learning_rate_scheduler/

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)`` or ``schedule(epoch)``, with the epoch counted from 0,
        returns the new rate.
    verbose : 0 or 1
        Say so.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.layers.Dense(1)])
    >>> model.compile(mg.optimizers.SGD(0.5), "mse")
    >>> halve = mg.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    >>> history = model.fit([[1.0]], [[1.0]], epochs=3, callbacks=[halve], verbose=0)
    >>> history.history["learning_rate"]
    [0.25, 0.125, 0.0625]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(
                f"The schedule must be a function of the epoch. Received: schedule={schedule!r}"
            )
        self.schedule, self.verbose = schedule, verbose
        try:
            self._takes_rate = len(inspect.signature(schedule).parameters) > 1
        except (TypeError, ValueError):
            self._takes_rate = False

    def on_train_begin(self, logs: Logs) -> None:
        """Look whether the rate is a number; TypeError if it is a schedule of its own."""
        _expect_number(self)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Set the rate.

        Raises
        ------
        ValueError
            If the function does not return a number >= 0.
        """
        optimizer = self.model.optimizer
        rate = optimizer.learning_rate
        rate = self.schedule(epoch, rate) if self._takes_rate else self.schedule(epoch)
        optimizer.learning_rate = number(rate, "schedule(epoch)", minimum=0)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Report the rate."""
        logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Make the learning rate smaller when a number has not become better for some epochs.

    Source: https://keras.io/api/callbacks/reduce_lr_on_plateau/

    Parameters
    ----------
    monitor, min_delta, mode
        See `minigrad.callbacks.monitor.Monitor`.
    factor : float
        What the rate is multiplied with, below 1.
    patience : int
        How many epochs without progress are endured.
    verbose : 0 or 1
        Say so.
    cooldown : int
        Epochs to wait after a change before looking again.
    min_lr : float
        The rate does not go below it.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.layers.Dense(1)])
    >>> model.compile(mg.optimizers.SGD(0.5), "mse")
    >>> plateau = mg.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e6)
    >>> history = model.fit([[1.0]], [[1.0]], epochs=3, callbacks=[plateau], verbose=0)
    >>> history.history["learning_rate"], round(model.optimizer.learning_rate, 6)
    ([0.5, 0.5, 0.05], 0.005)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = number(factor, "factor", above=0, below=1)
        self.patience = whole(patience, "patience")
        self.cooldown = whole(cooldown, "cooldown")
        self.min_lr, self.verbose = number(min_lr, "min_lr", minimum=0), verbose
        self._start()

    def _start(self) -> None:
        self.wait = self.cooling = 0
        self.best = self.worst

    def on_train_begin(self, logs: Logs) -> None:
        """Start anew; TypeError if the rate is a schedule and not a number."""
        _expect_number(self)
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look whether the epoch was better."""
        optimizer = self.model.optimizer
        value = self.value(logs)
        logs["learning_rate"] = rate = optimizer.learning_rate
        if self.cooling:
            self.cooling -= 1
            self.wait = 0
        if self.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.cooling:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooling, self.wait = self.cooldown, 0
                if self.verbose:
                    print(
                        f"Epoch {epoch + 1}: no progress in {self.monitor}, learning rate "
                        f"{optimizer.learning_rate:g}"
                    )

    def get_state(self) -> dict[str, Any]:
        """Return the best value and the counters."""
        return {"wait": self.wait, "cooling": self.cooling, "best": float(self.best).hex()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from the state of another run."""
        self.wait, self.cooling = state["wait"], state["cooling"]
        self.best = float.fromhex(state["best"])


def _expect_number(callback: Callback) -> None:
    """Raise TypeError if the callback would silently put a number in place of a schedule."""
    rate = callback.model.optimizer.get_rate()
    if callable(rate):
        raise TypeError(
            f"{type(callback).__name__} sets the learning rate, so the optimizer must have a "
            f"number for it and no schedule. Received: learning_rate={rate!r}"
        )

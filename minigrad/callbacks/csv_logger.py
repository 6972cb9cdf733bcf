"""`CSVLogger`: one line of a table for each epoch."""

from __future__ import annotations

import csv
import os
from typing import Any

from minigrad.callbacks.base import Callback, Logs

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Write the logs of each epoch to a file, as soon as it is over.

    Source: https://keras.io/api/callbacks/csv_logger/

    Parameters
    ----------
    filename : str or path-like
    separator : str
    append : bool
        Go on after the lines that are there, for a training that was interrupted. Otherwise the
        file is replaced.

    Examples
    --------
    >>> import os, tempfile
    >>> from minigrad import callbacks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "log.csv")
    ...     logger = callbacks.CSVLogger(path)
    ...     logger.on_train_begin({})
    ...     logger.on_epoch_end(0, {"loss": 0.5})
    ...     print(open(path, encoding="utf-8").read().split())
    ['epoch,loss', '0,0.5']
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._names: list[str] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        """Begin a new file, or read the names of the columns of the one that is there."""
        self._names = None
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="", encoding="utf-8") as file:
                head = next(csv.reader(file, delimiter=self.separator), None)
            self._names = head[1:] if head else None
        else:
            open(self.filename, "w", encoding="utf-8").close()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line."""
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if self._names is None:
                self._names = list(logs)
                table.writerow(["epoch", *self._names])
            values: list[Any] = [logs.get(name, "NA") for name in self._names]
            table.writerow([epoch, *values])

"""`CSVLogger`: one line of a table for each epoch."""

from __future__ import annotations

import csv
import os
from typing import Any

from minigrad._brief import brief
from minigrad.callbacks.base import Callback, Logs, expect_folder

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
    >>> import pathlib, tempfile
    >>> from minigrad import callbacks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "log.csv"
    ...     logger = callbacks.CSVLogger(path)
    ...     logger.on_train_begin({})
    ...     logger.on_epoch_end(0, {"loss": 0.5})
    ...     print(path.read_text(encoding="utf-8").split())
    ['epoch,loss', '0,0.5']
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(
                f"separator must be one character. Received: separator={brief(separator)}"
            )
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._names: list[str] | None = None
        self._size: int | None = None  # how much of the file that is there stays; None for all

    def on_train_begin(self, logs: Logs) -> None:
        """Start anew; the file is not touched before the first line is written."""
        expect_folder(os.path.dirname(self.filename), self.filename)
        self._names, self._size = None, None if self.append else 0

    def _open(self) -> None:
        """Cut the file to what is to stay, and read the names of its columns."""
        with open(self.filename, "a+", newline="", encoding="utf-8") as file:
            if self._size is not None:
                file.truncate(self._size)
            file.seek(0)
            head = next(csv.reader(file, delimiter=self.separator), None)
            self._names = head[1:] if head else None
        self._size = None

    def get_state(self) -> dict[str, Any]:
        """Return the size of the file: what comes after it is written again."""
        return {"_size": os.path.getsize(self.filename) if self._names else self._size}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line."""
        if self._names is None:
            self._open()
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if self._names is None:
                self._names = list(logs)
                table.writerow(["epoch", *self._names])
            values: list[Any] = [logs.get(name, "NA") for name in self._names]
            table.writerow([epoch, *values])

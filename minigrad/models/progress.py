"""What `fit`, `evaluate` and `predict` print: a moving bar, one line per epoch, or nothing.

A terminal overwrites a line that begins with a carriage return. A notebook would keep every state
of the bar, in the box for errors: there, the bar is an output of its cell that is replaced.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tqdm import tqdm

from minigrad._brief import brief

__all__ = ["Progress", "verbosity"]

SECONDS_BETWEEN_UPDATES = 0.2
Logs = dict[str, float]


def verbosity(value: Any) -> int:
    """Return 0 (silent), 1 (a bar) or 2 (a line per epoch).

    ``"auto"`` is 1 on a terminal and in a notebook, else 2.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(value, str) and value == "auto":
        return 1 if _notebook() or (sys.stderr is not None and sys.stderr.isatty()) else 2
    if isinstance(value, (bool, int)) and value in (0, 1, 2):
        return int(value)
    raise ValueError(
        "verbose must be 'auto', 0 (silent), 1 (a progress bar) or 2 (a line per epoch). "
        f"Received: verbose={brief(value)}"
    )


class _Bar(tqdm):  # type: ignore[misc]
    """tqdm without its watching thread, which would outlive the bar and trouble ``fork``."""

    monitor_interval = 0


def _notebook() -> Any:
    """Return the module IPython if this is the cell of a notebook, else None."""
    found: Any = sys.modules.get("IPython")
    shell = getattr(found, "get_ipython", None)
    return found if shell is not None and hasattr(shell(), "kernel") else None


class _Cell:
    """A stream whose last line is one output of a notebook's cell."""

    encoding = "utf-8"

    def __init__(self, display: Any) -> None:
        self._display, self._handle = display, None

    def write(self, text: str) -> None:
        """Show a line in place of the one before."""
        line = text.strip()
        if not line:
            return
        if self._handle is None:
            self._handle = self._display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        """Do nothing: lines are shown at once."""


class Progress:
    """Shows how far a pass over the data is; a context manager.

    Parameters
    ----------
    title : str
        What the pass is, ``"Epoch 1/5"`` for instance.
    steps : int or None
        How many batches it has, if that is known.
    verbose : int
        See `verbosity`.
    """

    def __init__(self, title: str, steps: int | None, verbose: int) -> None:
        self._title = title
        self._verbose = verbose
        self._bar = None
        if verbose == 1:
            notebook = _notebook()
            place = None if notebook is None else _Cell(notebook.display.display)
            self._bar = _Bar(total=steps, desc=title, unit="batch", mininterval=0, file=place)
        self._began = self._shown = time.perf_counter()
        self._waiting = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, logs: Callable[[], Logs]) -> None:
        """Count a batch; ``logs`` is asked for what to show, 5 times a second at most."""
        if self._bar is None:
            return
        self._waiting += 1
        now = time.perf_counter()
        if now - self._shown >= SECONDS_BETWEEN_UPDATES:
            self._note(logs())
            self._bar.update(self._waiting)
            self._waiting = 0
            self._shown = now

    def finish(self, logs: Logs) -> None:
        """Show the final numbers; a bar does when it is closed."""
        if self._bar is not None:
            self._note(logs)
            self._bar.n += self._waiting
        elif self._verbose == 2:
            seconds = f"{time.perf_counter() - self._began:.1f}s"
            print(" - ".join([self._title, seconds, *_words(logs)]), flush=True)

    def _note(self, logs: Logs) -> None:
        assert self._bar is not None
        self._bar.set_postfix_str(" - ".join(_words(logs)), refresh=False)


def _words(logs: Logs) -> list[str]:
    return [f"{name}: {value:.4g}" for name, value in logs.items()]

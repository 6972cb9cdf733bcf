"""One line for whoever waits: which kernel is being compiled, and how long it took.

Only where somebody sits in front of it (a terminal, a notebook, an interactive session); never in
pipes, tests or continuous integration. ``MINIGRAD_QUIET=1`` turns it off.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from numba.core import event, types

__all__ = ["listen", "paused"]

OURS = "minigrad.kernels."
LAUNCHERS = "minigrad.kernels.cpu.jit"
"""The loops over tasks are compiled along with each kernel, and not worth a line."""
_WIDTH = 79  # a line may have to cover what a progress bar left there


class _Listener(event.Listener):  # type: ignore[misc]
    """Hears of each compilation; those that happen inside another one are part of it.

    numba compiles under a lock, so there is one at a time.
    """

    def __init__(self) -> None:
        self.paused = False
        self._depth = 0
        self._text = ""
        self._began = 0.0

    def on_start(self, event: Any) -> None:
        """Say what is being compiled."""
        self._depth += 1
        if self._depth == 1 and not self.paused:
            self._text = _describe(event.data)
            if self._text and _somebody_waits():
                self._began = time.perf_counter()
                _write(f"\r{self._text}")
            else:
                self._text = ""

    def on_end(self, event: Any) -> None:
        """Say how long it took."""
        self._depth -= 1
        if self._depth == 0 and self._text:
            line = f"{self._text} {time.perf_counter() - self._began:.1f} s"
            _write(f"\r{line:<{_WIDTH}}\n")
            self._text = ""


_listener = _Listener()


def listen() -> None:
    """Write a line for each kernel that is compiled from now on."""
    event.register("numba:compile", _listener)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Write nothing inside a ``with`` block, which shows its own progress.

    Examples
    --------
    >>> with paused():
    ...     _listener.paused
    True
    """
    before, _listener.paused = _listener.paused, True
    try:
        yield
    finally:
        _listener.paused = before


def _describe(data: Any) -> str:
    """Return what to say about a compilation, "" about one that is not ours."""
    function = data["dispatcher"].py_func
    module = function.__module__
    if not module.startswith(OURS) or module == LAUNCHERS:
        return ""
    kinds = [str(arg.dtype) for arg in data["args"] if isinstance(arg, types.Array)]
    kind = next((kind for kind in kinds if kind.startswith("float")), "integers")
    name = f"{module.rpartition('.')[2]} {function.__name__.strip('_').replace('_', ' ')}"
    return f"minigrad: compiling {name} ({kind}), once ..."


def _somebody_waits() -> bool:
    environment = os.environ
    if any(environment.get(name) for name in ("MINIGRAD_QUIET", "CI", "PYTEST_CURRENT_TEST")):
        return False
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules:
        return True
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is no standard error, or it is closed
        return False


def _write(text: str) -> None:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()

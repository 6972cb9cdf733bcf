"""Looking over the engine's shoulder: a function that sees the result of every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["watch", "watchers"]

watchers: list[Callable[[str, Any], None]] = []  # empty but for debugging: one test per operation


@contextmanager
def watch(function: Callable[[str, Any], None]) -> Iterator[None]:
    """Call ``function(name, array)`` after every operation in the block, in all threads.

    Derivatives that compute on arrays directly are not seen. The arrays must not be changed.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, -1.0])
    >>> with mg.autograd.watch(lambda name, array: print(name, array)):
    ...     y = mg.ops.square(x).sum()
    square [1. 1.]
    sum 2.0
    """
    watchers.append(function)
    try:
        yield
    finally:
        watchers.remove(function)


def show(name: str, array: Any) -> None:
    """Tell all watchers of a result."""
    for watcher in list(watchers):
        watcher(name, array)

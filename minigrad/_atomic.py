"""Several attributes set at once, as Ctrl-C sees it."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable
from typing import Any

__all__ = ["set_attributes"]


def set_attributes(changes: Iterable[tuple[Any, str, Any]]) -> None:
    """Set attributes of objects, (object, name, value) each: all of them, or none.

    Python looks for signals between its instructions. Here is one instruction, whose loop is in C,
    so a KeyboardInterrupt comes before the first attribute is set or after the last. That holds
    for attributes in slots and instance dicts, not for properties written in Python.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> one = SimpleNamespace()
    >>> set_attributes([(one, "a", 1), (one, "b", 2)])
    >>> one
    namespace(a=1, b=2)
    """
    ready = iter(tuple(changes))
    collections.deque(itertools.starmap(setattr, ready), maxlen=0)

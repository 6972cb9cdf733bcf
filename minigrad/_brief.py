"""What was received, short enough for an error message."""

from __future__ import annotations

__all__ = ["brief"]

LIMIT, END = 200, 40  # characters


def brief(value: object) -> str:
    """Return ``repr(value)`` without its middle if it is long: data given for an option, mostly.

    Examples
    --------
    >>> brief("a"), brief(list(range(1000)))[-38:]
    ("'a'", '996, 997, 998, 999] (4,890 characters)')
    """
    text = repr(value)
    if len(text) <= LIMIT:
        return text
    return f"{text[: LIMIT - END]} ... {text[-END:]} ({len(text):,} characters)"

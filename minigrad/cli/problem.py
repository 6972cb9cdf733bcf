"""What is wrong with a request, in one line."""

from __future__ import annotations


class Problem(Exception):
    """Printed without a traceback; the exit code is 2."""


def one_line(error: BaseException) -> str:
    """Return the text of an error in one line, with its type where there is no text."""
    return " ".join(str(error).split()) or type(error).__name__

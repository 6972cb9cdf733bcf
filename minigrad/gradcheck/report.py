"""What a gradient check found: one line per input, and a verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Mode: TypeAlias = Literal["full", "fast"]


class GradCheckError(AssertionError):
    """Raised by `GradCheckReport.raise_if_failed`; its text is the report."""


@dataclass(frozen=True)
class InputCheck:
    """The worst element of one input's gradient: the one whose error is largest for its tolerance.

    Attributes
    ----------
    name : str
        The input's name, as in the function's signature.
    shape : tuple of int
    dtype : str
        The type of the input as it was given.
    index : tuple of int or None
        Where the worst element is; None for a direction (``mode="fast"``) or an empty input.
    analytic, numeric : float
        The gradient that was checked, and the central difference it was compared with.
    error, tolerance : float
        ``|analytic - numeric|``, and how large it may be.
    checks : int
        How many elements (or directions) were compared.
    problem : str or None
        What is wrong, in words; None if this input passed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    error: float
    tolerance: float
    checks: int
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether this input's gradient is right."""
        return self.problem is None

    def __str__(self) -> str:
        verdict = "ok" if self.passed else f"WRONG: {self.problem}"
        return (
            f"{self.name}: error {_number(self.error)}, tolerance {_number(self.tolerance)}, "
            f"{verdict}"
        )


@dataclass(frozen=True)
class GradCheckReport:
    """The result of a gradient check; true if everything passed.

    Attributes
    ----------
    function : str
        The name of what was checked.
    mode : {"full", "fast"}
        Whether elements or random directions were compared.
    inputs : tuple of InputCheck
        One entry per floating point input.
    problems : tuple of str
        What is wrong with the function as a whole, such as different results for equal inputs.
    notes : tuple of str
        What a careful reader should know, such as that inputs were converted to float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> report = mg.gradcheck(lambda x: x * x, mg.tensor([1.0, 2.0], dtype="float64"))
    >>> bool(report), report.inputs[0].name, report.inputs[0].checks
    (True, 'x', 2)
    """

    function: str
    mode: Mode
    inputs: tuple[InputCheck, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all gradients are right and nothing else is wrong."""
        return not self.problems and all(check.passed for check in self.inputs)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def worst(self) -> InputCheck | None:
        """The input whose error is largest for its tolerance; None if no input was compared."""
        if not self.inputs:
            return None
        return max(self.inputs, key=lambda check: (not check.passed, _ratio(check)))

    def __str__(self) -> str:
        what = "elements" if self.mode == "full" else "random directions"
        count = sum(check.checks for check in self.inputs)
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"gradcheck of {self.function}: {verdict} ({count} {what} compared)"]
        lines += self._table() if self.inputs else []
        lines += [f"  {check.name}: {check.problem}" for check in self.inputs if check.problem]
        lines += [f"  problem: {problem}" for problem in self.problems]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _table(self) -> list[str]:
        rows = [("input", "shape", "error", "tolerance", "")] + [
            (
                c.name,
                str(c.shape),
                _number(c.error),
                _number(c.tolerance),
                "ok" if c.passed else "WRONG",
            )
            for c in self.inputs
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return [
            f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}"
            f"  {row[3]:>{widths[3]}}  {row[4]}".rstrip()
            for row in rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists and numbers (ready for JSON)."""
        return {
            "function": self.function,
            "passed": self.passed,
            "mode": self.mode,
            "inputs": [_jsonable(check) for check in self.inputs],
            "problems": list(self.problems),
            "notes": list(self.notes),
        }

    def raise_if_failed(self) -> GradCheckReport:
        """Return self if the check passed.

        Raises
        ------
        GradCheckError
            Otherwise; an AssertionError with the whole report as its text.
        """
        if not self.passed:
            raise GradCheckError(str(self))
        return self


def _jsonable(check: InputCheck) -> dict[str, Any]:
    entry = asdict(check)
    entry["shape"] = list(check.shape)
    entry["index"] = None if check.index is None else list(check.index)
    for key in ("analytic", "numeric", "error", "tolerance"):
        entry[key] = entry[key] if math.isfinite(entry[key]) else None
    entry["passed"] = check.passed
    return entry


def _ratio(check: InputCheck) -> float:
    if not math.isfinite(check.error):
        return math.inf
    return check.error / check.tolerance if check.tolerance else check.error


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1e}"

"""What a gradient check found: one line per input, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minigrad.gradcheck import record
from minigrad.gradcheck.findings import VERDICTS, InputCheck, Mode, Verdict, short, told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GradCheckError", "GradCheckReport", "InputCheck", "Mode", "Verdict"]


class GradCheckError(AssertionError):
    """Raised by `GradCheckReport.raise_if_failed`; its text is the report."""


@dataclass(frozen=True)
class GradCheckReport:
    """The result of a gradient check; true if nothing is wrong.

    ``print`` shows it as text, a notebook as a page with pictures, `plot` draws a figure.

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
    method : str
        How steps and tolerances were chosen.

    Examples
    --------
    >>> import minigrad as mg
    >>> report = mg.gradcheck(lambda x: x * x, mg.tensor([1.0, 2.0], dtype="float64"))
    >>> bool(report), report.verdict, report.inputs[0].name, report.inputs[0].checks
    (True, 'pass', 'x', 2)
    >>> mg.gradcheck(mg.ops.relu, mg.tensor([0.0, 1.0])).verdict
    'kink'
    """

    function: str
    mode: Mode
    inputs: tuple[InputCheck, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    method: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong; kinks, which no comparison can judge, are not wrong."""
        return self.verdict != "fail"

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all inputs: "pass", "kink" or "fail"."""
        if self.problems:
            return "fail"
        return max((one.verdict for one in self.inputs), key=VERDICTS.index, default="pass")

    def __bool__(self) -> bool:
        return self.passed

    @property
    def worst(self) -> InputCheck | None:
        """The input whose error is largest for its tolerance; None if no input was compared."""
        return max(self.inputs, key=lambda one: (not one.passed, one.badness), default=None)

    def __getitem__(self, name: str) -> InputCheck:
        for check in self.inputs:
            if check.name == name:
                return check
        names = [check.name for check in self.inputs]
        raise KeyError(f"no input was checked under this name. Expected one of {names}: {name!r}")

    def __str__(self) -> str:
        lines = [f"gradcheck of {self.function}: {self.headline} ({self.extent})"]
        lines += self._table() if self.inputs else []
        for check in self.inputs:
            lines += [f"  {check.name}: {check.problem}"] if check.problem else []
            lines += [f"  diagnosis: {check.diagnosis}"] if check.diagnosis else []
        lines += [f"  problem: {problem}" for problem in self.problems]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    @property
    def headline(self) -> str:
        """The verdict as a word or two."""
        return told(self.verdict, sum(check.kinks for check in self.inputs), "passed", "FAILED")

    @property
    def extent(self) -> str:
        """How much was compared, in words."""
        what = "elements" if self.mode == "full" else "random directions"
        return f"{sum(check.checks for check in self.inputs)} {what} compared"

    def _table(self) -> list[str]:
        words = {"pass": "ok", "kink": "kink", "fail": "WRONG"}
        rows = [("input", "shape", "error", "tolerance", "")] + [
            (c.name, str(c.shape), short(c.error), short(c.tolerance), words[c.verdict])
            for c in self.inputs
        ]
        a, b, c, d, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
        return [
            f"  {name:<{a}}  {shape:<{b}}  {error:>{c}}  {tolerance:>{d}}  {word}".rstrip()
            for name, shape, error, tolerance, word in rows
        ]

    def _repr_html_(self) -> str:
        from minigrad.gradcheck.html import page

        return page(self)

    def plot(self, name: str | None = None) -> Figure:
        """Draw one input's gradient, slopes, errors and step curve; the worst input by default.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> import minigrad as mg
        >>> len(mg.gradcheck(mg.ops.tanh, mg.tensor([[-1.0, 0.5]])).plot().axes)
        4
        """
        from minigrad.gradcheck.figure import draw

        return draw(self, name)

    def to_dict(self, *, maps: bool = False) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists and numbers (ready for JSON).

        Parameters
        ----------
        maps : bool
            Include the numbers of all elements and the step curves, which `plot` draws.

        Examples
        --------
        >>> import numpy as np
        >>> import minigrad as mg
        >>> report = mg.gradcheck(mg.ops.sin, np.ones(3))
        >>> GradCheckReport.from_dict(report.to_dict()) == report
        True
        """
        return record.pack(self, maps)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> GradCheckReport:
        """Return the report that `to_dict` was called on (ValueError for anything else)."""
        report: GradCheckReport = record.unpack(cls, facts)
        return report

    def to_json(self, *, maps: bool = False) -> str:
        """Return `to_dict` as a text; numbers that are not finite become null."""
        return json.dumps(self.to_dict(maps=maps), allow_nan=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> GradCheckReport:
        """Return the report that `to_json` was called on."""
        return cls.from_dict(json.loads(text))

    def raise_if_failed(self) -> GradCheckReport:
        """Return self if nothing is wrong; else raise the report as a `GradCheckError`."""
        if not self.passed:
            raise GradCheckError(str(self))
        return self

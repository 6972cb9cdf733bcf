"""The score of gradient checkers on the zoo: which wrong gradients they see."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minigrad.gradcheck.zoo import rivals
from minigrad.gradcheck.zoo.exercise import Exercise
from minigrad.gradcheck.zoo.rivals import Checker

CHECKERS: dict[str, Checker] = {
    "minigrad, full": rivals.ours_full,
    "minigrad, fast": rivals.ours_fast,
    "PyTorch's way": rivals.pytorch,
    "needle's way": rivals.needle,
    "HIPS autograd's way": rivals.hips_autograd,
    "micrograd's way": rivals.micrograd,
    "minitorch's way": rivals.minitorch,
}


@dataclass(frozen=True)
class Score:
    """What one checker made of the zoo: the wrong gradients it refused, and those it let pass.

    ``alarms`` are the exercises whose RIGHT gradient it refused. It cannot tell right from wrong
    there, so they count as missed as well.
    """

    checker: str
    killed: tuple[str, ...]
    missed: tuple[str, ...]
    alarms: tuple[str, ...]

    @property
    def rate(self) -> float:
        """The share of the zoo that was killed, 0 to 1."""
        return len(self.killed) / max(1, len(self.killed) + len(self.missed))


@dataclass(frozen=True)
class ScoreTable:
    """The scores of all checkers; ``print`` it for a table, and the bugs that each one missed."""

    scores: tuple[Score, ...]

    def __getitem__(self, checker: str) -> Score:
        return next(score for score in self.scores if score.checker == checker)

    def __str__(self) -> str:
        total = len(self.scores[0].killed) + len(self.scores[0].missed)
        lines = [f"{'checker':<22}{f'killed of {total}':>14}{'':>8}{'false alarms':>14}"]
        lines += [
            f"{s.checker:<22}{len(s.killed):>14}{s.rate:>8.1%}{len(s.alarms):>14}"
            for s in self.scores
        ]
        for s in self.scores:
            lines += ["", f"{s.checker} misses {len(s.missed) or 'nothing'}"]
            why = dict.fromkeys(s.alarms, " (refuses the right gradient, too)")
            lines += [f"  {name}{why.get(name, '')}" for name in s.missed]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the table as dictionaries and lists, ready for JSON."""
        kinds = ("killed", "missed", "alarms")
        return {
            s.checker: {"rate": s.rate, **{kind: list(getattr(s, kind)) for kind in kinds}}
            for s in self.scores
        }


def score(
    exercises: Sequence[Exercise], checkers: Mapping[str, Checker] | None = None
) -> ScoreTable:
    """Show every exercise to every checker, the right gradient first, then the wrong one.

    Parameters
    ----------
    exercises : sequence of Exercise
        `exercises`, or a selection.
    checkers : mapping of str to callable, optional
        ``checker(forward, backward, inputs) -> bool``. By default ours, and our own versions of
        what others do (see `rivals`).

    Returns
    -------
    ScoreTable

    Examples
    --------
    >>> from minigrad.gradcheck.zoo import exercises, rivals, score
    >>> table = score(exercises.select("relu"), {"one random element": rivals.minitorch})
    >>> table["one random element"].missed
    ('relu/spoils-upstream', 'relu/keeps-the-first-mask')
    """
    checkers = CHECKERS if checkers is None else checkers
    return ScoreTable(tuple(_score(name, check, exercises) for name, check in checkers.items()))


def _score(name: str, check: Checker, exercises: Sequence[Exercise]) -> Score:
    alarms = [one.name for one in exercises if not check(one.forward, one.right, one.inputs)]
    refused = {one.name for one in exercises if not check(one.forward, one.backward, one.inputs)}
    names = [one.name for one in exercises]
    killed = tuple(each for each in names if each in refused and each not in alarms)
    missed = tuple(each for each in names if each not in killed)
    return Score(name, killed, missed, tuple(alarms))


@dataclass(frozen=True)
class Diagnoses:
    """What our checker said about the wrong gradients whose mistake is in its catalogue."""

    right: tuple[str, ...]  # the names of the exercises whose mistake it named
    wrong: dict[str, str]  # for the others, what it said instead ("" if nothing)

    @property
    def rate(self) -> float:
        """The share of right diagnoses, 0 to 1."""
        return len(self.right) / max(1, len(self.right) + len(self.wrong))

    def __str__(self) -> str:
        total = len(self.right) + len(self.wrong)
        lines = [f"minigrad names the mistake in {len(self.right)} of {total} ({self.rate:.1%})"]
        lines += [f"  not {name}: {told or 'says nothing'}" for name, told in self.wrong.items()]
        return "\n".join(lines)


def diagnoses(exercises: Sequence[Exercise]) -> Diagnoses:
    """Compare the diagnoses of full checks with the mistakes that the exercises name.

    A diagnosis may offer several explanations of the same numbers; the mistake must be one of them.

    Examples
    --------
    >>> from minigrad.gradcheck.zoo import diagnoses, exercises
    >>> print(diagnoses(exercises.select("average pooling", difficulty=1)))
    minigrad names the mistake in 1 of 1 (100.0%)
    """
    right: list[str] = []
    wrong: dict[str, str] = {}
    for one in (one for one in exercises if one.diagnosis):
        told = [check.diagnosis for check in one.check(one.backward).inputs if check.diagnosis]
        if any(one.diagnosis in (each.name, *each.also) for each in told):
            right.append(one.name)
        else:
            wrong[one.name] = "; ".join(map(str, told))
    return Diagnoses(tuple(right), wrong)


def with_pytorch() -> dict[str, Checker]:
    """Return the checkers, and the real PyTorch if it is installed."""
    if importlib.util.find_spec("torch") is None:
        return dict(CHECKERS)
    return {**CHECKERS, "PyTorch itself": rivals.real_pytorch}

"""The comparison: every case, every library, medians, ratios, and the share of the roofline."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from minigrad.benchmarks.cases import Case, Convolution, Kind
from minigrad.benchmarks.peers import OURS, Library
from minigrad.benchmarks.rounds import TOLERANCE, LibraryFailed, Worker, difference, take_turns

__all__ = ["Ceilings", "Report", "Row", "compare"]

TURN = 0.05
"""Seconds that a turn takes, at least."""


@dataclass(frozen=True)
class Ceilings:
    """The best that the machine did.

    Attributes
    ----------
    product : float
        float32 matrix products by NumPy (CuPy on a GPU), in floating-point operations per second.
    copy : float
        Copies by the same, in bytes per second, read and written together.
    """

    product: float
    copy: float

    def shortest(self, operations: float, moved: float) -> float:
        """Return the seconds that the work takes at least (the roofline).

        Examples
        --------
        >>> Ceilings(product=100e9, copy=10e9).shortest(operations=1e9, moved=1e9)
        0.1
        """
        return max(operations / self.product, moved / self.copy)


@dataclass(frozen=True)
class Row:
    """One case: the median of each library in milliseconds, or why there is none.

    Attributes
    ----------
    kind, case : str
    milliseconds : dict
        By library.
    roofline : float or None
        The shortest time possible over minigrad's time; above 1 where arrays stay in the cache,
        which is faster than the copy that was measured. None for whole training steps.
    speeds : (float, float) or None
        Floating-point operations and bytes per second that minigrad came to.
    failures : dict
        By library.
    wrong : bool
        Whether a peer's result differs from minigrad's.
    """

    kind: Kind
    case: str
    milliseconds: dict[str, float]
    roofline: float | None = None
    speeds: tuple[float, float] | None = None
    failures: dict[str, str] = field(default_factory=dict)
    wrong: bool = False

    @property
    def ratios(self) -> dict[str, float]:
        """Each peer's time over minigrad's: above 1, minigrad is faster."""
        times = self.milliseconds
        ours = times.get(OURS.name, math.nan)
        return {name: time / ours for name, time in times.items() if name != OURS.name}

    @property
    def ratio(self) -> float | None:
        """The ratio of the fastest peer, if there is one."""
        return min(self.ratios.values(), default=None)


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes
    ----------
    threads, repeats : int
    load : float
        How many processes of others wanted to run when this began (0 where that is not known).
    versions : dict
        Of the packages.
    ceilings : Ceilings
    rows : list of Row
    absent : dict
        Libraries that did not start, and why.
    """

    threads: int
    repeats: int
    load: float
    versions: dict[str, str]
    ceilings: Ceilings
    rows: list[Row]
    absent: dict[str, str]
    device: str = "cpu"

    def mean(self, kind: Kind, name: str | None = None) -> float | None:
        """Return the geometric mean of the ratios to one peer, or to the fastest of each row."""
        rows = [row for row in self.rows if row.kind == kind]
        found = [row.ratio if name is None else row.ratios.get(name) for row in rows]
        ratios = [ratio for ratio in found if ratio is not None]
        if not ratios:
            return None
        return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the ratios, as what JSON can hold."""
        report = asdict(self)
        for row, entry in zip(self.rows, report["rows"], strict=True):
            entry |= {"ratios": row.ratios, "ratio": row.ratio}
        kinds = dict.fromkeys(row.kind for row in self.rows)
        return report | {"geometric_means": {kind: self.mean(kind) for kind in kinds}}


def compare(
    cases: Iterable[tuple[Kind, Case]],
    peers: Sequence[Library],
    *,
    threads: int,
    repeats: int,
    device: str = "cpu",
    begin: Callable[[Report], None],
    show: Callable[[Row], None],
) -> Report:
    """Measure minigrad and its peers.

    Parameters
    ----------
    cases : iterable of (kind, case)
    peers : sequence of Library
    threads, repeats : int
        Threads of each library, and rounds for each case.
    device : "cpu" or "cuda"
    begin, show : callable
        Called with the report before the first row, and with each row once it is measured.

    Raises
    ------
    LibraryFailed
        If minigrad itself does not work.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    with ExitStack() as stack:
        ours = stack.enter_context(Worker(OURS, threads, device))
        ceilings = Ceilings(**ours.ask({"ceilings": threads}))
        report = Report(threads, repeats, load, dict(ours.versions), ceilings, [], {}, device)
        workers = []
        for peer in peers:
            try:
                workers.append(stack.enter_context(Worker(peer, threads, device)))
            except LibraryFailed as problem:
                report.absent[peer.name] = str(problem)
            else:
                report.versions.update(workers[-1].versions)
        begin(report)
        for kind, case in cases:
            able = [worker for worker in workers if kind in worker.library.kinds]
            row = _measure(kind, case, ours, able, report)
            report.rows.append(row)
            show(row)
    return report


def _measure(kind: Kind, case: Case, ours: Worker, peers: Sequence[Worker], report: Report) -> Row:
    """Check one case, then time it."""
    expected = ours.prepare(kind, case)
    failures: dict[str, str] = {}
    wrong = False
    ready = [ours]
    for peer in peers:
        name = peer.library.name
        try:
            apart = difference(expected, peer.prepare(kind, case))
        except LibraryFailed as problem:
            failures[name] = str(problem)
            continue
        if apart <= TOLERANCE:
            ready.append(peer)
        else:
            failures[name] = f"its result differs from minigrad's by {apart:.1e}"
            wrong = True
    times = take_turns(ready, report.repeats, TURN)
    roofline = speeds = None
    if isinstance(case, Convolution):
        operations, moved = case.work(kind)
        ours_took = times[OURS.name]
        roofline = report.ceilings.shortest(operations, moved) / ours_took
        speeds = operations / ours_took, moved / ours_took
    milliseconds = {name: 1e3 * time for name, time in times.items()}
    return Row(kind, str(case), milliseconds, roofline, speeds, failures, wrong)

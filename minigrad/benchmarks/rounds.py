"""Processes that take turns: each library in its own, and all of them on the same moments."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from minigrad.benchmarks.cases import Case, Kind
from minigrad.benchmarks.peers import OURS, Library

__all__ = ["LibraryFailed", "Worker", "difference", "take_turns"]

TOLERANCE = 1e-3
"""Results may differ from a peer's by so much, relative to the largest value."""
PACKAGE = Path(__file__).parents[1]
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_START = f"""
import sys
sys.path.insert(0, {str(PACKAGE.parent)!r})
name, threads, device = sys.argv[1:]
if name != {OURS.name!r}:  # a bare package: minigrad itself is not imported
    import types
    package = types.ModuleType("minigrad")
    package.__path__ = [{str(PACKAGE)!r}]
    sys.modules["minigrad"] = package
from minigrad.benchmarks.worker import main
main(name, int(threads), device)
"""


class LibraryFailed(Exception):
    """A library could not do its part; the text says why, in one line."""


class Worker:
    """One library in a process of its own; a context manager, which ends the process.

    Parameters
    ----------
    library : Library
    threads : int
        How many threads it may use.
    device : "cpu" or "cuda"

    Raises
    ------
    LibraryFailed
        If it does not start.
    """

    def __init__(self, library: Library, threads: int, device: str = "cpu") -> None:
        self.library = library
        self._folder = tempfile.TemporaryDirectory(prefix="minigrad-bench-")
        self._log = (Path(self._folder.name) / "log").open("w+", errors="replace")
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
        # minigrad sets them for itself when its kernels load; peers wait as they like to.
        for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, library.name, str(threads), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its files."""
        self._process.kill()
        self._process.communicate()
        self._log.close()
        self._folder.cleanup()

    def prepare(self, kind: Kind, case: Case) -> list[np.ndarray[Any, Any]]:
        """Get ready for a case; return what it computes."""
        path = Path(self._folder.name) / "results.npz"
        self.ask({"prepare": kind, "case": case.key, "results": str(path)})
        with np.load(path) as file:
            return [file[name] for name in file.files]

    def turn(self, seconds: float) -> list[float]:
        """Run the case for so long; return the seconds that each call took."""
        times: list[float] = self.ask({"turn": seconds})["times"]
        return times

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request; return the answer."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it died: reading the answer says so
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            words = self._log.read().strip().split("\n")[-1]
            raise LibraryFailed(words or f"it ended with exit code {self._process.returncode}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LibraryFailed(answer["error"])
        return answer


def take_turns(workers: Sequence[Worker], repeats: int, seconds: float) -> dict[str, float]:
    """Let prepared workers run in turns; return the median of the times of each, in seconds.

    The order is reversed from round to round: whatever the machine does meanwhile, all see it.
    """
    times: dict[str, list[float]] = {worker.library.name: [] for worker in workers}
    for number in range(repeats):
        for worker in workers if number % 2 == 0 else reversed(workers):
            times[worker.library.name] += worker.turn(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def difference(
    ours: Sequence[np.ndarray[Any, Any]], theirs: Sequence[np.ndarray[Any, Any]]
) -> float:
    """Return the largest difference of results, relative to the largest value of each array.

    Infinite where shapes differ or something is not a number.

    Examples
    --------
    >>> difference([np.array([1.0, 4.0])], [np.array([1.5, 5.0])])
    0.2
    """
    if [a.shape for a in ours] != [b.shape for b in theirs]:
        return float("inf")
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        error = float(np.abs(a - b).max(initial=0.0))
        size = float(np.abs(b).max(initial=0.0))
        if error > 0.0 or np.isnan(error):
            worst = max(worst, error / size if size > 0.0 and error == error else float("inf"))
    return worst

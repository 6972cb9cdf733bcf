"""The process of one library: it prepares a job, checks in, and runs it when it is its turn.

Requests and answers are lines of JSON on standard input and output:

``{"prepare": kind, "case": key, "results": path}``
    Build the job, compute its results, write them to the file, warm up.
``{"turn": seconds}``
    Run the job once, untimed, then again and again for so long; answer ``{"times": [...]}``.
``{"ceilings": threads}``
    Measure the machine.

A job that fails answers ``{"error": text}``.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import os
import sys
import time
from typing import Any

import numpy as np

from minigrad.benchmarks import ceilings
from minigrad.benchmarks.cases import Job, case_of
from minigrad.benchmarks.peers import OURS, PEERS

__all__ = ["main"]

WARM_UP = 0.2
"""Seconds to run each new job before it is timed, and at least three calls."""


def main(name: str, threads: int, device: str) -> None:
    """Serve requests until standard input ends."""
    # Libraries like to talk: what they print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    library = OURS if name == OURS.name else PEERS[name]
    module = importlib.import_module(f"minigrad.benchmarks.{library.module}")
    peer = getattr(module, library.layout)()
    versions = {p: importlib.metadata.version(p) for p in library.packages}
    if device == "cuda":
        versions["GPU"] = peer.use_gpu()
    server = _Server(peer, threads, device)
    hello: Any = {"versions": versions}
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as error:
            text = str(error).strip().split("\n")[0]
            answer = {"error": f"{type(error).__name__}: {text}"}
        print(json.dumps(answer), file=answers, flush=True)


class _Server:
    def __init__(self, peer: Any, threads: int, device: str) -> None:
        peer.set_threads(threads)
        self._peer = peer
        self._device = device
        self._job: Job | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "prepare" in request:
            self._job = None  # frees its memory
            job: Job = getattr(self._peer, request["prepare"])(case_of(request["case"]))
            with open(request["results"], "wb") as file:
                np.savez(file, *job.results())
            run_for(job, WARM_UP)
            self._job = job
            return {}
        if "turn" in request:
            assert self._job is not None
            return {"times": run_for(self._job, request["turn"])}
        if self._device == "cuda":
            return ceilings.gpu_speeds()
        return {
            "product": ceilings.product_speed(),
            "copy": ceilings.copy_speed(request["ceilings"]),
        }


def run_for(job: Job, seconds: float) -> list[float]:
    """Run a job once, untimed, then for so long (and three times at least); return the times.

    The garbage collector waits meanwhile, as in `timeit`.

    Examples
    --------
    >>> len(run_for(Job(lambda: None, list), 0.0))
    3
    """
    step = job.step
    times: list[float] = []
    gc.collect()
    gc.disable()
    try:
        step()
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            times.append(job.clock(step))
    finally:
        gc.enable()
    return times

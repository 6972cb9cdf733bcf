"""The rows of `minigrad bench` as cases for pytest-benchmark.

A few rounds each, so that they belong to the normal run. To measure:
``pytest tests/benchmarks --benchmark-min-rounds=50 --benchmark-autosave``.
"""

import numpy as np
import pytest

from minigrad.benchmarks.applications import APPLICATIONS
from minigrad.benchmarks.cases import LISTED, NETWORKS
from minigrad.benchmarks.peer_minigrad import Peer

pytest.importorskip("pytest_benchmark", reason="pip install 'minigrad[bench]' to measure speed")

CASES = [
    *((kind, case) for kind in ("forward", "backward") for case in LISTED),
    *(("training", case) for case in (*NETWORKS, *APPLICATIONS)),
]


@pytest.mark.parametrize(("kind", "case"), CASES, ids=lambda value: str(value))
def test_speed(kind, case, benchmark):
    job = getattr(Peer(), kind)(case)
    results = job.results()
    assert all(np.isfinite(array).all() for array in results)
    benchmark.group = kind
    benchmark.pedantic(job.step, rounds=3, iterations=1, warmup_rounds=1)

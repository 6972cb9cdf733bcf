"""Runs tests in a process whose CUDA is the simulator: networks, and what is meant for a GPU."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def simulated(*command: str) -> str:
    done = subprocess.run(
        (sys.executable, "-m", *command),
        cwd=ROOT,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_networks_train_in_the_simulator() -> None:
    own = str(ROOT / "tests" / "devices" / "simulated_network.py")
    gpu = str(ROOT / "tests" / "gpu")
    out = simulated("pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu or not gpu", own, gpu)
    skipped = [line for line in out.splitlines() if line.startswith("SKIPPED")]
    reasons = ("the simulator has no memory of a GPU", "compute-sanitizer is not installed")
    assert all(line.endswith(reasons) for line in skipped), out


def test_the_benchmark_runs_in_the_simulator() -> None:
    shape = ("--given-only", "--shape", "1,3,3,2,2,3,1", "--only", "forward", "--repeats", "1")
    out = simulated("minigrad", "bench", "--device", "cuda", *shape, "--peers")
    assert "GPU simulator" in out
    assert "GFLOP/s    GB/s" in out
    assert "1,3,3,2->2,3,1" in out

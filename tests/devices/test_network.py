"""Runs `simulated_network.py` in a process whose CUDA is the simulator."""

import os
import subprocess
import sys
from pathlib import Path


def test_networks_train_in_the_simulator() -> None:
    tests = Path(__file__).with_name("simulated_network.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        cwd=tests.parents[2],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout

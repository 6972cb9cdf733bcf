"""Runs `simulated_kernels.py` in processes of their own, and counts the lines they executed."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
KERNELS = ROOT / "minigrad" / "kernels" / "cuda"
HALVES = ("float64", "not float64")  # about as much work each
NOT_KERNELS = ("runtime.py", "intrinsics.py", "probe.py")  # for the most part about real GPUs


@pytest.mark.skipif(importlib.util.find_spec("coverage") is None, reason="needs coverage.py")
def test_every_kernel_equals_the_definition_and_every_line_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    measure = ("-m", "coverage", "run", "--parallel-mode", f"--data-file={tmp_path / 'lines'}")
    session = ("-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "simulated_kernels.py"))
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    processes = [
        subprocess.Popen(
            (sys.executable, *measure, f"--include={KERNELS}/*", *session, "-k", half),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for half in HALVES
    ]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0, output
        assert "skipped" not in output, output
    seconds = time.perf_counter() - start

    def coverage(*arguments: str) -> str:
        command = (sys.executable, "-m", "coverage", *arguments)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    coverage("combine", "--data-file=lines", str(tmp_path))
    coverage("json", "--data-file=lines", "-o", "lines.json")
    files = json.loads((tmp_path / "lines.json").read_text())["files"]
    missing = {Path(name).name: counts["missing_lines"] for name, counts in files.items()}
    report = coverage("report", "--data-file=lines")
    with capsys.disabled():
        print(f"\nkernels in the simulator: {seconds:.0f} s\n{report}")
    expected = {path.name for path in KERNELS.glob("*.py")} - set(NOT_KERNELS)
    assert expected <= missing.keys()
    assert {name: missing[name] for name in expected if missing[name]} == {}

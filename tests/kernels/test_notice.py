"""The line that says what is being compiled: only where somebody waits, and once per kernel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad.kernels

ROOT = Path(minigrad.kernels.__file__).parents[2]
PROGRAM = """
import sys
{before}
import numpy as np
from minigrad import kernels
from minigrad.kernels.cpu import notice
{between}
kernels.bias_grad(np.ones((1, 2, 2, 3), np.float32), "channels_last")
kernels.bias_grad(np.ones((1, 2, 2, 3), np.float32), "channels_last")
"""


def said(tmp_path, before="", between="", **environment):
    """Run a small kernel in a process of its own; return what is on standard error."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MINIGRAD_CACHE_DIR": str(tmp_path)}
    for name in ("MINIGRAD_QUIET", "CI", "PYTEST_CURRENT_TEST", "MINIGRAD_CACHE"):
        variables.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before, between=between)],
        env=variables | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


INTERACTIVE = "sys.ps1 = '>>> '"
TERMINAL = "sys.stderr.isatty = lambda: True"


@pytest.mark.parametrize("before", [INTERACTIVE, TERMINAL, "sys.modules['ipykernel'] = sys"])
def test_somebody_waits(before, tmp_path):
    (line,) = said(tmp_path, before).splitlines(keepends=True)[-1:]
    assert re.fullmatch(
        r"minigrad: compiling \w+ [\w ]+ \(float32\), once \.\.\. \d+\.\d s *", line.rstrip("\n")
    )
    assert said(tmp_path, before) == ""  # it is on disk now


def test_nobody_waits(tmp_path):
    assert said(tmp_path) == ""


@pytest.mark.parametrize("name", ["MINIGRAD_QUIET", "CI", "PYTEST_CURRENT_TEST"])
def test_it_can_be_turned_off(name, tmp_path):
    assert said(tmp_path, INTERACTIVE, **{name: "1"}) == ""


def test_a_progress_bar_is_enough(tmp_path):
    pause = "block = notice.paused(); block.__enter__()"
    assert said(tmp_path, INTERACTIVE, pause) == ""


def test_functions_of_others_are_not_announced(tmp_path):
    theirs = "import numba; numba.njit(lambda x: x + 1)(1); raise SystemExit(0)"
    assert said(tmp_path, INTERACTIVE, theirs) == ""


@pytest.mark.parametrize("state", ["sys.stderr = None", "sys.stderr.close()"])
def test_no_standard_error(state, tmp_path):
    assert said(tmp_path, INTERACTIVE, state) == ""

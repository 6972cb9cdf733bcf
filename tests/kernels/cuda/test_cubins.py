"""Every kernel as machine code for three GPUs: what it uses is what its docstring claims.

Runs where ``pip install minigrad[cubin]`` was done, or where MINIGRAD_CUBIN_PYTHON names a Python
that has these packages beside minigrad's dependencies (numba-cuda takes the place of numba's own
CUDA target, which is not to everybody's liking).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PYTHON = os.environ.get("MINIGRAD_CUBIN_PYTHON", sys.executable)
SHARES = 2  # processes
RESERVED = {"sm_90": 1024}  # bytes of shared memory that each block has for the system
CLAIM = re.compile(
    r"Occupancy: at most (\d+) registers(?: \((\d+) on the slow path\))? and (\d+)\s+bytes"
)
COLUMNS = (
    "kernel", "arch", "registers", "shared", "spill", "stack",
    "instructions", "fma", "lds", "ldg128",
)  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    probe = "import numba_cuda, cuda.bindings.nvjitlink, nvidia.cu13"
    found = subprocess.run((PYTHON, "-c", probe), capture_output=True, text=True)
    if found.returncode:
        why = found.stderr.strip().splitlines()[-1]
        pytest.skip(f"no compiler for CUDA here ({why}); pip install minigrad[cubin]")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_ENABLE_CUDASIM": "0"}
    processes = [
        subprocess.Popen(
            (PYTHON, str(HERE / "assemble.py"), str(share), str(SHARES)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for share in range(SHARES)
    ]
    found_rows = []
    for process in processes:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        found_rows += [json.loads(line) for line in output.splitlines()]
    for row in found_rows:
        row["shared"] = max(row["shared"] - RESERVED.get(row["arch"], 0), 0)
    return found_rows


def where(rows: list[dict], start: str, arch: str = "") -> list[dict]:
    chosen = [row for row in rows if row["kernel"].startswith(start) and arch in row["arch"]]
    assert chosen, start
    return chosen


def test_table(rows: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print()
        for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
            name, *others = (row[column] for column in COLUMNS)
            print(f"{name:36s}" + "".join(f"{value!s:>13s}" for value in others))
    assert len(rows) > 100


def test_nothing_is_spilled(rows: list[dict]) -> None:
    assert [row for row in rows if row["spill"] or row["stack"]] == []


def test_claims_hold(rows: list[dict]) -> None:
    for row in rows:
        if not row["kernel"].startswith("simple"):
            registers, slow, shared = (int(n or 0) for n in CLAIM.search(row["doc"]).groups())
            allowed = registers if "odd" not in row["kernel"] else max(registers, slow)
            assert row["registers"] <= allowed, row
            assert row["shared"] <= shared <= 48 * 1024, row


def test_fast_kernels_load_128_bits(rows: list[dict]) -> None:
    fast = [row for row in rows if row["fast"]]
    assert len(fast) > 50
    assert [row for row in fast if not row["ldg128"]] == []


def test_shared_memory_is_aligned_for_them(rows: list[dict]) -> None:
    assert [row for row in rows if row["lds"] and row["align"] < 16 and row["fast"]] == []
    for row in where(rows, "pointwise"):
        assert row["align"] == 16, row


def test_depthwise_is_short(rows: list[dict]) -> None:
    for row in where(rows, "depthwise forward", "sm_90"):
        assert row["instructions"] <= 300, row
    (slow,) = where(rows, "simple depthwise_forward", "sm_90")
    assert slow["instructions"] > 700  # what the flat arrays and short indices save


def test_product_has_16_multiply_adds_for_each_shared_load(rows: list[dict]) -> None:
    for row in where(rows, "pointwise"):
        if row["kernel"].endswith("f32"):
            assert row["fma"] >= 16 * row["lds"] > 0, row

"""The guard rails of the whole package: types, style, floors, sizes, and what an import costs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minigrad"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
    ],
    ids=" ".join,
)
def test_tool_finds_nothing(command: tuple[str, ...]) -> None:
    result = run(sys.executable, "-m", *command)
    assert result.returncode == 0, result.stdout + result.stderr


def test_imports_point_down_only() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    result = run(sys.executable, "-W", "ignore", "-c", code)
    assert result.returncode == 0, result.stdout + result.stderr


def test_top_level_is_as_designed() -> None:
    tracked = run("git", "ls-files")
    if tracked.returncode:
        pytest.skip("not a git checkout: what is tracked cannot be told from what was left here")
    names = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "minigrad", "tests", "tutorials"}
    assert {name for name in names if not name.startswith(".")} == allowed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_import_is_light(tmp_path: Path) -> None:
    """No plotting library, no CUDA, and nothing compiled."""
    code = (
        "import sys, time; start = time.perf_counter(); import minigrad, minigrad.visualization;"
        "took = time.perf_counter() - start;"
        "print(took, *[m for m in ('matplotlib', 'IPython', 'numba.cuda', 'sklearn', 'torch')"
        " if m in sys.modules])"
    )
    # With bytecode, as in an installed package, even where the environment forbids to write it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    attempts = [run(sys.executable, "-c", code, env=environment) for _ in range(4)]
    assert all(attempt.returncode == 0 for attempt in attempts), attempts[0].stderr
    words = [attempt.stdout.split() for attempt in attempts]
    assert all(found == [] for _, *found in words), words
    assert min(float(took) for took, *_ in words) < 1.0


def test_public_names_exist() -> None:
    for name in minigrad.__all__:
        assert getattr(minigrad, name) is not None
    assert callable(minigrad.gradcheck)


def test_wheel_holds_what_is_needed(tmp_path: Path) -> None:
    command = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w")
    result = run(sys.executable, *command, str(tmp_path), ".")
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("minigrad-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("py.typed", "datasets/digits.npz", "datasets/DIGITS_LICENSE.txt"):
        assert f"minigrad/{needed}" in names
    packaged = {name for name in names if name.endswith(".py")}
    assert packaged == {str(path.relative_to(ROOT)) for path in SOURCES}

"""The README keeps its promises: its code runs as it stands, its links and commands are right."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    return done.stdout


def test_the_sixteen_lines(tmp_path):
    code = blocks("python")[0]
    assert len(code.strip().splitlines()) == 16
    printed = run(code, tmp_path)
    assert float(re.search(r"'accuracy': ([0-9.]+)", printed)[1]) > 0.96
    assert re.search(r"gradcheck of separable_conv2d: passed \(\d+ elements compared\)", printed)


def test_the_wrong_gradient_is_diagnosed_as_printed(tmp_path):
    code = blocks("python")[1]
    promised = re.search(r"^# \.\.\. (.*)$\n# (.*)$", code, re.MULTILINE).groups()
    assert " ".join(promised) in run(code, tmp_path)


def test_the_two_commands():
    start, tests = (block.strip() for block in blocks("console"))
    assert start == (
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && "
        ".venv/bin/python -m minigrad demo"
    )
    assert tests == ".venv/bin/python -m pytest"
    assert '"$environment/bin/python" -m pytest' in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert "tutorials/images/digits.png" in links
    for link in links:
        assert (ROOT / link).is_file(), link


def test_the_picture_is_small():
    assert (ROOT / "tutorials/images/digits.png").stat().st_size < 200_000

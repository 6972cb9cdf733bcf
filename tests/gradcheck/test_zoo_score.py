"""The score of checkers on the zoo, and the command that prints it."""

from __future__ import annotations

import importlib.util

import pytest

from minigrad.cli import main
from minigrad.gradcheck.zoo import (
    CHECKERS,
    ScoreTable,
    diagnoses,
    exercises,
    rivals,
    score,
    with_pytorch,
)

ONLY_US = {  # what PyTorch's defaults miss, and why
    "dense/clips-upstream",  # one-hot upstream gradients are never larger than 1 ...
    "tanh/multiplies-twice",  # ... their squares are themselves ...
    "sigmoid/drops-the-sign",  # ... they are never negative ...
    "dense/normalizes-upstream",  # ... and their largest element is 1
    "add/forgets-broadcasting",  # no bug there: torch itself sums over broadcast axes
    "square/forgets-the-two",  # a fixed tolerance of 1e-5 hides what is in small units
    "pointwise/sums-in-half-precision",  # a relative tolerance of 1e-3
    "cross-entropy/smooths-labels",
    "gelu/rounds-a-constant",
    "log/forgets-the-epsilon",
    "dense/adds-in-any-order",  # no order in a sum with one term: one-hot again
    "pointwise/widens",  # float32 is not looked at
    "gelu/widens-by-a-constant",
    "separable/spoils-the-image",  # nor what happens to the arguments
    "relu/spoils-upstream",
    "separable/keeps-old-features",  # nor any other point
    "batch norm/keeps-old-deviation",
    "relu/keeps-the-first-mask",
    "max pooling/rewards-all-winners",  # refuses the right gradients at kinks, too
    "leaky relu/leaves-a-gap",
}


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return score(exercises)


def test_ours_kills_all(table: ScoreTable) -> None:
    full, fast = table["minigrad, full"], table["minigrad, fast"]
    assert full.missed == full.alarms == fast.alarms == ()
    assert full.rate == 1.0 and fast.rate >= 0.95, fast.missed


def test_what_the_others_miss(table: ScoreTable) -> None:
    assert list(table.to_dict()) == list(CHECKERS)
    assert set(table["PyTorch's way"].missed) == ONLY_US
    missed = {score.checker: len(score.missed) for score in table.scores}
    assert missed["HIPS autograd's way"] >= 8
    assert missed["needle's way"] >= 15 and missed["micrograd's way"] >= 20
    assert missed["minitorch's way"] >= 35
    # The sum of the outputs hides what is done to the upstream gradient.
    for name in ("depthwise/flips-upstream", "tanh/multiplies-twice", "dense/clips-upstream"):
        assert name in table["micrograd's way"].missed
        assert name in table["minitorch's way"].missed


def test_the_diagnoses() -> None:
    found = diagnoses(exercises)
    assert len(found.right) + len(found.wrong) >= 60
    assert found.rate >= 0.95, found
    assert str(found).startswith(f"minigrad names the mistake in {len(found.right)} of ")


def test_the_table(table: ScoreTable) -> None:
    text = str(table)
    assert f"killed of {len(exercises)}" in text
    assert "minigrad, full misses nothing" in text
    assert "\n  leaky relu/leaves-a-gap (refuses the right gradient, too)\n" in text
    ours = next(line for line in text.splitlines() if line.startswith("minigrad, full"))
    assert "100.0%" in ours


def test_a_checker_that_refuses_everything_kills_nothing() -> None:
    refused = score(exercises[:5], {"no": lambda forward, backward, inputs: False})["no"]
    assert refused.killed == () and len(refused.alarms) == 5 and refused.rate == 0.0


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.filterwarnings("ignore")
def test_the_real_pytorch_agrees_with_our_version_of_it(table: ScoreTable) -> None:
    ours = table["PyTorch's way"]
    (real,) = score(exercises, {"real": rivals.real_pytorch}).scores
    assert ours.missed == real.missed and ours.alarms == real.alarms
    assert "PyTorch itself" in with_pytorch()


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["zoo", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(exercises)

    assert main(["zoo", "dense/keeps-one-example", "--solution"]) == 0
    text = capsys.readouterr().out
    assert "def keeps_one_example" in text and "The gradient of 'bias' is wrong." in text
    assert "What it does: Take the bias gradient from the first example" in text

    assert main(["zoo", "dense/nothing"]) == 2
    assert "there is no exercise 'dense/nothing'" in capsys.readouterr().err

    few = exercises.select("softmax")
    monkeypatch.setattr("minigrad.gradcheck.zoo.exercises", few)
    assert main(["zoo"]) == 0
    text = capsys.readouterr().out
    assert "killed of 1" in text and "minigrad names the mistake in 1 of 1 (100.0%)" in text

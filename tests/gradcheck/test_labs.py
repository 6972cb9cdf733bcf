"""The labs: the ways of adding, the growth of errors, the scatter of unordered sums."""

from __future__ import annotations

import math
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from minigrad.gradcheck.labs import SUMS, nondeterminism_lab, precision_lab, ulps

matplotlib.use("agg")
EPSILON = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
def test_every_sum_is_a_sum(name, count):
    terms = np.random.default_rng(count).standard_normal((3, count)).astype(np.float32)
    total = SUMS[name](terms)
    assert total.dtype == np.float32 and total.shape == (3,)
    np.testing.assert_allclose(total, terms.astype(float).sum(-1), rtol=1e-5, atol=1e-5)
    whole = np.rint(terms * 8)
    assert (SUMS[name](whole) == whole.sum(-1)).all()


def test_how_the_sums_differ():
    """2^24 + 1 + 1 + ...: naive float32 never gets any further, Kahan and wide sums do."""
    terms = np.array([2.0**24] + [1.0] * 8, np.float32)
    assert SUMS["naive"](terms) == 2.0**24
    assert SUMS["pairwise"](terms) > 2.0**24
    assert SUMS["Kahan"](terms) == SUMS["wide"](terms) == 2.0**24 + 8


def test_ulps():
    one = np.float32(1.0)
    assert ulps(one, one) == 0 and ulps(one, np.float32(2.0)) == 2**23
    assert ulps(one, np.nextafter(one, np.float32(0))) == -1
    smallest = np.nextafter(np.float32(0), one)
    assert ulps(-smallest, smallest) == 2 and ulps(np.float32(-0.0), np.float32(0.0)) == 0


def test_errors_grow_as_told():
    """The formulas of the docstring, to a factor of 1.5."""
    lab = precision_lab("channels", (64, 256, 1024), draw=False)
    for size, *errors in zip(lab.sizes, *lab.errors.values(), strict=True):
        told = [math.sqrt(size) / 7, math.sqrt(math.log2(size)) / 5, 1 / 3, 1 / 5]
        for error, expected in zip(errors, told, strict=True):
            assert 1 / 1.5 < error / (expected * EPSILON) < 1.5
    assert list(lab.errors) == ["naive", "pairwise", "Kahan", "wide"]

    depth = precision_lab("depth", (1, 16), draw=False)
    for errors in depth.errors.values():
        assert 2.5 < errors[1] / errors[0] < 6.0  # sqrt(16) = 4
    kernel = precision_lab("kernel_size", (3, 31), draw=False)
    assert kernel.errors["naive"][1] > 4 * kernel.errors["Kahan"][1]


def test_unordered_sums_scatter_and_integers_do_not():
    lab = nondeterminism_lab(100, 512, draw=False)
    assert lab.spread.shape == lab.integers.shape == (100, 9)
    assert lab.repeated and not lab.integers.any()
    assert len(np.unique(lab.spread[:, 0])) > 5 and lab.largest == np.abs(lab.spread).max()
    again = nondeterminism_lab(100, 512, draw=False)
    assert (lab.spread == again.spread).all()
    assert (lab.spread != nondeterminism_lab(100, 512, seed=1, draw=False).spread).any()


def test_figures():
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2)
    precision_lab("kernel_size", (1, 3), ax=left)
    assert left.get_xlabel() == "kernel size" and len(left.get_lines()) == 4
    lab = nondeterminism_lab(20, 64, ax=right)
    assert right.get_xlabel() == "distance from the ordered sum (ULPs)"
    figure.canvas.draw()
    assert lab.plot().figure is not figure
    pyplot.close("all")


def test_without_a_figure_nothing_is_imported():
    code = (
        "import sys; from minigrad.gradcheck.labs import *; precision_lab(draw=False);"
        "nondeterminism_lab(5, draw=False); sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"along must be one of .* Received: along='width'"):
        precision_lab("width")
    for sizes in ((), (0,), (2.5,)):
        with pytest.raises(ValueError, match="sizes must be integers >= 1, one at least"):
            precision_lab("depth", sizes)
    with pytest.raises(ValueError, match="runs"):
        nondeterminism_lab(0)

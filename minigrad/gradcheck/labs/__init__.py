"""Laboratories of floating point numbers: what summation does to gradients.

`precision_lab` measures how errors grow, `nondeterminism_lab` how far results scatter when nobody
says in which order to add. Both return their numbers and draw a figure.
"""

from minigrad.gradcheck.labs.nondeterminism import NondeterminismLab, nondeterminism_lab
from minigrad.gradcheck.labs.precision import PrecisionLab, precision_lab
from minigrad.gradcheck.labs.sums import SUMS, ulps

__all__ = [
    "SUMS",
    "NondeterminismLab",
    "PrecisionLab",
    "nondeterminism_lab",
    "precision_lab",
    "ulps",
]

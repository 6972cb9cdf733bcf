"""Gradient checking: whether the derivatives of a function are right.

`gradcheck` compares gradients with central differences, `gradgradcheck` does so for second
derivatives, `check_layer` checks a layer's inputs and weights. All return a `GradCheckReport`.
"""

from minigrad.gradcheck.check import gradcheck, gradgradcheck
from minigrad.gradcheck.layer import check_layer
from minigrad.gradcheck.report import GradCheckError, GradCheckReport, InputCheck

__all__ = [
    "GradCheckError",
    "GradCheckReport",
    "InputCheck",
    "check_layer",
    "gradcheck",
    "gradgradcheck",
]

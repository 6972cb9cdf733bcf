"""Gradient checking: whether the derivatives of a function are right.

`gradcheck` compares gradients with central differences, `gradgradcheck` does so for second
derivatives, `check_layer` checks a layer's inputs and weights. All return a `GradCheckReport`.
`ladder` compares six ways to check one gradient. `exercises` are wrong gradients to find, and
`precision_lab` and `nondeterminism_lab` show what summation does to right ones.

The package can be called itself: ``mg.gradcheck(...)`` is ``mg.gradcheck.gradcheck(...)``.

Examples
--------
>>> import minigrad as mg
>>> bool(mg.gradcheck(mg.ops.tanh, mg.tensor([0.5, 2.0])))
True
"""

import inspect
import sys
from types import ModuleType

from minigrad.gradcheck.check import gradcheck, gradgradcheck
from minigrad.gradcheck.exact import Ladder, ladder
from minigrad.gradcheck.findings import Diagnosis
from minigrad.gradcheck.labs import nondeterminism_lab, precision_lab
from minigrad.gradcheck.layer import check_layer
from minigrad.gradcheck.report import GradCheckError, GradCheckReport, InputCheck
from minigrad.gradcheck.zoo import exercises

__all__ = [
    "Diagnosis",
    "GradCheckError",
    "GradCheckReport",
    "InputCheck",
    "Ladder",
    "check_layer",
    "exercises",
    "gradcheck",
    "gradgradcheck",
    "ladder",
    "nondeterminism_lab",
    "precision_lab",
]


class _CallablePackage(ModuleType):
    """What makes ``mg.gradcheck(...)`` work beside ``mg.gradcheck.exercises``."""

    __call__ = staticmethod(gradcheck)
    __signature__ = inspect.signature(gradcheck)


sys.modules[__name__].__class__ = _CallablePackage

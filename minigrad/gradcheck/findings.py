"""What a gradient check finds out about one input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Mode: TypeAlias = Literal["full", "fast"]
Precision: TypeAlias = Literal["float64", "given"]
Verdict: TypeAlias = Literal["pass", "kink", "fail"]

VERDICTS: tuple[Verdict, ...] = ("pass", "kink", "fail")  # from good to bad


@dataclass(frozen=True)
class Diagnosis:
    """What a wrong gradient turned out to be."""

    name: str  # the entry of the catalogue, such as "rotated"; see minigrad.gradcheck.diagnose
    text: str  # a sentence about this input
    also: tuple[str, ...] = ()  # names of other entries that fit equally well

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Maps:
    """The numbers of a full check, each array in the shape of the input."""

    analytic: Array  # the gradient
    numeric: Array  # the measured slopes
    tolerance: Array  # how far apart they may be
    verdict: Array  # 0: pass, 1: kink, 2: fail

    @property
    def relative_error(self) -> Array:
        """The error of each element, relative to the largest slope of the input."""
        finite = np.abs(self.numeric[np.isfinite(self.numeric)])
        largest = float(finite.max(initial=0.0)) or 1.0
        return np.asarray(np.abs(self.analytic - self.numeric) / largest)

    def ulps(self, dtype: str) -> Array:
        """Return the error of each element in units of its last place in ``dtype``."""
        return ulps(self.analytic, self.numeric, dtype)


@dataclass(frozen=True)
class StepCurve:
    """How wrong the central difference of one element is, for many steps."""

    index: tuple[int, ...] | None  # the element; None for a random direction
    steps: tuple[float, ...]
    errors: tuple[float, ...]  # the distance of each difference from the best value
    rounding: tuple[float, ...]  # what of it rounding explains
    best: float  # the slope that steps agree on best
    analytic: float  # the gradient on trial
    chosen: float  # the step that the check took


@dataclass(frozen=True)
class InputCheck:
    """The worst element of one input's gradient: the one whose error is largest for its tolerance.

    Attributes
    ----------
    name : str
        The input's name, as in the function's signature.
    shape : tuple of int
    dtype : str
        The type of the input as it was given.
    index : tuple of int or None
        Where the worst element is; None for a direction (``mode="fast"``) or an empty input.
    analytic, numeric : float
        The gradient that was checked, and the central difference it was compared with.
    error, tolerance : float
        ``|analytic - numeric|``, and how large it may be.
    checks : int
        How many elements (or directions) were compared.
    problem : str or None
        What is wrong, in words; None if this input passed.
    kinks : int
        How many of them have no derivative, as ReLU has none at 0; see `verdict`.
    resolution : float
        The smallest error that would have been seen, relative to the largest slope.
    diagnosis : Diagnosis or None
        What the wrong gradient turned out to be.
    maps : Maps or None
        The numbers of all elements (``mode="full"``).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    error: float
    tolerance: float
    checks: int
    problem: str | None = None
    kinks: int = 0
    resolution: float = math.nan
    diagnosis: Diagnosis | None = None
    maps: Maps | None = field(default=None, repr=False, compare=False)
    probe: Callable[[], StepCurve] | None = field(default=None, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with this input's gradient."""
        return self.problem is None

    @property
    def verdict(self) -> Verdict:
        """The verdict: "pass", "fail", or "kink".

        "kink" if nothing is wrong, but some elements could not be judged, because the function has
        no derivative there and the gradient lies between the slopes on both sides.
        """
        if self.problem is not None:
            return "fail"
        return "kink" if self.kinks else "pass"

    @property
    def told(self) -> str:
        """The verdict as a word or two."""
        return told(self.verdict, self.kinks, "ok", "wrong")

    @property
    def ulps(self) -> float:
        """The error in units in the last place of the input's dtype; NaN where there is none."""
        return float(ulps(np.float64(self.analytic), np.float64(self.numeric), self.dtype))

    @property
    def badness(self) -> float:
        """The error in units of the tolerance; infinite if it is not a number."""
        if not math.isfinite(self.error):
            return math.inf
        return self.error / self.tolerance if self.tolerance else self.error

    def curve(self) -> StepCurve | None:
        """Measure the worst element with many steps; None if the function is not at hand."""
        return None if self.probe is None else self.probe()

    def __str__(self) -> str:
        found = f"{self.told}: {self.problem}" if self.problem else self.told
        return f"{self.name}: error {short(self.error)}, tolerance {short(self.tolerance)}, {found}"


def told(verdict: Verdict, kinks: int, good: str, bad: str) -> str:
    """Return a verdict in words, with what they are for right and for wrong gradients."""
    return {"pass": good, "kink": f"{good} but for {kinks} kinks", "fail": bad}[verdict]


def ulps(a: Any, b: Any, dtype: str) -> Array:
    """Return ``|a - b|`` in units in the last place that numbers of this size have in ``dtype``.

    Examples
    --------
    >>> float(ulps(1.0, 1.0 + 2.0**-50, "float64")), float(ulps(1.0, 1.0 + 2.0**-50, "float32"))
    (4.0, 7.450580596923828e-09)
    """
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(a), np.abs(b)).astype(dtype)
        return np.asarray(np.abs(np.subtract(a, b)) / np.spacing(size))


def short(value: float) -> str:
    """Return a number in few characters; "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:.1e}"

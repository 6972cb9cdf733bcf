"""The steps of a gradient check, from inputs to report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad.gradcheck import properties
from minigrad.gradcheck.compare import Options, default_rtol
from minigrad.gradcheck.differences import best_step
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.functions import Checkable, promoted
from minigrad.gradcheck.report import GradCheckReport
from minigrad.gradcheck.trial import Trial


def run(
    function: Checkable,
    given: Sequence[Array],
    *,
    label: str,
    names: Sequence[str],
    options: Options,
    notes: Sequence[str] = (),
) -> GradCheckReport:
    """Check ``function`` at the arrays ``given``; `gradcheck` documents what is checked."""
    _check_inputs(given, names)
    arrays = list(given) if options.precision == "given" else promoted(given)
    outputs = function.values(arrays)
    if not outputs:
        raise TypeError("The function must return at least one output. Received: an empty sequence")
    for out in outputs:
        if out.dtype.kind != "f":
            raise TypeError(
                f"The function must return floating point numbers. Received: dtype {out.dtype}"
            )
    problem = _values_problem(outputs, function.values(arrays), options.nondet_tol)
    if problem is not None:  # no slope means anything then
        return GradCheckReport(label, options.mode, (), (problem,))
    trial = Trial(function, arrays, outputs, names, options)
    faults, remarks = trial.faults(given)
    checks = tuple(
        replace(trial.check(k, faults.get(k)), dtype=str(array.dtype))
        for k, array in enumerate(given)
        if array.dtype.kind == "f"
    )
    notes = (*notes, *_notes(names, given, options), *remarks)
    method = _method(trial.epsilon, options)
    return GradCheckReport(label, options.mode, checks, notes=notes, method=method)


def _check_inputs(given: Sequence[Array], names: Sequence[str]) -> None:
    if not any(array.dtype.kind == "f" for array in given):
        raise TypeError(
            "gradcheck needs at least one floating point input to check. "
            f"Received: dtypes {[str(array.dtype) for array in given]}"
        )
    for name, array in zip(names, given, strict=True):
        if array.dtype.kind not in "fiub":
            raise TypeError(
                f"gradcheck takes real numbers. Received: '{name}' with dtype {array.dtype}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"Slopes can be measured at finite values only. Received: '{name}' holding NaN or "
                f"infinite values"
            )


def _values_problem(
    first: Sequence[Array], second: Sequence[Array], tolerance: float
) -> str | None:
    """Return what makes a comparison pointless: values that are not finite or not repeatable."""
    if not all(np.isfinite(out).all() for out in first):
        return "the function gives NaN or infinite values for these inputs"
    if len(first) == len(second) and all(
        properties.same(a, b, tolerance) for a, b in zip(first, second, strict=True)
    ):
        return None
    return (
        "two calls of the function with the same inputs gave different results (dropout? other "
        "random numbers? a variable that changes?)"
    )


def _method(epsilon: float, options: Options) -> str:
    """Return in words how steps and tolerances were chosen."""
    step = f"{best_step(epsilon):.1g} × magnitude" if options.step is None else f"{options.step:g}"
    rtol = default_rtol(epsilon) if options.rtol is None else options.rtol
    atol = f" + {options.atol:g}" if options.atol else ""
    return (
        f"central differences with steps of {step}, doubtful slopes again with a ladder of steps; "
        f"tolerance {rtol:g} × slope{atol} + rounding (unit {epsilon:.1e})"
    )


def _notes(names: Sequence[str], given: Sequence[Array], options: Options) -> list[str]:
    kept = options.precision == "given"
    remarks: dict[str, Callable[[Array, bool], Any]] = {
        "compared in float64, to which {} was converted": (
            lambda a, real: real and a.itemsize != 8 and not kept
        ),
        "no gradient for {} (integers or booleans)": lambda a, real: not real,
        "nothing to compare for {} (no elements)": lambda a, real: a.size == 0,
        "all numbers in {} are equal, which hides what is in a wrong place": (
            lambda a, real: real and a.ndim > 1 and a.size > 1 and np.ptp(a) == 0
        ),
    }
    notes = []
    for text, applies in remarks.items():
        pairs = zip(names, given, strict=True)
        if those := [name for name, a in pairs if applies(a, a.dtype.kind == "f")]:
            notes.append(text.format(", ".join(those)))
    return notes

"""The steps of a gradient check, from inputs to report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.autograd import Tensor
from minigrad.gradcheck.compare import Options, compare, directions, random_like
from minigrad.gradcheck.differences import Differences
from minigrad.gradcheck.functions import Checkable
from minigrad.gradcheck.report import GradCheckReport, InputCheck

Array = NDArray[Any]


def run(
    function: Checkable,
    given: Sequence[Array],
    *,
    label: str,
    names: Sequence[str],
    options: Options,
) -> GradCheckReport:
    """Check ``function`` at the arrays ``given``; `gradcheck` documents what is checked."""
    _check_inputs(given, names)
    rng = np.random.default_rng(options.seed)
    arrays = [promoted(array) for array in given]
    outputs = function.values(arrays)
    _check_outputs(outputs)
    upstream = random_upstream(outputs, options.seed)
    gradients = function.gradients(arrays, upstream)
    problem = _whole_problem(function, arrays, outputs, upstream, gradients)
    if problem is not None:  # no slope means anything then
        return GradCheckReport(label, options.mode, (), (problem,))
    narrow = _gradients_as_given(function, given)

    checks = []
    for position, (name, array) in enumerate(zip(names, given, strict=True)):
        if array.dtype.kind != "f":
            continue
        gradient = gradients[position]
        problem = _form_problem(gradient, arrays[position])
        if problem is None and narrow is not None:
            problem = _form_problem(narrow[position], array)
        if problem is not None:
            checks.append(_unmeasured(name, array, problem))
            continue

        def evaluate(moved: Array, position: int = position) -> list[Array]:
            return function.values([*arrays[:position], moved, *arrays[position + 1 :]])

        found = compare(
            gradient,
            Differences(evaluate, arrays[position], upstream, outputs),
            directions(arrays[position], options.mode, rng),
            options,
        )
        if not found:
            checks.append(_unmeasured(name, array, None))
            continue
        worst = max(found, key=lambda one: (not one.passed, one.badness))
        checks.append(
            InputCheck(
                name=name,
                shape=array.shape,
                dtype=str(array.dtype),
                index=worst.direction.index,
                analytic=worst.analytic,
                numeric=worst.slope.value,
                error=worst.error,
                tolerance=worst.tolerance,
                checks=len(found),
                problem=None if worst.passed else worst.complaint(),
            )
        )
    return GradCheckReport(label, options.mode, tuple(checks), (), tuple(_notes(names, given)))


def as_arrays(inputs: Any) -> list[Array]:
    """Return the inputs as a list of arrays; one tensor, array or number counts as one input."""
    parts = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    return [part.numpy() if isinstance(part, Tensor) else np.array(part) for part in parts]


def promoted(array: Array) -> Array:
    """Return floating point numbers as float64, anything else as it is."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def random_upstream(outputs: Sequence[Array], seed: int) -> list[Array]:
    """Return one random upstream gradient for each output."""
    rng = np.random.default_rng([seed, 1])  # a stream of its own: the directions have another
    return [random_like(out, rng) for out in outputs]


def _check_inputs(given: Sequence[Array], names: Sequence[str]) -> None:
    if len(names) != len(given):
        raise ValueError(
            f"names must name each input. Expected {len(given)}, received {len(names)}: {names!r}"
        )
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


def _check_outputs(outputs: Sequence[Array]) -> None:
    for out in outputs:
        if out.dtype.kind != "f":
            raise TypeError(
                f"The function must return floating point numbers. Received: dtype {out.dtype}"
            )


def _whole_problem(
    function: Checkable,
    arrays: Sequence[Array],
    outputs: Sequence[Array],
    upstream: Sequence[Array],
    gradients: Sequence[Any],
) -> str | None:
    """Return what makes a comparison pointless: values that are not finite or not repeatable."""
    if not all(np.isfinite(out).all() for out in outputs):
        return "the function gives NaN or infinite values for these inputs"
    if not _same_bits(outputs, function.values(arrays)):
        return (
            "two calls of the function with the same inputs gave different results (dropout? other "
            "random numbers? a variable that changes?)"
        )
    if not _same_bits(gradients, function.gradients(arrays, upstream)):
        return "two computations of the gradient with the same inputs gave different results"
    return None


def _same_bits(first: Sequence[Any], second: Sequence[Any]) -> bool:
    return len(first) == len(second) and all(
        (a is None and b is None)
        or (a is not None and b is not None and a.shape == b.shape and a.tobytes() == b.tobytes())
        for a, b in zip(first, second, strict=True)
    )


def _gradients_as_given(function: Checkable, given: Sequence[Array]) -> list[Any] | None:
    """Return the gradients at the inputs as they came, or None if they came in float64."""
    if all(array.dtype == np.float64 for array in given if array.dtype.kind == "f"):
        return None
    outputs = function.values(given)
    return function.gradients(given, [np.ones_like(out) for out in outputs])


def _form_problem(gradient: Any, x: Array) -> str | None:
    """Return what is wrong with a gradient at first sight: it must look like its input."""
    if gradient is None:
        return "its gradient is missing (None)"
    if gradient.shape != x.shape:
        return f"its gradient must have shape {x.shape}, but has shape {gradient.shape}"
    if gradient.dtype != x.dtype:
        return f"its gradient must have dtype {x.dtype}, but has dtype {gradient.dtype}"
    if not np.isfinite(gradient).all():
        return "its gradient holds NaN or infinite values"
    return None


def _unmeasured(name: str, array: Array, problem: str | None) -> InputCheck:
    nan = float("nan")
    return InputCheck(name, array.shape, str(array.dtype), None, nan, nan, nan, nan, 0, problem)


def _notes(names: Sequence[str], given: Sequence[Array]) -> list[str]:
    notes = []
    converted = [
        n for n, a in zip(names, given, strict=True) if a.dtype.kind == "f" and a.itemsize != 8
    ]
    if converted:
        notes.append(f"compared in float64, to which {', '.join(converted)} was converted")
    ignored = [n for n, a in zip(names, given, strict=True) if a.dtype.kind != "f"]
    if ignored:
        notes.append(f"no gradient for {', '.join(ignored)} (integers or booleans)")
    empty = [n for n, a in zip(names, given, strict=True) if a.size == 0]
    if empty:
        notes.append(f"nothing to compare for {', '.join(empty)} (no elements)")
    return notes

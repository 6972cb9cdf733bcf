"""What every gradient obeys, whatever the function: tests that need no differences.

A gradient is a function: called twice it gives the same, and it remembers nothing. It is linear in
the upstream gradient. It has the form of its input. It leaves alone what it was given, and does not
care how that lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd import Tensor
from minigrad.autograd.functional import jvp, vjp
from minigrad.gradcheck.compare import random_like
from minigrad.gradcheck.differences import largest, scales
from minigrad.gradcheck.findings import Array, Diagnosis
from minigrad.gradcheck.functions import on_floats, spread

if TYPE_CHECKING:
    from minigrad.gradcheck.trial import Trial

_CLOSE = 2.0**12  # in units of epsilon: sums in another order may differ by that much
_MODES_CLOSE = 1e-9  # float64: forward and reverse mode are both exact but for rounding


@dataclass(frozen=True)
class Fault:
    """What is wrong with one input's gradient, in words."""

    problem: str | None
    diagnosis: Diagnosis | None = None


Faults = dict[int, Fault]  # by position of the input


def form_fault(name: str, gradient: Any, x: Array) -> Fault | None:
    """Return what is wrong with a gradient at first sight: it must look like its input."""
    if gradient is None:
        return Fault("its gradient is missing (None)")
    if gradient.shape != x.shape:
        problem = f"its gradient must have shape {x.shape}, but has shape {gradient.shape}"
        return Fault(problem, _shape_diagnosis(name, gradient.shape, x.shape))
    if gradient.dtype != x.dtype:
        problem = f"its gradient must have dtype {x.dtype}, but has dtype {gradient.dtype}"
        text = f"the gradient of {name} is computed, or left, in {gradient.dtype}"
        return Fault(problem, Diagnosis("wrong dtype", text))
    if bad := int(np.count_nonzero(~np.isfinite(gradient))):
        text = f"{bad} of {gradient.size} numbers in the gradient of {name} are NaN or infinite"
        problem = "its gradient holds NaN or infinite values"
        return Fault(problem, Diagnosis("not finite", text))
    return None


def repetition_faults(trial: Trial) -> Faults:
    """Return the inputs whose gradient differs when it is computed a second time."""
    faults = {}
    second = trial.function.gradients(trial.arrays, trial.upstream)
    for k, (a, b) in enumerate(zip(trial.gradients, second, strict=True)):
        if same(a, b, trial.options.nondet_tol):
            continue
        name, text = "nondeterministic", "is not repeatable"
        if a is not None and b is not None and a.shape == b.shape and _close(b, 2.0 * a):
            name, text = "not reset", "is added to what an earlier call left behind"
        problem = "two computations of the gradient with the same inputs gave different results"
        faults[k] = Fault(problem, Diagnosis(name, f"the gradient of {trial.names[k]} {text}"))
    return faults


def upstream_faults(trial: Trial) -> Faults:
    """Return the inputs whose gradient is not linear in the upstream gradient."""
    faults, ups = {}, list(enumerate(trial.upstream))

    def gradients(upstream: list[Array | None]) -> list[Any]:
        return trial.function.gradients(trial.arrays, upstream)

    doubled = gradients([2.0 * up for _, up in ups])
    nothing = gradients([0.0 * up for _, up in ups])
    parts = [trial.gradients]
    if 1 < len(ups) <= 8:  # one output at a time, the others undefined
        parts = [gradients([up if i == k else None for i, up in ups]) for k, _ in ups]
    for k, gradient in enumerate(trial.gradients):
        singles = [part[k] for part in parts]
        if not _comparable(gradient, doubled[k], nothing[k], *singles):
            continue
        if np.any(nothing[k] != 0.0):
            faults[k] = Fault("an upstream gradient of zeros must give a gradient of zeros")
        elif not _close(doubled[k], 2.0 * gradient):
            faults[k] = Fault("twice the upstream gradient must give twice the gradient")
        elif _differ(trial, k, np.sum(singles, axis=0)):
            faults[k] = Fault(
                "the gradients of the single outputs must add up to the gradient of all"
            )
    return faults


def layout_faults(trial: Trial) -> tuple[Faults, list[str]]:
    """Return the inputs whose gradient depends on how arrays lie in memory, and notes."""
    loose, ups = [spread(a) for a in trial.arrays], [spread(up) for up in trial.upstream]
    try:
        again = trial.function.gradients(loose, ups)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        return {}, [f"arrays that are not contiguous were refused ({told})"]
    problem = "the gradient is another one when arrays are not contiguous in memory"
    return {
        k: Fault(problem)
        for k, (a, b) in enumerate(zip(trial.gradients, again, strict=True))
        if _comparable(a, b) and _differ(trial, k, b)
    }, []


def change_faults(trial: Trial) -> Faults:
    """Return the inputs that were changed in place; the first one stands for upstream gradients."""
    faults: Faults = {}
    for k in trial.function.changed:
        problem = "the function or its gradient changes this input in place"
        text = f"{trial.names[k]} is overwritten: whoever needs it afterwards finds other numbers"
        if k < 0:
            problem = "the gradient function changes the upstream gradient in place"
            text = "the upstream gradient is overwritten: others who share it get another one"
        faults[max(k, 0)] = Fault(problem, Diagnosis("mutated", text))
    return faults


def jvp_problem(fn: Callable[..., Any], arrays: Sequence[Array], seed: int) -> str | None:
    """Return what is wrong between forward and reverse mode, <u, J v> and <Jᵀ u, v>, or None.

    For a function of tensors, in float64.

    Examples
    --------
    >>> import minigrad as mg
    >>> print(jvp_problem(mg.ops.tanh, [np.ones(3)], 0))
    None
    """
    rng = np.random.default_rng([seed, 6])
    moving = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]

    def of_floats(*tensors: Tensor) -> Tensor:
        full = {**dict(enumerate(map(Tensor, arrays))), **dict(zip(moving, tensors, strict=True))}
        out: Tensor = fn(*full.values())
        return out

    inputs = tuple(Tensor(arrays[k]) for k in moving)
    v = tuple(random_like(arrays[k], rng) for k in moving)
    output, forward = jvp(of_floats, inputs, v)
    u = random_like(output.data, rng)
    _, backward = vjp(of_floats, inputs, u)
    left = float(np.sum(u * forward.data))
    parts = np.concatenate([(g.data * w).ravel() for g, w in zip(backward, v, strict=True)])
    right, size = float(parts.sum()), float(np.abs(parts).sum())
    if abs(left - right) <= _MODES_CLOSE * max(size, abs(left)):
        return None
    return (
        f"forward and reverse mode disagree: <u, J v> is {left:.9g}, <J^T u, v> is {right:.9g} "
        "(is the gradient itself not differentiable?)"
    )


def elsewhere(arrays: Sequence[Array]) -> list[Array]:
    """Return other inputs, whose numbers lie between those of each array (so in its domain)."""
    return on_floats(lambda a: 0.875 * a.ravel()[::-1].reshape(a.shape) + 0.125 * a, arrays)


def nearby(arrays: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Return inputs a little beside the given ones, off any kink."""
    return on_floats(lambda a: a + 1e-3 * scales(a) * random_like(a, rng), arrays)


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Whether two results are the same, bit by bit or within a tolerance."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.tobytes() == b.tobytes():
        return True
    return tolerance > 0.0 and bool(np.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True))


def attempt(action: Callable[[], Any]) -> Any:
    """Return the result, or None if there is an error: for tests at points nobody asked for."""
    try:
        with np.errstate(all="ignore"):
            return action()
    except Exception:
        return None


def _close(a: Array, b: Array) -> bool:
    limits = np.finfo(a.dtype)  # numbers that are not normal have fewer digits
    unit = max(float(limits.eps) * largest(b), float(limits.smallest_subnormal))
    return largest(a - b) <= _CLOSE * unit


def _differ(trial: Trial, k: int, other: Array) -> bool:
    """Whether another way to compute a gradient differs by more than rounding explains."""
    error = np.abs(other - trial.gradients[k])
    return not _close(other, trial.gradients[k]) and bool(np.any(error > trial.noise(k)))


def _comparable(*arrays: Any) -> bool:
    first = arrays[0]
    return first is not None and all(
        a is not None and a.dtype.kind == "f" and a.shape == first.shape and np.isfinite(a).all()
        for a in arrays
    )


def _shape_diagnosis(
    name: str, found: tuple[int, ...], wanted: tuple[int, ...]
) -> Diagnosis | None:
    what = None
    if [n for n in found if n > 1] == [n for n in wanted if n > 1]:
        what = ("squeezed", "has lost or gained an axis of length 1")
    elif found == wanted[::-1]:
        what = ("transposed", "is transposed")
    elif len(found) >= len(wanted):
        ends = found[len(found) - len(wanted) :]
        if all(w in (1, f) for w, f in zip(wanted, ends, strict=True)):
            what = ("missing sum", "is not summed over the axes that were broadcast")
    return what and Diagnosis(what[0], f"the gradient of {name} {what[1]}")

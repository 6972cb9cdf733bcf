"""A function and its gradient on trial at one point, and everything that is asked of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad.gradcheck import narrow, properties
from minigrad.gradcheck.compare import (
    Comparison,
    Judge,
    Options,
    directions,
    random_like,
    step_curve,
)
from minigrad.gradcheck.diagnose import diagnose
from minigrad.gradcheck.differences import Differences, elements, largest, scales
from minigrad.gradcheck.findings import VERDICTS, Array, Diagnosis, InputCheck, Maps
from minigrad.gradcheck.functions import Checkable, on_floats
from minigrad.gradcheck.properties import Fault, Faults
from minigrad.gradcheck.suspect import Suspect

_ELSEWHERE = 8  # elements that are checked at other points
_SCATTERED = 8  # points at which the rounding errors of a gradient are looked at
_MOST_SCATTER = 1e-3  # the most that they excuse, relative to what moves the function most
_LEAST_SCATTER = 64.0  # in rounding units: sums in another order may differ by that
_DIAGNOSED = 20_000  # numbers at most in a gradient that gets a diagnosis


class Trial:
    """A function and its gradient at one point, with a random upstream gradient."""

    def __init__(
        self,
        function: Checkable,
        arrays: Sequence[Array],
        outputs: Sequence[Array],
        names: Sequence[str],
        options: Options,
    ) -> None:
        self.function, self.arrays, self.outputs = function, list(arrays), list(outputs)
        self.names, self.options = list(names), options
        floats = [a for a in (*arrays, *outputs) if a.dtype.kind == "f"]
        self.epsilon = max(float(np.finfo(a.dtype).eps) for a in floats)
        self.upstream = random_upstream(outputs, options.seed)
        self.gradients = function.gradients(arrays, self.upstream)
        self._rng = np.random.default_rng(options.seed)

    def faults(self, given: Sequence[Array]) -> tuple[Faults, list[str]]:
        """Return what is wrong with each input's gradient without measuring, and notes."""
        repeated = properties.repetition_faults(self)  # first: right behind the first call
        forms = {
            k: fault
            for k, array in enumerate(self.arrays)
            if array.dtype.kind == "f"
            and (fault := properties.form_fault(self.names[k], self.gradients[k], array))
        }
        linear = properties.upstream_faults(self)
        loose, remarks = properties.layout_faults(self)
        same = all(a.dtype == b.dtype for a, b in zip(given, self.arrays, strict=True))
        narrowed = {} if same else narrow.faults(self, given)
        # What comes later is said first.
        changed = properties.change_faults(self)
        return changed | loose | linear | narrowed | repeated | forms, remarks

    def check(self, k: int, fault: Fault | None) -> InputCheck:
        """Compare the gradient of input ``k`` with slopes, and report what is found."""
        x, options, gradient = self.arrays[k], self.options, self.gradients[k]
        where = directions(x, options.mode, self._rng)
        comparable = gradient is not None and gradient.shape == x.shape
        if not comparable or not np.isfinite(gradient).all() or not where:
            nan, fault = math.nan, fault or Fault(None)
            check = InputCheck(self.names[k], x.shape, str(x.dtype), None, nan, nan, nan, nan, 0)
            return replace(check, problem=fault.problem, diagnosis=fault.diagnosis)
        differences = self.differences(k, self.arrays, self.outputs)
        judge = Judge(gradient, differences, options)
        found = judge.compare(where)
        if any(one.verdict == "fail" for one in found):
            judge = Judge(gradient, differences, options, self.noise(k))
            found = judge.compare(where)
        wrong_kinks = [one for one in found if one.verdict == "fail" and one.kink is not None]
        if self.function.composed and wrong_kinks:
            found = self._excused(k, found)
        joint = None if self.function.composed else judge.together(found)
        judged = found if joint is None else [*found, joint]
        worst = max(judged, key=lambda one: (VERDICTS.index(one.verdict), one.badness))
        if fault is None and worst.verdict != "fail":
            fault = self._stale(k)
        diagnosis = None
        problem = worst.complaint() if worst.verdict == "fail" else None
        if fault is not None and (problem is None or fault.diagnosis is not None):
            problem, diagnosis = fault.problem, fault.diagnosis
        elif problem is not None and not (worst.kink or joint) and x.size <= _DIAGNOSED:
            diagnosis = diagnose(Suspect(gradient, differences, self.names))
        slopes = [abs(one.slope.value) for one in found if math.isfinite(one.slope.value)]
        steepest = max(slopes, default=0.0) or math.nan
        return InputCheck(
            name=self.names[k],
            shape=x.shape,
            dtype=str(x.dtype),
            index=worst.direction.index,
            analytic=worst.analytic,
            numeric=worst.slope.value,
            error=worst.error,
            tolerance=worst.tolerance,
            checks=len(found),
            problem=problem,
            kinks=sum(one.verdict == "kink" for one in found),
            resolution=max(one.tolerance for one in found) / steepest,
            diagnosis=diagnosis,
            maps=_maps(found, x.shape) if options.mode == "full" else None,
            probe=lambda: step_curve(differences, worst, options.step),
        )

    def noise(self, k: int) -> Array:
        """Return what rounding does to each element of a gradient."""
        return self._noise(k, self.arrays, self.gradients)

    def _noise(self, k: int, arrays: Sequence[Array], gradients: Sequence[Any]) -> Array:
        """Return how much the gradient scatters as all inputs move by a few rounding units.

        What cancels inside a function leaves rounding errors in its gradient; they change wildly
        from one point to the next, which a mistake does not.
        """
        gradient, most, scale = gradients[k], np.zeros(arrays[k].shape), scales(arrays[k])
        for _ in range(_SCATTERED):
            moved = on_floats(
                lambda a: a * (1.0 + self.epsilon * self._rng.integers(-4, 5, a.shape)), arrays
            )
            again = self.gradients_at(moved)
            if again is not None and properties.form_fault("", again[k], gradient) is None:
                most = np.maximum(most, np.abs(again[k] - gradient))
        influences = [
            largest(g) * largest(scales(a))
            for g, a in zip(gradients, arrays, strict=True)
            if properties.form_fault("", g, a) is None
        ]
        influence = max(influences, default=0.0)
        pairs = zip(self.outputs, self.upstream, strict=True)  # as large as what may cancel
        least = max(influence, largest(*(out * up for out, up in pairs)))
        least *= _LEAST_SCATTER * self.epsilon
        cap = _MOST_SCATTER * influence
        return np.asarray(np.maximum(np.minimum(8 * _SCATTERED * most, cap / scale), least / scale))

    def _excused(self, k: int, found: list[Comparison]) -> list[Comparison]:
        """Return the comparisons with kinks excused if the gradient is right beside them."""
        doubtful = [one.direction.where for one in found if one.verdict == "fail"]
        near = self._first_wrong(k, properties.nearby(self.arrays, self._rng), doubtful)
        if near is not None:
            return found
        return [
            one if one.kink is None else replace(one, kink=replace(one.kink, composed=True))
            for one in found
        ]

    def gradients_at(self, arrays: Sequence[Array]) -> list[Any] | None:
        """Return the gradients at other inputs, or None if they cannot be computed."""
        found: list[Any] | None = properties.attempt(
            lambda: self.function.gradients(arrays, self.upstream)
        )
        return found

    def _stale(self, k: int) -> Fault | None:
        """Return what is wrong at other inputs, though all was right at those of the first call."""
        size = self.arrays[k].size
        some = self._rng.choice(size, min(size, _ELSEWHERE), replace=False).tolist()
        other = properties.nearby(properties.elsewhere(self.arrays), self._rng)
        wrong = self._first_wrong(k, other, some)
        if wrong is None:
            return None
        text = (
            f"the gradient of {self.names[k]} is right when it is computed first, and wrong when "
            "it is computed again with other inputs: it holds on to something from the first call"
        )
        return Fault(f"called again with other inputs, {wrong}", Diagnosis("stale", text))

    def _first_wrong(self, k: int, arrays: list[Array], some: list[Any]) -> str | None:
        """Return what is wrong with some elements of a gradient at other inputs."""
        outputs = properties.attempt(lambda: self.function.values(arrays))
        if outputs is None or [o.shape for o in outputs] != [o.shape for o in self.outputs]:
            return None
        gradients = self.gradients_at(arrays)
        if gradients is None or properties.form_fault("", gradients[k], arrays[k]) is not None:
            return None
        if not all(np.isfinite(out).all() for out in outputs):
            return None
        differences = self.differences(k, arrays, outputs)
        where = elements(arrays[k], [i for i in some if isinstance(i, int)][:_ELSEWHERE])
        found = Judge(gradients[k], differences, self.options).compare(where)
        if any(one.verdict == "fail" for one in found):
            noise = self._noise(k, arrays, gradients)
            found = Judge(gradients[k], differences, self.options, noise).compare(where)
        return next((one.complaint() for one in found if one.verdict == "fail"), None)

    def differences(self, k: int, arrays: Sequence[Array], outputs: Sequence[Array]) -> Differences:
        """Return what measures slopes at some inputs as input ``k`` moves."""
        evaluate = self.function.values
        return Differences(evaluate, arrays, k, self.upstream, outputs, self.epsilon)


def random_upstream(outputs: Sequence[Array], seed: int) -> list[Array]:
    """Return one random upstream gradient for each output."""
    rng = np.random.default_rng([seed, 1])  # a stream of its own: the directions have another
    return [random_like(out, rng) for out in outputs]


def _maps(found: Sequence[Comparison], shape: tuple[int, ...]) -> Maps:
    rows = [
        (one.analytic, one.slope.value, one.tolerance, VERDICTS.index(one.verdict)) for one in found
    ]
    return Maps(*(np.array(column).reshape(shape) for column in zip(*rows, strict=True)))

"""The exactness ladder: how closely a gradient can be checked, from one direction to every bit.

A convolution is linear in each of its arguments. Central differences of such a function have no
truncation error, so the step may be as large as we like; with integers and a step of 1 there is no
rounding error either, and the gradient can be compared with ``==``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.gradcheck.compare import Options, random_like
from minigrad.gradcheck.differences import Differences, Direction, flat, largest, scales
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.functions import (
    ArrayFunction,
    Checkable,
    TensorFunction,
    as_arrays,
    function_name,
    input_names,
    promoted,
)
from minigrad.gradcheck.properties import attempt
from minigrad.gradcheck.record import plain
from minigrad.gradcheck.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INTEGERS = 3  # from -3 to 3: sums of a million products of two stay exact in float32
STEPS: tuple[float, ...] = tuple(10.0**-k for k in range(13))


@dataclass(frozen=True)
class Rung:
    """One way to check a gradient, and how far the gradient is from what it says."""

    name: str
    text: str  # what is done
    error: float  # the largest difference, relative to the largest element; NaN if not usable
    exact: bool  # whether the two sides are the same to the last bit
    why_not: str = ""  # why the rung cannot be used; "" if it can

    @classmethod
    def of(cls, name: str, text: str, error: float | None, why_not: str = "") -> Rung:
        """Return a rung with this error; with None, one that cannot be used."""
        error = math.nan if error is None else error
        return cls(name, text, error, error == 0.0, why_not if math.isnan(error) else "")


@dataclass(frozen=True)
class Ladder:
    """All rungs for one function; ``print`` it for a table, `plot` draws error against step.

    Attributes
    ----------
    function : str
    linear : tuple of str
        The inputs in which the function is linear (or affine).
    rungs : tuple of Rung
        From the most exact to the least.
    steps, errors : tuple of float
        Steps, and the error of central differences with them.
    """

    function: str
    linear: tuple[str, ...]
    rungs: tuple[Rung, ...]
    steps: tuple[float, ...]
    errors: tuple[float, ...]

    def __getitem__(self, name: str) -> Rung:
        return next(rung for rung in self.rungs if rung.name == name)

    def __str__(self) -> str:
        lines = [f"ladder of {self.function} (linear in {', '.join(self.linear)})"]
        for rung in self.rungs:
            result = "==" if rung.exact else f"{rung.error:.1e}"
            lines.append(f"  {rung.name:<18} {rung.why_not or result:<10} {rung.text}".rstrip())
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the ladder as dictionaries, lists and numbers, ready for JSON."""
        facts: dict[str, Any] = plain(self)
        return facts

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the error of every rung against the step.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> import numpy as np
        >>> import minigrad as mg
        >>> mg.gradcheck.ladder(mg.ops.sum, np.ones((2, 2))).plot().get_xlabel()
        'step'
        """
        from minigrad.gradcheck.figure import draw_ladder

        return draw_ladder(self, ax)


def ladder(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    gradient: Callable[..., Any] | None = None,
    seed: int = 0,
) -> Ladder:
    """Check a gradient in six ways, from comparing every bit to looking in one direction.

    Parameters
    ----------
    fn : callable
        A function of tensors that is linear (or affine) in one of its inputs at least; of NumPy
        arrays if ``gradient`` is given.
    inputs : tensor, array or sequence of them
        Floating point inputs.
    gradient : callable, optional
        As in `gradcheck`.
    seed : int
        For the integers, the upstream gradient and the direction.

    Returns
    -------
    Ladder
        With these rungs. "integers": inputs and upstream are small integers, the step is 1, and
        both sides must be equal; needs a function that is linear in each input. "adjoint":
        <f(v), u> = <v, gradient(u)> with integers, without any difference. "complex step":
        Im f(x + ih) / h with h = 1e-20, which subtracts nothing; for functions that take complex
        numbers. "large step": central differences with a step of 1. "textbook": with a step of
        1e-5. "projection": with 1e-5 along one random direction.

    Raises
    ------
    TypeError, ValueError
        If no input is floating point; if the function is linear in none (`gradcheck` takes any).

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> x, kernel = np.random.default_rng(0).standard_normal((2, 1, 3, 3, 1))
    >>> found = mg.gradcheck.ladder(mg.ops.depthwise_conv2d, (x, kernel.reshape(3, 3, 1, 1)))
    >>> found.linear, found["integers"].exact, found["adjoint"].exact
    (('x', 'kernel'), True, True)
    >>> found["complex step"].error < 1e-14 < found["textbook"].error < 1e-9
    True
    """
    given = promoted(as_arrays(inputs))
    function: Checkable = TensorFunction(fn) if gradient is None else ArrayFunction(fn, gradient)
    if not any(a.dtype.kind == "f" for a in given):
        raise TypeError("ladder() needs at least one floating point input to check.")
    names = input_names(fn, len(given), None)
    trial = Trial(function, given, function.values(given), names, Options(seed=seed))
    return _Climb(trial, function_name(fn)).ladder()


class _Climb:
    """A function at some inputs, with what all rungs need."""

    def __init__(self, trial: Trial, label: str) -> None:
        self.trial, self.arrays, self.outputs = trial, trial.arrays, trial.outputs
        self.function, self.label = trial.function, label
        self.rng = np.random.default_rng([trial.options.seed, 5])
        self.floats = [k for k, a in enumerate(self.arrays) if a.dtype.kind == "f"]
        found = enumerate(trial.gradients)
        self.gradients = {k: np.asarray(g, np.float64) for k, g in found if k in self.floats}
        self.linear = [k for k in self.floats if self._is_linear(k)]
        if not self.linear:
            raise ValueError(
                "ladder() needs a function that is linear in one of its inputs at least (gradcheck "
                f"takes any). Received: {label}, linear in none of {', '.join(trial.names)}"
            )

    def ladder(self) -> Ladder:
        """Climb all rungs."""
        errors = tuple(self._differences(step) for step in STEPS)
        rungs = (
            self._integers(),
            self._adjoint(),
            self._complex_step(),
            Rung.of("large step", "central differences, step 1", errors[0]),
            Rung.of("textbook", "central differences, step 1e-5", errors[5]),
            self._projection(1e-5),
        )
        linear = tuple(self.trial.names[k] for k in self.linear)
        return Ladder(self.label, linear, rungs, STEPS, errors)

    def _is_linear(self, k: int) -> bool:
        """Whether f(x + v) - f(x) = f(x) - f(x - v), up to rounding, for a v that changes signs."""
        x = self.arrays[k]
        v = 4.0 * scales(x) * random_like(x, self.rng)
        moving, direction = self._moving(k), Direction(slice(None), v.ravel())
        sides = attempt(lambda: [moving.moved(direction, step)[0] for step in (1.0, -1.0)])
        if sides is None:
            return False
        (a, b), base = sides, flat(self.outputs)
        return largest(a + b - 2.0 * base) <= 1e-12 * largest(a, b, base)

    def _whole(self, like: Sequence[Array]) -> list[Array]:
        low, high = -_INTEGERS, _INTEGERS + 1
        return [self.rng.integers(low, high, a.shape).astype(np.float64) for a in like]

    def _whole_inputs(self) -> list[Array]:
        whole = self._whole(self.arrays)
        return [whole[k] if k in self.linear else a for k, a in enumerate(self.arrays)]

    def _integers(self) -> Rung:
        worst = None
        if len(self.linear) == len(self.floats):
            arrays = self._whole_inputs()
            outputs = self.function.values(arrays)
            upstream = self._whole(outputs)
            gradients = self.function.gradients(arrays, upstream)
            worst = max(
                _distance(gradients[k], self._moving(k, arrays, upstream, outputs).slopes(1.0))
                for k in self.linear
            )
        text = "integers, step 1, compared with =="
        return Rung.of("integers", text, worst, "not linear in each")

    def _adjoint(self) -> Rung:
        worst = 0.0
        for k in self.linear:
            arrays, upstream = self._whole_inputs(), self._whole(self.outputs)
            origin = [*arrays[:k], np.zeros_like(arrays[k]), *arrays[k + 1 :]]
            change = -flat(self.function.values(origin)) + flat(self.function.values(arrays))
            pulled = self.function.gradients(arrays, upstream)[k]
            left, right = float(change @ flat(upstream)), float(np.sum(arrays[k] * pulled))
            worst = max(worst, abs(left - right) / max(abs(left), abs(right), 1.0))
        return Rung.of("adjoint", "<f(v) - f(0), u> against <v, gradient(u)>, with integers", worst)

    def _complex_step(self) -> Rung:
        h = 1e-20
        others = promoted(self.arrays, np.complex128)

        def slope(k: int, where: int) -> float:
            moved = others[k].copy()
            moved.flat[where] += 1j * h
            out = self.function.values([*others[:k], moved, *others[k + 1 :]])
            if any(o.dtype.kind != "c" for o in out):
                raise TypeError("the function takes no complex numbers")
            return float(flat([o.imag for o in out]) @ flat(self.trial.upstream)) / h

        def error(k: int) -> float:
            found = [slope(k, where) for where in range(self.arrays[k].size)]
            return _distance(self.gradients[k], np.reshape(found, self.arrays[k].shape))

        worst = attempt(lambda: max(error(k) for k in self.floats))
        return Rung.of("complex step", "Im f(x + ih) / h with h = 1e-20", worst, "not complex")

    def _differences(self, step: float) -> float:
        """Return the largest error of central differences with one step."""
        return max(_distance(self.gradients[k], self._moving(k).slopes(step)) for k in self.floats)

    def _projection(self, step: float) -> Rung:
        worst = 0.0
        for k in self.floats:
            direction = Direction(slice(None), random_like(self.arrays[k], self.rng).ravel())
            slope = self._moving(k).measure(direction, step).value
            expected = float(np.sum(self.gradients[k].ravel() * direction.vector))
            worst = max(worst, _distance(np.array(slope), np.array(expected)))
        return Rung.of("projection", f"step {step:g} along one random direction", worst)

    def _moving(self, k: int, *other: Sequence[Array]) -> Differences:
        """Return what measures slopes as input ``k`` moves, here or elsewhere."""
        inputs, upstream, outputs = other or (self.arrays, self.trial.upstream, self.outputs)
        return Differences(self.function.values, inputs, k, upstream, outputs, self.trial.epsilon)


def _distance(a: Array, b: Array) -> float:
    """Return the largest difference relative to the largest element."""
    return largest(a - b) / (largest(a, b) or 1.0)

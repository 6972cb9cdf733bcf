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
from numpy.typing import NDArray

from minigrad.gradcheck.compare import elements, random_like
from minigrad.gradcheck.differences import Differences, Direction, flat, scales
from minigrad.gradcheck.functions import (
    ArrayFunction,
    Checkable,
    TensorFunction,
    function_name,
    input_names,
)
from minigrad.gradcheck.properties import attempt
from minigrad.gradcheck.run import as_arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

_INTEGERS = 3  # from -3 to 3: sums of a million products of two stay exact in float32
_EPSILON = 2.0**-52
STEPS: tuple[float, ...] = tuple(10.0**-k for k in range(13))


@dataclass(frozen=True)
class Rung:
    """One way to check a gradient, and how far the gradient is from what it says.

    Attributes
    ----------
    name, text : str
        What is done.
    error : float
        The largest difference, relative to the largest element; NaN if the rung cannot be used.
    exact : bool
        Whether the two sides are the same to the last bit.
    why_not : str
        Why the rung cannot be used; "" if it can.
    """

    name: str
    text: str
    error: float
    exact: bool
    why_not: str = ""


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
        lines = [f"ladder of {self.function} (linear in {', '.join(self.linear) or 'nothing'})"]
        for rung in self.rungs:
            result = "==" if rung.exact else f"{rung.error:.1e}"
            lines.append(f"  {rung.name:<18} {rung.why_not or result:<10} {rung.text}".rstrip())
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the ladder as dictionaries, lists and numbers, ready for JSON."""
        return {
            "function": self.function,
            "linear": list(self.linear),
            "rungs": [
                {**vars(rung), "error": rung.error if math.isfinite(rung.error) else None}
                for rung in self.rungs
            ],
            "steps": list(self.steps),
            "errors": [error if math.isfinite(error) else None for error in self.errors],
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the error of every rung against the step.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> import numpy as np
        >>> import minigrad as mg
        >>> mg.gradcheck.ladder(mg.ops.tanh, np.ones((2, 2))).plot().get_xlabel()
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
        A function of tensors; of NumPy arrays if ``gradient`` is given.
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
        both sides must be equal; for functions that are linear in each input. "adjoint":
        <f(v), u> = <v, gradient(u)> with integers, without any difference. "complex step":
        Im f(x + ih) / h with h = 1e-20, which subtracts nothing; for functions that take complex
        numbers. "large step": central differences with a step of 1. "textbook": with a step of
        1e-5. "projection": with 1e-5 along one random direction.

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
    given = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in as_arrays(inputs)]
    function: Checkable = TensorFunction(fn) if gradient is None else ArrayFunction(fn, gradient)
    return _Climb(function, given, input_names(fn, len(given)), function_name(fn), seed).ladder()


class _Climb:
    """A function at some inputs, with what all rungs need."""

    def __init__(
        self,
        function: Checkable,
        arrays: list[Array],
        names: Sequence[str],
        label: str,
        seed: int,
    ) -> None:
        self.function, self.arrays, self.names, self.label = function, arrays, names, label
        self.floats = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
        if not self.floats:
            raise TypeError("ladder() needs at least one floating point input to check.")
        self.rng = np.random.default_rng([seed, 5])
        self.outputs = function.values(arrays)
        self.upstream = [random_like(out, self.rng) for out in self.outputs]
        found = function.gradients(arrays, self.upstream)
        self.gradients = {k: np.asarray(found[k], np.float64) for k in self.floats}
        self.linear = [k for k in self.floats if self._is_linear(k)]

    def ladder(self) -> Ladder:
        """Climb all rungs."""
        errors = tuple(self._differences(step) for step in STEPS)
        rungs = (
            self._integers(),
            self._adjoint(),
            self._complex_step(),
            Rung("large step", "central differences, step 1", errors[0], errors[0] == 0.0),
            Rung("textbook", "central differences, step 1e-5", errors[5], errors[5] == 0.0),
            self._projection(1e-5),
        )
        linear = tuple(self.names[k] for k in self.linear)
        return Ladder(self.label, linear, rungs, STEPS, errors)

    def _is_linear(self, k: int) -> bool:
        """Whether f(x + v) - f(x) = f(x) - f(x - v) for a large v, up to rounding."""
        x = self.arrays[k]
        v = scales(x) * random_like(x, self.rng)
        high = attempt(lambda: self.function.values(self._with(k, x + v)))
        low = attempt(lambda: self.function.values(self._with(k, x - v)))
        if high is None or low is None:
            return False
        a, b, base = flat(high), flat(low), flat(self.outputs)
        size = max(float(np.abs(part).max(initial=0.0)) for part in (a, b, base))
        return bool(np.abs(a + b - 2.0 * base).max(initial=0.0) <= 1e-12 * size)

    def _with(self, k: int, x: Array) -> list[Array]:
        return [*self.arrays[:k], x, *self.arrays[k + 1 :]]

    def _whole_numbers(self) -> list[Array]:
        return [
            self.rng.integers(-_INTEGERS, _INTEGERS + 1, a.shape).astype(np.float64)
            if k in self.linear
            else a
            for k, a in enumerate(self.arrays)
        ]

    def _integers(self) -> Rung:
        name, text = "integers", "integers, step 1, compared with =="
        if len(self.linear) < len(self.floats):
            return Rung(name, text, math.nan, False, "not linear")
        arrays = self._whole_numbers()
        outputs = self.function.values(arrays)
        upstream = [
            self.rng.integers(-_INTEGERS, _INTEGERS + 1, o.shape).astype(o.dtype) for o in outputs
        ]
        gradients = self.function.gradients(arrays, upstream)
        worst = 0.0
        for k in self.linear:
            slopes = _slopes(self.function, arrays, k, upstream, outputs, 1.0)
            worst = max(worst, _distance(gradients[k], slopes))
        return Rung(name, text, worst, worst == 0.0)

    def _adjoint(self) -> Rung:
        name, text = "adjoint", "<f(v) - f(0), u> against <v, gradient(u)>, with integers"
        if not self.linear:
            return Rung(name, text, math.nan, False, "not linear")
        worst = 0.0
        for k in self.linear:
            arrays = self._whole_numbers()
            origin = [*arrays[:k], np.zeros_like(arrays[k]), *arrays[k + 1 :]]
            upstream = [
                self.rng.integers(-_INTEGERS, _INTEGERS + 1, o.shape).astype(o.dtype)
                for o in self.outputs
            ]
            change = flat(self.function.values(arrays)) - flat(self.function.values(origin))
            self.function.values(arrays)
            pulled = self.function.gradients(arrays, upstream)[k]
            left, right = float(change @ flat(upstream)), float(np.sum(arrays[k] * pulled))
            worst = max(worst, abs(left - right) / max(abs(left), abs(right), 1.0))
        return Rung(name, text, worst, worst == 0.0)

    def _complex_step(self) -> Rung:
        name, text, h = "complex step", "Im f(x + ih) / h with h = 1e-20", 1e-20
        others = [a.astype(np.complex128) if a.dtype.kind == "f" else a for a in self.arrays]
        worst = 0.0
        for k in self.floats:
            found = np.empty(self.arrays[k].size)
            for where in range(found.size):
                moved = others[k].copy()
                moved.flat[where] += 1j * h
                out = attempt(
                    lambda k=k, moved=moved: self.function.values(  # type: ignore[misc]
                        [*others[:k], moved, *others[k + 1 :]]
                    )
                )
                if out is None or any(o.dtype.kind != "c" for o in out):
                    return Rung(name, text, math.nan, False, "not complex")
                pairs = zip(out, self.upstream, strict=True)
                found[where] = sum(float(np.sum(o.imag * u)) for o, u in pairs) / h
            worst = max(worst, _distance(self.gradients[k], found.reshape(self.arrays[k].shape)))
        return Rung(name, text, worst, worst == 0.0)

    def _differences(self, step: float) -> float:
        """Return the largest error of central differences with one step."""
        return max(
            _distance(
                self.gradients[k],
                _slopes(self.function, self.arrays, k, self.upstream, self.outputs, step),
            )
            for k in self.floats
        )

    def _projection(self, step: float) -> Rung:
        worst = 0.0
        for k in self.floats:
            x = self.arrays[k]
            direction = Direction(slice(None), random_like(x, self.rng).ravel(), 1.0, 1.0, None)
            differences = _measures(self.function, self.arrays, k, self.upstream, self.outputs)
            slope = differences.measure(direction, step).value
            expected = float(np.sum(self.gradients[k].ravel() * direction.vector))
            size = max(abs(expected), abs(slope)) or 1.0
            worst = max(worst, abs(slope - expected) / size)
        text = f"step {step:g} along one random direction"
        return Rung("projection", text, worst, worst == 0.0)


def _measures(
    function: Checkable,
    arrays: Sequence[Array],
    k: int,
    upstream: Sequence[Array],
    outputs: Sequence[Array],
) -> Differences:
    before, after = arrays[:k], arrays[k + 1 :]
    return Differences(
        lambda moved: function.values([*before, moved, *after]),
        arrays[k],
        upstream,
        outputs,
        _EPSILON,
    )


def _slopes(
    function: Checkable,
    arrays: Sequence[Array],
    k: int,
    upstream: Sequence[Array],
    outputs: Sequence[Array],
    step: float,
) -> Array:
    differences = _measures(function, arrays, k, upstream, outputs)
    x = arrays[k]
    found = [differences.measure(direction, step).value for direction in elements(x)]
    return np.array(found).reshape(x.shape)


def _distance(a: Array, b: Array) -> float:
    """Return the largest difference relative to the largest element."""
    size = max(float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
    return float(np.abs(a - b).max(initial=0.0)) / size if size else 0.0

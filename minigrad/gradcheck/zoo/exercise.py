"""What the zoo is made of: operations with a right gradient, and wrong ones beside it."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import numpy as np

from minigrad.gradcheck.check import gradcheck
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.report import GradCheckReport, Mode

Gradient: TypeAlias = Any  # of one input: an array; a wrong one may have any shape and dtype
Gradients: TypeAlias = tuple[Any, ...]  # one entry per input; None for labels and indices
Inputs: TypeAlias = Callable[[np.random.Generator], tuple[Array, ...]]
Bug = TypeVar("Bug", bound=Callable[..., Gradient])


@dataclass(frozen=True)
class Exercise:
    """A wrong gradient to find: what a student could have written, beside what is right.

    Examples
    --------
    >>> from minigrad.gradcheck import exercises
    >>> exercise = exercises["dense/keeps-one-example"]
    >>> print(exercise.hint)
    The gradient of 'bias' is wrong.
    >>> bool(exercise.check(exercise.backward)), bool(exercise.check(exercise.right))
    (False, True)
    """

    name: str  # operation/what-is-done
    operation: str  # the operation whose gradient is wrong
    story: str  # what was written, in a sentence (the solution)
    difficulty: int  # 1: wrong almost everywhere; 2: if inputs are right; 3: hides from the careful
    wrong: str  # the input whose gradient is wrong
    seen: str  # when the mistake shows, if it does not always; "" otherwise
    diagnosis: str  # the entry of the catalogue that names the mistake; "" if none does
    forward: Callable[..., Array] = field(repr=False)  # forward(*inputs), in plain NumPy ...
    right: Callable[..., Gradients] = field(repr=False)  # ... and right(upstream, *inputs)
    _bug: Callable[..., Gradient] = field(repr=False)
    _options: dict[str, Any] = field(repr=False)
    _inputs: Inputs = field(repr=False)

    @property
    def inputs(self) -> tuple[Array, ...]:
        """The inputs at which the mistake shows; new arrays each time."""
        return self._inputs(np.random.default_rng(zlib.crc32(self.name.encode())))

    @property
    def backward(self) -> Callable[..., Gradients]:
        """The wrong gradient, ``backward(upstream, *inputs)``; a new one that remembers nothing."""
        _, *parameters = inspect.signature(self._bug).parameters
        fresh: dict[str, Any] = {"memory": {}} if "memory" in parameters else {}

        @wraps(self._bug)
        def call(upstream: Array, *inputs: Array) -> Gradients:
            gradients = list(self.right(upstream, *inputs))
            wrong = self._bug(upstream, *inputs, **self._options, **fresh)
            gradients[parameters.index(self.wrong)] = wrong
            return tuple(gradients)

        return call

    @property
    def source(self) -> str:
        """The code of the wrong input's gradient, without the sentence that gives it away."""
        code = inspect.getsource(self._bug)
        lines = code[code.index("def ") :].splitlines()
        return "\n".join(line for line in lines if not line.strip().startswith('"""'))

    @property
    def hint(self) -> str:
        """Where to look, in a sentence that leaves the thinking to you."""
        place = f"The gradient of '{self.wrong}' is wrong"
        return f"{place}, but that shows only {self.seen}." if self.seen else f"{place}."

    def check(self, backward: Callable[..., Any], mode: Mode = "full") -> GradCheckReport:
        """Check your own gradient of `forward` at `inputs`, by `mg.gradcheck`."""
        return gradcheck(self.forward, self.inputs, gradient=backward, mode=mode)


class Operation:
    """A forward function in NumPy, its right gradient, and the bugs that belong to it.

    ``forward(*inputs, **options)``; ``backward(upstream, *inputs, **options)`` returns one gradient
    per input; ``inputs`` makes those of all bugs that bring none.
    """

    def __init__(
        self,
        name: str,
        forward: Callable[..., Array],
        backward: Callable[..., Gradients],
        inputs: Inputs,
    ) -> None:
        self.name, self.forward, self.backward = name, forward, backward
        self.exercises: list[Exercise] = []
        self._inputs = inputs

    def bug(
        self,
        difficulty: int,
        wrong: str,
        diagnosis: str = "",
        *,
        seen: str = "",
        inputs: Inputs | None = None,
        **options: Any,
    ) -> Callable[[Bug], Bug]:
        """Add a function that returns a wrong gradient for the input ``wrong``; others stay right.

        Its name and docstring say what it does; ``options`` go to the right functions as well. With
        a parameter ``memory`` it finds there what it stored in earlier calls.
        """

        def add(function: Bug) -> Bug:
            self.exercises.append(
                Exercise(
                    name=f"{self.name}/{function.__name__.strip('_').replace('_', '-')}",
                    operation=self.name,
                    story=(function.__doc__ or "").strip(),
                    difficulty=difficulty,
                    wrong=wrong,
                    seen=seen,
                    diagnosis=diagnosis,
                    forward=bind(self.forward, options, self.name),
                    right=bind(self.backward, options),
                    _bug=function,
                    _options=options,
                    _inputs=inputs or self._inputs,
                )
            )
            return function

        return add


class Exercises(Sequence[Exercise]):
    """All exercises, the easy ones first: by position, by name, by operation or difficulty.

    Examples
    --------
    >>> from minigrad.gradcheck import exercises
    >>> exercises["dense/keeps-one-example"].difficulty
    1
    >>> {exercise.operation for exercise in exercises.select(operation="softmax", difficulty=2)}
    {'softmax'}
    """

    def __init__(self, exercises: Sequence[Exercise]) -> None:
        self._all = sorted(exercises, key=lambda one: one.difficulty)
        self._named = {one.name: one for one in self._all}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Exercise]:
        return iter(self._all)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self._all[key]
        if key not in self._named:
            raise KeyError(f"There is no such exercise; names lists them. Received: {key!r}")
        return self._named[key]

    @property
    def names(self) -> list[str]:
        """The names of all exercises."""
        return list(self._named)

    def select(self, operation: str | None = None, difficulty: int | None = None) -> Exercises:
        """Return the exercises of an operation, of a difficulty, or both."""
        chosen = [one for one in self._all if operation in (None, one.operation)]
        return Exercises([one for one in chosen if difficulty in (None, one.difficulty)])

    def __repr__(self) -> str:
        return f"Exercises({len(self)} wrong gradients: {', '.join(self.names)})"


def bind(function: Bug, options: dict[str, Any], name: str | None = None) -> Callable[..., Any]:
    """Return the function with its options set, under a name; its parameters stay readable."""

    @wraps(function)
    def call(*arrays: Array) -> Any:
        return function(*arrays, **options)

    call.__name__ = name or function.__name__
    return call


def normal(*shapes: tuple[int, ...], dtype: str = "float64") -> Inputs:
    """Return inputs of these shapes, normally distributed."""
    return lambda rng: tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)

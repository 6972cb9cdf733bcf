"""What `fit` and its relatives are given: arrays, checked once and cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from minigrad import config
from minigrad.autograd import Tensor

__all__ = [
    "Batch",
    "Data",
    "Several",
    "as_array",
    "as_examples",
    "as_inputs",
    "batch_size_of",
    "check_finite",
    "count",
]

Array: TypeAlias = np.ndarray[Any, Any]
Inputs: TypeAlias = "Array | Several"
Batch: TypeAlias = "tuple[Inputs, Array, Array | None]"


@dataclass(frozen=True)
class Several:
    """Arrays with the same examples, for a model with several inputs; indexed all at once."""

    parts: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, index: Any) -> Several:
        return Several(tuple([part[index] for part in self.parts]))

    @property
    def shape(self) -> tuple[int]:
        """The number of examples: all that the shapes have in common."""
        return (len(self),)


@dataclass(frozen=True)
class Data:
    """Examples with their targets.

    Attributes
    ----------
    x : ndarray or Several
        One example per index of the first axis.
    y : ndarray
        One target per example.
    sample_weight : ndarray or None
        One number >= 0 per example.
    """

    x: Inputs
    y: Array
    sample_weight: Array | None = None

    @classmethod
    def of(
        cls, x: Any, y: Any, sample_weight: Any = None, prefix: str = "", inputs: int = 1
    ) -> Data:
        """Check arrays and put them together; `prefix` goes before their names in errors.

        A model that takes several inputs needs a list of as many arrays for `x`.

        Raises
        ------
        TypeError
            If one is not an array of numbers.
        ValueError
            If there are no examples, lengths differ, or anything is NaN or infinite.
        """
        first, second = f"{prefix}x", f"{prefix}y"
        if y is None:
            raise ValueError(f"{second} is missing: a model learns from examples and targets.")
        examples, targets = as_inputs(x, first, inputs), as_array(y, second)
        if len(examples) != len(targets):
            raise ValueError(
                f"{first} and {second} must have the same length. "
                f"Received: {len(examples)} examples in {first} and {len(targets)} in {second}"
            )
        if not len(examples):
            raise ValueError(f"There are no examples. Received: {first}.shape={examples.shape}")
        if isinstance(examples, Several):
            for place, part in enumerate(examples.parts):
                check_finite(part, f"{first}[{place}]")
        else:
            check_finite(examples, first)
        check_finite(targets, second)
        weights = None
        if sample_weight is not None:
            weights = _weights(sample_weight, len(examples), f"{prefix}sample_weight")
        return cls(examples, targets, weights)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def batch(self) -> Batch:
        """All examples as one batch."""
        return self.x, self.y, self.sample_weight

    def batches(self, size: int, order: Array | None = None) -> Iterator[Batch]:
        """Yield batches of `size` examples (the last may be smaller), in the given order."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            index = part if order is None else order[part]
            weights = None if self.sample_weight is None else self.sample_weight[index]
            yield self.x[index], self.y[index], weights

    def split(self, fraction: float) -> tuple[Data, Data]:
        """Return all but the last `fraction` of the examples, and that last part."""
        cut = int(len(self) * (1.0 - fraction) + 1e-9)  # 10 * (1 - 0.9) is 0.9999999999999998
        if not 0 < cut < len(self):
            raise ValueError(
                "validation_split must leave at least one example to train on and one to validate "
                f"with. Received: validation_split={fraction!r} of {len(self)} examples"
            )
        w = self.sample_weight
        head = Data(self.x[:cut], self.y[:cut], None if w is None else w[:cut])
        return head, Data(self.x[cut:], self.y[cut:], None if w is None else w[cut:])


def as_array(value: Any, name: str) -> Array:
    """Return `value` as an array of numbers with at least one axis; nothing is copied if it is one.

    Raises
    ------
    TypeError
        If it is something else: several inputs, a generator, text, objects.
    ValueError
        If it is a single number.
    """
    several = isinstance(value, (list, tuple)) and any(
        isinstance(part, Tensor) or (isinstance(part, np.ndarray) and part.ndim) for part in value
    )
    if several or value is None or isinstance(value, (Mapping, Iterator, str, bytes)):
        hint = " Join a list of arrays with np.stack." if several else ""
        raise TypeError(
            f"{name} must be one array with one example per index of its first axis.{hint} "
            f"Received: {type(value).__name__}"
        )
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must be an array of numbers (floats, integers or booleans). "
            f"Received: {type(value).__name__} with dtype {array.dtype}"
        )
    if not array.ndim:
        raise ValueError(
            f"{name} must have an axis for the examples. Received: a single number, {array}"
        )
    return array


def as_examples(value: Any, name: str) -> Array:
    """Return `value` as an array of numbers; Python's integers, without a dtype, become floats."""
    array = as_array(value, name)
    if array.dtype.kind in "iu" and not hasattr(value, "dtype"):
        return array.astype(config.floatx())
    return array


def as_inputs(value: Any, name: str, inputs: int = 1) -> Inputs:
    """Return what a model with so many inputs takes: an array, or several of one length.

    Raises
    ------
    TypeError
        If it is something else, or not one array for each input.
    ValueError
        If lengths differ.
    """
    if inputs == 1:
        return as_examples(value, name)
    if not isinstance(value, (list, tuple)) or len(value) != inputs:
        length = f" of length {len(value)}" if isinstance(value, (list, tuple)) else ""
        raise TypeError(
            f"{name} must be a list of {inputs} arrays, one for each input of the model. "
            f"Received: {type(value).__name__}{length}"
        )
    parts = tuple([as_examples(part, f"{name}[{i}]") for i, part in enumerate(value)])
    if len({len(part) for part in parts}) > 1:
        raise ValueError(
            f"All arrays in {name} must have the same length. "
            f"Received: lengths {', '.join(str(len(part)) for part in parts)}"
        )
    return Several(parts)


def check_finite(array: Array, name: str) -> None:
    """Raise ValueError if there is a NaN or an infinity: how many, and where the first is."""
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), array.shape)
        where = ", ".join(str(int(i)) for i in first)
        raise ValueError(
            f"{name} must be finite. Received: {int(bad.sum())} values that are NaN or infinite, "
            f"the first at {name}[{where}]"
        )


def count(value: Any, name: str, minimum: int = 1) -> int:
    """Return an integer that is at least `minimum`.

    Raises
    ------
    ValueError
        For anything else; a bool is not an integer here.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= minimum:
        return int(value)
    raise ValueError(f"{name} must be an integer >= {minimum}. Received: {name}={value!r}")


def batch_size_of(value: Any) -> int:
    """Return the batch size, 32 for None as in Keras."""
    return 32 if value is None else count(value, "batch_size")


def _weights(value: Any, length: int, name: str) -> Array:
    weights = as_array(value, name)
    if weights.shape != (length,):
        raise ValueError(
            f"{name} must hold one number per example, shape ({length},). "
            f"Received: {name}.shape={weights.shape}"
        )
    check_finite(weights, name)
    if (weights < 0).any():
        raise ValueError(f"{name} must not be negative. Received: a minimum of {weights.min()}")
    return weights

"""What `fit` and its relatives are given: arrays, checked once and cut into batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from minigrad import config
from minigrad._brief import brief
from minigrad._validate import integer
from minigrad.autograd import Tensor

__all__ = [
    "Batch",
    "Data",
    "Inputs",
    "Ports",
    "Several",
    "as_array",
    "as_inputs",
    "batch_size_of",
    "check_finite",
    "one_each",
]

Array: TypeAlias = np.ndarray[Any, Any]
Inputs: TypeAlias = "Array | Several"
Batch: TypeAlias = "tuple[Inputs, Inputs, Inputs | None]"


@dataclass(frozen=True)
class Ports:
    """The names of what goes into a model and what comes out of it.

    Attributes
    ----------
    inputs : tuple of str, or None
        None if the model takes what its own `call` takes: one array, or a list of arrays.
    outputs : tuple of str
    """

    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Several:
    """Arrays with the same examples, for several inputs or outputs; indexed all at once."""

    parts: tuple[Array, ...]
    keys: tuple[Any, ...] = ()  # their names, if they were given by name

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, index: Any) -> Several:
        return Several(tuple([part[index] for part in self.parts]), self.keys)

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
    y : ndarray or Several
        One target per example.
    sample_weight : ndarray, Several or None
        One number >= 0 per example; Several has other ones for each output.
    """

    x: Inputs
    y: Inputs
    sample_weight: Inputs | None = None

    @classmethod
    def of(
        cls, x: Any, y: Any, sample_weight: Any = None, prefix: str = "", ports: Ports | None = None
    ) -> Data:
        """Check arrays and put them together; `prefix` goes before their names in errors.

        A model with several inputs (outputs) needs as many arrays for `x` (`y`): a list, or a dict
        by their names.

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
        ports = ports or Ports()
        examples = as_inputs(x, first, ports.inputs)
        targets = _gathered(y, second, ports.outputs, as_array)
        if len(examples) != len(targets):
            raise ValueError(
                f"{first} and {second} must have the same length. "
                f"Received: {len(examples)} examples in {first} and {len(targets)} in {second}"
            )
        if not len(examples):
            raise ValueError(f"There are no examples. Received: {first}.shape={examples.shape}")
        check_finite(examples, first)
        check_finite(targets, second)
        weights = None
        if sample_weight is not None:
            weights = _weights(
                sample_weight, len(examples), f"{prefix}sample_weight", ports.outputs
            )
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
                f"with. Received: validation_split={brief(fraction)} of {len(self)} examples"
            )
        w = self.sample_weight
        head = Data(self.x[:cut], self.y[:cut], None if w is None else w[:cut])
        return head, Data(self.x[cut:], self.y[cut:], None if w is None else w[cut:])


def one_each(
    value: Any, names: Sequence[str], name: str, what: str = "arrays", some: bool = False
) -> list[Any]:
    """Return what is meant for each name: of a list in their order, of a dict by their names.

    With `some`, dicts may leave names out, which get None.

    Raises
    ------
    TypeError, ValueError
        If it is something else, or if one is missing or too many.
    """
    known = isinstance(value, Mapping) and set(value) <= set(names)
    if known and (some or len(value) == len(names)):
        return [value.get(each) for each in names]
    if any("/" in each for each in names):
        ends = _by_ways(value, [each.split("/") for each in names], some)
        if ends is not None:
            return ends
    if isinstance(value, (list, tuple)) and len(value) == len(names):
        return list(value)
    found = type(value).__name__
    if isinstance(value, (list, tuple)):
        found += f" of length {len(value)}"
    if isinstance(value, Mapping):
        found += f" with {brief([*value])}"
    kind = ValueError if isinstance(value, Mapping) else TypeError
    raise kind(
        f"{name} must be a list of {len(names)} {what}, or a dict, with one for "
        f"{'some' if some else 'each'} of {brief([*names])}. Received: {found}"
    )


def _by_ways(value: Any, ways: list[list[str]], some: bool) -> list[Any] | None:
    """Return what stands at the ends of ways through lists and dicts, None if others are there."""
    if ways == [[]] or (some and value is None):
        return [value] * len(ways)
    after: dict[str, list[list[str]]] = {}
    for first, *rest in ways:
        after.setdefault(first, []).append(rest)
    if isinstance(value, (list, tuple)):
        value = {str(place): part for place, part in enumerate(value)}
    elif some and isinstance(value, Mapping):
        value = {**dict.fromkeys(after), **value}
    if not isinstance(value, Mapping) or set(value) != set(after):
        return None
    parts = [_by_ways(value[key], rests, some) for key, rests in after.items()]
    return None if None in parts else [end for part in parts for end in part or []]


def as_array(value: Any, name: str) -> Array:
    """Return `value` as an array of numbers with at least one axis; nothing is copied if it is one.

    Raises
    ------
    TypeError
        If it is something else: several inputs, a generator, text, objects.
    ValueError
        If it is a single number.
    """
    several = _holds_arrays(value)
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


def as_inputs(value: Any, name: str, names: tuple[str, ...] | None = None) -> Inputs:
    """Return what a model with such inputs takes: an array, or several of one length.

    Python's integers, which have no dtype, become floats.

    Raises
    ------
    TypeError
        If it is something else, or not one array for each input.
    ValueError
        If lengths or names differ.
    """

    def examples(value: Any, name: str) -> Array:
        array = as_array(value, name)
        if array.dtype.kind in "iu" and not hasattr(value, "dtype"):
            return array.astype(config.floatx())
        return array

    if names is None and _holds_arrays(value) and len(value) > 1:
        names = tuple(map(str, range(len(value))))
    return _gathered(value, name, names or ("",), examples)


def _gathered(
    value: Any, name: str, names: tuple[str, ...], convert: Callable[[Any, str], Array]
) -> Inputs:
    """Return one array, or one for each name."""
    listed = isinstance(value, Mapping) or (_holds_arrays(value) and len(value) == 1)
    if len(names) == 1 and not (listed and any(names)):
        return convert(value, name)
    given = one_each(value, names, name)
    keys = names if isinstance(value, Mapping) else range(len(names))
    parts = tuple([convert(p, f"{name}[{key!r}]") for p, key in zip(given, keys, strict=True)])
    if len({len(part) for part in parts}) > 1:
        raise ValueError(
            f"All arrays in {name} must have the same length. "
            f"Received: lengths {', '.join(str(len(part)) for part in parts)}"
        )
    return Several(parts, tuple(keys)) if len(parts) > 1 else parts[0]


def _holds_arrays(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(
        isinstance(part, Tensor) or (isinstance(part, np.ndarray) and part.ndim) for part in value
    )


def check_finite(array: Inputs, name: str) -> None:
    """Raise ValueError if there is a NaN or an infinity: how many, and where the first is."""
    if isinstance(array, Several):
        for key, part in zip(array.keys, array.parts, strict=True):
            check_finite(part, f"{name}[{key!r}]")
        return
    if array.dtype.kind != "f":
        return
    ends = array.min(initial=0), array.max(initial=0)  # NaN if there is one
    if not all(map(math.isfinite, ends)):
        bad = ~np.isfinite(array)
        first = np.unravel_index(int(bad.argmax()), array.shape)
        where = ", ".join(str(int(i)) for i in first)
        raise ValueError(
            f"{name} must be finite. Received: {int(bad.sum())} values that are NaN or infinite, "
            f"the first at {name}[{where}]"
        )


def batch_size_of(value: Any) -> int:
    """Return the batch size, 32 for None as in Keras."""
    return 32 if value is None else integer(value, "batch_size")


def _weights(value: Any, length: int, name: str, outputs: tuple[str, ...]) -> Inputs:
    """Return weights for all outputs together, or for each one of its own."""
    own = isinstance(value, Mapping) or (
        isinstance(value, (list, tuple)) and any(part is None or np.ndim(part) for part in value)
    )
    if not own or not any(outputs) or (len(outputs) == 1 and len(value) > 1):
        return _one_weight(value, length, name)
    pairs = zip(one_each(value, outputs, name), outputs, strict=True)
    ones = np.ones(length)
    parts = [
        ones if part is None else _one_weight(part, length, f"{name}[{each!r}]")
        for part, each in pairs
    ]
    return Several(tuple(parts)) if len(parts) > 1 else parts[0]


def _one_weight(value: Any, length: int, name: str) -> Array:
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

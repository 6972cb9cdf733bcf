"""Where batches come from: arrays, sequences of batches, and whatever can be iterated over.

The rule, for `fit`, `evaluate` and `validation_data` alike:

- With targets (``fit(x, y)``), `x` is an array; for models with several inputs, a list of arrays or
  a dict of them by the names of the inputs. So is `y` for several outputs.
- Without, `x` gives batches ``(x, y)`` or ``(x, y, sample_weight)``. Something with ``len()`` and
  ``[]`` (Keras' Sequence) is asked for batches by number, another iterable is gone through anew in
  each epoch, and an iterator or generator goes on from epoch to epoch.

Lists, tuples and everything like an array are arrays, never sources of batches. A dataset of single
examples becomes one of batches with `minigrad.datasets.Batches`.

A sequence may have the methods ``set_epoch(number)``, called before each epoch of training, and
``on_epoch_end()``, called after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from minigrad import random
from minigrad._brief import brief
from minigrad._validate import integer
from minigrad.autograd import Tensor
from minigrad.models.data import Batch, Data, Ports, as_inputs

__all__ = ["Arrays", "Source", "gives_batches", "inputs_from", "source"]


def gives_batches(value: Any) -> bool:
    """Whether something is no array, but gives batches one after the other."""
    if value is None or isinstance(value, (list, tuple, Mapping, str, bytes, Tensor)):
        return False
    if hasattr(value, "__array__"):
        return False
    return hasattr(value, "__iter__") or _numbered(value)


def _numbered(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


class Source:
    """Batches, epoch after epoch; see the head of this module.

    Parameters
    ----------
    given : object
        Gives batches.
    steps : int, optional
        How many batches make an epoch; all there are when left out.
    ports : Ports, optional
        What the model takes and gives.
    name, word : str
        What `given` and `steps` are called in errors.

    Raises
    ------
    ValueError
        If there are no batches, too few, or nothing says how many.
    """

    def __init__(
        self,
        given: Any,
        steps: Any = None,
        ports: Ports | None = None,
        name: str = "x",
        word: str = "steps",
    ) -> None:
        self.given, self.ports, self._name, self._word = given, ports, name, word
        self.steps = None if steps is None else integer(steps, word)
        self.length = len(given) if hasattr(given, "__len__") else None
        if self.length == 0:
            raise ValueError(f"There are no batches. Received: {name} of length 0")
        if self.length is not None:
            if self.steps is not None and self.steps > self.length:
                raise ValueError(
                    f"{word} must not exceed the number of batches. Received: {word}={steps} and "
                    f"{self.length} batches in {name}"
                )
            self.steps = self.steps or self.length
        self._first: Any = None  # of an iterator: looked at, but not used yet

    @property
    def sample(self) -> Data:
        """The first batch, which is still there for training; of arrays all examples."""
        if not _numbered(self.given) and isinstance(self.given, Iterator):
            self._first = self._first or [*itertools.islice(self.given, 1)]
            items = self._first
        else:
            items = list(itertools.islice(self._items(0, None), 1))
        if not items:
            raise ValueError(f"There are no batches. Received: {self._name}={brief(self.given)}")
        return self._batch(items[0], 0)

    def begin_epoch(self, number: int) -> None:
        """Tell a sequence which epoch of training begins."""
        if hasattr(self.given, "set_epoch"):
            self.given.set_epoch(number)

    def epoch(self, number: int = 0, seed: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch: in order, or shuffled if there is a seed."""
        done = 0
        for item in itertools.islice(self._items(number, seed), self.steps):
            data = self._batch(item, done)
            yield data.x, data.y, data.sample_weight
            done += 1
        if done < (self.steps or 1):
            raise ValueError(
                f"{self._name} ran out of batches. Received: {done} batches in epoch {number + 1}, "
                f"and {self._word}={self.steps}"
            )

    def end_epoch(self) -> None:
        """Tell a sequence that an epoch of training is over."""
        if hasattr(self.given, "on_epoch_end"):
            self.given.on_epoch_end()

    def _items(self, number: int, seed: int | None) -> Iterator[Any]:
        if not _numbered(self.given):
            first, self._first = self._first or [], None
            yield from itertools.chain(first, self.given)
            return
        places = range(len(self.given))
        if seed is None:
            yield from (self.given[place] for place in places)
        else:
            order = random.generator(seed, (number,)).permutation(len(places))
            yield from (self.given[int(place)] for place in order)

    def _batch(self, item: Any, number: int) -> Data:
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
            length = f" of length {len(item)}" if isinstance(item, (tuple, list)) else ""
            raise TypeError(
                f"{self._name} must give batches (x, y) or (x, y, sample_weight). "
                f"Received: {type(item).__name__}{length} as batch {number}"
            )
        x, y, weight = (*item, None)[:3]
        if not getattr(y, "ndim", 1):
            raise ValueError(
                f"{self._name} must give batches, not single examples: "
                "minigrad.datasets.Batches(dataset, batch_size) makes batches of them. "
                f"Received: a single number as the y of batch {number}"
            )
        return Data.of(x, y, weight, f"batch {number} of {self._name}: ", self.ports)


class Arrays(Source):
    """Batches cut from arrays; the last one of an epoch may be smaller."""

    def __init__(self, data: Data, size: int, steps: Any = None, word: str = "steps") -> None:
        self.data, self._size = data, size
        super().__init__(range(-(-len(data) // size)), steps, word=word)

    @property
    def sample(self) -> Data:
        """All examples."""
        return self.data

    def epoch(self, number: int = 0, seed: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch: in order, or with the examples shuffled."""
        order = None
        if seed is not None:
            order = random.generator(seed, (number,)).permutation(len(self.data))
        return itertools.islice(self.data.batches(self._size, order), self.steps)


def source(
    x: Any,
    y: Any,
    sample_weight: Any,
    size: int,
    steps: Any = None,
    ports: Ports | None = None,
    name: str = "x",
    word: str = "steps",
    endless: bool = False,
) -> Source:
    """Return where the batches come from.

    Parameters
    ----------
    x, y, sample_weight
        As in `fit`: arrays, or a source of batches and None.
    size : int
        Of the batches that are cut from arrays.
    steps, ports, name, word
        As for `Source`.
    endless : bool
        There are several epochs: an iterator needs `steps` then.

    Raises
    ------
    ValueError, TypeError
        If something does not fit; see `Data.of`.
    """
    if y is not None or not gives_batches(x):
        return Arrays(Data.of(x, y, sample_weight, "", ports), size, steps, word)
    if sample_weight is not None:
        raise ValueError(
            "sample_weight belongs to arrays; batches bring theirs: (x, y, sample_weight). "
            f"Received: sample_weight and {name} of type {type(x).__name__}"
        )
    if endless and steps is None and isinstance(x, Iterator):
        raise ValueError(
            f"{word} is missing: it says how many batches of an iterator make an epoch. "
            f"Received: {name} of type {type(x).__name__}"
        )
    return Source(x, steps, ports, name, word)


def inputs_from(x: Any, size: int, steps: Any, ports: Ports) -> tuple[int | None, Iterator[Any]]:
    """Return how many batches to predict, if that is known, and these: inputs without targets."""
    if not gives_batches(x):
        examples = as_inputs(x, "x", ports.inputs)
        starts = range(0, max(len(examples), 1), size)
        total = len(starts) if steps is None else min(integer(steps, "steps"), len(starts))
        return total, (examples[start : start + size] for start in starts[:total])
    found = Source(x, steps, ports)
    items = (_without_targets(item, len(ports.inputs or [0])) for item in found._items(0, None))
    return found.steps, (
        as_inputs(item, f"x of batch {number}", ports.inputs)
        for number, item in enumerate(itertools.islice(items, found.steps))
    )


def _without_targets(item: Any, inputs: int) -> Any:
    """Return x of (x, y, ...): what a model is evaluated on can be predicted too."""
    if isinstance(item, list) and item:  # PyTorch's loaders make lists of pairs
        pair = (
            hasattr(item[0], "ndim") if inputs == 1 else isinstance(item[0], (list, tuple, Mapping))
        )
    else:
        pair = isinstance(item, tuple) and len(item) > 0
    return item[0] if pair else item

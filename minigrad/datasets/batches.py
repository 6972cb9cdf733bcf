"""`Batches`: a dataset of single examples, as a sequence of batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import random
from minigrad._validate import integer

__all__ = ["Batches"]


class Batches:
    """Batches of the examples of a dataset.

    `fit`, `evaluate`, `predict` and ``validation_data`` take whatever gives batches by number; this
    makes such a sequence of a dataset whose elements ``dataset[i]`` are single examples ``(x, y)``
    or ``(x, y, sample_weight)``. Examples are loaded when their batch is asked for.

    Parameters
    ----------
    dataset : object
        With ``len(dataset)`` and ``dataset[i]`` for i from 0 to below that. `x` may be a list of
        arrays, for a model with several inputs.
    batch_size : int
        Examples per batch; the last batch may be smaller.
    shuffle : bool
        Mix the examples anew in each epoch of `fit`, which calls `set_epoch`. (`fit` itself, with
        ``shuffle=True``, mixes whole batches only.)
    seed : int
        Of the mixing; an epoch has the same order in every run, also in a resumed one.

    Raises
    ------
    TypeError
        If the dataset lacks ``len()`` or ``[]``, or an element is no tuple of 2 or 3.
    ValueError
        If another argument is out of range, or shapes within a batch differ.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> pairs = [(np.full(2, i), i % 3) for i in range(5)]
    >>> batches = mg.datasets.Batches(pairs, batch_size=2)
    >>> len(batches), batches[2]
    (3, (array([[4, 4]]), array([1])))
    """

    def __init__(
        self, dataset: Any, batch_size: int = 32, shuffle: bool = False, seed: int = 0
    ) -> None:
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                f"A dataset needs len() and []. Received: dataset of type {type(dataset).__name__}"
            )
        if random.check_seed(seed) is None:
            raise ValueError("The seed must be an integer >= 0. Received: seed=None")
        self.dataset, self.batch_size = dataset, integer(batch_size, "batch_size")
        self.shuffle, self.seed = bool(shuffle), int(seed)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Take the order of an epoch."""
        size = len(self.dataset)
        mixed = random.generator(self.seed, (epoch,)).permutation(size) if self.shuffle else None
        self._order = np.arange(size) if mixed is None else mixed

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        """Return a batch: ``(x, y)`` or ``(x, y, sample_weight)``, of stacked examples."""
        if not 0 <= number < len(self):
            raise IndexError(f"There are {len(self)} batches. Received: batch {number}")
        places = self._order[number * self.batch_size : (number + 1) * self.batch_size]
        examples = []
        for place in places.tolist():
            example = self.dataset[place]
            if not isinstance(example, (tuple, list)) or len(example) not in (2, 3):
                raise TypeError(
                    "The elements of a dataset must be (x, y) or (x, y, sample_weight). "
                    f"Received: {type(example).__name__} as element {place}"
                )
            examples.append(example)
        if len({len(example) for example in examples}) > 1:
            raise ValueError(
                "Either all elements of a dataset have a sample_weight or none. "
                f"Received: both in batch {number}"
            )
        return tuple([_stack(part, number) for part in zip(*examples, strict=True)])


def _stack(values: tuple[Any, ...], number: int) -> Any:
    """Return what several examples have at one place as one array, or a list of arrays."""
    first = values[0]
    if isinstance(first, (list, tuple)) and any(np.ndim(part) for part in first):
        return [_stack(part, number) for part in zip(*values, strict=True)]
    try:
        return np.stack([np.asarray(value) for value in values])
    except ValueError:
        shapes = sorted({np.shape(value) for value in values})
        raise ValueError(
            f"The examples of a batch must have one shape. Received: {shapes} in batch {number}"
        ) from None

"""Many small arrays laid end to end, so that one operation does for all of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.autograd import Tensor
from minigrad.kernels.devices import to_device

__all__ = ["Group"]

Array = np.ndarray[Any, Any]
State = dict[str, Array]


class Group:
    """Parameters that are updated together, and their state.

    Parameters
    ----------
    parameters : sequence of Tensor
        Of one dtype, on one device. The state follows them there.
    states : sequence of dict of str to ndarray
        One per parameter, with the same names.

    Examples
    --------
    >>> import minigrad as mg
    >>> pair = [mg.tensor([1.0, 2.0]), mg.tensor([[3.0]])]
    >>> group = Group(pair, [{"speed": np.zeros(2)}, {"speed": np.ones((1, 1))}])
    >>> group.values, group.state["speed"]
    (array([1., 2., 3.], dtype=float32), array([0., 0., 1.]))
    >>> group.cut(group.values * 2)
    [array([2., 4.], dtype=float32), array([[6.]], dtype=float32)]
    """

    def __init__(self, parameters: Sequence[Tensor], states: Sequence[State]) -> None:
        self.parameters = parameters
        self._shapes = [parameter.shape for parameter in parameters]
        ends = np.cumsum([math.prod(shape) for shape in self._shapes]).tolist()
        self._parts = [slice(*ends) for ends in zip([0, *ends], ends, strict=False)]
        place = parameters[0].device
        self._home = type(parameters[0]._data)
        self.state = {
            name: self.join([to_device(state[name], place) for state in states])
            for name in states[0]
        }
        self.written: tuple[Array, list[Array]] | None = None  # joined values, and their pieces

    @property
    def still_there(self) -> bool:
        """Whether the parameters are on the device where they were."""
        return all(type(parameter._data) is self._home for parameter in self.parameters)

    @property
    def values(self) -> Array:
        """The parameters' values in one flat array."""
        arrays = [parameter._data for parameter in self.parameters]
        if self.written is not None:
            values, pieces = self.written
            if all(map(operator.is_, arrays, pieces)):
                return values  # nobody has assigned anything in between
        return self.join(arrays)

    def join(self, arrays: Sequence[Array]) -> Array:
        """Return the elements of one array per parameter in one flat array."""
        return np.concatenate([array.reshape(-1) for array in arrays])

    def cut(self, flat: Array) -> list[Array]:
        """Return views of a flat array in the shapes of the parameters."""
        return [
            flat[part].reshape(shape) for part, shape in zip(self._parts, self._shapes, strict=True)
        ]

    def states(self) -> list[State]:
        """Return the state of each parameter."""
        pieces = {name: self.cut(flat) for name, flat in self.state.items()}
        return [{name: pieces[name][i] for name in pieces} for i in range(len(self.parameters))]

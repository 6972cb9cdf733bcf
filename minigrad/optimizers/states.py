"""What an optimizer keeps for each parameter from step to step, joined and one by one."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from minigrad._atomic import set_attributes
from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.kernels.devices import to_host
from minigrad.optimizers.joining import Group
from minigrad.optimizers.options import Array, Options, State

__all__ = ["States"]


class States(Options):
    """The memory of every optimizer; see `Optimizer`."""

    slots: tuple[str, ...] = ()  # names of the arrays that a rule keeps for each parameter
    elementwise: ClassVar[bool] = False  # whether `update` may get many parameters as a flat array

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._parameters: list[Tensor] = []
        self._states: list[State] = []
        self._grouping: list[Tensor] = []  # the parameters of the last step
        self._groups: list[Group] = []  # which hold their latest state
        self.trained: list[Tensor] = []  # all weights, frozen ones too, of the models it trains

    @property
    def variables(self) -> list[Array]:
        """All arrays of the state, parameter by parameter."""
        return [state[slot] for state in self._current_states() for slot in state]

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters that have a state, in its order."""
        return list(self._parameters)

    def build(self, parameters: Iterable[Tensor]) -> None:
        """Make the state for parameters that are not known yet, in this order.

        `apply_gradients` does it for parameters that it meets. Call it yourself before
        `load_state_dict`.
        """
        known = {id(parameter) for parameter in self._parameters}
        for parameter in parameters:
            if id(parameter) not in known:
                known.add(id(parameter))
                self._parameters.append(parameter)
                self._states.append(self._first_state(parameter))

    def _first_state(self, parameter: Tensor) -> State:
        return {**self._fresh_state(parameter), **self._fresh_extras(parameter)}

    def _fresh_state(self, parameter: Tensor) -> State:
        return {slot: np.zeros_like(parameter.data) for slot in self.slots}

    def _grouped(self, parameters: list[Tensor]) -> tuple[list[Group], list[Any]]:
        """Return parameters in groups with their state, and what must be set to keep these."""
        before = self._groups
        same = len(parameters) == len(self._grouping)
        same = same and all(map(operator.is_, parameters, self._grouping))
        if before and same and all(group.still_there for group in before):
            return before, []
        known = dict(zip(map(id, self._parameters), self._current_states(), strict=True))
        new = [parameter for parameter in parameters if id(parameter) not in known]
        for parameter in new:
            known[id(parameter)] = self._first_state(parameter)
        if self.elementwise:
            kinds: dict[tuple[Any, str], list[Tensor]] = {}
            for parameter in parameters:
                kinds.setdefault((parameter.dtype, parameter.device), []).append(parameter)
            members = list(kinds.values())
        else:
            members = [[parameter] for parameter in parameters]
        groups = [Group(each, [known[id(p)] for p in each]) for each in members]
        return groups, [
            (self, "_states", list(known.values())),
            (self, "_parameters", [*self._parameters, *new]),
            (self, "_grouping", parameters),
            (self, "_groups", groups),
        ]

    def _current_states(self) -> list[State]:
        """Return the state of each known parameter: the latest is that of the groups."""
        latest = {
            id(parameter): state
            for group in self._groups
            for parameter, state in zip(group.parameters, group.states(), strict=True)
        }
        return [
            latest.get(id(parameter), state)
            for parameter, state in zip(self._parameters, self._states, strict=True)
        ]

    def state_dict(self, parameters: Iterable[Tensor] | None = None) -> dict[str, Array]:
        """Return copies of everything that the next step depends on, for saving.

        Parameters
        ----------
        parameters : iterable of Tensor, optional
            Some of `parameters`, if it is their part of the state alone that is wanted.

        Returns
        -------
        dict
            ``"iterations"`` and, for each parameter by its position, ``"<position>/<slot>"``.

        Examples
        --------
        >>> import minigrad as mg
        >>> w = mg.tensor([1.0], requires_grad=True)
        >>> adam = mg.optimizers.Adam()
        >>> adam.apply_gradients([(mg.tensor([2.0]), w)])
        >>> sorted(adam.state_dict())
        ['0/first_moment', '0/second_moment', 'iterations']
        """
        arrays = {"iterations": np.array(self._calls, np.int64)}
        states = dict(zip(map(id, self._parameters), self._current_states(), strict=True))
        chosen = self._parameters if parameters is None else parameters
        for position, parameter in enumerate(chosen):
            state = states[id(parameter)]
            arrays.update({f"{position}/{slot}": np.array(to_host(state[slot])) for slot in state})
        return arrays

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned; nothing is changed if it does not fit.

        Parameters
        ----------
        arrays : mapping of str to array_like
            From an optimizer of the same kind, for parameters of the same shapes. `build` must
            have been called with the parameters, unless a step has been made already.

        Raises
        ------
        ValueError
            If names are missing or left over, or a shape differs.
        """
        expected = self.state_dict()
        if set(arrays) != set(expected):
            raise ValueError(
                f"The state does not belong to this {type(self).__name__} with "
                f"{len(self._parameters)} parameters (see build()). Missing: "
                f"{brief(sorted(set(expected) - set(arrays)))}, not expected: "
                f"{brief(sorted(set(arrays) - set(expected)))}"
            )
        loaded = {}
        for name, before in expected.items():
            array = np.array(arrays[name])
            if array.shape != before.shape or array.dtype.kind != before.dtype.kind:
                raise ValueError(
                    f"The state '{name}' must be {before.dtype}{list(before.shape)}. "
                    f"Received: {array.dtype}{list(array.shape)}"
                )
            loaded[name] = array.astype(before.dtype)
        states = [
            {slot: loaded[f"{position}/{slot}"] for slot in state}
            for position, state in enumerate(self._states)
        ]
        set_attributes(
            [
                (self, "_calls", int(loaded["iterations"])),
                (self, "_states", states),
                (self, "_groups", []),
            ]
        )

"""What all optimizers share: checks, clipping, weight decay, constraints, and the saved state.

An optimizer is a pure function for one parameter, `Optimizer.update`: value, gradient and state
in, new value and new state out. All parameters are computed before the first one is written, so an
error anywhere (a wrong shape, a constraint that fails) leaves everything as it was.

Most rules treat each number by itself. Then it does not matter where one parameter ends and the
next begins, and `update` is called once for all of them, laid end to end.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from minigrad._atomic import set_attributes
from minigrad._registry import Configurable, Registry
from minigrad._validate import number
from minigrad.autograd import Tensor, wrap
from minigrad.kernels.devices import to_host
from minigrad.optimizers.joining import Group
from minigrad.optimizers.pairs import checked, clipped, constrained

Array = np.ndarray[Any, Any]
State = dict[str, Array]
Schedule = Callable[[int], float]

schedules = Registry("learning rate schedule")

# Options of Keras' optimizers that minigrad does not have: those that must be switched off in a
# configuration, and those that then mean nothing.
_MUST_BE_OFF = ("decay", "use_ema", "loss_scale_factor", "gradient_accumulation_steps")
_MEANINGLESS = ("ema_momentum", "ema_overwrite_frequency", "jit_compile", "is_legacy_optimizer")


class Optimizer(Configurable):
    """Changes parameters along their gradients. Derive from it and write `update`.

    Parameters
    ----------
    learning_rate : float or callable
        The size of a step, >= 0, or a schedule: a function from the number of steps already made
        to the rate.
    weight_decay : float, optional
        Before its update, each parameter is made smaller by ``weight_decay * learning_rate`` of
        its value.
    clipnorm : float, optional
        Each gradient whose norm is larger is scaled down to this norm.
    clipvalue : float, optional
        Each element of a gradient is clipped to plus or minus this value.
    global_clipnorm : float, optional
        All gradients together are scaled down to this norm.
    name : str, optional
        The lower-case name of the class by default.

    Raises
    ------
    ValueError
        For a value out of range, or more than one way of clipping.

    Examples
    --------
    >>> import minigrad as mg
    >>> class SignDescent(mg.optimizers.Optimizer):
    ...     def update(self, value, gradient, state, learning_rate, step):
    ...         return value - learning_rate * np.sign(gradient), state
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> SignDescent(0.5).apply_gradients([(mg.tensor([-3.0, 0.1]), w)])
    >>> w.numpy()
    array([1.5, 1.5], dtype=float32)
    """

    slots: tuple[str, ...] = ()  # names of the arrays that are kept for each parameter
    elementwise: ClassVar[bool] = False  # whether `update` may get many parameters as a flat array

    def __init__(
        self,
        learning_rate: float | Schedule,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = _optional(weight_decay, "weight_decay", minimum=0)
        self.clipnorm = _optional(clipnorm, "clipnorm", above=0)
        self.clipvalue = _optional(clipvalue, "clipvalue", above=0)
        self.global_clipnorm = _optional(global_clipnorm, "global_clipnorm", above=0)
        if [clipnorm, clipvalue, global_clipnorm].count(None) < 2:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be given. Received: "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        self.name = type(self).__name__.lower() if name is None else name
        self._iterations = 0
        self._parameters: list[Tensor] = []
        self._states: list[State] = []
        self._grouping: list[Tensor] = []  # the parameters of the last step
        self._groups: list[Group] = []  # which hold their latest state

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update" in cls.__dict__ and "elementwise" not in cls.__dict__:
            cls.elementwise = False  # a new rule says for itself whether it is

    # ------------------------------------------------------------------ the rule

    def update(
        self, value: Array, gradient: Array, state: State, learning_rate: float, step: int
    ) -> tuple[Array, State]:
        """Return the new value and state of one parameter; nothing that comes in is changed.

        With the class attribute `elementwise` set to True, it may also be called for many
        parameters at once, whose numbers come in one flat array.

        Parameters
        ----------
        value, gradient : numpy.ndarray
            Of one shape and dtype.
        state : dict of str to numpy.ndarray
            The arrays named in `slots`, of the same shape and dtype; all zeros at first.
        learning_rate : float
            The size of this step.
        step : int
            The number of this step, 1 for the first.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update().")

    # ------------------------------------------------------------------ steps

    @property
    def iterations(self) -> int:
        """How many steps have been made."""
        return self._iterations

    @property
    def learning_rate(self) -> float:
        """The size of the next step; a schedule is evaluated. Assign a float or a schedule."""
        if not callable(self._learning_rate):
            return self._learning_rate
        return number(self._learning_rate(self._iterations), "learning_rate", minimum=0)

    @learning_rate.setter
    def learning_rate(self, value: float | Schedule) -> None:
        if not callable(value):
            value = number(value, "learning_rate", minimum=0)
        self._learning_rate = value

    @property
    def variables(self) -> list[Array]:
        """All arrays of the state, parameter by parameter."""
        return [state[slot] for state in self._current_states() for slot in self.slots]

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
                self._states.append(self._fresh_state(parameter))

    def apply_gradients(self, gradients_and_parameters: Iterable[tuple[Any, Tensor]]) -> None:
        """Make one step: update each parameter, then apply its constraint.

        All or nothing: everything is checked and computed before the first parameter is written.
        Frozen parameters (``requires_grad`` false) are left alone, by their constraint too. So are
        parameters whose gradient is None, with a warning.

        Parameters
        ----------
        gradients_and_parameters : iterable of (gradient, parameter)
            Gradients are tensors or arrays of their parameter's shape and dtype, or None.

        Raises
        ------
        ValueError
            If a gradient's shape or dtype differs from its parameter's, a parameter comes twice,
            no parameter has a gradient, or a constraint changes the shape.
        TypeError
            If a parameter is not a tensor.

        Examples
        --------
        >>> import minigrad as mg
        >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> mg.optimizers.SGD(0.25).apply_gradients([(w.grad, w)])
        >>> w.numpy()
        array([0.5, 1. ], dtype=float32)
        """
        pairs = checked(list(gradients_and_parameters))
        if not pairs:  # everything is frozen
            return
        gradients = clipped([gradient for gradient, _ in pairs], self)
        groups, changes = self._grouped([parameter for _, parameter in pairs])
        by_parameter = {id(p): g for (_, p), g in zip(pairs, gradients, strict=True)}
        rate = self.learning_rate
        for group in groups:
            gradient = group.join([by_parameter[id(p)] for p in group.parameters])
            values, state = self._updated(group, gradient, rate)
            values = wrap(values).data  # read-only, as its pieces are to be
            pieces = group.cut(values)
            changes += [(group, "state", state), (group, "written", (values, pieces))]
            for parameter, piece in zip(group.parameters, pieces, strict=True):
                changes.append((parameter, "_data", constrained(parameter, piece)))
        set_attributes([*changes, (self, "_iterations", self._iterations + 1)])

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
            known[id(parameter)] = self._fresh_state(parameter)
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

    def _updated(self, group: Group, gradient: Array, learning_rate: float) -> tuple[Array, State]:
        """Return new values and states of a group, flat."""
        if self.elementwise:
            return self._decayed_update(group.values, gradient, group.state, learning_rate)
        (value,), (gradient,) = group.cut(group.values), group.cut(gradient)
        (state,) = group.states()
        value, state = self._decayed_update(value, gradient, state, learning_rate)
        return group.join([value]), {slot: group.join([array]) for slot, array in state.items()}

    def _decayed_update(
        self, value: Array, gradient: Array, state: State, learning_rate: float
    ) -> tuple[Array, State]:
        if self.weight_decay:
            value = value - value * (self.weight_decay * learning_rate)
        return self.update(value, gradient, state, learning_rate, self._iterations + 1)

    def _fresh_state(self, parameter: Tensor) -> State:
        return {slot: np.zeros_like(parameter.data) for slot in self.slots}

    # ------------------------------------------------------------------ configuration and state

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, in Keras 3's order.

        Raises
        ------
        ValueError
            If the learning rate is a function that has neither a registered name nor a
            ``get_config`` method.
        """
        rate: Any = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": schedules.serialize(rate) if callable(rate) else rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an optimizer from a configuration; Keras' own options must be switched off."""
        arguments = {
            key: value
            for key, value in config.items()
            if key not in _MEANINGLESS and not (key in _MUST_BE_OFF and not value)
        }
        if isinstance(arguments.get("learning_rate"), (str, Mapping)):
            arguments["learning_rate"] = schedules.deserialize(arguments["learning_rate"])
        return cls(**arguments)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of everything that the next step depends on, for saving.

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
        arrays = {"iterations": np.array(self._iterations, np.int64)}
        for position, state in enumerate(self._current_states()):
            arrays.update(
                {f"{position}/{slot}": np.array(to_host(state[slot])) for slot in self.slots}
            )
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
                f"{sorted(set(expected) - set(arrays))}, not expected: "
                f"{sorted(set(arrays) - set(expected))}"
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
            {slot: loaded[f"{position}/{slot}"] for slot in self.slots}
            for position in range(len(self._states))
        ]
        set_attributes(
            [
                (self, "_iterations", int(loaded["iterations"])),
                (self, "_states", states),
                (self, "_groups", []),
            ]
        )


def towards(old: Array, new: Array, rate: float) -> Array:
    """Return ``old + rate * (new - old)``: a running average."""
    step: Array = new - old
    step *= rate
    step += old
    return step


def _optional(value: float | None, name: str, **bounds: float) -> float | None:
    return None if value is None else number(value, name, **bounds)


registry = Registry("optimizer", base=Optimizer)

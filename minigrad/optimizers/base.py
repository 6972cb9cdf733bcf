"""What all optimizers share: checks, clipping, weight decay, constraints, and the saved state.

An optimizer is a pure function for one parameter, `Optimizer.update`: value, gradient and state
in, new value and new state out. All parameters are computed before the first one is written, so an
error anywhere (a wrong shape, a constraint that fails) leaves everything as it was.

Most rules treat each number by itself. Then it does not matter where one parameter ends and the
next begins, and `update` is called once for all of them, laid end to end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from minigrad._registry import Configurable, Registry
from minigrad._validate import number
from minigrad.autograd import Tensor, wrap
from minigrad.kernels.devices import to_device, to_host
from minigrad.optimizers.joining import Joined
from minigrad.optimizers.pairs import checked, constrained

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
        self._joined: dict[tuple[str, str], Joined] = {}  # by what is joined, and the dtype

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
        return [state[slot] for state in self._states for slot in self.slots]

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
        gradients = self._clipped([gradient for gradient, _ in pairs])
        parameters = [parameter for _, parameter in pairs]
        results = self._updated(parameters, gradients, self.learning_rate)
        values = [constrained(p, value) for p, (value, _) in zip(parameters, results, strict=True)]

        self.build(parameters)
        places = {id(parameter): i for i, parameter in enumerate(self._parameters)}
        for parameter, value, (_, state) in zip(parameters, values, results, strict=True):
            parameter.assign(wrap(value))
            self._states[places[id(parameter)]] = state
        self._iterations += 1

    def _updated(
        self, parameters: list[Tensor], gradients: list[Array], learning_rate: float
    ) -> list[tuple[Array, State]]:
        """Return new values and states."""
        known = {id(p): state for p, state in zip(self._parameters, self._states, strict=True)}
        values = [p.data for p in parameters]
        states = [_beside(p, known.get(id(p)) or self._fresh_state(p)) for p in parameters]
        if not self.elementwise:
            return [
                self._decayed_update(*each, learning_rate)
                for each in zip(values, gradients, states, strict=True)
            ]
        results: dict[int, tuple[Array, State]] = {}
        for dtype in {value.dtype for value in values}:
            places = [i for i, value in enumerate(values) if value.dtype == dtype]
            shapes = [values[i].shape for i in places]
            joined = {
                name: self._joined.setdefault((name, dtype.name), Joined())
                for name in ("value", "gradient", *self.slots)
            }
            flat_value, flat_state = self._decayed_update(
                joined["value"].join([values[i] for i in places]),
                joined["gradient"].join([gradients[i] for i in places]),
                {slot: joined[slot].join([states[i][slot] for i in places]) for slot in self.slots},
                learning_rate,
            )
            flat_value = wrap(flat_value).data  # read-only, as its pieces are to be
            pieces = joined["value"].cut(flat_value, shapes)
            state_pieces = {s: joined[s].cut(flat_state[s], shapes) for s in self.slots}
            for k, i in enumerate(places):
                results[i] = pieces[k], {slot: state_pieces[slot][k] for slot in self.slots}
        return [results[i] for i in range(len(values))]

    def _decayed_update(
        self, value: Array, gradient: Array, state: State, learning_rate: float
    ) -> tuple[Array, State]:
        if self.weight_decay:
            value = value - value * (self.weight_decay * learning_rate)
        return self.update(value, gradient, state, learning_rate, self._iterations + 1)

    def _clipped(self, gradients: list[Array]) -> list[Array]:
        if self.clipvalue is not None:
            return [np.clip(g, -self.clipvalue, self.clipvalue) for g in gradients]
        if self.clipnorm is not None:
            return [g * _shrink(_norm([g]), self.clipnorm) for g in gradients]
        if self.global_clipnorm is not None:
            factor = _shrink(_norm(gradients), self.global_clipnorm)
            return [g * factor for g in gradients]
        return gradients

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
        for position, state in enumerate(self._states):
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
        self._iterations = int(loaded["iterations"])
        for position, state in enumerate(self._states):
            state.update({slot: loaded[f"{position}/{slot}"] for slot in self.slots})


def towards(old: Array, new: Array, rate: float) -> Array:
    """Return ``old + rate * (new - old)``: a running average."""
    step: Array = new - old
    step *= rate
    step += old
    return step


def _beside(parameter: Tensor, state: State) -> State:
    """Return a state on the device of its parameter, which may have been moved."""
    if all(type(array) is type(parameter.data) for array in state.values()):
        return state
    return {slot: to_device(array, parameter.device) for slot, array in state.items()}


def _optional(value: float | None, name: str, **bounds: float) -> float | None:
    return None if value is None else number(value, name, **bounds)


def _norm(gradients: list[Array]) -> float:
    return math.sqrt(sum(float(np.sum(np.square(g))) for g in gradients))


def _shrink(norm: float, limit: float) -> float:
    return limit / norm if norm > limit else 1.0


registry = Registry("optimizer", base=Optimizer)

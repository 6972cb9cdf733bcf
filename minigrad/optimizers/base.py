"""What all optimizers share: checks, clipping, weight decay, constraints, and the saved state.

An optimizer is a pure function for one parameter, `Optimizer.update`: value, gradient and state
in, new value and new state out. All parameters are computed before the first one is written, so an
error anywhere (a wrong shape, a constraint that fails) leaves everything as it was.

Most rules treat each number by itself. Then it does not matter where one parameter ends and the
next begins, and `update` is called once for all of them, laid end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from minigrad._atomic import set_attributes
from minigrad._registry import Registry
from minigrad._validate import number
from minigrad.autograd import Tensor, wrap
from minigrad.optimizers import schedules
from minigrad.optimizers.joining import Group
from minigrad.optimizers.options import AVERAGE, Array, State
from minigrad.optimizers.pairs import checked, clipped, constrained
from minigrad.optimizers.states import States

Schedule = Callable[[int], float]

# Options of Keras' optimizers that minigrad does not have: those that must be switched off in a
# configuration, and those that then mean nothing.
_MUST_BE_OFF = ("decay", "loss_scale_factor")
_MEANINGLESS = ("jit_compile", "is_legacy_optimizer")


class Optimizer(States):
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
    use_ema : bool
        Keep an exponential moving average of each parameter, which takes its place at the end of
        `fit`: see `finalize_variable_values`.
    ema_momentum : float
        How much of the average is kept in each step, from 0 to 1.
    ema_overwrite_frequency : int, optional
        Put the averages in place of the parameters after every so many steps, too.
    gradient_accumulation_steps : int, optional
        Update once in so many calls (2 or more), along the mean of their gradients. Schedules
        count the calls, all else the updates.
    name : str, optional
        The lower-case name of the class by default.

    Raises
    ------
    ValueError
        For a value out of range, or more than one way of clipping.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> class SignDescent(mg.optimizers.Optimizer):
    ...     def update(self, value, gradient, state, learning_rate, step):
    ...         return value - learning_rate * np.sign(gradient), state
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> SignDescent(0.5).apply_gradients([(mg.tensor([-3.0, 0.1]), w)])
    >>> w.numpy()
    array([1.5, 1.5], dtype=float32)
    """

    def __init__(
        self, learning_rate: float | Schedule, *, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.learning_rate = learning_rate
        self.name = type(self).__name__.lower() if name is None else name

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
    def learning_rate(self) -> float:
        """The size of the next step; a schedule is evaluated. Assign a float or a schedule."""
        if not callable(self._learning_rate):
            return self._learning_rate
        return number(self._learning_rate(self._calls), "learning_rate", minimum=0)

    @learning_rate.setter
    def learning_rate(self, value: float | Schedule) -> None:
        if not callable(value):
            value = number(value, "learning_rate", minimum=0)
        self._learning_rate = value

    def get_rate(self) -> float | Schedule:
        """Return what `learning_rate` was set to: a number or a schedule."""
        return self._learning_rate

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
        groups, changes = self._grouped([parameter for _, parameter in pairs])
        by_parameter = {id(parameter): gradient for gradient, parameter in pairs}
        gathered = [
            self._gather(group.join([by_parameter[id(p)] for p in group.parameters]), group.state)
            for group in groups
        ]
        gradients = self._clipped(groups, [gradient for gradient, _ in gathered])
        rate = self.learning_rate
        for group, gradient, (_, sums) in zip(groups, gradients, gathered, strict=True):
            values, state = group.values, group.state
            if gradient is not None:
                values, state = self._updated(group, gradient, rate)
            values, average = self._average(values, group.state)
            changes.append((group, "state", {**state, **sums, **average}))
            values = wrap(values).data  # read-only, as its pieces are to be
            pieces = group.cut(values)
            changes.append((group, "written", (values, pieces)))
            for parameter, piece in zip(group.parameters, pieces, strict=True):
                changes.append((parameter, "_data", constrained(parameter, piece)))
        set_attributes([*changes, (self, "_calls", self._calls + 1)])

    def finalize_variable_values(self, parameters: Iterable[Tensor]) -> None:
        """Put the averages that `use_ema` keeps in place of the parameters; `fit` ends with it.

        Parameters
        ----------
        parameters : iterable of Tensor
            Those without an average stay as they are.

        Examples
        --------
        >>> import minigrad as mg
        >>> w = mg.tensor([0.0], requires_grad=True)
        >>> sgd = mg.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75)
        >>> for _ in range(2):
        ...     sgd.apply_gradients([(mg.tensor([-4.0]), w)])
        >>> sgd.finalize_variable_values([w])
        >>> w.item()
        5.0
        """
        if not self.use_ema:
            return
        states = dict(zip(map(id, self._parameters), self._current_states(), strict=True))
        known = [parameter for parameter in parameters if id(parameter) in states]
        averages = [wrap(states[id(parameter)][AVERAGE].copy()).data for parameter in known]
        changes = zip(known, averages, strict=True)
        set_attributes([(parameter, "_data", average) for parameter, average in changes])

    def _clipped(self, groups: list[Group], gradients: list[Array | None]) -> list[Array | None]:
        """Return the joined gradients as the limits leave them."""
        whole = [(g, flat) for g, flat in zip(groups, gradients, strict=True) if flat is not None]
        if not whole or not (self.clipvalue or self.clipnorm or self.global_clipnorm):
            return gradients
        left = iter(clipped([piece for g, flat in whole for piece in g.cut(flat)], self))
        return [group.join([next(left) for _ in group.parameters]) for group in groups]

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
        extra = self._extra_slots
        own = {slot: state[slot] for slot in state if slot not in extra}
        return self.update(value, gradient, own, learning_rate, self.iterations + 1)

    # ------------------------------------------------------------------ configuration

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Raises
        ------
        ValueError
            If the learning rate is a function that has neither a registered name nor a
            ``get_config`` method.
        """
        rate: Any = self._learning_rate
        rate = schedules.serialize(rate) if callable(rate) else rate
        return {**super().get_config(), "learning_rate": rate}

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


def towards(old: Array, new: Array, rate: float) -> Array:
    """Return ``old + rate * (new - old)``: a running average."""
    step: Array = new - old
    step *= rate
    step += old
    return step


registry = Registry("optimizer", base=Optimizer)

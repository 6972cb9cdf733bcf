"""Options that go around any rule: clipping, decay, gradient accumulation, averages of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad._configurable import Configurable
from minigrad._validate import number, positive_int
from minigrad.autograd import Tensor

__all__ = ["Options"]

Array = np.ndarray[Any, Any]
State = dict[str, Array]

GATHERED, AVERAGE = "gathered_gradient", "average"  # what is kept for each parameter


class Options(Configurable):
    """The options of every optimizer; see `Optimizer`."""

    def __init__(
        self,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
    ) -> None:
        self.weight_decay = _optional(weight_decay, "weight_decay", minimum=0)
        self.clipnorm = _optional(clipnorm, "clipnorm", above=0)
        self.clipvalue = _optional(clipvalue, "clipvalue", above=0)
        self.global_clipnorm = _optional(global_clipnorm, "global_clipnorm", above=0)
        if [clipnorm, clipvalue, global_clipnorm].count(None) < 2:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be given. Received: "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        self.use_ema = bool(use_ema)
        self.ema_momentum = number(ema_momentum, "ema_momentum", minimum=0, maximum=1)
        self.ema_overwrite_frequency = _count(ema_overwrite_frequency, "ema_overwrite_frequency", 1)
        self.gradient_accumulation_steps = _count(
            gradient_accumulation_steps, "gradient_accumulation_steps", 2
        )
        self._calls = 0

    @property
    def calls(self) -> int:
        """How many times gradients have been applied: schedules look at this number."""
        return self._calls

    @property
    def iterations(self) -> int:
        """How many updates have been made; with gradient accumulation, fewer than `calls`."""
        return self._calls // (self.gradient_accumulation_steps or 1)

    @property
    def _extra_slots(self) -> tuple[str, ...]:
        gathered = (GATHERED,) if self.gradient_accumulation_steps else ()
        return gathered + ((AVERAGE,) if self.use_ema else ())

    def _fresh_extras(self, parameter: Tensor) -> State:
        fresh = {GATHERED: np.zeros_like(parameter.data), AVERAGE: parameter.data}
        return {slot: fresh[slot] for slot in self._extra_slots}

    def _gather(self, gradient: Array, state: State) -> tuple[Array | None, State]:
        """Return the gradient for an update, if this is the moment for one, and the new sum."""
        if self.gradient_accumulation_steps is None:
            return gradient, {}
        total = state[GATHERED] + gradient
        if (self._calls + 1) % self.gradient_accumulation_steps:
            return None, {GATHERED: total}
        return total / self.gradient_accumulation_steps, {GATHERED: np.zeros_like(total)}

    def _average(self, values: Array, state: State) -> tuple[Array, State]:
        """Return the values that the parameters get, and the new average.

        As in Keras the average moves in every call, whether there was an update or not, and starts
        anew in the calls that belong to the first update.
        """
        if not self.use_ema:
            return values, {}
        momentum = self.ema_momentum if self.iterations else 0.0
        average = momentum * state[AVERAGE] + (1.0 - momentum) * values
        frequency = self.ema_overwrite_frequency
        overwrite = frequency is not None and (self.iterations + 1) % frequency == 0
        return average if overwrite else values, {AVERAGE: average}


def _optional(value: float | None, name: str, **bounds: float) -> float | None:
    return None if value is None else number(value, name, **bounds)


def _count(value: Any, name: str, minimum: int) -> int | None:
    if value is None or positive_int(value, name) >= minimum:
        return None if value is None else int(value)
    raise ValueError(
        f"{name} must be None or an integer >= {minimum}. Received: {name}={brief(value)}"
    )

"""The losses of a model with several outputs, which make one number together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from minigrad import losses as registry
from minigrad._brief import brief
from minigrad._validate import number
from minigrad.autograd import Tensor
from minigrad.models.data import Several, one_each

__all__ = ["Losses", "as_loss", "for_each", "naming"]


class Losses:
    """The weighted sum of one loss for each output.

    Parameters
    ----------
    names : sequence of str
        The names of the outputs.
    wanted : str, Loss, callable, or a list or dict of them
        One for all outputs, or one for each; None for an output that is not to be judged.
    weights : list or dict of float, optional
        Factors >= 0 in the sum; 1 when left out.

    Attributes
    ----------
    values : dict of str to float
        What each loss was in the last call, without its factor: ``{"size_loss": 0.5, ...}``.
    """

    def __init__(self, names: Sequence[str], wanted: Any, weights: Any = None) -> None:
        self.names = tuple(names)
        given = [wanted] * len(names)
        if for_each(wanted):
            given = one_each(wanted, names, "loss", "losses")
        self.losses = [as_loss(each) for each in given]
        if self.losses == [None] * len(names):
            raise ValueError(
                f"One output must have a loss at least. Received: loss={brief(wanted)}"
            )
        factors = [1.0] * len(names)
        if weights is not None:
            factors = one_each(weights, names, "loss_weights", "numbers")
        self.weights = [number(each, "loss_weights", minimum=0) for each in factors]
        self.values: dict[str, float] = {}

    @property
    def value_names(self) -> list[str]:
        """The keys of `values`."""
        return [
            f"{name}_loss"
            for name, each in zip(self.names, self.losses, strict=True)
            if each is not None
        ]

    def __call__(
        self, y_true: Several, y_pred: Sequence[Tensor], sample_weight: Any = None
    ) -> Tensor:
        """Return the sum, of shape ()."""
        parts = sample_weight.parts if isinstance(sample_weight, Several) else None
        total: Any = None
        values = {}
        for place, (name, loss) in enumerate(zip(self.names, self.losses, strict=True)):
            if loss is None:
                continue
            own = parts[place] if parts else sample_weight
            with naming(name):
                value = loss(y_true.parts[place], y_pred[place], sample_weight=own)
            values[f"{name}_loss"] = float(value.item())
            part = value if self.weights[place] == 1 else value * self.weights[place]
            total = part if total is None else total + part
        self.values = values
        found: Tensor = total
        return found


def as_loss(wanted: Any) -> Any:
    """Return a loss that is one number, or None.

    Raises
    ------
    ValueError
        For unknown names, and for a loss without a reduction.
    """
    found = registry.get(wanted)
    if found is not None and found.reduction == "none":
        raise ValueError(
            "A model needs a loss that is one number: its reduction must be 'sum_over_batch_size' "
            f"or 'sum'. Received: loss={brief(wanted)}"
        )
    return found


def for_each(wanted: Any) -> bool:
    """Tell whether these are losses, or metrics, for several outputs, and not a configuration."""
    if isinstance(wanted, Mapping):
        return "class_name" not in wanted
    return isinstance(wanted, (list, tuple))


@contextmanager
def naming(output: str) -> Iterator[None]:
    """Put the name of an output before the message of an error."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Output {output!r}: {error}") from error

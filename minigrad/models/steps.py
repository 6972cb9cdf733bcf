"""One step, one epoch, one evaluation: what `fit` and its relatives repeat."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from minigrad._atomic import set_attributes
from minigrad._brief import brief
from minigrad.autograd import Tensor, grad, no_grad, wrap
from minigrad.autograd.graph import recording
from minigrad.callbacks import Callback
from minigrad.kernels.devices import to_device
from minigrad.layers.symbolic import leaves, map_structure
from minigrad.models.compiling import Compiled
from minigrad.models.data import Batch, Inputs, Several, one_each
from minigrad.models.losses import Losses
from minigrad.models.metrics import Metrics
from minigrad.models.numerics import NonFiniteError, check_step
from minigrad.models.progress import Progress

__all__ = ["Logs", "Steps", "interruptible", "tell"]

Logs: TypeAlias = dict[str, float]
F = TypeVar("F", bound=Callable[..., Any])


def interruptible(method: F) -> F:
    """Leave two switches as they were, even if Ctrl-C or a callback's error came in between.

    Recording is off inside ``no_grad()``; `TerminateOnNaN` asks to look at every step.
    """

    @functools.wraps(method)
    def wrapper(self: Steps, *args: Any, **kwargs: Any) -> Any:
        on, asked = recording.on, self.on_nonfinite
        try:
            return method(self, *args, **kwargs)
        finally:
            recording.on, self.on_nonfinite = on, asked

    return wrapper  # type: ignore[return-value]


class Steps(Compiled):
    """A layer with a loss and an optimizer that can make steps; the engine of `Trainer`."""

    on_nonfinite: Any = None  # what to call with the cause, instead of a step that would make NaNs

    def _predicted(self, x: Inputs, training: bool = False) -> Any:
        """Return the output for a batch as the model makes it: a tensor, a list or a dict."""
        # Views: the caller's arrays stay writable.
        parts = x.parts if isinstance(x, Several) else [x]
        given: Any = [wrap(to_device(part[...], self.device)) for part in parts]
        outputs = self(given if isinstance(x, Several) else given[0], training=training)
        for part in leaves(outputs):
            if not isinstance(part, Tensor) or part.shape[:1] != x.shape[:1]:
                raise TypeError(
                    "To be trained, a model must return tensors with one output per example. "
                    f"Received from '{self.name}' for {len(x)} examples: {type(part).__name__} of "
                    f"shape {getattr(part, 'shape', None)}"
                )
        return outputs

    def _listed(self, outputs: Any) -> Any:
        """Return the outputs as a list in the order of their names, if these are known."""
        return outputs

    def _outputs(self, x: Inputs, training: bool) -> Any:
        """Return the output as the loss takes it: a tensor, or a list in the order of the names."""
        outputs = self._listed(self._predicted(x, training))
        what = f"The output of the model '{self.name}'"
        if not isinstance(self.loss, Losses):
            if isinstance(outputs, dict) and any(self._given_names):
                outputs = one_each(outputs, self._given_names, what, "outputs")
            if isinstance(outputs, (list, dict)) and len(outputs) == 1:
                (outputs,) = leaves(outputs)
            if isinstance(outputs, Tensor):
                return outputs
            raise TypeError(
                f"The model '{self.name}' returns a {type(outputs).__name__} of outputs: its loss "
                "must be a dict or a list then, with one for each. "
                f"Received: loss={brief(self.loss)}"
            )
        parts = one_each(outputs, self.loss.names, what, "outputs")
        for name, part in zip(self.loss.names, parts, strict=True):
            if not isinstance(part, Tensor):
                raise TypeError(f"{what} must be a tensor at {name!r}. Received: {brief(part)}")
        return parts

    def _total_loss(self, y: Inputs, outputs: Any, weight: Inputs | None) -> Tensor:
        total: Tensor = self.loss(y, outputs, sample_weight=weight)
        if self.loss_weight != 1:
            total = total * self.loss_weight
        for extra in self.losses:
            total = total + extra
        return total

    def _values(self, total: Tensor) -> Logs:
        """Return the losses to report."""
        each = self.loss.values if isinstance(self.loss, Losses) else {}
        return {"loss": total.item(), **each}

    def _train_step(self, x: Inputs, y: Inputs, weight: Inputs | None, metrics: Metrics) -> None:
        """Update the weights once; if anything goes wrong, no weight has changed."""
        if not self.built:
            with no_grad():
                self._predicted(x[:1])
        self._check_optimizer()
        before = [(each, "_data", each.data) for each in self.weights]
        calls = self.optimizer.calls
        try:
            outputs = self._outputs(x, training=True)
            loss = self._total_loss(y, outputs, weight)
            parameters = self.trainable_weights
            gradients = grad(loss, parameters)
            if self.on_nonfinite is not None:
                check_step(self, (x, y, weight), before, loss, gradients, parameters)
            seen = map_structure(lambda output: output.detach(), outputs)
            metrics.update_state(self._values(loss), y, seen)
            self.optimizer.apply_gradients(zip(gradients, parameters, strict=True))
        except BaseException as error:
            if self.optimizer.calls == calls:  # otherwise the step is complete
                set_attributes(before)  # the forward pass has changed moving averages
            if not isinstance(error, NonFiniteError):
                raise
            self.stop_training = True
            self.on_nonfinite(str(error))

    def _test_step(self, x: Inputs, y: Inputs, weight: Inputs | None, metrics: Metrics) -> None:
        with no_grad():
            outputs = self._outputs(x, training=False)
            loss = self._total_loss(y, outputs, weight)
            metrics.update_state(self._values(loss), y, outputs)

    def _train_epoch(
        self,
        batches: Iterable[Batch],
        metrics: Metrics,
        followers: Sequence[Callback],
        progress: Progress,
    ) -> Logs:
        """Train on every batch once and return the means over the examples."""
        metrics.reset_state()
        for number, (x, y, weight) in enumerate(batches):
            if followers:
                tell(followers, "on_train_batch_begin", number, {})
            self._train_step(x, y, weight, metrics)
            progress.step(metrics.results)
            if followers:
                tell(followers, "on_train_batch_end", number, metrics.results())
            if self.stop_training:
                break
        return metrics.results()

    def _test_epoch(self, batches: Iterable[Batch], metrics: Metrics, progress: Progress) -> Logs:
        """Evaluate every batch once and return the means over the examples."""
        metrics.reset_state()
        for x, y, weight in batches:
            self._test_step(x, y, weight, metrics)
            progress.step(metrics.results)
        return metrics.results()


def tell(crew: Sequence[Callback], event: str, *details: Any) -> None:
    """Call the method `event` of every callback."""
    for follower in crew:
        getattr(follower, event)(*details)

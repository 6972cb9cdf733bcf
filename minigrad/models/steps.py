"""One step, one epoch, one evaluation: what `fit` and its relatives repeat."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from minigrad._atomic import set_attributes
from minigrad.autograd import Tensor, grad, no_grad, wrap
from minigrad.autograd.graph import recording
from minigrad.callbacks import Callback
from minigrad.kernels.devices import to_device
from minigrad.layers import Layer
from minigrad.models.data import Array, Batch, Several
from minigrad.models.metrics import Metrics
from minigrad.models.numerics import NonFiniteError, check_step
from minigrad.models.progress import Progress

__all__ = ["Logs", "Steps", "interruptible", "tell"]

Logs: TypeAlias = dict[str, float]
F = TypeVar("F", bound=Callable[..., Any])


def interruptible(method: F) -> F:
    """Leave recording switched as it was, even if Ctrl-C came on the way out of ``no_grad()``."""

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        on = recording.on
        try:
            return method(*args, **kwargs)
        finally:
            recording.on = on

    return wrapper  # type: ignore[return-value]


class Steps(Layer):
    """A layer with a loss and an optimizer that can make steps; the engine of `Trainer`."""

    optimizer: Any = None
    loss: Any = None
    stop_training: bool = False
    on_nonfinite: Any = None  # what to call with the cause, instead of a step that would make NaNs
    _metrics: Metrics | None = None

    def _compiled(self, wanted: str) -> Metrics:
        if self._metrics is None:
            raise RuntimeError(
                f"The model '{self.name}' must be compiled before {wanted}: call "
                "model.compile(optimizer, loss, metrics) first."
            )
        return self._metrics

    @property
    def _inputs(self) -> int:
        """How many arrays the model takes."""
        symbols = getattr(self, "inputs", None)
        return len(symbols) if isinstance(symbols, list) else 1

    def _outputs(self, x: Array | Several, training: bool) -> Tensor:
        # Views: the caller's arrays stay writable.
        given: Any = [
            wrap(to_device(part[...], self.device))
            for part in (x.parts if isinstance(x, Several) else [x])
        ]
        outputs = self(given if self._inputs > 1 else given[0], training=training)
        if not isinstance(outputs, Tensor) or outputs.shape[:1] != x.shape[:1]:
            raise TypeError(
                f"To be trained, a model must return one tensor with one output per example. "
                f"Received from '{self.name}' for {len(x)} examples: {type(outputs).__name__} of "
                f"shape {getattr(outputs, 'shape', None)}"
            )
        return outputs

    def _total_loss(self, y: Array, outputs: Tensor, weight: Array | None) -> Tensor:
        total: Tensor = self.loss(y, outputs, sample_weight=weight)
        for extra in self.losses:
            total = total + extra
        return total

    def _train_step(
        self, x: Array | Several, y: Array, weight: Array | None, metrics: Metrics
    ) -> None:
        """Update the weights once; if anything goes wrong, no weight has changed."""
        if not self.built:
            with no_grad():
                self._outputs(x[:1], training=False)
        before = [(each, "_data", each.data) for each in self.weights]
        calls = self.optimizer.calls
        try:
            outputs = self._outputs(x, training=True)
            loss = self._total_loss(y, outputs, weight)
            parameters = self.trainable_weights
            gradients = grad(loss, parameters)
            if self.on_nonfinite is not None:
                check_step(self, (x, y, weight), before, loss, gradients, parameters)
            metrics.update_state(loss.item(), y, outputs.detach())
            self.optimizer.apply_gradients(zip(gradients, parameters, strict=True))
        except BaseException as error:
            if self.optimizer.calls == calls:  # otherwise the step is complete
                set_attributes(before)  # the forward pass has changed moving averages
            if not isinstance(error, NonFiniteError):
                raise
            self.stop_training = True
            self.on_nonfinite(str(error))

    def _test_step(
        self, x: Array | Several, y: Array, weight: Array | None, metrics: Metrics
    ) -> None:
        with no_grad():
            outputs = self._outputs(x, training=False)
            loss = self._total_loss(y, outputs, weight)
            metrics.update_state(loss.item(), y, outputs)

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

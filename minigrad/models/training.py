"""The training loop: fit, evaluate, predict, and their single steps.

Words and defaults are those of Keras:
https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/Model
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from minigrad import random
from minigrad._brief import brief
from minigrad._validate import integer
from minigrad.autograd import no_grad
from minigrad.callbacks import Callback, History
from minigrad.layers.symbolic import map_structure
from minigrad.models import checks
from minigrad.models.class_weight import class_weighting
from minigrad.models.data import Data, Inputs, as_inputs, batch_size_of
from minigrad.models.progress import Progress, verbosity
from minigrad.models.sources import Arrays, inputs_from, source
from minigrad.models.steps import Logs, Steps, interruptible, tell

__all__ = ["Trainer"]

Result: TypeAlias = "float | list[float] | dict[str, float]"


class Trainer(Steps):
    """A layer that can be trained: the half of `Model` that knows about losses and batches."""

    history: History | None = None

    # ------------------------------------------------------------------ whole data sets

    @interruptible
    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_data: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        seed: int | None = None,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
    ) -> History:
        """Train the model.

        Everything is checked before the first step: an error leaves weights, optimizer and history
        as they were. Interrupting (Ctrl-C) is safe: the model keeps its last complete step and
        ``model.history`` the complete epochs.

        Parameters
        ----------
        x : array_like, list or dict of array_like, or source of batches
            Examples, one per index of the first axis; for a model with several inputs a list of
            arrays, or a dict of them by the names of the inputs. Or, without `y`, whatever gives
            batches ``(x, y)`` or ``(x, y, sample_weight)``: something with ``len()`` and ``[]``,
            an iterable, a generator. The rule is in `minigrad.models.sources`.
        y : array_like, list or dict of array_like, optional
            Targets, one per example; a list, or a dict by name, for several outputs.
        batch_size : int
            Examples per step; the last batch of an epoch may be smaller. Not for batches.
        epochs : int
            The number of the epoch to stop before.
        verbose : "auto", 0, 1 or 2
            Nothing, a progress bar, or a line per epoch; "auto" is 1 on a terminal and in a
            notebook, else 2.
        callbacks : list of Callback, optional
            Called while training.
        validation_data : tuple of arrays, or source of batches, optional
            ``(x, y)`` or ``(x, y, sample_weight)``, evaluated after each epoch.
        validation_split : float
            Instead: the part to take away from the end of `x` and `y` (before shuffling).
        shuffle : bool
            Go through the examples (or the batches, if they have numbers) in another random order
            in each epoch.
        class_weight : dict of int to float, optional
            Numbers >= 0 per class, multiplied with the loss of its examples; 1 for those not given.
        sample_weight : array_like, optional
            One number >= 0 per example, multiplied with its loss (and the weight of its class); a
            list or a dict of them for several outputs that differ in it.
        initial_epoch : int
            The number of the first epoch. Resuming with the same `seed` gives each epoch the order
            that it has in an uninterrupted run.
        seed : int, optional
            For shuffling. None draws from the common source, see `minigrad.random`.
        steps_per_epoch, validation_steps : int, optional
            How many batches to use; all when left out. A generator needs them.

        Returns
        -------
        History
            ``history.history["loss"]`` is a list with one number per epoch: the mean over all
            examples, including the regularization losses. ``val_loss`` and metrics likewise.

        Raises
        ------
        RuntimeError
            If the model was not compiled.
        ValueError, TypeError
            If an argument does not fit.
        """
        metrics = self._compiled("fit")
        size = batch_size_of(batch_size)
        epochs = integer(epochs, "epochs", 0)
        initial_epoch = integer(initial_epoch, "initial_epoch", 0)
        verbose = verbosity(verbose)
        seed = random.check_seed(seed)
        followers = checks.callbacks(callbacks)
        words: dict[str, Any] = {
            "steps": steps_per_epoch,
            "ports": self._ports,
            "word": "steps_per_epoch",
        }
        data = source(x, y, sample_weight, size, **words, endless=True)
        validation = checks.validation(validation_data, size, validation_steps, self._ports)
        fraction = checks.fraction(validation_split)
        if fraction and validation is None:
            if not isinstance(data, Arrays):
                raise ValueError(
                    "validation_split needs arrays; give validation_data. "
                    f"Received: validation_split={fraction} and x of type {type(x).__name__}"
                )
            head, tail = data.data.split(fraction)
            data = Arrays(head, size, steps_per_epoch, "steps_per_epoch")
            validation = Arrays(tail, size)
        weigh = class_weighting(class_weight)
        sample = data.sample
        weigh(sample.batch)  # finds targets that are no classes before the first step
        checks.rehearse(self, sample, metrics)
        self._check_optimizer()
        if validation is not None:
            checks.rehearse(self, validation.sample, metrics, "validation ")
        if not self.trainable_weights:
            raise ValueError(f"The model '{self.name}' has no trainable weights.")
        if seed is None:
            seed = int(random.generator().integers(2**63))

        history = History()
        self.history = history
        self.stop_training = False
        params: dict[str, Any] = {
            "epochs": epochs,
            "steps": data.steps,
            "verbose": verbose,
            "initial_epoch": initial_epoch,
            "seed": seed,
        }
        # The history sees what other callbacks add to the logs.
        crew = sorted([*followers, history], key=lambda each: each.acts_last)
        for follower in crew:
            follower.set_params(params)
            follower.set_model(self)
            follower.crew = crew
        logs: Logs = {}
        tell(crew, "on_train_begin", {})
        seed = params["seed"]  # these two may have been changed by a callback
        for epoch in range(params["initial_epoch"], epochs):
            if self.stop_training:
                break
            tell(crew, "on_epoch_begin", epoch, {})
            data.begin_epoch(epoch)
            batches = map(weigh, data.epoch(epoch, seed if shuffle else None))
            with Progress(f"Epoch {epoch + 1}/{epochs}", data.steps, verbose) as progress:
                logs = self._train_epoch(batches, metrics, followers, progress)
                data.end_epoch()
                if validation is not None:
                    found = self._test_epoch(validation.epoch(), metrics, Progress("", 0, 0))
                    logs.update({f"val_{name}": value for name, value in found.items()})
                progress.finish(logs)
            tell(crew, "on_epoch_end", epoch, logs)
        self.optimizer.finalize_variable_values(self.trainable_weights)
        tell(crew, "on_train_end", logs)
        return history

    @interruptible
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = 32,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        return_dict: bool = False,
        steps: int | None = None,
    ) -> Result:
        """Return the loss and the metrics on data, in inference mode; nothing is changed.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight
            As in `fit`.
        return_dict : bool
            Return a dict by name.
        steps : int, optional
            How many batches to use; all when left out.

        Returns
        -------
        float, list of float or dict
            The loss; with metrics, a list in the order of `metrics_names`.

        Raises
        ------
        RuntimeError
            If the model was not compiled.
        ValueError, TypeError
            If an argument does not fit.
        """
        metrics = self._compiled("evaluate")
        size = batch_size_of(batch_size)
        shown = verbosity(verbose)
        data = source(x, y, sample_weight, size, steps, self._ports)
        checks.rehearse(self, data.sample, metrics)
        with Progress("Evaluation", data.steps, shown) as progress:
            logs = self._test_epoch(data.epoch(), metrics, progress)
            progress.finish(logs)
        return _result(logs, return_dict)

    @interruptible
    def predict(
        self,
        x: Any,
        batch_size: int | None = 32,
        verbose: int | str = 0,
        steps: int | None = None,
    ) -> Any:
        """Return the outputs for `x`, in inference mode, computed batch by batch.

        Parameters
        ----------
        x : array_like, list of array_like, or source of batches
            As in `fit`; there may be no examples. Batches are inputs alone (an array, or a list of
            arrays for a model with several inputs) or tuples that begin with them.
        batch_size : int
            Examples per batch; it changes memory and speed, not the outputs.
        verbose : 0, 1, 2 or "auto"
            As in `fit`, but silent by default.
        steps : int, optional
            How many batches to use; all when left out.

        Returns
        -------
        ndarray, list or dict of ndarray
            One output per example; lists and dicts for a model that returns these.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        """
        total, batches = inputs_from(x, batch_size_of(batch_size), steps, self._ports)
        with Progress("Prediction", total, verbosity(verbose)) as progress:
            outputs = []
            for batch in batches:
                outputs.append(self._arrays(batch))
                progress.step(dict)
            progress.finish({})
        if not outputs:
            raise ValueError(f"There are no batches. Received: x={brief(x)}")
        return _joined(outputs)

    # ------------------------------------------------------------------ single batches

    @interruptible
    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Result:
        """Make one training step: outputs, loss, gradients, update.

        Parameters
        ----------
        x, y, sample_weight, class_weight
            One batch, as in `fit`.
        reset_metrics : bool
            Report this batch alone; otherwise loss and metrics go on counting.
        return_dict : bool
            Return a dict by name.

        Returns
        -------
        float, list of float or dict
            The loss of this batch before the update, and the metrics; see `metrics_names`. Means
            over all batches since the last reset if `reset_metrics` is false.

        Raises
        ------
        RuntimeError
            If the model was not compiled.
        ValueError, TypeError
            If an argument does not fit; weights and optimizer are as they were then.
        """
        metrics = self._compiled("train_on_batch")
        data = Data.of(x, y, sample_weight, ports=self._ports)
        batch = class_weighting(class_weight)(data.batch)
        if reset_metrics:
            metrics.reset_state()
        self._train_step(*batch, metrics)
        return _result(metrics.results(), return_dict)

    @interruptible
    def test_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Result:
        """Return the loss and the metrics of one batch, in inference mode; see `train_on_batch`."""
        metrics = self._compiled("test_on_batch")
        data = Data.of(x, y, sample_weight, ports=self._ports)
        if reset_metrics:
            metrics.reset_state()
        self._test_step(data.x, data.y, data.sample_weight, metrics)
        return _result(metrics.results(), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, in inference mode, as arrays; see `predict`."""
        return self._arrays(as_inputs(x, "x", self.input_names))

    def _arrays(self, x: Inputs) -> Any:
        with no_grad():
            return map_structure(lambda output: output.numpy(), self._predicted(x))


def _joined(parts: list[Any]) -> Any:
    """Return arrays, in equal lists and dicts, one after the other."""
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], list):
        return [_joined([*each]) for each in zip(*parts, strict=True)]
    return np.concatenate(parts)


def _result(logs: Logs, as_dict: bool) -> Result:
    values = list(logs.values())
    if as_dict:
        return logs
    return values[0] if len(values) == 1 else values

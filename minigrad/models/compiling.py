"""`compile`: what a model is trained with, and the names of what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad import optimizers
from minigrad._brief import brief
from minigrad._validate import number
from minigrad.layers import Layer
from minigrad.models.data import Ports, one_each
from minigrad.models.losses import Losses, as_loss, for_each
from minigrad.models.metrics import Metrics, listed

__all__ = ["Compiled"]


class Compiled(Layer):
    """A layer with an optimizer, a loss and metrics."""

    optimizer: Any = None
    loss: Any = None
    loss_weight: float = 1.0  # of a single output; `Losses` has those of several
    stop_training: bool = False
    input_names: tuple[str, ...] | None = None  # None: of a class with its own call()
    output_names: tuple[str, ...] | None = None
    _metrics: Metrics | None = None
    _given_names: tuple[str, ...] = Ports.outputs  # of the outputs, as `compile` found them
    _known_optimizer: Any = None  # which trains this model

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
    ) -> None:
        """Say how the model is to be trained.

        Parameters
        ----------
        optimizer : str, dict or Optimizer
            What turns gradients into updates. One that keeps something for each weight, as Adam
            does, trains one model, or several that have weights in common.
        loss : str, dict, Loss or callable
            What is made small: ``loss(y_true, y_pred)``. Without one the model can predict only.
            For a model with several outputs one for all, or a list or a dict by their names. The
            outputs of a `Sequential`, or of a class with its own `call`, have the names in that
            dict (also if there is one only), or "output_1"... None is for an output that is not to
            be judged.
        metrics : list of str, Metric or callable, optional
            What is reported beside the loss, over unweighted examples. ``"accuracy"`` becomes the
            accuracy that fits the targets and the outputs: binary, categorical or sparse
            categorical. For several outputs, a list with a list for each one, or a dict of lists
            by name, without those that need none; they are reported as ``out_accuracy`` then,
            beside ``out_loss``.
        loss_weights : float, list or dict of float, optional
            Factors of the losses of several outputs in their sum, which is what is made small; of
            a single output one number, also in a list, or in a dict by its name.

        Raises
        ------
        ValueError, TypeError
            For unknown names; the model stays as it was.

        Examples
        --------
        >>> import minigrad as mg
        >>> model = mg.Sequential([mg.layers.Dense(1)])
        >>> model.compile("sgd", loss="mse")
        >>> history = model.fit([[0.0], [1.0]], [[0.0], [2.0]], epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
        >>> x = mg.Input((3,), name="x")
        >>> size, kind = mg.layers.Dense(1, name="size")(x), mg.layers.Dense(2, name="kind")(x)
        >>> model = mg.Model(x, [size, kind])
        >>> model.compile("sgd", {"size": "mse", "kind": "mae"}, metrics={"size": ["mae"]})
        >>> model.metrics_names
        ['loss', 'size_loss', 'kind_loss', 'size_mae']
        """
        if optimizer is None:
            raise ValueError("compile() needs an optimizer. Received: optimizer=None")
        chosen = optimizers.get(optimizer)
        if not isinstance(chosen, optimizers.Optimizer):
            raise ValueError(
                "The optimizer must be a name, a configuration or an Optimizer. "
                f"Received: optimizer={brief(optimizer)}"
            )
        names = self.output_names or _names_in(loss, metrics, loss_weights)
        aim: Any
        factor: float = 1.0
        if len(names) > 1 and loss is not None:
            aim = Losses(names, loss, loss_weights)
            found = Metrics(metrics, names, aim.value_names)
        else:
            if for_each(loss_weights):
                (loss_weights,) = one_each(loss_weights, names, "loss_weights", "numbers")
            if loss_weights is not None:
                factor = number(loss_weights, "loss_weights", minimum=0)
            aim = as_loss(one_each(loss, names, "loss", "losses")[0] if for_each(loss) else loss)
            if isinstance(metrics, Mapping):
                metrics = listed(*one_each(metrics, names, "metrics", "lists", some=True))
            found = Metrics(metrics)
        self._metrics, self._given_names = found, names
        self.optimizer, self.loss, self.loss_weight = chosen, aim, factor
        self.stop_training = False

    def _check_optimizer(self) -> None:
        """Raise ValueError if the optimizer trains other models, with no weight in common.

        Frozen weights count: so the order in which the models are trained does not matter. What
        was updated by hand does not count, and `build` makes weights known.
        """
        if self._known_optimizer is self.optimizer:  # each step asks
            return
        weights = self.weights
        others = self.optimizer.trained
        known = {id(weight) for weight in (*others, *self.optimizer.parameters)}
        if others and self.optimizer.variables and known.isdisjoint(map(id, weights)):
            raise ValueError(
                f"The optimizer of the model '{self.name}' has updated weights of something else: "
                "it trains another model, with which this one has no weight in common. Make a new "
                "optimizer for each model, or say optimizer.build(model.trainable_weights) before "
                f"if they shall share one. Received: {type(self.optimizer).__name__} with the "
                f"state of {len(self.optimizer.parameters)} weights"
            )
        self.optimizer.trained = list({id(each): each for each in (*others, *weights)}.values())
        self._known_optimizer = self.optimizer

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` and `train_on_batch` return, in order."""
        return list(self._compiled("metrics_names").names)

    def reset_metrics(self) -> None:
        """Forget what the metrics have counted."""
        self._compiled("reset_metrics").reset_state()

    def _compiled(self, wanted: str) -> Metrics:
        if self._metrics is None:
            raise RuntimeError(
                f"The model '{self.name}' must be compiled before {wanted}: call "
                "model.compile(optimizer, loss, metrics) first."
            )
        return self._metrics

    @property
    def _ports(self) -> Ports:
        """What goes in and comes out when the model is trained."""
        return Ports(self.input_names, self._given_names)


def _names_in(loss: Any, *others: Any) -> tuple[str, ...]:
    """Return the names that `compile` gives to the outputs of a model which has none for them."""
    if isinstance(loss, (list, tuple)) and len(loss) > 1:
        return tuple(f"output_{number}" for number in range(1, len(loss) + 1))
    for given in (loss, *others):
        if given and isinstance(given, Mapping) and for_each(given):
            return tuple(given)
    return Ports.outputs

"""Models: layers that can be trained, summarized and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from minigrad import ops
from minigrad._brief import brief
from minigrad.autograd import Tensor, constant, move
from minigrad.layers import Layer, Parameter
from minigrad.layers.shapes import Shape, shape_of
from minigrad.layers.symbolic import shapes_on_zeros
from minigrad.models import saving
from minigrad.models.archive import FilePath
from minigrad.models.parts import all_or_nothing, inner_layers, named_weights
from minigrad.models.summary import layer_macs, summarize
from minigrad.models.training import Trainer

__all__ = ["Model"]


class Model(Trainer):
    """A network of any form.

    ``Model(inputs, outputs)`` is the network between symbols, see `Input` and
    `minigrad.models.functional`. Or derive a class: make layers in the constructor, connect them
    in `call`. Layers are found through the attributes of the model, also inside lists, tuples and
    dicts, and models may be parts of models. Such a model is built by its first call, or by
    `build`.

    Source: https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/Model

    Parameters
    ----------
    name, trainable, dtype
        As for every layer; the layers inside convert their inputs to their own dtypes.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Residual(mg.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.blocks = [mg.layers.Dense(4, activation="tanh") for _ in range(3)]
    ...         self.head = mg.layers.Dense(1)
    ...     def call(self, inputs):
    ...         x = inputs
    ...         for block in self.blocks:
    ...             x = x + block(x)
    ...         return self.head(x)
    >>> model = Residual()
    >>> model([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 1)
    >>> model.count_params()
    65
    >>> list(mg.models.named_weights(model))[:2]
    ['blocks.0.kernel', 'blocks.0.bias']
    """

    _calling = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a `Functional` if symbols are given."""
        if cls is Model and (args or "inputs" in kwargs or "outputs" in kwargs):
            from minigrad.models.functional import Functional  # which is a Model itself

            return super().__new__(Functional)
        return super().__new__(cls)

    @property
    def layers(self) -> list[Layer]:
        """The layers that are direct parts of the model, each one once."""
        return list({id(layer): layer for _, layer in inner_layers(vars(self))}.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name or by its place in `layers`.

        Raises
        ------
        ValueError
            If there is none, or if not exactly one of both is given.
        """
        layers = self.layers
        if (name is None) is (index is None):
            raise ValueError(
                f"Give a name or an index. Received: name={brief(name)}, index={brief(index)}"
            )
        if index is not None:
            if index not in range(-len(layers), len(layers)):
                raise ValueError(f"There are {len(layers)} layers. Received: index={brief(index)}")
            return layers[int(index)]
        for layer in layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in layers)
        raise ValueError(f"No layer is named {name!r}. Layers of '{self.name}': {names}")

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; the first call makes the weights (or nothing, if it fails)."""
        if self.built:
            return super().__call__(inputs, *args, **kwargs)
        with all_or_nothing(self):
            self._calling = True
            try:
                return super().__call__(inputs, *args, **kwargs)
            finally:
                self._calling = False

    def build(self, input_shape: Any) -> None:
        """Make the weights of all layers by calling the model on zeros of this shape.

        Parameters
        ----------
        input_shape : tuple of (int or None), or list of them
            With the batch axis, which may be None; the other sizes must be known.

        Raises
        ------
        TypeError, ValueError
            If it is not a shape, or a layer cannot work with it; the model stays as it was.
        """
        if not self._calling:
            shapes_on_zeros(self, shape_of(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the output, found by calling the built model on zeros.

        Raises
        ------
        NotImplementedError
            If the model is not built.
        ValueError
            If a size other than the batch is not known.
        """
        if not self.built:
            raise NotImplementedError(
                f"The output shape of the model '{self.name}' is known once it is built. Call it "
                "on data or call build(input_shape) first."
            )
        found: Shape = shapes_on_zeros(self, shape_of(input_shape))
        return found

    def macs(self, input_shape: Any) -> int:
        """Return the multiply-adds of all layers for one example of the shape they were built for.

        How a model connects its layers is not known, so `input_shape` cannot be followed through
        them (a `Sequential` can), and a layer that is called several times counts once.
        """
        return sum(layer_macs(layer) for layer in self.layers)

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the layers: output shapes, parameters, multiply-adds per example.

        Parameters
        ----------
        print_fn : callable, optional
            Gets every line; ``print`` when left out.

        Raises
        ------
        ValueError
            If the model is not built. `minigrad.models.summarize` returns the numbers.
        """
        for line in str(summarize(self)).splitlines():
            (print if print_fn is None else print_fn)(line)

    def save(self, path: FilePath, include_optimizer: bool = True) -> None:
        """Write the whole model to one file, all or nothing.

        `load` makes an equal model of it: configuration, weights and, if the model is compiled,
        the optimizer with its state, the loss and the metrics, so that training goes on as if it
        had not been interrupted. Own layers, losses and so on must be registered (see
        `minigrad.layers.register`) where the file is loaded. Nothing is pickled.

        Parameters
        ----------
        path : str or path-like
            Exactly this file; the format is that of ``numpy.savez``, or of safetensors if the name
            ends in ``.safetensors``.
        include_optimizer : bool
            False leaves out what `compile` set.

        Raises
        ------
        ValueError
            If the model is not built, or a part of it has no name to be found by.
        OSError
            If the file cannot be written; an older one is as it was then.
        """
        self._weights_for("saved")
        saving.save_model(self, path, include_optimizer)

    @classmethod
    def load(cls, path: FilePath, compile: bool = True) -> Self:
        """Return a new model from a file; see `minigrad.models.load_model`.

        Raises
        ------
        TypeError
            If the file holds another kind of model than the class this is called on.
        """
        model = saving.load_model(path, compile)
        if not isinstance(model, cls):
            raise TypeError(
                f"{str(path)!r} holds a {type(model).__name__}. Received: {cls.__name__}.load()"
            )
        return model

    def save_weights(self, path: FilePath) -> None:
        """Write all weights, moving averages included, to a file, all or nothing.

        The file is exactly `path`: nothing is appended to its name. An existing file is replaced,
        but only after the new one is complete. ``numpy.load`` opens it; nothing is pickled.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        ValueError
            If the model is not built.
        OSError
            If the file cannot be written.
        """
        saving.write_weights(path, self._weights_for("saved"))

    def load_weights(self, path: FilePath) -> None:
        """Set all weights from a file made by `save_weights`, all or nothing.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the model is not built, or the file is damaged, of a newer version, or of another
            model. The message says what differs; no weight has changed.
        """
        saving.read_weights(path, self._weights_for("loaded"))

    def backup_training(self, path: FilePath, info: Mapping[str, Any]) -> None:
        """Write what the rest of a training depends on; for `BackupAndRestore`."""
        saving.backup_training(self, path, info)

    def restore_training(self, path: FilePath, callbacks: list[str]) -> dict[str, Any]:
        """Put back what `backup_training` wrote, all or nothing, and return its `info`."""
        return saving.restore_training(self, path, callbacks)

    # ------------------------------------------------------------------ inside

    def _tensor(self, value: Any) -> Tensor:
        """Return an input as a tensor; its dtype is the business of the layers inside."""
        found = constant(value)
        if found is not value:  # it was no tensor yet
            move([found], self._device)
        if found.dtype.kind in "iu" and not hasattr(value, "dtype"):
            return ops.astype(found, self._dtype)  # plain Python numbers
        return found

    def _weights_for(self, purpose: str) -> dict[str, Parameter]:
        if not self.built:
            raise ValueError(
                f"The model '{self.name}' is not built, so it has no weights to be {purpose}. Call "
                "it on data or call build(input_shape) first."
            )
        return named_weights(self)

"""Sequential: a stack of layers, each one fed with the output of the one before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, Self

from minigrad import layers as registry
from minigrad._brief import brief
from minigrad._registry import sharing
from minigrad.autograd import Tensor
from minigrad.layers import InputLayer, Layer, Symbol
from minigrad.layers.shapes import Shape, to_shape
from minigrad.layers.symbolic import output_shapes
from minigrad.models.model import Model
from minigrad.models.parts import all_or_nothing, takes_along
from minigrad.models.summary import layer_macs

__all__ = ["Sequential"]


class Sequential(Model):
    """A stack of layers.

    The weights are made by the first call, by `build`, or at once if the shape of the input is
    known: from ``input_shape`` of the first layer or of the model.

    Source: https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/Sequential

    Parameters
    ----------
    layers : list of Layer, optional
        From input to output. The first may be ``mg.Input(shape)``, which is no layer of its own.
    name : str, optional
        Made automatically when left out.
    **kwargs
        As for every layer: ``input_shape``, ``trainable``, ``dtype``...

    Raises
    ------
    TypeError
        If something in the list is not a layer.
    ValueError
        If a layer or a name occurs twice, or a layer cannot work with the output of the one
        before; the message names the layer and the shapes.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.Sequential(
    ...     [mg.layers.SeparableConv2D(4, 3), mg.layers.Flatten(), mg.layers.Dense(10)]
    ... )
    >>> model.build((None, 8, 8, 1))
    >>> model.output_shape
    (None, 10)
    """

    input_names = ("",)

    def __init__(
        self, layers: Iterable[Layer] | None = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self._layers: list[Layer] = []
        if isinstance(layers, Layer):
            raise TypeError(f"Sequential takes a list of layers. Received: {brief(layers)}")
        self._set([] if layers is None else list(layers))

    @property
    def layers(self) -> list[Layer]:
        """The layers, from input to output; change them with `add` and `pop`."""
        return list(self._layers)

    @property
    def input_shape(self) -> Shape | None:
        """The shape that the model was built for, with None for the batch; None if it is not."""
        shape = self._build_shape
        return None if shape is None else (None, *shape[1:])

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the output for `input_shape`; None if the model is not built."""
        shape = self.input_shape
        return None if shape is None else self.compute_output_shape(shape)

    def add(self, layer: Layer | Symbol) -> None:
        """Put a layer on top; if that is an error, the model stays as it was."""
        self._set([*self._layers, layer])

    def pop(self) -> Layer:
        """Remove and return the last layer.

        Raises
        ------
        TypeError
            If there is none.
        """
        if not self._layers:
            raise TypeError(f"There are no layers in the model '{self.name}' to pop.")
        last = self._layers[-1]
        self._set(self._layers[:-1])
        return last

    def build(self, input_shape: Any) -> None:
        """Make the weights of all layers for inputs of a shape.

        Parameters
        ----------
        input_shape : tuple of (int or None)
            With the batch axis; None for sizes that may vary.

        Raises
        ------
        TypeError, ValueError
            If it is not a shape or a layer cannot work with it; no layer is built then.
        """
        self._build_layers(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Pass the inputs through all layers; they train if the model does."""
        x = inputs
        done = False
        for index, (layer, after) in enumerate(zip_longest(self._layers, self._layers[1:])):
            if done:
                done = False
                continue
            done = after is not None and takes_along(layer, after)
            try:
                x = layer(x, relu=True) if done else layer(x)
            except ValueError as error:
                raise self._failure(index, x.shape, inputs.shape, error) from error
        return x

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the output without computing anything; names the layer that fails."""
        first = shape = to_shape(input_shape)
        for index in range(len(self._layers)):
            shape = self._after(index, shape, first)
        return shape

    def macs(self, input_shape: Any) -> int:
        """Return the number of multiply-adds of all layers for one example."""
        first = shape = to_shape(input_shape)
        total = 0
        for index, layer in enumerate(self._layers):
            total += layer_macs(layer, shape)
            shape = self._after(index, shape, first)
        return total

    @sharing()
    def get_config(self) -> dict[str, Any]:
        """Return the name and the configurations of the layers as plain data."""
        parts = [registry.serialize(layer) for layer in self._layers]
        return {**super().get_config(), "layers": parts}

    @classmethod
    @sharing()
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an equal model, with new weights, from what `get_config` returned."""
        arguments = dict(config)
        parts = arguments.pop("layers", [])
        return cls([registry.deserialize(part) for part in parts], **arguments)

    # ------------------------------------------------------------------ inside

    def _set(self, layers: list[Any]) -> None:
        """Make these the layers, and build them if the shape of the input is known."""
        before = self._layers, self.batch_input_shape
        if layers and isinstance(layers[0], (InputLayer, Symbol)):
            self.batch_input_shape = _entry(layers[0])
            layers = layers[1:]
        _check(layers, self)
        self._layers = layers
        try:
            if not layers:
                self.built, self._build_shape = False, None
            shape = self._build_shape or self.batch_input_shape
            if shape is None and layers:
                first = layers[0]  # perhaps a model whose input is known
                shape = first.batch_input_shape or getattr(first, "input_shape", None)
            if shape is not None and self.built:
                self._build_layers(shape)
            elif shape is not None and layers:
                self.build(shape)
        except BaseException:
            self._layers, self.batch_input_shape = before
            raise

    def _build_layers(self, input_shape: Any) -> None:
        first = shape = (None, *to_shape(input_shape)[1:])
        # An own layer that cannot tell its output shape must be built and called to know it.
        with contextlib.suppress(NotImplementedError):
            self.compute_output_shape(shape)
        with all_or_nothing(self):
            for index, layer in enumerate(self._layers):
                layer.build(shape)
                layer.built = True
                shape = self._after(index, shape, first)

    def _after(self, index: int, shape: Shape, first: Shape) -> Shape:
        """Return what layer number `index` makes of a shape."""
        try:
            found: Shape = output_shapes(self._layers[index], shape)
            return found
        except ValueError as error:
            raise self._failure(index, shape, first, error) from error

    def _failure(self, index: int, shape: Shape, first: Shape, error: Exception) -> ValueError:
        layer = self._layers[index]
        return ValueError(
            f"Layer {index} of the model '{self.name}', {layer.name!r} ({type(layer).__name__}), "
            f"cannot take its input of shape {shape} (the model's input has shape {first}). {error}"
        )


def _entry(first: Any) -> Shape | None:
    """Return the shape, with the batch, of an `Input`."""
    layer = first.source.layer if isinstance(first, Symbol) else first
    if not isinstance(layer, InputLayer):
        raise TypeError(
            f"A Sequential begins with layers or with mg.Input(...). Received: {brief(first)}, the "
            "output of a layer"
        )
    return layer.batch_input_shape


def _check(layers: list[Any], model: Sequential) -> None:
    name = model.name
    seen: dict[str, Layer] = {}
    for layer in layers:
        if not isinstance(layer, Layer):
            hint = (
                " Make an instance: " + layer.__name__ + "(...)." if isinstance(layer, type) else ""
            )
            raise TypeError(
                f"Only layers can be added to the model '{name}'.{hint} Received: {brief(layer)}"
            )
        if model in layer._tree():
            raise ValueError(f"The model '{name}' cannot be a layer of itself.")
        if layer.name in seen:
            same = "The same layer" if seen[layer.name] is layer else "Another layer"
            raise ValueError(
                f"{same} named {layer.name!r} is in the model '{name}' already; every layer of a "
                "Sequential must be a new one with a name of its own."
            )
        seen[layer.name] = layer


registry.register(Sequential)

"""Networks of any form, described by calling layers on symbols: the functional API.

``Model(inputs, outputs)`` walks back from the outputs to the inputs, and has a list of calls then.
Everything else is a loop over that list: computing, shapes, multiply-adds, the configuration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import compress
from typing import Any, Self

from minigrad import layers as registry
from minigrad._brief import brief
from minigrad._registry import sharing
from minigrad.autograd import Tensor
from minigrad.layers import InputLayer, InputSpec, Layer, Symbol
from minigrad.layers.naming import auto_name
from minigrad.layers.shapes import Shape, shape_of
from minigrad.layers.symbolic import LayerCall, leaves, map_structure, output_shapes
from minigrad.models.data import one_each
from minigrad.models.model import Model
from minigrad.models.parts import takes_along
from minigrad.models.summary import layer_macs

__all__ = ["Functional"]


class Functional(Model):
    """The network between symbols; ``Model(inputs, outputs)`` makes one.

    Branches, residual connections, layers that are called several times and models inside models
    are all possible.

    Source: https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/Model

    Parameters
    ----------
    inputs : Symbol, or list or dict of Symbol
        Made by `Input`. The names of inputs are those of their layers, or the keys of the dict;
        in nested lists and dicts the way to them, as in ``"image/left"`` or ``"image/0"``.
    outputs : Symbol, or list or dict of Symbol
        Made by calling layers on the inputs. What the model returns has the same form.
    name, trainable : optional
        As for every layer.

    Raises
    ------
    TypeError
        If something is not a symbol, or a layer in a graph is a subclassed model that contains it.
    ValueError
        If outputs depend on an input that is not given, an input is not one of `Input`, or two
        layers have the same name.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.Input((8, 8, 3))
    >>> left = mg.layers.SeparableConv2D(4, 3, padding="same")(x)
    >>> right = mg.layers.DepthwiseConv2D(3, padding="same")(x)
    >>> model = mg.Model(x, [left, right])
    >>> [tensor.shape for tensor in model([[[[1.0, 2.0, 3.0]] * 8] * 8])]
    [(1, 8, 8, 4), (1, 8, 8, 3)]
    >>> model = mg.Model({"image": x}, {"left": left, "right": right})
    >>> list(model({"image": [[[[1.0, 2.0, 3.0]] * 8] * 8]}))
    ['left', 'right']
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", True)
        super().__init__(name=auto_name(Model) if name is None else name, **kwargs)
        self.inputs, self.outputs = _symbols(inputs, "inputs"), _symbols(outputs, "outputs")
        self.input_names, self.output_names = _names(self.inputs), _names(self.outputs)
        self._starts, self._ends = leaves(self.inputs), leaves(self.outputs)
        self._nested = len(self._starts) > 1 and any("/" in way for way in _names(self.inputs))
        self._calls = _order(self._starts, self._ends)
        self._layers = list({id(call.layer): call.layer for call in self._calls}.values())
        for layer_name, times in Counter(layer.name for layer in self._layers).items():
            if times > 1:
                raise ValueError(
                    f"The names of the layers in a model must differ. Received: {times} layers "
                    f"named {layer_name!r}"
                )
        self._followers = _followers(self._calls, self._ends)
        self._taken: list[bool] | None = None
        self._steps: list[LayerCall] = []
        shapes = [symbol.shape for symbol in self._starts]
        self._build_shape = shapes if len(shapes) > 1 else shapes[0]
        if len(shapes) == 1:
            self.input_spec = _spec(shapes[0])
        self.built = True
        if not trainable:
            self.trainable = False

    @property
    def layers(self) -> list[Layer]:
        """The layers, each one once, inputs included, in the order of their first calls."""
        return list(self._layers)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or shapes in the form of the inputs."""
        return map_structure(lambda symbol: symbol.shape, self.inputs)

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or shapes in the form of the outputs."""
        return map_structure(lambda symbol: symbol.shape, self.outputs)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; several inputs come in a list, or in a dict by their names."""
        inputs = self._given(inputs)
        one = len(self._starts) == 1 and isinstance(inputs, (list, tuple))
        if one and len(inputs) == 1 and getattr(inputs[0], "ndim", False):
            (inputs,) = inputs
        return super().__call__(inputs, *args, **kwargs)

    def _given(self, value: Any) -> Any:
        """Return what is given for the inputs by name, or in nested lists, in their order."""
        nested = isinstance(value, (list, tuple)) and self._nested
        if not nested and not isinstance(value, Mapping):
            return value
        found = one_each(value, _names(self.inputs), f"The input of the model '{self.name}'")
        return found if len(found) > 1 else found[0]

    def _listed(self, outputs: Any) -> Any:
        return outputs if isinstance(outputs, Tensor) else leaves(self.outputs, outputs)

    def build(self, input_shape: Any) -> None:
        """Check the shape; the weights exist already."""
        self._check_input_shape(shape_of(input_shape))

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        taken = [takes_along(call.inputs.source.layer, call.layer) for call in self._followers]
        if taken != self._taken:  # layers can be changed at any time
            self._plan(list(compress(self._followers, taken)))
            self._taken = taken
        return self._run(inputs, lambda call, values: call.layer(values, **call.words), self._steps)

    def _plan(self, taken: list[LayerCall]) -> None:
        """Note which calls to make, some as one with that before it, and what to drop then."""
        firsts = {id(call): id(call.inputs.source) for call in taken}
        self._steps = []
        places: dict[int, int] = {}
        for call in self._calls:
            if id(call) in firsts:
                place = places[firsts[id(call)]]
                first = self._steps[place]
                words = {**first.words, "relu": True}
                self._steps[place] = replace(first, words=words, outputs=call.outputs)
            else:
                places[id(call)] = len(self._steps)
                self._steps.append(replace(call, drops=[]))
        # After its last use a result is dropped, so that inference keeps no more than it needs.
        last = {id(s): (s, i) for i, c in enumerate(self._steps) for s in _flat(c.inputs)}
        kept = set(map(id, self._ends))
        for symbol, number in last.values():  # symbols, not their ids: a copy has others
            if id(symbol) not in kept:
                self._steps[number].drops.append(symbol)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output (shapes in its form) without computing anything."""
        shapes = shape_of(self._given(input_shape))
        self._check_input_shape(shapes)
        return self._run(shapes, lambda call, values: output_shapes(call.layer, values, call.words))

    def traced(self, input_shape: Any) -> list[tuple[Layer, Any, Any]]:
        """Return all calls as (layer, shape of its input, shape of its output), in their order."""
        inputs = [call for call in self._calls if call.inputs is None]
        shapes = shape_of(self._given(input_shape))
        given = shapes if isinstance(shapes, list) else [shapes]
        found = [(call.layer, x, x) for call, x in zip(inputs, given, strict=True)]

        def note(call: LayerCall, before: Any) -> Any:
            after = output_shapes(call.layer, before, call.words)
            parts = leaves(call.outputs, after)
            found.append((call.layer, before, parts if len(parts) > 1 else parts[0]))
            return after

        self._run(shapes, note)
        return found

    def macs(self, input_shape: Any) -> int:
        """Return the multiply-adds for one example; a layer called twice counts twice."""
        return sum(layer_macs(layer, before) for layer, before, _ in self.traced(input_shape))

    @sharing()
    def get_config(self) -> dict[str, Any]:
        """Return layers and calls as plain data: a symbol is [number of its call, its index]."""
        numbers = {id(call): i for i, call in enumerate(self._calls)}
        places = {id(layer): i for i, layer in enumerate(self._layers)}

        def place(symbol: Symbol) -> list[int]:
            return [numbers[id(symbol.source)], symbol.index]

        calls = [
            {
                "layer": places[id(call.layer)],
                "inputs": None if call.inputs is None else map_structure(place, call.inputs),
                **({"words": dict(call.words)} if call.words else {}),
            }
            for call in self._calls
        ]
        return {
            **super().get_config(),
            "layers": [registry.serialize(layer) for layer in self._layers],
            "calls": calls,
            "inputs": map_structure(place, self.inputs),
            "outputs": map_structure(place, self.outputs),
        }

    @classmethod
    @sharing()
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an equal model, with new weights, from what `get_config` returned."""
        arguments = dict(config)
        parts = [registry.deserialize(part) for part in arguments.pop("layers")]
        made: list[Any] = []

        def symbols(places: Any) -> Any:
            if isinstance(places, Mapping):
                return {key: symbols(place) for key, place in places.items()}
            if not isinstance(places[0], int):
                return [symbols(place) for place in places]
            return leaves(made[places[0]])[places[1]]

        for call in arguments.pop("calls"):
            layer = parts[call["layer"]]
            if call["inputs"] is None:
                made.append(layer.symbol)
            else:
                made.append(layer(symbols(call["inputs"]), **call.get("words", {})))
        inputs, outputs = symbols(arguments.pop("inputs")), symbols(arguments.pop("outputs"))
        trainable = arguments.pop("trainable", True)
        model = cls(inputs, outputs, **arguments)
        model._trainable = trainable  # the layers have read their own
        return model

    # ------------------------------------------------------------------ inside

    def _run(
        self,
        inputs: Any,
        compute: Callable[[LayerCall, Any], Any],
        steps: Iterable[LayerCall] | None = None,
    ) -> Any:
        """Follow the calls: `compute` gets each one with what stands for its inputs."""
        given = [inputs] if len(self._starts) == 1 else inputs
        values = dict(zip(map(id, self._starts), given, strict=True))

        def value(symbol: Symbol) -> Any:
            return values[id(symbol)]

        for call in steps or self._calls:
            before, after = call.inputs, call.outputs
            if before is not None:
                one = type(before) is Symbol
                arguments = values[id(before)] if one else map_structure(value, before)
                try:
                    found = compute(call, arguments)
                except ValueError as error:
                    raise self._failure(call, arguments, error) from error
                if type(after) is Symbol:
                    values[id(after)] = found
                else:
                    values.update(zip(map(id, leaves(after)), leaves(after, found), strict=True))
            for symbol in call.drops:
                del values[id(symbol)]
        return map_structure(value, self.outputs)

    def _failure(self, call: LayerCall, arguments: Any, error: Exception) -> ValueError:
        values = leaves(call.inputs, arguments)
        shapes = [x.shape if isinstance(x, Tensor) else x for x in values]
        return ValueError(
            f"Layer {call.layer.name!r} ({type(call.layer).__name__}) of the model '{self.name}' "
            f"cannot take its input of shape {', '.join(map(str, shapes))} (the model's input has "
            f"shape {self.input_shape}). {error}"
        )

    def _check_input_shape(self, shape: Any) -> None:
        if len(self._starts) == 1:
            if isinstance(shape, list):
                raise ValueError(f"The model '{self.name}' has one input. Received: {len(shape)}")
            super()._check_input_shape(shape)
            return
        if not isinstance(shape, list) or len(shape) != len(self._starts):
            raise ValueError(
                f"The model '{self.name}' takes a list of {len(self._starts)} tensors. "
                f"Received: shape {shape}"
            )
        for each, symbol in zip(shape, self._starts, strict=True):
            _spec(symbol.shape).check(each, f"{symbol.source.layer.name!r} of '{self.name}'")


def _spec(shape: Shape) -> InputSpec:
    sizes = {axis: size for axis, size in enumerate(shape) if size is not None}
    return InputSpec(ndim=len(shape), axes=sizes)


def _flat(inputs: Any) -> list[Any]:
    return [] if inputs is None else leaves(inputs)


def _symbols(value: Any, what: str) -> Any:
    """Return a symbol, or nested lists (one of two at least) and dicts of symbols."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        (value,) = value
    flat = leaves(value)
    if flat and all(isinstance(x, Symbol) for x in flat):
        return map_structure(lambda symbol: symbol, value)
    raise TypeError(
        f"The {what} of a model must be a symbol, or a list or dict of symbols: mg.Input(...) "
        f"makes the first, calling layers on it the others. Received: {what}={brief(value)}"
    )


def _names(symbols: Any) -> tuple[str, ...]:
    """Return the names of symbols: the ways to them, or the names of layers for a mere list.

    A number makes equal ones differ.
    """
    parts = symbols if isinstance(symbols, list) else [symbols]
    if not all(isinstance(part, Symbol) for part in parts):
        return tuple(_ways(symbols, ""))
    found: list[str] = []
    for symbol in parts:
        name = wanted = symbol.source.layer.name
        number = 0
        while name in found:
            number += 1
            name = f"{wanted}_{number}"
        found.append(name)
    return tuple(found)


def _ways(structure: Any, before: str) -> list[str]:
    """Return the names of the places in nested lists and dicts."""
    if isinstance(structure, Symbol):
        return [before[:-1]]
    items = structure.items() if isinstance(structure, dict) else enumerate(structure)
    for key, _ in items if isinstance(structure, dict) else ():
        if not isinstance(key, str) or not key or "/" in key:
            raise ValueError(
                "The keys of a dict of inputs or outputs are their names: strings without '/', "
                f"which joins the names of nested ones. Received: the key {key!r}"
            )
    return [way for key, part in items for way in _ways(part, f"{before}{key}/")]


def _followers(calls: list[LayerCall], outputs: list[Symbol]) -> list[LayerCall]:
    """Return the calls that are all that sees the output of another one."""
    readers = Counter(id(symbol) for call in calls for symbol in _flat(call.inputs))
    readers.update(map(id, outputs))
    one = [call for call in calls if isinstance(call.inputs, Symbol)]
    return [call for call in one if readers[id(call.inputs)] == 1]


def _order(inputs: list[Symbol], outputs: list[Symbol]) -> list[LayerCall]:
    """Return the calls between inputs and outputs, each one after those it depends on."""
    for symbol in inputs:
        if not isinstance(symbol.source.layer, InputLayer):
            raise ValueError(
                "The inputs of a model must come from mg.Input. "
                f"Received: {brief(symbol)}; a model "
                "from the middle of a network needs an Input of its own and new calls"
            )
    if len({id(symbol) for symbol in inputs}) < len(inputs):
        raise ValueError(f"An input was given twice. Received: inputs={brief(inputs)}")
    given = [symbol.source for symbol in inputs]
    order: dict[int, LayerCall] = {id(call): call for call in given}
    waiting = [(symbol.source, False) for symbol in reversed(outputs)]
    while waiting:  # depth first, without recursion: networks may be deep
        call, done = waiting.pop()
        if id(call) in order:
            continue
        if call.inputs is None:
            raise ValueError(
                f"The outputs depend on the input {call.layer.name!r}, which is not among the "
                f"inputs of the model. Received: inputs={brief(inputs)}"
            )
        if done:
            order[id(call)] = call
            continue
        waiting.append((call, True))
        waiting += [(symbol.source, False) for symbol in reversed(_flat(call.inputs))]
    return list(order.values())


registry.register(Functional)

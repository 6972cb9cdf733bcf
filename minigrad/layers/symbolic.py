"""Symbols: tensors that have a shape but no numbers yet, and the calls that made them.

Calling a layer on a symbol computes nothing. It builds the layer, finds the shape of its output
and remembers the call, so that the network between two symbols can be walked and run later, which
is what ``Model(inputs, outputs)`` does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from minigrad.autograd import no_grad
from minigrad.layers.shapes import Shape

if TYPE_CHECKING:
    from minigrad.layers.base import Layer

__all__ = [
    "LayerCall",
    "Symbol",
    "leaves",
    "map_structure",
    "output_shapes",
    "shapes_on_zeros",
    "trace",
]


class Symbol:
    """What a layer will return: a shape, a dtype, and the call that it comes from.

    Attributes
    ----------
    shape : tuple of (int or None)
        With None for the batch and for other sizes that are not known.
    dtype : str
    source : LayerCall
        The call that returns it; that of an `InputLayer` for the inputs of a network.
    index : int
        Which of the outputs of that call it is, counted through lists and dicts.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.Input((8, 8, 1), name="image")
    >>> mg.layers.SeparableConv2D(4, 3, name="features")(x)
    <Symbol from 'features', shape=(None, 6, 6, 4), dtype=float32>
    """

    __slots__ = ("dtype", "index", "shape", "source")
    __array_ufunc__ = None  # NumPy leaves operators between its arrays and symbols to the symbol

    def __init__(self, shape: Shape, dtype: str, source: LayerCall, index: int) -> None:
        self.shape, self.dtype, self.source, self.index = shape, dtype, source, index

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __repr__(self) -> str:
        name = self.source.layer.name
        return f"<Symbol from {name!r}, shape={self.shape}, dtype={self.dtype}>"

    def _no_numbers(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            f"{self!r} has a shape but no numbers: only layers can be called on it. Write other "
            "computations as a layer with a call() method, or sums and products as "
            "layers.Add()([a, b]) and layers.Multiply()([a, b])."
        )

    __array__ = __bool__ = __float__ = __int__ = __iter__ = __len__ = __getitem__ = _no_numbers
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _no_numbers
    __truediv__ = __rtruediv__ = __pow__ = __matmul__ = __rmatmul__ = _no_numbers
    __lt__ = __le__ = __gt__ = __ge__ = _no_numbers


@dataclass(eq=False)
class LayerCall:
    """One call of a layer on symbols.

    Attributes
    ----------
    layer : Layer
    inputs : Symbol, list of Symbol, or None
        None for the call of an `InputLayer`.
    words : dict
        Further keyword arguments of the call.
    outputs : Symbol, or nested lists and dicts of Symbol
    drops : list of Symbol
        What nobody needs after this call, in a copy that is a step of a model.
    """

    layer: Layer
    inputs: Any
    words: Mapping[str, Any]
    outputs: Any = None
    drops: list[Symbol] = field(default_factory=list)


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply a function to a tensor, or to each one in nested lists and dicts."""
    if isinstance(structure, dict):
        return {key: map_structure(function, part) for key, part in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [map_structure(function, part) for part in structure]
    return function(structure)


def leaves(structure: Any, value: Any = None) -> list[Any]:
    """Return what nested lists and dicts hold, or what stands in these places of `value`.

    Examples
    --------
    >>> leaves({"a": 1, "b": [2, 3]}), leaves(["x", "y"], [(None, 3), (None, 4)])
    ([1, 2, 3], [(None, 3), (None, 4)])
    """
    value = structure if value is None else value
    if isinstance(structure, dict):
        pairs = [(part, value[key]) for key, part in structure.items()]
    elif isinstance(structure, (list, tuple)):
        pairs = list(zip(structure, value, strict=True))
    else:
        return [value]
    return [leaf for part, held in pairs for leaf in leaves(part, held)]


def trace(layer: Layer, inputs: Any, words: Mapping[str, Any]) -> Any:
    """Remember a call of a layer on symbols and return the symbols of what it returns.

    The layer is built if it is not.

    Raises
    ------
    TypeError
        If symbols and arrays are mixed, or an array is among the other arguments.
    ValueError
        If the layer cannot work with the shapes.
    """
    several = isinstance(inputs, (list, tuple))
    parts = list(inputs) if several else [inputs]
    strange = [part for part in parts if not isinstance(part, Symbol)]
    strange += [word for word in words.values() if isinstance(word, Symbol)]
    if strange:
        shape = getattr(strange[0], "shape", None)
        raise TypeError(
            f"Layer {layer.name!r} was called on symbols and something else at once; a network "
            f"of symbols takes all its numbers through mg.Input, as the first argument of its "
            f"layers. Received: {type(strange[0]).__name__} of shape {shape}"
        )
    if several and layer.input_spec is not None:
        raise ValueError(
            f"Layer {layer.name!r} takes one tensor. Received: a list of {len(parts)} symbols"
        )
    shapes = map_structure(lambda symbol: symbol.shape, inputs)
    if layer.built:
        layer._check_input_shape(shapes)
    else:
        layer.build(shapes)
    call = LayerCall(layer, map_structure(lambda symbol: symbol, inputs), dict(words))
    found = output_shapes(layer, shapes, words)
    numbers = itertools.count()

    def symbols(shapes: Any) -> Any:
        if isinstance(shapes, dict):
            return {key: symbols(shape) for key, shape in shapes.items()}
        if isinstance(shapes, list):
            return [symbols(shape) for shape in shapes]
        return Symbol(shapes, layer.dtype, call, next(numbers))

    call.outputs = symbols(found)
    return call.outputs


def output_shapes(layer: Layer, shapes: Any, words: Mapping[str, Any] | None = None) -> Any:
    """Return the shape of a layer's output, or a list of shapes.

    A built layer that does not define `compute_output_shape` is called on zeros to see.

    Raises
    ------
    NotImplementedError
        If it would have to be called, but is not built.
    ValueError
        If it would have to be called, but a size other than the batch is not known, or if the
        layer cannot work with the shapes.
    """
    try:
        return layer.compute_output_shape(shapes)
    except NotImplementedError:
        if not layer.built:
            raise
    return shapes_on_zeros(layer, shapes, words)


def shapes_on_zeros(layer: Layer, shapes: Any, words: Mapping[str, Any] | None = None) -> Any:
    """Return the shapes of what a layer makes of one example of zeros, with the batch of `shapes`.

    Raises
    ------
    ValueError
        If a size other than the batch is not known, or the layer cannot work with the shapes.
    """
    parts = shapes if isinstance(shapes, list) else [shapes]
    if any(not shape or None in shape[1:] for shape in parts):
        raise ValueError(
            f"Layer {layer.name!r} must be called to know its output, since it does not define "
            "compute_output_shape(), and so all sizes but the first, the batch, must be known. "
            f"Received: input_shape={shapes}"
        )
    zeros = [np.zeros((1, *shape[1:]), layer.dtype) for shape in parts]
    try:
        with no_grad(), np.errstate(all="ignore"):  # the logarithm of zero is nobody's worry
            found = layer(zeros if isinstance(shapes, list) else zeros[0], **(words or {}))
    finally:
        for each in layer._tree():
            each._call_losses = []
    return map_structure(lambda tensor: (parts[0][0], *tensor.shape[1:]), found)

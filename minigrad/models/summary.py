"""The table of a model: what each layer makes, holds and costs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.layers import Layer
from minigrad.layers.images import channel_axis
from minigrad.models.parts import inner_layers

__all__ = ["LayerSummary", "ModelSummary", "layer_macs", "summarize"]

HEAD = ("Layer (type)", "Output shape", "Params", "MACs", "Output", "FLOP/B", "As Conv2D")


@dataclass(frozen=True)
class LayerSummary:
    """One row of the table; all numbers but the parameters are for one example.

    Attributes
    ----------
    name, class_name : str
        Which layer it is.
    output_shape : tuple, list of tuples, or None
        With None for the batch; None if the layer cannot tell.
    params : int
        Numbers in all its weights.
    trainable_params : int
        Those of them that are trained.
    macs : int or None
        Multiply-adds, over all calls of the layer where these are known; None if a size is not.
    activation_bytes : int or None
        Memory for the output, over all calls; None if a size is not known.
    intensity : float or None
        Floating-point operations (two per multiply-add) per byte of input, weights and output
        that is moved: what decides whether arithmetic or memory sets the pace (Williams et al.,
        "Roofline", 2009).
    conv2d_params, conv2d_macs : int or None
        Those of a Conv2D with the same window, channels and filters; for layers that have a
        depthwise step.
    """

    name: str
    class_name: str
    output_shape: Any
    params: int
    trainable_params: int
    macs: int | None
    activation_bytes: int | None
    intensity: float | None
    conv2d_params: int | None
    conv2d_macs: int | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        return (
            f"{self.name} ({self.class_name})",
            _shape(self.output_shape),
            f"{self.params:,}",
            _count(self.macs),
            "?" if self.activation_bytes is None else _bytes(self.activation_bytes),
            "" if self.intensity is None else f"{self.intensity:.2f}",
            "" if self.conv2d_params is None else f"{_count(self.conv2d_macs)} MACs",
        )


@dataclass(frozen=True)
class ModelSummary:
    """The rows and the totals; ``str()`` of it is the table.

    Attributes
    ----------
    name, class_name : str
        Which model it is.
    rows : tuple of LayerSummary
        The layers that are direct parts of the model.
    params, trainable_params, non_trainable_params, macs : int
        Totals. Weights that layers share are counted once. ``macs`` is None if a size is not known.
    activation_bytes : int
        Memory for the outputs of all layers, for one example, as far as it is known: about what a
        training step keeps.
    """

    name: str
    class_name: str
    rows: tuple[LayerSummary, ...]
    params: int
    trainable_params: int
    macs: int | None

    @property
    def non_trainable_params(self) -> int:
        """Numbers in weights that are not trained."""
        return self.params - self.trainable_params

    @property
    def activation_bytes(self) -> int:
        """Memory for the outputs of all layers."""
        return sum(row.activation_bytes or 0 for row in self.rows)

    def __str__(self) -> str:
        table = [HEAD, *[row.cells for row in self.rows]]
        columns = [i for i in range(len(HEAD)) if i < 6 or any(line[i] for line in table[1:])]
        widths = [max(len(line[i]) for line in table) for i in columns]
        rule = "─" * (sum(widths) + 2 * len(widths) - 2)
        head, *body = [
            "  ".join(
                line[i].ljust(width) if i < 2 else line[i].rjust(width)
                for i, width in zip(columns, widths, strict=True)
            ).rstrip()
            for line in table
        ]
        more = "more than " if any(row.activation_bytes is None for row in self.rows) else ""
        lines = [
            f'Model "{self.name}" ({self.class_name})',
            *[rule, head, rule, *body, rule],
            f"Parameters: {self.params:,} (trainable {self.trainable_params:,}, "
            f"not trainable {self.non_trainable_params:,})",
            f"Outputs of all layers: {more}{_bytes(self.activation_bytes)} for one example",
        ]
        factored = [row for row in self.rows if row.conv2d_params is not None]
        if factored:
            params = sum((row.conv2d_params or 0) - row.params for row in factored)
            full = [row.macs if row.conv2d_params is None else row.conv2d_macs for row in self.rows]
            lines.append(
                f"With Conv2D in place of separable and depthwise layers: {self.params + params:,} "
                f"parameters, {_count(_total(full))} MACs"
            )
        lines.append(
            f"MACs: {_count(self.macs)} multiply-adds for one example; biases, activations and "
            "other element-wise work are not counted"
        )
        return "\n".join(lines)


def summarize(model: Any) -> ModelSummary:
    """Return the numbers behind ``model.summary()``.

    Parameters
    ----------
    model : Model
        Must be built. A layer that is called several times counts as often if the model is made
        of symbols, and once in a model that is a class with a `call` method.

    Raises
    ------
    ValueError
        If the model is not built.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.layers.SeparableConv2D(4, 3), mg.layers.Flatten()])
    >>> model.build((None, 8, 8, 2))
    >>> row = mg.models.summarize(model).rows[0]
    >>> row.params, row.macs  # 6 * 6 places, 2 * 9 + 2 * 4 products in each
    (30, 936)
    >>> row.conv2d_params, row.conv2d_macs  # 2 * 9 * 4 products in each
    (76, 2592)
    >>> row.activation_bytes  # 6 * 6 * 4 numbers of 4 bytes
    576
    """
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' is not built, so its shapes are not known. Call it on data "
            "or call build(input_shape) first."
        )
    rows = tuple(_row(layer, calls) for layer, calls in _calls(model))
    return ModelSummary(
        name=model.name,
        class_name=type(model).__name__,
        rows=rows,
        params=_size(model.weights),
        trainable_params=_size(model.trainable_weights),
        macs=_total(row.macs for row in rows),
    )


def _calls(model: Any) -> list[tuple[Layer, list[tuple[Any, Any]]]]:
    """Return each layer with the shapes (or None) of input and output of each of its calls."""
    found: dict[int, tuple[Layer, list[tuple[Any, Any]]]] = {}
    if hasattr(model, "traced"):
        for layer, before, after in model.traced(model.input_shape):
            found.setdefault(id(layer), (layer, []))[1].append((before, after))
        return list(found.values())
    for layer in model.layers:
        shape = _input_shape(layer)
        output = None
        if shape is not None:
            with contextlib.suppress(NotImplementedError):  # an own layer without this method
                output = layer.compute_output_shape(shape)
        found[id(layer)] = layer, [(shape, output)]
    return list(found.values())


def _row(layer: Layer, calls: list[tuple[Any, Any]]) -> LayerSummary:
    shape, output = calls[0]
    params = _size(layer.weights)
    macs = _total(_macs(layer, before) for before, _ in calls)
    itemsize = np.dtype(layer.dtype).itemsize
    inputs, outputs = (_numbers([call[side] for call in calls]) for side in (0, 1))
    intensity = None
    if macs and inputs is not None and outputs is not None:
        intensity = 2 * macs / (itemsize * (inputs + outputs + params))
    full_params = full_macs = None
    if hasattr(layer, "depth_multiplier") and shape is not None and output is not None:
        conv: Any = layer
        axis = channel_axis(conv.data_format)
        weights = math.prod(conv.kernel_size) * shape[axis] * output[axis]
        full_params = weights + (output[axis] if conv.use_bias else 0)
        if outputs is not None:
            full_macs = outputs // output[axis] * weights
    return LayerSummary(
        name=layer.name,
        class_name=type(layer).__name__,
        output_shape=output,
        params=params,
        trainable_params=_size(layer.trainable_weights),
        macs=macs,
        activation_bytes=None if outputs is None else itemsize * outputs,
        intensity=intensity,
        conv2d_params=full_params,
        conv2d_macs=full_macs,
    )


def _numbers(shapes: Any) -> int | None:
    """Return how many numbers one example has in all these shapes; None if it is not known."""
    if isinstance(shapes, list):
        return _total(map(_numbers, shapes))
    if shapes is None or None in shapes[1:]:
        return None
    return int(math.prod(shapes[1:]))


def _total(parts: Iterable[int | None]) -> int | None:
    """Return the sum; None if a part is not known."""
    found = list(parts)
    return None if None in found else sum(part or 0 for part in found)


def _macs(layer: Layer, shape: Any) -> int | None:
    """Return `layer_macs`, or None if a size is not known that it needs."""
    try:
        return layer_macs(layer, shape)
    except ValueError:
        if _numbers(_input_shape(layer) if shape is None else shape) is None:
            return None
        raise


def layer_macs(layer: Any, input_shape: Any = None) -> int:
    """Return the multiply-adds of a layer for one example.

    Layers that do not count their own get the sum over the layers inside them, each one at the
    shape that it was built for. So does every layer whose input shape is not given.
    """
    inner = {id(part): part for _, part in inner_layers(vars(layer))}
    if inner and type(layer).macs is Layer.macs:
        return sum(layer_macs(part) for part in inner.values())
    shape = _input_shape(layer) if input_shape is None else input_shape
    return 0 if shape is None else int(layer.macs(shape))


def _input_shape(layer: Layer) -> Any:
    """Return the shape that a layer was built for, without the size of the batch."""
    shape = (layer.get_build_config() or {}).get("input_shape")
    if isinstance(shape, tuple):
        return (None, *shape[1:])
    return shape


def _size(weights: Iterable[Any]) -> int:
    return sum(int(weight.size) for weight in weights)


def _shape(shape: Any) -> str:
    if shape is None:
        return "?"
    if isinstance(shape, list):
        return ", ".join(map(_shape, shape))
    return "(" + ", ".join("None" if size is None else str(size) for size in shape) + ")"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"

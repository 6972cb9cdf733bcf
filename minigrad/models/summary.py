"""The table of a model: what each layer makes, holds and costs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from minigrad.layers import Layer
from minigrad.layers.shapes import Shape
from minigrad.models.parts import inner_layers

__all__ = ["LayerSummary", "ModelSummary", "layer_macs", "summarize"]


@dataclass(frozen=True)
class LayerSummary:
    """One row of the table.

    Attributes
    ----------
    name, class_name : str
        Which layer it is.
    output_shape : tuple or None
        With None for the batch; None if the layer cannot tell.
    params : int
        Numbers in all its weights.
    trainable_params : int
        Those of them that are trained.
    macs : int
        Multiply-adds for one example.
    """

    name: str
    class_name: str
    output_shape: Shape | None
    params: int
    trainable_params: int
    macs: int


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
        Totals. Weights that layers share are counted once.
    """

    name: str
    class_name: str
    rows: tuple[LayerSummary, ...]
    params: int
    trainable_params: int
    macs: int

    @property
    def non_trainable_params(self) -> int:
        """Numbers in weights that are not trained."""
        return self.params - self.trainable_params

    def __str__(self) -> str:
        head = ("Layer (type)", "Output shape", "Params", "MACs")
        body = [
            (
                f"{row.name} ({row.class_name})",
                "?" if row.output_shape is None else _shape(row.output_shape),
                f"{row.params:,}",
                f"{row.macs:,}",
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in [head, *body]) for i in range(4)]
        rule = "─" * (sum(widths) + 6)
        lines = [
            f'Model "{self.name}" ({self.class_name})',
            rule,
            _line(head, widths),
            rule,
            *[_line(line, widths) for line in body],
            rule,
            f"Parameters: {self.params:,} (trainable {self.trainable_params:,}, "
            f"not trainable {self.non_trainable_params:,})",
            f"MACs: {self.macs:,} multiply-adds for one example; biases, activations and other "
            "element-wise work are not counted",
        ]
        return "\n".join(lines)


def summarize(model: Any) -> ModelSummary:
    """Return the numbers behind ``model.summary()``.

    Parameters
    ----------
    model : Model
        Must be built. A layer that a model calls several times counts its multiply-adds once.

    Raises
    ------
    ValueError
        If the model is not built.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.Sequential([mg.layers.SeparableConv2D(4, 3), mg.layers.Flatten()])
    >>> model.build((None, 8, 8, 2))
    >>> print(mg.models.summarize(model).rows[0].params)
    30
    >>> mg.models.summarize(model).macs  # 6 * 6 places, 2 * 9 + 2 * 4 products in each
    936
    """
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' is not built, so its shapes are not known. Call it on data "
            "or call build(input_shape) first."
        )
    rows = tuple(_row(layer) for layer in model.layers)
    return ModelSummary(
        name=model.name,
        class_name=type(model).__name__,
        rows=rows,
        params=_size(model.weights),
        trainable_params=_size(model.trainable_weights),
        macs=sum(row.macs for row in rows),
    )


def _row(layer: Layer) -> LayerSummary:
    shape = _input_shape(layer)
    output: Shape | None = None
    if shape is not None:
        with contextlib.suppress(NotImplementedError):  # an own layer without this method
            output = layer.compute_output_shape(shape)
    return LayerSummary(
        name=layer.name,
        class_name=type(layer).__name__,
        output_shape=output,
        params=_size(layer.weights),
        trainable_params=_size(layer.trainable_weights),
        macs=layer_macs(layer),
    )


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


def _shape(shape: Shape) -> str:
    return "(" + ", ".join("None" if size is None else str(size) for size in shape) + ")"


def _line(cells: Iterable[str], widths: list[int]) -> str:
    first, second, third, fourth = (
        cell.ljust(width) if i < 2 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, second, third, fourth]).rstrip()

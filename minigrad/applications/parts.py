"""What small image networks are made of: normalized convolutions, a stem, and a vote."""

from __future__ import annotations

from typing import Any

from minigrad import config, layers
from minigrad._validate import number, positive_int
from minigrad.layers import Input, Symbol
from minigrad.layers.shapes import to_shape
from minigrad.models import Functional, Model

__all__ = ["Network", "width"]

SMALLEST, LARGEST = 8, 64  # pixels along a side
MOMENTUM = 0.9  # toy data sets have few steps: Keras' 0.99 would still remember the first weights


class Network:
    """A network under construction: the latest result, and names for what comes next.

    Parameters
    ----------
    input_shape : tuple of int
        One image, without the batch; 8 to 64 pixels high and wide.
    name : str
        Of the model.

    Raises
    ------
    ValueError
        For any other shape.

    Examples
    --------
    >>> net = Network((8, 8, 1), "tiny")
    >>> x = net.normalized(net.separable(net.inputs, 4, strides=2))
    >>> net.finish(x, classes=3, dropout=0.0, activation=None).output_shape
    (None, 3)
    """

    def __init__(self, input_shape: Any, name: str) -> None:
        shape = to_shape(input_shape)
        self._axis = -1 if config.image_data_format() == "channels_last" else 1
        sides = shape[:-1] if self._axis == -1 else shape[1:]
        if len(shape) != 3 or not all(n and SMALLEST <= n <= LARGEST for n in sides):
            raise ValueError(
                f"input_shape must be that of one image in the format "
                f"'{config.image_data_format()}' with {SMALLEST} to {LARGEST} pixels along each "
                f"side. Received: input_shape={input_shape!r}"
            )
        self.name = name
        self.inputs = Input(shape)
        self._counts: dict[str, int] = {}

    def stem(self, filters: int) -> Symbol:
        """Return what a first convolution sees; it halves images of more than 32 pixels."""
        large = min(self._sides(self.inputs)) > 32
        options: Any = {"strides": 2 if large else 1, "padding": "same", "use_bias": False}
        x = layers.Conv2D(filters, 3, name="stem", **options)(self.inputs)
        return self.relu(self.normalized(x))

    def separable(self, x: Symbol, filters: int, strides: int = 1) -> Symbol:
        """Return a separable 3x3 convolution."""
        options: Any = {f"{part}_initializer": "he_uniform" for part in ("depthwise", "pointwise")}
        # No bias: the normalization that follows has an offset.
        options |= {"strides": strides, "padding": "same", "use_bias": False}
        return self._apply("separable", layers.SeparableConv2D, x, filters, 3, **options)

    def shortcut(self, x: Symbol, filters: int, strides: int) -> Symbol:
        """Return a normalized 1x1 convolution, past a block that changes the shape."""
        options: Any = {"strides": strides, "padding": "same", "use_bias": False}
        return self.normalized(self._apply("shortcut", layers.Conv2D, x, filters, 1, **options))

    def normalized(self, x: Symbol) -> Symbol:
        """Return `x` after a batch normalization."""
        kind = layers.BatchNormalization
        return self._apply("normalize", kind, x, self._axis, momentum=MOMENTUM)

    def relu(self, x: Symbol) -> Symbol:
        """Return the positive part of `x`."""
        return self._apply("relu", layers.ReLU, x)

    def pool(self, x: Symbol) -> Symbol:
        """Return the largest values of 3x3 windows, two pixels apart."""
        return self._apply("pool", layers.MaxPooling2D, x, 3, strides=2, padding="same")

    def add(self, x: Symbol, y: Symbol) -> Symbol:
        """Return the sum of two branches."""
        return self._apply("add", layers.Add, [x, y])

    def halving(self, x: Symbol) -> int:
        """Return the stride of the next block: 2 while there are more than 4 pixels on a side."""
        return 2 if min(self._sides(x)) > 4 else 1

    def finish(self, x: Symbol, classes: int, dropout: float, activation: Any) -> Model:
        """Return the model that averages `x` over the image and votes for one of the classes."""
        classes = positive_int(classes, "classes")
        x = layers.GlobalAveragePooling2D(name="average")(x)
        if dropout:
            x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Dense(classes, activation=activation, name="vote")(x)
        return Functional(self.inputs, x, name=self.name)

    def _apply(self, kind: str, layer: Any, x: Any, *arguments: Any, **options: Any) -> Symbol:
        """Return what a new layer, with a name and a number, makes of `x`."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        name = f"{kind}_{self._counts[kind]}"
        result: Symbol = layer(*arguments, **options, name=name)(x)
        return result

    def _sides(self, x: Symbol) -> tuple[int, ...]:
        sides = x.shape[1:3] if self._axis == -1 else x.shape[2:4]
        return tuple(n or 0 for n in sides)


def width(filters: int, alpha: float) -> int:
    """Return a number of filters times `alpha`, as a multiple of 8 (at least 8).

    Examples
    --------
    >>> width(32, 0.75), width(32, 0.01)
    (24, 8)
    """
    return max(8, 8 * round(filters * number(alpha, "alpha", above=0) / 8))

"""`Input` and `InputLayer`: where the numbers of a network come in."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad._brief import brief
from minigrad.autograd import Tensor
from minigrad.layers.base import Layer
from minigrad.layers.registry import register
from minigrad.layers.shapes import Shape, to_shape
from minigrad.layers.symbolic import LayerCall, Symbol

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The entry of a network: passes its input on.

    Parameters
    ----------
    input_shape : tuple of (int or None)
        Without the batch axis; or ``batch_input_shape`` with it. Keras 3's ``shape`` and
        ``batch_shape`` are understood as well.
    batch_size, name, dtype
        As for every layer.

    Raises
    ------
    ValueError
        If no shape is given.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/InputLayer

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.layers.InputLayer((28, 28, 1), name="image").symbol
    <Symbol from 'image', shape=(None, 28, 28, 1), dtype=float32>
    """

    # Keras says with these that a tensor is an ordinary one.
    _neutral_keys: ClassVar[frozenset[str]] = Layer._neutral_keys | {
        "optional",
        "ragged",
        "sparse",
    }

    def __init__(
        self,
        input_shape: Any = None,
        *,
        shape: Any = None,
        batch_shape: Any = None,
        **kwargs: Any,
    ) -> None:
        if batch_shape is not None:
            kwargs["batch_input_shape"] = batch_shape
        chosen = input_shape if shape is None else shape
        if isinstance(chosen, int):
            raise TypeError(
                f"The shape of an input must be a tuple without the batch axis, ({chosen},) for "
                f"vectors. Received: shape={brief(chosen)}"
            )
        super().__init__(input_shape=chosen, **kwargs)
        if self.batch_input_shape is None:
            raise ValueError(
                "An input needs the shape of one example: Input((height, width, channels)). "
                "Received: shape=None"
            )
        call = LayerCall(self, None, {})
        call.outputs = Symbol(self.batch_input_shape, self.dtype, call, 0)
        self.symbol = call.outputs
        self.build(self.batch_input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the same shape."""
        return to_shape(input_shape)


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    *,
    batch_shape: Any = None,
) -> Symbol:
    """Return the symbol of an input, to call layers on.

    Parameters
    ----------
    shape : tuple of (int or None)
        The shape of one example; None for sizes that may vary.
    batch_size : int, optional
        The size of the batch, where it is fixed.
    name : str, optional
    dtype : "float32" or "float64", optional
        ``config.floatx()`` when left out.
    batch_shape : tuple of (int or None), optional
        Instead of `shape`: with the batch axis.

    Returns
    -------
    Symbol

    Raises
    ------
    TypeError, ValueError
        If that is no shape.

    Notes
    -----
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/Input

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.Input((8, 8, 1))
    >>> y = mg.layers.SeparableConv2D(4, 3, padding="same")(x)
    >>> y = mg.layers.GlobalAveragePooling2D()(y)
    >>> model = mg.Model(x, y)
    >>> model.output_shape
    (None, 4)
    """
    found: Symbol = InputLayer(
        shape, batch_size=batch_size, name=name, dtype=dtype, batch_shape=batch_shape
    ).symbol
    return found


register(InputLayer)

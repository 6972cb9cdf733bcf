"""The weights of a layer and of those inside it: finding, making, freezing and setting them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from minigrad import constraints, initializers, regularizers
from minigrad._brief import brief
from minigrad.autograd import Tensor, constant, move
from minigrad.layers.parameter import Parameter

__all__ = ["Weights"]


class Weights:
    """The half of `Layer` that holds weights.

    Parameters and layers that are attributes of an object, or members of lists, tuples and dicts
    that are, count as its parts. They are found when they are asked for, so it does not matter
    when and how they got there.
    """

    is_shared = True  # two models may hold the same one, see `minigrad._registry.sharing`
    _name: str
    _dtype: np.dtype[Any]
    _device: str = "cpu"  # where new weights are made, and what is no tensor yet is taken
    _trainable: bool
    _own: list[Parameter]
    _paused: list[Parameter]  # what would be trained if the layer were not frozen
    _call_losses: list[Tensor]
    _call_number: int  # of the call that the losses are of; calls inside a call share its number
    built: bool

    @property
    def trainable(self) -> bool:
        """Whether the layer learns.

        False freezes all parts of the layer: no gradients are recorded for their weights, and
        batch normalization uses its moving averages. Losses of the weights are still reported.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(
                f"`trainable` must be True or False. Received: trainable={brief(value)}"
            )
        for layer in self._tree():
            layer._set_trainable(bool(value))

    def _set_trainable(self, value: bool) -> None:
        self._trainable = value
        if value:
            for parameter in self._paused:
                parameter.trainable = True
            self._paused = []
            return
        for parameter in self._parameters():
            if parameter.trainable:
                parameter.trainable = False
                self._paused.append(parameter)

    @property
    def weights(self) -> list[Parameter]:
        """All parameters: first the layer's own, then those of its parts, each one once."""
        return _once([p for _, own in self._walk() for p in own])

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The parameters that an optimizer is to update; none if the layer is frozen."""
        return _once([p for _, own in self._walk(into_frozen=False) for p in own if p._node])

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        """All other parameters: those of frozen layers, and moving averages."""
        trained = {id(p) for p in self.trainable_weights}
        return [p for p in self.weights if id(p) not in trained]

    @property
    def losses(self) -> list[Tensor]:
        """The losses that the layer adds to that of the model, as single numbers.

        Those of the last call come first (`add_loss`, then the activity regularizer divided by
        the batch size), then one per regularized weight, computed anew at each reading.
        """
        found: list[Tensor] = []
        seen: set[int] = set()
        for layer, parameters in self._walk():
            if layer._call_number >= self._call_number:  # not left from an earlier call
                found += layer._call_losses
            for parameter in parameters:
                if parameter.regularizer is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    found.append(self._scalar(parameter.regularizer(parameter)))
        return found

    def add_loss(self, loss: Any) -> None:
        """Add a single number to `losses`; for use in `call`, forgotten at the next call."""
        self._call_losses.append(self._scalar(loss))

    def _scalar(self, loss: Any) -> Tensor:
        if isinstance(loss, (int, float)):
            loss = Tensor(loss, dtype=self._dtype)
        loss = constant(loss)
        if loss.size != 1:
            raise ValueError(
                f"A loss of layer {self._name!r} must be a single number. "
                f"Received: shape={loss.shape}"
            )
        result: Tensor = loss if loss.shape == () else loss.reshape(())
        return result

    def count_params(self) -> int:
        """Return how many numbers the weights hold.

        Raises
        ------
        ValueError
            If the layer has no weights yet because it is not built.
        """
        if not self.built:
            raise ValueError(
                f"Layer {self._name!r} has no weights yet. Call it on data or call "
                f"build(input_shape) first."
            )
        return sum(parameter.size for parameter in self.weights)

    # ------------------------------------------------------------------ weights

    def add_weight(
        self,
        name: str,
        shape: Iterable[int],
        initializer: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> Parameter:
        """Make a parameter that belongs to this layer; for use in `build`.

        Parameters
        ----------
        name : str
        shape : tuple of int
        initializer : str, dict or callable, optional
            Glorot's uniform distribution when left out, whatever the weight is for (as in Keras).
        regularizer, constraint : str, dict or callable, optional
        trainable : bool
        dtype : optional
            The layer's dtype when left out.

        Raises
        ------
        ValueError
            If the initializer returns another shape, or an identifier is unknown.
        """
        sizes = tuple(int(size) for size in shape)
        kind = self._dtype if dtype is None else np.dtype(dtype)
        fill = initializers.get("glorot_uniform" if initializer is None else initializer)
        values = np.asarray(fill(sizes, dtype=kind))
        if values.shape != sizes:
            raise ValueError(
                f"The initializer of {self._name}/{name} must return an array of shape {sizes}. "
                f"Received: shape={values.shape}"
            )
        parameter = Parameter(
            values,
            name,
            trainable=trainable and self._trainable,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
            dtype=kind,
            path=f"{self._name}/{name}",
        )
        move([parameter], self._device)
        self._own.append(parameter)
        if trainable and not self._trainable:
            self._paused.append(parameter)
        return parameter

    def to(self, device: str) -> Self:
        """Move the layer with all its parts to a device, and return it.

        From then on it takes NumPy arrays there, too, and makes new weights there. Tensors that it
        is called with must be there already. If it fails, the layer stays as it was.

        `Conv2D` has no kernel for a GPU: there its arrays are copied to the CPU and back.

        Parameters
        ----------
        device : "cpu" or "cuda"

        Raises
        ------
        RuntimeError
            If there is no CUDA here; the text says why, and what to do.
        ValueError
            For other devices.

        Examples
        --------
        >>> from minigrad import layers
        >>> layers.Dense(2).to("cpu").device
        'cpu'
        """
        place = move(self.weights, device)
        for layer in self._tree():
            layer._device = place
        return self

    @property
    def device(self) -> str:
        """Where the layer computes: ``"cpu"`` or ``"cuda"``."""
        return self._device

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of the weights as NumPy arrays, in the order of `weights`."""
        return [parameter.numpy() for parameter in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights, or none if anything is wrong with the values.

        Parameters
        ----------
        weights : list of array_like
            In the order and the shapes of `get_weights`; converted to the dtypes of the weights.
            Constraints are not applied.

        Raises
        ------
        TypeError
            If it is not a list or holds something other than real numbers.
        ValueError
            If the number of arrays or a shape differs.
        """
        own = self.weights
        if not isinstance(weights, (list, tuple)):
            raise TypeError(
                f"set_weights() of layer {self._name!r} needs a list of arrays. "
                f"Received: {type(weights).__name__}"
            )
        if len(weights) != len(own):
            hint = "" if self.built else " (it is not built yet)"
            raise ValueError(
                f"Layer {self._name!r} has {len(own)} weights{hint}. "
                f"Received: {len(weights)} arrays for set_weights()"
            )
        arrays = [
            _values(p, value, f"{self._name}/{p.name}")
            for p, value in zip(own, weights, strict=True)
        ]
        for parameter, array in zip(own, arrays, strict=True):
            parameter.assign(array)

    # ------------------------------------------------------------------ parts

    def _parameters(self) -> list[Parameter]:
        parameters: list[Parameter] = []
        _collect(vars(self).values(), parameters, [])
        return _once(parameters)

    def _tree(self, into_frozen: bool = True) -> list[Weights]:
        """Return this layer and all layers inside it, each one once, from the outside in."""
        return [layer for layer, _ in self._walk(into_frozen)]

    def _walk(self, into_frozen: bool = True) -> list[tuple[Weights, list[Parameter]]]:
        """Return the layers of `_tree`, each with its own parameters, some of them repeatedly."""
        found: dict[int, tuple[Weights, list[Parameter]]] = {}
        waiting: list[Weights] = [self]
        while waiting:
            layer = waiting.pop()
            if id(layer) in found or not (into_frozen or layer._trainable):
                continue
            parameters: list[Parameter] = []
            inner: list[Weights] = []
            _collect(vars(layer).values(), parameters, inner)
            found[id(layer)] = layer, parameters
            waiting += reversed(inner)
        return list(found.values())


class _Kinds(dict[type, type | None]):
    """How to treat a type: Parameter or Weights (a member), dict, list, or None (no members)."""

    def __missing__(self, which: type) -> type | None:
        kinds = (Parameter, Weights, dict, list, tuple)
        found = next((kind for kind in kinds if issubclass(which, kind)), None)
        self[which] = list if found is tuple else found
        return self[which]


_kinds = _Kinds()


def _collect(parts: Iterable[Any], own: list[Parameter], inner: list[Weights]) -> None:
    """Find parameters and layers in nested dicts, lists and tuples: a step's hottest loop."""
    for part in parts:
        kind = _kinds[type(part)]
        if kind is None:  # most attributes
            continue
        if kind is Parameter:
            own.append(part)
        elif kind is Weights:
            inner.append(part)
        elif part:
            _collect(part.values() if kind is dict else part, own, inner)


def _once(parameters: Iterable[Parameter]) -> list[Parameter]:
    return list({id(parameter): parameter for parameter in parameters}.values())


def _values(parameter: Parameter, value: Any, path: str) -> np.ndarray[Any, Any]:
    """Return checked new values for a parameter, in its dtype."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"The weight {path} needs an array of real numbers. "
            f"Received: {type(value).__name__} of dtype {array.dtype}"
        )
    if array.shape != parameter.shape:
        raise ValueError(
            f"The weight {path} has shape {parameter.shape}. Received: shape={array.shape}"
        )
    return array.astype(parameter.dtype)

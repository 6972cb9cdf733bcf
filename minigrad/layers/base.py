"""What all layers share: weights, building, calling, losses, and their configuration.

The protocol is that of Keras 2 (https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Layer):
`Layer.build` makes the weights as soon as the shape of the input is known, `Layer.call` computes,
and calling the layer does both.
"""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from minigrad import config, ops
from minigrad._brief import brief
from minigrad._validate import flag
from minigrad.autograd import Tensor, constant, move, wrap
from minigrad.kernels.devices import to_device
from minigrad.layers.arguments import full_input_shape, plain, resolve
from minigrad.layers.building import guarded
from minigrad.layers.naming import auto_name, check_name
from minigrad.layers.parameter import Parameter
from minigrad.layers.shapes import InputSpec, Shape
from minigrad.layers.symbolic import Symbol, trace
from minigrad.layers.weights import Weights

__all__ = ["Layer", "Parameter", "current_layer"]


class _Calls(threading.local):
    """The call of a layer that is under way in this thread, inner calls included."""

    number = 0  # 0 outside of all calls
    training = False
    layer: Layer | None = None  # the innermost one


_calls = _Calls()
_next_number = itertools.count(1).__next__


def current_layer() -> Layer | None:
    """Return the layer that is computing in this thread, the innermost one."""
    return _calls.layer


class Layer(Weights):
    """Something that holds weights and maps tensors to tensors.

    To write one, override `call`, and `build` if there are weights; `compute_output_shape` and
    `get_config` where shapes and saving matter. Parameters and layers that are attributes (or
    members of lists, tuples and dicts that are attributes) count as parts of the layer.

    Parameters
    ----------
    name : str, optional
        Made from the name of the class when left out: ``dense``, ``dense_1``, and so on.
    trainable : bool
        Whether the weights are trained; see `trainable`.
    dtype : "float32" or "float64", optional
        The type of the weights and of the computation; ``config.floatx()`` when left out.
    activity_regularizer : str, dict or callable, optional
        Maps the output to a loss, which is divided by the batch size.
    input_shape, batch_input_shape, input_dim, batch_size : optional
        The shape of the input, for models that are built at once. ``batch_input_shape`` has the
        batch axis, ``input_shape`` has not, ``input_dim=n`` means ``input_shape=(n,)``.
    weights : list of array_like, optional
        Values to set right after the layer is built.
    **kwargs
        ``dynamic``, ``autocast`` and ``implementation`` of Keras are accepted and have no effect.

    Raises
    ------
    TypeError
        For other keyword arguments, a name that is not a string, values of a wrong type, and
        integer inputs of a call.
    ValueError
        For a dtype or a shape that is none.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Scale(mg.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight("factor", (input_shape[-1],), "ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> layer = Scale()
    >>> layer([[1.0, 2.0]]).numpy()
    array([[1., 2.]], dtype=float32)
    >>> layer.count_params()
    2
    """

    input_spec: InputSpec | None = None
    accepts_integers: ClassVar[bool] = False

    activity_regularizer: Any
    _arguments: ClassVar[tuple[str, ...]] = ()  # of the constructor, beyond those of all layers
    # What to say about arguments that other layers have.
    _advice: ClassVar[dict[str, str]] = {}
    # What configurations of Keras contain and we do not need: always, or only while switched off.
    _legacy_keys: ClassVar[frozenset[str]] = frozenset()
    _neutral_keys: ClassVar[frozenset[str]] = frozenset({"quantization_config"})
    _call_words: ClassVar[frozenset[str]] = frozenset()
    _call_takes_any: ClassVar[bool] = False
    _infers_shapes: ClassVar[bool] = False

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        activity_regularizer: Any = None,
        input_shape: Any = None,
        batch_input_shape: Any = None,
        input_dim: Any = None,
        batch_size: Any = None,
        weights: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._reject_unknown(kwargs)
        self._trainable = flag(trainable, "trainable")
        self._dtype = config.resolve_dtype(dtype)
        self.batch_input_shape = full_input_shape(
            input_shape, batch_input_shape, input_dim, batch_size
        )
        resolve(self, activity_regularizer=activity_regularizer)
        self._initial_weights = weights
        self._own: list[Parameter] = []
        self._paused: list[Parameter] = []
        self._call_losses: list[Tensor] = []
        self._call_number = 0
        self._build_shape: Any = None
        self._building = False
        self.built = False
        inner = vars(self).get("activation")
        if isinstance(inner, Layer) and not inner.built:  # it computes with what this one computes
            inner._dtype = self._dtype
        # Last, so that a constructor that fails uses up no name.
        self._name = auto_name(type(self)) if name is None else check_name(name)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = guarded(cls.build)  # type: ignore[method-assign]
        cls._infers_shapes = cls.compute_output_shape is not Layer.compute_output_shape
        parameters = inspect.signature(cls.call).parameters.values()
        cls._call_words = frozenset(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)
        cls._call_takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)

    if not TYPE_CHECKING:  # a type checker would take every name for an attribute

        def __getattr__(self, name: str) -> Any:
            hint = "" if "_own" in vars(self) else "; its __init__() must call super().__init__()"
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{hint}")

    # ------------------------------------------------------------------ to be overridden

    @guarded
    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of a shape.

        Called by the first call of the layer; may be called earlier. A second call with a shape
        that fits changes nothing. If it fails, the layer stays as it was.

        Parameters
        ----------
        input_shape : tuple of (int or None)
            With the batch axis; None for sizes that may vary. A list of shapes for several inputs.

        Raises
        ------
        TypeError
            If it is not a shape.
        ValueError
            If the layer cannot work with this shape, or was built for another one.
        """

    def call(self, inputs: Any) -> Any:
        """Compute the output for tensors of the layer's dtype; may take ``training`` as well."""
        raise NotImplementedError(f"{type(self).__name__} does not define call().")

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the shape of the output for a shape of the input, without computing anything.

        Sizes may be None (unknown), in the result too. The layer need not be built.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define compute_output_shape().")

    def macs(self, input_shape: Any) -> int:
        """Return the number of multiply-adds for one example; 0 for layers without products.

        Biases, activations and other element-wise work are not counted, as is usual.
        """
        return 0

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data that JSON can hold.

        Weights are not part of it. ``from_config`` makes an equal layer.
        """
        found: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype,
        }
        if self.batch_input_shape is not None:
            found["batch_input_shape"] = self.batch_input_shape
        names = self._arguments
        if self.activity_regularizer is not None and "activity_regularizer" not in names:
            names += ("activity_regularizer",)
        found.update({name: plain(name, getattr(self, name)) for name in names})
        return found

    # ------------------------------------------------------------------ facts

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self._name

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``: the type of weights, computation and output."""
        return self._dtype.name

    # ------------------------------------------------------------------ calling

    def __call__(self, inputs: Any, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Build the layer if need be, convert the inputs to its dtype, and compute.

        Parameters
        ----------
        inputs : Tensor, Symbol or array_like
            float16, float32 and float64 are converted to the layer's dtype. Integers are not:
            whether 0..255 should become 0..1 is for the caller to say.
        training : bool, optional
            Passed on to `call` if that takes it. When left out, a layer inside another one does
            what that one does, and the outermost infers.
        *args, **kwargs
            Passed on to `call`.

        Raises
        ------
        TypeError
            For integer inputs, for keyword arguments that `call` does not take, and if `call`
            does not return a tensor (or a list, tuple or dict).
        ValueError
            For inputs of a wrong rank or size.
        """
        for word in kwargs:
            if word not in self._call_words and not self._call_takes_any:
                raise TypeError(
                    f"Calling {type(self).__name__} takes no keyword argument {word!r}. "
                    f"Received: {word}={brief(kwargs[word])}"
                )
        listed = isinstance(inputs, (list, tuple))
        if isinstance(inputs, Symbol) or (listed and any(type(x) is Symbol for x in inputs)):
            if args:
                raise TypeError(
                    f"Further arguments of layer {self.name!r} must be given by name when it is "
                    f"called on symbols. Received: {brief(args)}"
                )
            if training is not None:
                kwargs["training"] = training
            return trace(self, inputs, kwargs)
        several = listed and _holds_tensors(inputs)
        if several and self.input_spec is not None:
            raise ValueError(
                f"Layer {self.name!r} takes one tensor. Received: a {type(inputs).__name__} of "
                f"{len(inputs)}; np.stack() makes a batch of them"
            )
        tensors: Any = [self._tensor(x) for x in inputs] if several else self._tensor(inputs)
        shape = [x.shape for x in tensors] if several else tensors.shape
        if self.built:
            self._check_input_shape(shape)
        else:
            self.build(shape)

        before = _calls.number, _calls.training, _calls.layer
        number = before[0] or _next_number()
        training = before[1] if training is None else bool(training)
        if "training" in self._call_words or self._call_takes_any:
            kwargs["training"] = training
        if self._call_number != number:  # a second call within one outer call adds its losses
            self._call_number, self._call_losses = number, []
        _calls.number, _calls.training, _calls.layer = number, training, self
        try:
            output = self.call(tensors, *args, **kwargs)
        except ValueError:
            if self._infers_shapes:
                self.compute_output_shape(shape)  # its errors name the layer and the shape
            raise
        finally:
            _calls.number, _calls.training, _calls.layer = before
        if not isinstance(output, (Tensor, list, tuple, dict)):
            raise TypeError(
                f"call() of layer {self.name!r} must return a tensor: what NumPy computes has no "
                f"gradient. Received: {type(output).__name__}"
            )
        if self.activity_regularizer is not None:
            for part in _outputs(output):
                # An empty batch has no activity; the maximum keeps 0 / 0 out.
                self.add_loss(self.activity_regularizer(part) / max(part.shape[0], 1))
        return output

    def _tensor(self, value: Any) -> Tensor:
        """Return an input as a tensor of the layer's dtype."""
        if isinstance(value, Tensor) and value._data.dtype == self._dtype:
            return value
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return wrap(to_device(np.array(value, dtype=self._dtype), self._device))
        found = constant(value)
        if found is not value:  # it was no tensor yet
            move([found], self._device)
        plain = not hasattr(value, "dtype")  # Python numbers take the dtype of what they meet
        kind = found.dtype.kind
        if kind == "f" or (kind in "iu" and plain and not self.accepts_integers):
            return ops.astype(found, self._dtype)
        if kind in "iub" and self.accepts_integers:
            return found
        raise TypeError(
            f"Layer {self.name!r} computes in {self.dtype} and converts no other types than "
            f"floating point. Convert the input first, for instance with "
            f"x.astype('{self.dtype}') / 255. Received: dtype={found.dtype}"
        )

    # ------------------------------------------------------------------ configuration

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer from what `get_config` returned, which is not changed.

        Configurations written by Keras 2 and 3 are understood as well.

        Raises
        ------
        TypeError
            For unknown keys and missing ones.
        ValueError
            For values that the constructor does not accept.
        """
        arguments = {
            key: value
            for key, value in config.items()
            if key not in cls._legacy_keys and (value or key not in cls._neutral_keys)
        }
        policy = arguments.get("dtype")
        if isinstance(policy, Mapping):  # Keras 3 writes {"class_name": "DTypePolicy", ...}
            arguments["dtype"] = policy.get("config", {}).get("name")
        return cls(**arguments)

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the shape that the layer was built for as ``{"input_shape": ...}``, or None."""
        return None if self._build_shape is None else {"input_shape": self._build_shape}

    def build_from_config(self, config: Mapping[str, Any] | None) -> None:
        """Build the layer for the shape that `get_build_config` returned."""
        if config is not None:
            self.build(config["input_shape"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r}, built={self.built}>"

    def _check_input_shape(self, shape: Any) -> None:
        if self.input_spec is not None:
            self.input_spec.check(shape, f"layer {self._name!r}")

    def _reject_unknown(self, kwargs: Mapping[str, Any]) -> None:
        for word in kwargs:
            if word in ("dynamic", "autocast", "implementation"):
                continue
            advice = self._advice.get(word, "")
            raise TypeError(
                f"{type(self).__name__} got an unexpected keyword argument {word!r}. "
                f"{advice + ' ' if advice else ''}Received: {word}={brief(kwargs[word])}"
            )


def _outputs(output: Any) -> Iterable[Any]:
    if isinstance(output, dict):
        return output.values()
    return output if isinstance(output, (list, tuple)) else [output]


def _holds_tensors(parts: Sequence[Any]) -> bool:
    return any(isinstance(part, Tensor) or getattr(part, "ndim", 0) > 0 for part in parts)

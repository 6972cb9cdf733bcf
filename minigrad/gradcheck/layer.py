"""Gradient checks of layers and models: their inputs and all their weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad import random
from minigrad.autograd import Tensor, no_grad
from minigrad.gradcheck.compare import Options
from minigrad.gradcheck.findings import Array, Mode, Precision
from minigrad.gradcheck.functions import TensorFunction, as_arrays, input_names, promoted
from minigrad.gradcheck.report import GradCheckReport
from minigrad.gradcheck.run import run
from minigrad.layers import Layer


def check_layer(
    layer: Layer,
    inputs: Any,
    *,
    training: bool = False,
    mode: Mode = "full",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    precision: Precision = "float64",
    nondet_tol: float = 0.0,
) -> GradCheckReport:
    """Check a layer's (or model's) gradients for its inputs and all its trainable weights.

    The check works on a copy in float64; the layer itself is not touched.

    Parameters
    ----------
    layer : Layer
        Built or not; a copy of one that is not is built for the shape of the inputs.
    inputs : tuple of int, tensor, array, or sequence of arrays
        A shape, batch axis included, stands for normally distributed numbers.
    training : bool
        Passed on to the layer. The random numbers that layers such as Dropout take from
        `minigrad.random` are the same in every call of the check; a layer that has others fails,
        because two calls with the same inputs differ.
    mode, step, rtol, atol, seed, nondet_tol
        As in `gradcheck`.
    names : sequence of str, optional
        What the report calls the inputs; weights have names.
    precision : {"float64", "given"}
        "given" leaves the layer's dtype as it is.

    Returns
    -------
    GradCheckReport

    Raises
    ------
    TypeError, ValueError
        If ``layer`` is not a layer or cannot work with the inputs, or an option makes no sense.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.layers.SeparableConv2D(2, 3, padding="same")
    >>> report = mg.gradcheck(layer, (1, 4, 4, 2))
    >>> [check.name for check in report.inputs], report.passed
    (['inputs', 'depthwise_kernel', 'pointwise_kernel', 'bias'], True)
    """
    options = Options(mode, step, rtol, atol, seed, nondet_tol, precision)
    if not isinstance(layer, Layer):
        raise TypeError(f"check_layer() needs a layer. Received: {type(layer).__name__}")
    shape = isinstance(inputs, (tuple, list)) and all(
        isinstance(n, (int, np.integer)) for n in inputs
    )
    normal = np.random.default_rng([seed, 2]).standard_normal
    given = [normal(tuple(map(int, inputs)))] if shape else as_arrays(inputs)
    count = len(given)
    called = ["inputs"] if count == 1 else [f"inputs {k}" for k in range(count)]
    called = input_names(layer, count, called if names is None else names)
    dtype = np.dtype(np.float64 if precision == "float64" else layer.dtype)
    given = promoted(given, dtype)
    twin = _twin(layer, given, dtype)
    weights = twin.trainable_weights
    randomness = _Randomness(twin)

    def call(*tensors: Tensor) -> Any:
        randomness.rewind()
        for weight, tensor in zip(weights, tensors[count:], strict=True):
            weight._data, weight._node = tensor._data, tensor._node
        return twin(tensors[0] if count == 1 else list(tensors[:count]), training=training)

    called += [weight.path if len(twin._tree()) > 1 else weight.name for weight in weights]
    arrays = [*given, *(weight.numpy() for weight in weights)]
    report = run(TensorFunction(call), arrays, label=layer.name, names=called, options=options)
    randomness.rewind()
    if randomness.drawn:
        note = "the random numbers of the layer were the same in every call"
        report = replace(report, notes=(*report.notes, note))
    return report


class _Randomness:
    """The generators that a layer draws from, and the state that they were found in."""

    def __init__(self, layer: Layer) -> None:
        own = [getattr(part, "_generator", None) for part in layer._tree()]
        kept = [random.generator(), *(g for g in own if isinstance(g, np.random.Generator))]
        self._states = [(generator, generator.bit_generator.state) for generator in kept]
        self.drawn = False

    def rewind(self) -> None:
        """Put all generators back to where they were."""
        for generator, state in self._states:
            self.drawn |= generator.bit_generator.state != state
            generator.bit_generator.state = state


def _twin(layer: Layer, given: Sequence[Array], dtype: np.dtype[Any]) -> Layer:
    """Return a built copy of the layer that computes in ``dtype``."""
    twin = copy.deepcopy(layer)
    if not twin.built:
        with no_grad():
            twin(given[0] if len(given) == 1 else list(given))
    for part in twin._tree():
        part._dtype = dtype
    for weight in twin.weights:
        trained = weight.trainable
        weight._node = None
        weight._data = weight.numpy().astype(dtype)
        weight._data.flags.writeable = False
        weight.trainable = trained
    return twin

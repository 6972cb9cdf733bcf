"""ReLU at the end of a full convolution's pass: the same as ReLU of its result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.kernels import use_backend

CASES = {  # input channels last, kernel, options
    "3 x 3": ((2, 7, 9, 3), (3, 3, 3, 35), {"padding": "same"}),
    "strides": ((2, 9, 8, 20), (3, 2, 20, 8), {"strides": 2}),
    "groups": ((1, 6, 13, 6), (3, 3, 2, 9), {"groups": 3, "padding": "same"}),
    "a group per channel": ((1, 6, 5, 4), (3, 3, 1, 8), {"groups": 4}),
    "1 x 1": ((2, 5, 6, 20), (1, 1, 20, 33), {}),
    "long sums": ((1, 4, 5, 100), (3, 3, 100, 17), {"padding": "same"}),
}


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_fused_relu_is_relu_of_the_result(
    case: str, dtype: str, data_format: str, backend: str
) -> None:
    shape, kernel, options = CASES[case]
    rng = np.random.default_rng(0)
    x, *others = (rng.standard_normal(s).astype(dtype) for s in (shape, kernel, kernel[3:]))
    x.flat[5] = np.nan
    if data_format == "channels_first":
        x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    results = []
    for fused in (True, False):
        inputs = [mg.tensor(array, requires_grad=True) for array in (x, *others)]
        activation = {"activation": "relu"} if fused else {}
        with use_backend(backend):
            y = ops.conv2d(*inputs, data_format=data_format, **options, **activation)
            y = y if fused else ops.relu(y)
            parts = mg.grad(y, inputs, np.ones(y.shape, dtype))
        results.append([y.numpy(), *(part.numpy() for part in parts)])
    assert np.isnan(results[0][0]).any() and (results[0][0] == 0).any()
    for received, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(received, expected)


def test_frozen_arguments_get_no_gradient() -> None:
    rng = np.random.default_rng(0)
    for wanted in range(3):
        shapes = ((1, 5, 5, 2), (3, 3, 2, 4), (4,))
        arrays = [rng.standard_normal(shape) for shape in shapes]
        inputs = [mg.tensor(a, requires_grad=i == wanted) for i, a in enumerate(arrays)]
        ops.conv2d(*inputs, activation="relu").sum().backward()
        assert [tensor.grad is not None for tensor in inputs] == [i == wanted for i in range(3)]


def test_fused_relu_is_differentiable_twice() -> None:
    rng = np.random.default_rng(0)
    shapes = ((1, 4, 4, 2), (3, 3, 2, 3), (3,))
    inputs = [mg.tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]

    def layer(*inputs: Any) -> Any:
        return ops.conv2d(*inputs, padding="same", activation="relu")

    assert mg.gradcheck(layer, inputs)
    assert mg.gradgradcheck(layer, inputs)


def test_other_activations_are_not_fused() -> None:
    with pytest.raises(ValueError, match=r"fused activation is None or 'relu'.*'tanh'"):
        ops.conv2d(np.ones((1, 3, 3, 1)), np.ones((3, 3, 1, 1)), activation="tanh")


def test_the_layer_fuses_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    forward = ops.conv2d

    def spy(*args: Any, **options: Any) -> Any:
        asked.append(options["activation"])
        return forward(*args, **options)

    monkeypatch.setattr(ops, "conv2d", spy)
    x = np.random.default_rng(0).standard_normal((1, 5, 5, 2)).astype(np.float32)
    for activation in ("relu", "tanh"):
        layer = mg.layers.Conv2D(4, 3, activation=activation)
        y = layer(x)
        layer.activation = mg.activations.linear
        np.testing.assert_array_equal(y.numpy(), getattr(ops, activation)(layer(x)).numpy())
    assert asked == ["relu", None, None, None]

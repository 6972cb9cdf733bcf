"""ReLU at the end of a convolution's pass: the same as ReLU of its result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.kernels import use_backend

CASES: dict[str, tuple[Any, tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    # operation; input with channels last, kernels and bias; options
    **{
        f"separable {c}": (
            ops.separable_conv2d,
            ((2, 7, 9, c), (3, 3, c, 1), (1, 1, c, 35), (35,)),
            {"padding": "same"},
        )
        for c in (3, 20)
    },
    **{
        name: (ops.conv2d, (shape, kernel, kernel[3:]), options)
        for name, (shape, kernel, options) in {
            "3 x 3": ((2, 7, 9, 3), (3, 3, 3, 35), {"padding": "same"}),
            "strides": ((2, 9, 8, 20), (3, 2, 20, 8), {"strides": 2}),
            "groups": ((1, 6, 13, 6), (3, 3, 2, 9), {"groups": 3, "padding": "same"}),
            "a group per channel": ((1, 6, 5, 4), (3, 3, 1, 8), {"groups": 4}),
            "1 x 1": ((2, 5, 6, 20), (1, 1, 20, 33), {}),
            "long sums": ((1, 4, 5, 100), (3, 3, 100, 17), {"padding": "same"}),
        }.items()
    },
}
SMALL: dict[str, tuple[tuple[int, ...], ...]] = {
    "conv2d": ((1, 4, 4, 2), (3, 3, 2, 3), (3,)),
    "separable_conv2d": ((1, 4, 4, 2), (3, 3, 2, 1), (1, 1, 2, 3), (3,)),
}
by_operation = pytest.mark.parametrize("name", SMALL)


def normal(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("backend", ["reference", "loops", "cpu"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_it_is_relu_of_the_result(case: str, dtype: str, data_format: str, backend: str) -> None:
    operation, shapes, options = CASES[case]
    arrays = [array.astype(dtype) for array in normal(*shapes)]
    arrays[0].flat[5] = np.nan
    if data_format == "channels_first":
        arrays[0] = np.ascontiguousarray(np.moveaxis(arrays[0], -1, 1))
    results = []
    for fused in (True, False):
        inputs = [mg.tensor(array, requires_grad=True) for array in arrays]
        activation = {"activation": "relu"} if fused else {}
        with use_backend(backend):
            y = operation(*inputs, data_format=data_format, **options, **activation)
            y = y if fused else ops.relu(y)
            parts = mg.grad(y, inputs, np.ones(y.shape, dtype))
        results.append([y.numpy(), *(part.numpy() for part in parts)])
    assert np.isnan(results[0][0]).any() and (results[0][0] == 0).any()
    for received, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(received, expected)


def test_sums_in_several_parts() -> None:
    """Of 800 channels: only the whole sum decides; and an output that goes past the caches."""
    rng = np.random.default_rng(0)
    for pixels, channels, filters in (((5, 5), 800, 40), ((260, 260), 4, 32)):
        shapes = ((1, *pixels, channels), (1, 1, channels, 1), (1, 1, channels, filters))
        arrays = [rng.integers(-3, 4, shape).astype(np.float32) for shape in shapes]
        y = ops.separable_conv2d(*arrays, activation="relu").numpy()
        np.testing.assert_array_equal(y, np.maximum(ops.separable_conv2d(*arrays).numpy(), 0))


@by_operation
def test_frozen_arguments_get_no_gradient(name: str) -> None:
    arrays = normal(*SMALL[name])
    for wanted in range(len(arrays)):
        inputs = [mg.tensor(a, requires_grad=i == wanted) for i, a in enumerate(arrays)]
        getattr(ops, name)(*inputs, activation="relu").sum().backward()
        assert [x.grad is not None for x in inputs] == [x.requires_grad for x in inputs]


@by_operation
def test_it_is_differentiable_twice(name: str) -> None:
    inputs = [mg.tensor(array, requires_grad=True) for array in normal(*SMALL[name])]

    def layer(*inputs: Any) -> Any:
        return getattr(ops, name)(*inputs, padding="same", activation="relu")

    assert mg.gradcheck(layer, inputs)
    assert mg.gradgradcheck(layer, inputs)


@by_operation
def test_other_activations_are_not_fused(name: str) -> None:
    with pytest.raises(ValueError, match=r"fused activation is None or 'relu'.*'tanh'"):
        getattr(ops, name)(*normal(*SMALL[name]), activation="tanh")


@by_operation
def test_the_layer_fuses_relu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    forward = getattr(ops, name)

    def spy(*args: Any, **options: Any) -> Any:
        asked.append(options["activation"])
        return forward(*args, **options)

    monkeypatch.setattr(ops, name, spy)
    x = np.random.default_rng(0).standard_normal((1, 5, 5, 2)).astype(np.float32)
    kind = {"conv2d": mg.layers.Conv2D, "separable_conv2d": mg.layers.SeparableConv2D}[name]
    for activation in ("relu", "tanh"):
        layer = kind(4, 3, activation=activation)
        y = layer(x)
        layer.activation = mg.activations.linear
        np.testing.assert_array_equal(y.numpy(), getattr(ops, activation)(layer(x)).numpy())
    assert asked == ["relu", None, None, None]


@by_operation
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_relu_holds_back_stays_zero_beside_infinity(name: str, value: float) -> None:
    """The gradient of a unit that is off is 0, whatever the other gradients are."""
    x = mg.tensor(np.array([-1, 1, 2, -3], "f").reshape(1, 2, 2, 1), requires_grad=True)
    kernels = [mg.tensor(np.ones((1, 1, 1, 1), "f"))] * (len(SMALL[name]) - 2)
    upstream = np.array([value, 1, 1, 1], "f").reshape(1, 2, 2, 1)
    getattr(ops, name)(x, *kernels, activation="relu").backward(mg.tensor(upstream))
    assert x.grad.numpy().ravel().tolist() == [0, 1, 1, 0]

"""Convolutions against golden data, exactly across backends and layouts, and every known trap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.kernels import use_backend

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "separable_conv2d.json").read_text(encoding="utf-8"))["cases"]
ARGUMENTS = {"x": "dx", "depthwise_kernel": "d_depthwise", "pointwise_kernel": "d_pointwise"}
ARGUMENTS["bias"] = "d_bias"

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def golden() -> Iterator[Arrays]:
    with np.load(GOLDEN / "separable_conv2d.npz", allow_pickle=False) as archive:
        yield {name: archive[name] for name in archive.files}


def options(case: dict[str, Any]) -> dict[str, Any]:
    padding = case["padding"]
    return {
        "strides": tuple(case["strides"]),
        "padding": padding if isinstance(padding, str) else tuple(map(tuple, padding)),
        "dilation_rate": tuple(case["dilation_rate"]),
        "data_format": case["data_format"],
    }


def run(case: dict[str, Any], arrays: Arrays, dtype: str) -> Arrays:
    """Return output and gradients under the names of the golden arrays."""
    names = [name for name in ARGUMENTS if name in arrays]
    inputs = [mg.tensor(arrays[name].astype(dtype), requires_grad=True) for name in names]
    y = ops.separable_conv2d(*inputs, **options(case))
    parts = mg.grad(y, inputs, arrays["g"].astype(dtype))
    assert y.dtype == dtype and all(part.dtype == dtype for part in parts)
    found = {ARGUMENTS[name]: part.numpy() for name, part in zip(names, parts, strict=True)}
    return {"y": y.numpy()} | found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_output_and_gradients_are_those_of_tensorflow_and_pytorch(
    case: dict[str, Any], golden: Arrays
) -> None:
    prefix = case["id"] + "/"
    arrays = {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}
    wide, narrow = run(case, arrays, "float64"), run(case, arrays, "float32")
    assert wide.keys() == arrays.keys() & wide.keys()
    for name, found in wide.items():
        expected = arrays[name]
        scale = np.abs(expected).max(initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * scale, err_msg=name)
        if case["exact"]:
            np.testing.assert_array_equal(found, expected, err_msg=name)
        np.testing.assert_allclose(narrow[name], found, rtol=0, atol=1e-6 * scale, err_msg=name)


# --- ten worked examples ----------------------------------------------------------------------

# input, F, kernel, strides, padding, dilation, M, output shape, sum, sum of squares, first, last
WORKED: dict[str, tuple[Any, ...]] = {
    "A": ((1, 3, 3, 1), 1, (2, 2), 1, "valid", 1, 1, (1, 2, 2, 1), -6.5, 16.1875,
          [-3.125, -2.375, -0.875, -0.125], []),
    "B": ((1, 3, 3, 1), 1, (2, 2), 1, "same", 1, 1, (1, 3, 3, 1), -3.75, 21.875,
          [-3.125, -2.375, -1.125, -0.875], [0.875, 1.5, 1.125]),
    "C": ((1, 4, 4, 1), 1, (3, 3), 2, "same", 1, 1, (1, 2, 2, 1), -3.125, 48.859375,
          [-1.875, -5.625, 3.625, 0.75], []),
    "D": ((1, 5, 5, 1), 1, (3, 3), 2, "same", 1, 1, (1, 3, 3, 1), 12.875, 38.890625,
          [1.875, 2.0, 0.5, 0.375], [-2.0, 2.125, 1.875]),
    "E": ((1, 5, 6, 2), 3, (3, 2), 1, "same", 2, 2, (1, 5, 6, 3), 5.1875, 416.089844,
          [0.875, -0.5875, 1.075, -2.6875], [-0.1875, 0.1625, 1.45]),
    "F": ((2, 7, 6, 3), 2, (3, 3), 2, "valid", 1, 2, (2, 3, 2, 2), 11.575, 297.295,
          [-3.5625, 0.7875, 3.6875, 1.475], [0.7875, 3.6875, 1.475]),
    "G": ((1, 6, 5, 2), 2, (3, 3), 1, "valid", (2, 1), 1, (1, 2, 3, 2), -10.4, 80.230312,
          [-4.5, -2.525, -3.5, 1.1625], [1.0375, -3.0, -0.775]),
    "H": ((1, 6, 7, 2), 2, (3, 3), (1, 2), "same", 1, 2, (1, 6, 4, 2), -1.725, 210.654063,
          [0.8125, 0.2875, 3.125, -2.15], [-2.275, -1.375, -0.775]),
    "I": ((1, 8, 8, 1), 1, (3, 3), 2, "same", 2, 1, (1, 4, 4, 1), 3.75, 131.9375,
          [0.0, 2.625, 2.375, 0.875], [1.75, -0.25, -2.375]),
    "J": ((1, 8, 8, 1), 1, (3, 3), 2, "valid", 2, 1, (1, 2, 2, 1), -0.75, 85.71875,
          [-7.875, 0.25, 3.5, 3.375], []),
}  # fmt: skip


def ramp(shape: tuple[int, ...], period: int, middle: int, divisor: int) -> np.ndarray:
    flat = np.arange(np.prod(shape)) % period - middle
    return flat.reshape(shape) / divisor


@pytest.mark.parametrize("letter", WORKED)
def test_worked_examples_are_exact(letter: str) -> None:
    shape, filters, kernel, strides, padding, dilation, m, out, total, squares, first, last = (
        WORKED[letter]
    )
    channels = shape[3]
    y = ops.separable_conv2d(
        ramp(shape, 11, 5, 2),
        ramp((*kernel, channels, m), 7, 3, 4),
        ramp((1, 1, channels * m, filters), 5, 2, 2),
        np.arange(filters) / 10,
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
    ).numpy()
    # All but the bias is a multiple of 1/16; times 80 everything is a whole number.
    scaled = np.rint(y * 80)
    np.testing.assert_allclose(y * 80, scaled, rtol=0, atol=1e-10)
    whole = scaled.astype(int).ravel()
    assert y.shape == out
    assert (whole[: len(first)] == np.rint(np.array(first) * 80)).all()
    assert (whole[len(whole) - len(last) :] == np.rint(np.array(last) * 80)).all()
    assert whole.sum() == round(total * 80)
    assert round(int((whole**2).sum()) / 6400, 6) == squares


# --- small integers: every way of computing must agree to the last bit ------------------------


def integers(seed: int, *shapes: tuple[int, ...], dtype: str = "float64") -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]


def first(x: Any) -> Any:
    """Return images with their channels first."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


WAYS = [
    {"strides": s, "padding": p, "dilation_rate": d}
    for s, d, p in product([1, (2, 1), (1, 3)], [1, 2, (1, 3)], ["valid", "same", ((0, 2), (3, 1))])
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_backends_and_data_formats_agree_exactly(way: dict[str, Any], dtype: str) -> None:
    x, k, p, b = integers(1, (2, 8, 9, 3), (3, 2, 3, 2), (1, 1, 6, 4), (4,), dtype=dtype)
    results = []
    for backend, data_format in product(["reference", "cpu"], ["channels_last", "channels_first"]):
        swap = first if data_format == "channels_first" else np.asarray
        inputs = [mg.tensor(a, requires_grad=True) for a in (swap(x), k, p, b)]
        with use_backend(backend):
            y = ops.separable_conv2d(*inputs, data_format=data_format, **way)
            (g,) = integers(2, results[0][0].shape if results else y.shape, dtype=dtype)
            parts = [part.numpy() for part in mg.grad(y, inputs, swap(g), retain_graph=True)]
            composed = mg.grad(y, inputs, swap(g), create_graph=True)
        for one, other in zip(parts, composed, strict=True):
            np.testing.assert_array_equal(one, other.numpy())
        output = y.numpy()
        if data_format == "channels_first":
            output, parts[0] = np.moveaxis(output, 1, -1), np.moveaxis(parts[0], 1, -1)
        results.append([output, *parts])
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_separable_is_pointwise_after_depthwise(way: dict[str, Any]) -> None:
    arrays = integers(3, (2, 8, 9, 3), (3, 2, 3, 2), (1, 1, 6, 4), (4,))
    at_once = [mg.tensor(a, requires_grad=True) for a in arrays]
    in_steps = [mg.tensor(a, requires_grad=True) for a in arrays]
    y = ops.separable_conv2d(*at_once, **way)
    x, k, p, b = in_steps
    z = ops.pointwise_conv2d(ops.depthwise_conv2d(x, k, **way), p, b)
    np.testing.assert_array_equal(y.numpy(), z.numpy())
    (g,) = integers(4, y.shape)
    for one, other in zip(mg.grad(y, at_once, g), mg.grad(z, in_steps, g), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("wanted", list(product([False, True], repeat=4))[1:], ids=str)
def test_frozen_arguments_get_no_gradient_and_change_no_other(wanted: tuple[bool, ...]) -> None:
    arrays = integers(5, (2, 5, 6, 2), (3, 3, 2, 2), (1, 1, 4, 3), (3,))
    everything = [mg.tensor(a, requires_grad=True) for a in arrays]
    some = [mg.tensor(a, requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]
    for inputs in (everything, some):
        ops.separable_conv2d(*inputs, padding="same").sum().backward()
    for full, part, want in zip(everything, some, wanted, strict=True):
        if want:
            np.testing.assert_array_equal(part.grad.numpy(), full.grad.numpy())
        else:
            assert part.grad is None


def test_pointwise_is_a_matrix_product() -> None:
    x, k, b = integers(6, (2, 3, 4, 5), (1, 1, 5, 3), (3,))
    np.testing.assert_array_equal(ops.pointwise_conv2d(x, k, b).numpy(), x @ k[0, 0] + b)


# --- the traps of a re-implementation, by their number in the fact sheet ----------------------


def conv(x: Any, kernel: Any, **way: Any) -> np.ndarray:
    """Return a depthwise convolution of one channel by one kernel, as a matrix."""
    x, kernel = np.asarray(x, float), np.asarray(kernel, float)
    return ops.depthwise_conv2d(x[None, ..., None], kernel[..., None, None], **way).numpy()[
        0, ..., 0
    ]


def test_trap_1_same_padding_is_not_symmetric() -> None:
    image, ones = np.arange(16).reshape(4, 4), np.ones((3, 3))
    assert conv(image, ones, strides=2, padding="same").tolist() == [[45, 39], [66, 50]]
    small = conv(np.arange(9).reshape(3, 3), np.ones((2, 2)), padding="same")
    assert small.tolist() == [[8, 12, 7], [20, 24, 13], [13, 15, 8]]
    # A stride larger than the kernel: padding must not become negative.
    skipped = conv(np.arange(25).reshape(5, 5), np.ones((1, 1)), strides=3, padding="same")
    assert skipped.tolist() == [[0, 3], [15, 18]]


def test_trap_2_same_padding_knows_the_extent_of_a_dilated_kernel() -> None:
    taps = np.array([[1.0, 10.0, 100.0]])
    row = conv([[1, 2, 3, 4, 5]], taps, dilation_rate=(1, 2), padding="same")
    # e = 5, so two zeros on each side: out[i] = x[i-2] + 10 x[i] + 100 x[i+2]
    assert row.tolist() == [[310, 420, 531, 42, 53]]


def test_trap_3_output_channels_count_the_multiplier_fastest() -> None:
    kernel = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).reshape(1, 1, 3, 2)
    y = ops.depthwise_conv2d(np.array([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3), kernel)
    assert y.numpy().ravel().tolist() == [1, 2, 30, 40, 500, 600]
    first_format = ops.depthwise_conv2d(
        np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1), kernel, data_format="channels_first"
    )
    assert first_format.numpy().ravel().tolist() == [1, 2, 30, 40, 500, 600]


def test_trap_4_strides_and_dilation_belong_to_the_depthwise_step_only() -> None:
    x, k = integers(7, (1, 8, 8, 1), (3, 3, 1, 1))
    for way in ({"strides": 2}, {"dilation_rate": 2}):
        y = ops.separable_conv2d(x, k, np.ones((1, 1, 1, 1)), **way)
        np.testing.assert_array_equal(y.numpy(), ops.depthwise_conv2d(x, k, **way).numpy())


def test_trap_5_there_is_one_bias_after_the_pointwise_step() -> None:
    one = np.ones((1, 1, 1, 1))
    y = ops.separable_conv2d(3 * one, 2 * one, 5 * one, np.array([-7.0]))
    assert y.item() == 3 * 2 * 5 - 7


@pytest.mark.parametrize(("height", "width"), [(4, 6), (6, 4), (4, 4)])
def test_trap_17_the_bias_goes_to_the_channels_whatever_their_number(
    height: int, width: int
) -> None:
    x, k, p, b = integers(8, (2, height, width, 3), (3, 3, 3, 1), (1, 1, 3, 4), (4,))
    last = ops.separable_conv2d(x, k, p, b, padding="same")
    other = [mg.tensor(a, requires_grad=True) for a in (first(x), k, p, b)]
    y = ops.separable_conv2d(*other, padding="same", data_format="channels_first")
    np.testing.assert_array_equal(y.numpy(), first(last.numpy()))
    (g,) = integers(9, y.shape)
    np.testing.assert_array_equal(mg.grad(y, other[3], g).numpy(), g.sum(axis=(0, 2, 3)))


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_trap_18_an_input_smaller_than_the_kernel_is_an_error_for_every_stride(
    strides: int,
) -> None:
    with pytest.raises(ValueError, match="height 4 is smaller than the kernel of height 5"):
        conv(np.ones((4, 9)), np.ones((5, 5)), strides=strides)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_trap_20_an_empty_batch_runs_forward_and_backward(backend: str, data_format: str) -> None:
    shape = (0, 5, 6, 3) if data_format == "channels_last" else (0, 3, 5, 6)
    out = (0, 3, 3, 4) if data_format == "channels_last" else (0, 4, 3, 3)
    shapes = [shape, (3, 3, 3, 2), (1, 1, 6, 4), (4,)]
    inputs = [mg.tensor(np.ones(s), requires_grad=True) for s in shapes]
    with use_backend(backend):
        y = ops.separable_conv2d(*inputs, strides=2, padding="same", data_format=data_format)
        assert y.shape == out
        for create_graph in (False, True):
            parts = mg.grad(y.sum(), inputs, create_graph=create_graph, retain_graph=True)
            assert [part.shape for part in parts] == shapes
            assert all((part.numpy() == 0).all() for part in parts)


def test_trap_28_the_gradient_of_same_padding_is_cropped_where_it_was_padded() -> None:
    x = mg.tensor(np.zeros((1, 4, 4, 1)), requires_grad=True)
    kernel = np.arange(1.0, 10.0).reshape(3, 3, 1, 1)
    # Pads are (0, 1): window (i, j) starts at pixel (2i, 2j); two windows meet in row 2, column 2.
    ops.depthwise_conv2d(x, kernel, strides=2, padding="same").sum().backward()
    assert x.grad.numpy()[0, :, :, 0].tolist() == [
        [1, 2, 4, 2],
        [4, 5, 10, 5],
        [8, 10, 20, 10],
        [4, 5, 10, 5],
    ]


def test_trap_28_pixels_that_no_window_reaches_get_exactly_zero() -> None:
    x = mg.tensor(np.ones((1, 6, 6, 1)), requires_grad=True)
    ops.depthwise_conv2d(x, np.ones((2, 2, 1, 1)), strides=3).sum().backward()
    expected = np.kron(np.ones((2, 2)), [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    assert x.grad.numpy()[0, :, :, 0].tolist() == expected.tolist()

"""Golden data for the separable convolution: forward pass and every gradient.

TensorFlow computes what its CPU kernels can run (one stride for both axes, and
no stride together with dilation); PyTorch, in its own channels-first layout,
computes everything. Where both can, they must agree; where TensorFlow cannot,
its undilated-stride result is taken at stride 1 and subsampled, and that must
agree with PyTorch too. So every case has been computed twice.

Run: python tests/golden/make_separable_conv2d.py
Needs: tensorflow-cpu, tf_keras, keras, torch, numpy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from _libraries import tf, tf_keras
from _writer import Arrays, eighths, versions, write

SEED = 20240601
TOLERANCE = 1e-10
Pair = tuple[int, int]
Padding = str | tuple[Pair, Pair]


@dataclass
class Case:
    """One configuration; `size` is (H, W)."""

    size: Pair
    channels: int
    filters: int
    kernel: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"
    dilation: Pair = (1, 1)
    multiplier: int = 1
    bias: bool = True
    batch: int = 2
    data_format: str = "channels_last"
    data: str = "eighths"  # or "normal", or "formula" (the worked examples A to J)
    note: str = ""


CASES: dict[str, Case] = {}


def add(size: Pair, channels: int, filters: int, kernel: Pair, **options: object) -> None:
    CASES[f"c{len(CASES):03d}"] = Case(size, channels, filters, kernel, **options)  # type: ignore[arg-type]


FIRST = {"data_format": "channels_first"}

# Kernel shapes, with both words for the padding, odd and even sizes.
for kernel in [(1, 1), (2, 2), (3, 3), (2, 4), (5, 5), (1, 7)]:
    add((7, 8), 3, 4, kernel, padding="valid")
    add((8, 7), 2, 3, kernel, padding="same", multiplier=2, batch=1)
    add((6, 9), 2, 5, kernel, padding="same", strides=(2, 2), bias=False)
# Strides: the amount of 'same' padding depends on size, kernel and stride together.
for size in [(7, 7), (8, 8), (7, 8)]:
    for stride in [2, 3]:
        add(size, 2, 3, (3, 3), padding="same", strides=(stride, stride))
        add(size, 2, 3, (3, 3), strides=(stride, stride), multiplier=2, bias=False, batch=1)
add((9, 9), 1, 2, (2, 2), padding="same", strides=(3, 3), note="stride larger than the kernel")
add((10, 10), 1, 1, (1, 1), padding="same", strides=(3, 3), note="most inputs are never read")
add((10, 8), 3, 2, (2, 4), padding="same", strides=(2, 2), multiplier=3, batch=1)
# Unequal strides.
for strides in [(1, 2), (2, 1), (3, 2)]:
    add((8, 7), 2, 3, (3, 3), padding="same", strides=strides, multiplier=2)
    add((7, 9), 3, 2, (2, 3), padding="valid", strides=strides, batch=1, bias=False)
    add((7, 9), 2, 4, (3, 2), padding="same", strides=strides, batch=3, **FIRST)
# Dilation.
for dilation in [(2, 2), (3, 3), (1, 2), (3, 1), (2, 3)]:
    add((9, 8), 2, 3, (3, 3), padding="same", dilation=dilation)
    add((9, 8), 2, 3, (3, 3), padding="valid", dilation=dilation, multiplier=2, batch=1, bias=False)
add((5, 5), 2, 3, (3, 3), padding="same", dilation=(3, 3), note="kernel reaches past the input")
add((8, 9), 3, 2, (2, 4), padding="same", dilation=(3, 2), multiplier=2, batch=1)
add((7, 10), 2, 2, (1, 7), padding="same", dilation=(1, 2))
# Stride and dilation together (a layer refuses this; the operation computes it).
add((9, 9), 2, 3, (3, 3), padding="same", strides=(2, 2), dilation=(2, 2))
add((9, 9), 2, 3, (3, 3), padding="valid", strides=(2, 2), dilation=(2, 2), multiplier=2, batch=1)
add((10, 8), 3, 2, (3, 2), padding="same", strides=(3, 2), dilation=(2, 3), multiplier=2, batch=1)
add((10, 11), 2, 3, (2, 3), padding="valid", strides=(2, 1), dilation=(1, 2), bias=False)
add((9, 8), 2, 2, (3, 3), padding="same", strides=(2, 2), dilation=(3, 3), **FIRST)
# Explicit padding, also where no word would give it.
add((6, 6), 2, 3, (3, 3), padding=((1, 1), (1, 1)))
add((5, 7), 2, 3, (3, 3), padding=((0, 2), (1, 0)), multiplier=2)
add((6, 5), 3, 4, (2, 2), padding=((2, 1), (0, 3)), strides=(2, 2), batch=1)
add((6, 8), 2, 2, (3, 3), padding=((2, 3), (1, 2)), dilation=(2, 2), bias=False)
add((7, 6), 2, 3, (3, 2), padding=((1, 0), (0, 1)), strides=(1, 2), dilation=(2, 1), batch=1)
add((4, 4), 1, 2, (2, 2), padding=((3, 3), (3, 3)), note="a border that sees only padding")
add((5, 6), 2, 3, (3, 3), padding=((1, 2), (0, 1)), strides=(2, 2), **FIRST)
# channels_first, with the output width or height equal to `filters` (the bias must go to axis 1).
add((6, 7), 3, 4, (3, 3), padding="valid", **FIRST)
add((6, 7), 2, 3, (3, 3), padding="same", multiplier=2, batch=1, **FIRST)
add((5, 6), 3, 6, (3, 3), padding="same", note="output width == filters", **FIRST)
add((5, 6), 3, 5, (3, 3), padding="same", note="output height == filters", **FIRST)
add((4, 4), 4, 4, (3, 3), padding="same", batch=3, note="all four equal", **FIRST)
add((9, 8), 2, 4, (3, 3), padding="same", strides=(2, 2), note="output width == filters", **FIRST)
add((7, 8), 2, 3, (3, 3), padding="same", dilation=(2, 2), multiplier=2, bias=False, **FIRST)
# Tiny inputs.
add((1, 1), 2, 3, (5, 5), padding="same", note="one pixel, 5x5 kernel")
add((1, 1), 1, 1, (1, 1), batch=1, note="the smallest convolution")
add((1, 6), 2, 3, (3, 3), padding="same", strides=(2, 2))
add((2, 1), 3, 2, (3, 3), padding="same", dilation=(2, 2), multiplier=2)
add((3, 3), 2, 5, (3, 3), padding="valid", note="kernel as large as the input")
# Channel counts: C*M > F and the opposite, C = 1 and 5, F = 1 and 7, M = 3.
add((6, 6), 3, 2, (3, 3), padding="same", multiplier=4, note="filters < channels * multiplier")
add((6, 5), 5, 1, (3, 3), padding="same", multiplier=3)
add((5, 6), 1, 7, (3, 3), padding="valid", multiplier=3, batch=3)
add((5, 5), 5, 7, (2, 2), padding="same", multiplier=2, bias=False)
add((5, 5), 4, 6, (3, 3), padding="valid", multiplier=1, batch=3)
# Numbers that are not exact fractions, as a check of ordinary rounding.
add((7, 8), 3, 4, (3, 3), padding="same", multiplier=2, data="normal")
add((8, 8), 4, 5, (3, 3), padding="same", strides=(2, 2), data="normal")
add((7, 7), 2, 3, (2, 4), padding="valid", dilation=(2, 2), data="normal")
add((7, 6), 3, 6, (3, 3), padding="same", multiplier=2, data="normal", **FIRST)
add((8, 9), 2, 4, (3, 3), padding="same", strides=(1, 2), dilation=(2, 1), data="normal")

# Ten worked examples whose inputs follow a formula (see `make_inputs`), and what is
# known about their outputs: sum, sum of squares, first four values.
ONE, TWO, THREE = (1, 1), (2, 2), (3, 3)
EXAMPLES = {
    "A": Case((3, 3), 1, 1, TWO, batch=1),
    "B": Case((3, 3), 1, 1, TWO, padding="same", batch=1),
    "C": Case((4, 4), 1, 1, THREE, TWO, "same", batch=1),
    "D": Case((5, 5), 1, 1, THREE, TWO, "same", batch=1),
    "E": Case((5, 6), 2, 3, (3, 2), ONE, "same", TWO, multiplier=2, batch=1),
    "F": Case((7, 6), 3, 2, THREE, TWO, "valid", ONE, multiplier=2),
    "G": Case((6, 5), 2, 2, THREE, ONE, "valid", (2, 1), batch=1),
    "H": Case((6, 7), 2, 2, THREE, (1, 2), "same", ONE, multiplier=2, batch=1),
    "I": Case((8, 8), 1, 1, THREE, TWO, "same", TWO, batch=1),
    "J": Case((8, 8), 1, 1, THREE, TWO, "valid", TWO, batch=1),
}
KNOWN = {
    "A": (-6.5, 16.1875, (-3.125, -2.375, -0.875, -0.125)),
    "B": (-3.75, 21.875, (-3.125, -2.375, -1.125, -0.875)),
    "C": (-3.125, 48.859375, (-1.875, -5.625, 3.625, 0.75)),
    "D": (12.875, 38.890625, (1.875, 2.0, 0.5, 0.375)),
    "E": (5.1875, 416.089844, (0.875, -0.5875, 1.075, -2.6875)),
    "F": (11.575, 297.295, (-3.5625, 0.7875, 3.6875, 1.475)),
    "G": (-10.4, 80.230312, (-4.5, -2.525, -3.5, 1.1625)),
    "H": (-1.725, 210.654063, (0.8125, 0.2875, 3.125, -2.15)),
    "I": (3.75, 131.9375, (0.0, 2.625, 2.375, 0.875)),
    "J": (-0.75, 85.71875, (-7.875, 0.25, 3.5, 3.375)),
}
for letter, example in EXAMPLES.items():
    example.data, example.note = "formula", f"worked example {letter}"
    CASES[letter] = example


def pads(case: Case) -> tuple[Pair, Pair]:
    """Rows and columns of zeros to add: ((top, bottom), (left, right))."""
    if not isinstance(case.padding, str):
        return case.padding
    amounts = []
    for n, k, s, d in zip(case.size, case.kernel, case.strides, case.dilation, strict=True):
        total = 0
        if case.padding == "same":
            out = -(-n // s)
            total = max((out - 1) * s + (k - 1) * d + 1 - n, 0)
        amounts.append((total // 2, total - total // 2))
    return amounts[0], amounts[1]


def make_inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Input, kernels and bias; the input is in the layout of `case.data_format`."""
    shape = (case.batch, *case.size, case.channels)
    if case.data_format == "channels_first":
        shape = (case.batch, case.channels, *case.size)
    depth = case.channels * case.multiplier
    shapes = {
        "x": shape,
        "depthwise_kernel": (*case.kernel, case.channels, case.multiplier),
        "pointwise_kernel": (1, 1, depth, case.filters),
        "bias": (case.filters,),
    }
    if case.data == "formula":

        def ramp(shape: tuple[int, ...], period: int, offset: int, scale: int) -> np.ndarray:
            i = np.arange(np.prod(shape))
            return ((i % period - offset) / scale).reshape(shape)

        arrays = {
            "x": ramp(shapes["x"], 11, 5, 2),
            "depthwise_kernel": ramp(shapes["depthwise_kernel"], 7, 3, 4),
            "pointwise_kernel": ramp(shapes["pointwise_kernel"], 5, 2, 2),
            "bias": np.arange(case.filters) / 10,
        }
    elif case.data == "normal":
        arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    else:
        arrays = {name: eighths(rng, shape) for name, shape in shapes.items()}
    if not case.bias:
        del arrays["bias"]
    return arrays


def with_torch(case: Case, inputs: Arrays, upstream: np.ndarray | None) -> Arrays:
    """Forward and gradients by PyTorch, which works channels first."""
    leaf = {name: torch.tensor(array, requires_grad=True) for name, array in inputs.items()}
    x = leaf["x"] if case.data_format == "channels_first" else leaf["x"].permute(0, 3, 1, 2)
    (top, bottom), (left, right) = pads(case)
    x = F.pad(x, (left, right, top, bottom))
    # (kh, kw, C, M) -> (C*M, 1, kh, kw), channel major: group c holds outputs c*M ... c*M + M-1.
    depth = case.channels * case.multiplier
    depthwise = leaf["depthwise_kernel"].permute(2, 3, 0, 1).reshape(depth, 1, *case.kernel)
    y = F.conv2d(x, depthwise, None, case.strides, 0, case.dilation, groups=case.channels)
    pointwise = leaf["pointwise_kernel"].permute(3, 2, 0, 1)
    y = F.conv2d(y, pointwise, leaf.get("bias"))
    if case.data_format == "channels_last":
        y = y.permute(0, 2, 3, 1)
    if upstream is None:
        return {"y": y.detach().numpy()}
    (y * torch.tensor(upstream)).sum().backward()
    names = {
        "x": "dx",
        "depthwise_kernel": "d_depthwise",
        "pointwise_kernel": "d_pointwise",
        "bias": "d_bias",
    }
    return {"y": y.detach().numpy(), **{names[n]: leaf[n].grad.numpy() for n in leaf}}


def tensorflow_runs_it(case: Case) -> bool:
    """Whether TensorFlow's CPU kernels compute this without detours (channels_first aside)."""
    return case.strides[0] == case.strides[1] and (
        max(case.strides) == 1 or max(case.dilation) == 1
    )


def with_tensorflow(case: Case, inputs: Arrays, upstream: np.ndarray) -> tuple[Arrays, str]:
    """Forward and gradients by TensorFlow, and the name of what computed them."""
    first = case.data_format == "channels_first"
    variable = {name: tf.Variable(array) for name, array in inputs.items()}
    words = isinstance(case.padding, str)
    with tf.GradientTape() as tape:
        # The CPU kernels know channels_last only.
        x = tf.transpose(variable["x"], (0, 2, 3, 1)) if first else tf.identity(variable["x"])
        if words and tensorflow_runs_it(case):
            via = "tf_keras.layers.SeparableConv2D"
            layer = tf_keras.layers.SeparableConv2D(
                case.filters,
                case.kernel,
                strides=case.strides,
                padding=case.padding,
                dilation_rate=case.dilation,
                depth_multiplier=case.multiplier,
                use_bias=case.bias,
                data_format="channels_last",
                dtype="float64",
            )
            layer.build(x.shape)
            layer.set_weights(
                [inputs[n] for n in ("depthwise_kernel", "pointwise_kernel", "bias") if n in inputs]
            )
            y = layer(x)
            sources = [variable["x"], *layer.trainable_weights]
        else:
            x = tf.pad(x, ((0, 0), *pads(case), (0, 0)))
            strides, step = case.strides, (1, 1)
            via = "tf.nn.separable_conv2d on a padded input"
            if not tensorflow_runs_it(case):
                strides, step = (1, 1), case.strides
                via = "tf.nn.separable_conv2d at stride 1, subsampled"
            y = tf.nn.separable_conv2d(
                x,
                variable["depthwise_kernel"],
                variable["pointwise_kernel"],
                (1, *strides, 1),
                "VALID",
                dilations=case.dilation,
            )
            y = y[:, :: step[0], :: step[1], :]
            if case.bias:
                y = y + variable["bias"]
            sources = list(variable.values())
        if first:
            y = tf.transpose(y, (0, 3, 1, 2))
        loss = tf.reduce_sum(y * upstream)
    gradients = [g.numpy() for g in tape.gradient(loss, sources)]
    names = ["dx", "d_depthwise", "d_pointwise", "d_bias"]
    return {"y": y.numpy(), **dict(zip(names, gradients, strict=False))}, via


def main() -> None:
    arrays: Arrays = {}
    entries = []
    for number, (name, case) in enumerate(CASES.items()):
        rng = np.random.default_rng([SEED, number])
        inputs = make_inputs(case, rng)
        shape = with_torch(case, inputs, None)["y"].shape
        upstream = rng.standard_normal(shape) if case.data == "normal" else eighths(rng, shape)
        by_torch = with_torch(case, inputs, upstream)
        by_tensorflow, via = with_tensorflow(case, inputs, upstream)
        difference = 0.0
        for key, value in by_torch.items():
            assert value.shape == by_tensorflow[key].shape, (name, key)
            difference = max(difference, float(np.abs(value - by_tensorflow[key]).max(initial=0.0)))
        assert difference < TOLERANCE, (name, difference)
        source = "tensorflow" if tensorflow_runs_it(case) else "pytorch"
        results = by_tensorflow if source == "tensorflow" else by_torch
        if case.data == "eighths":  # exact: nothing was rounded, so both agree to the bit
            assert difference == 0.0, name
            assert all(
                np.all(value * 512 == np.round(value * 512)) for value in results.values()
            ), name
        if case.data == "formula":
            total, squares, start = KNOWN[name]
            y = results["y"]
            np.testing.assert_allclose(y.sum(), total, rtol=0, atol=1e-9)
            np.testing.assert_allclose((y * y).sum(), squares, rtol=0, atol=1e-6)
            np.testing.assert_allclose(y.ravel()[:4], start, rtol=0, atol=1e-12)
        for key, value in {**inputs, "g": upstream, **results}.items():
            arrays[f"{name}/{key}"] = np.ascontiguousarray(value, dtype=np.float64)
        entries.append(
            {
                "id": name,
                "filters": case.filters,
                "kernel_size": case.kernel,
                "strides": case.strides,
                "padding": case.padding,
                "dilation_rate": case.dilation,
                "depth_multiplier": case.multiplier,
                "use_bias": case.bias,
                "data_format": case.data_format,
                "input_shape": inputs["x"].shape,
                "output_shape": shape,
                "pads": pads(case),
                "data": case.data,
                "exact": case.data == "eighths",
                "layer_allows": isinstance(case.padding, str)
                and (max(case.strides) == 1 or max(case.dilation) == 1),
                "source": source,
                "tensorflow_via": via,
                "max_difference": difference,
                "note": case.note,
            }
        )
    assert len({str(asdict(case)) for case in CASES.values()}) == len(CASES)
    index = {
        "what": "SeparableConv2D in float64: y and the gradients of sum(y * g)",
        "keys": "<id>/<array>",
        "arrays": "x depthwise_kernel pointwise_kernel [bias] g y "
        "dx d_depthwise d_pointwise [d_bias]",
        "seed": SEED,
        "versions": versions("numpy", "tensorflow", "tf_keras", "torch"),
        "cases": entries,
    }
    write("separable_conv2d", index, arrays)
    print(
        len(entries),
        "cases",
        {s: sum(e["source"] == s for e in entries) for s in ("tensorflow", "pytorch")},
    )


if __name__ == "__main__":
    main()

"""Bad input to the supporting cast: what the error says, and that nothing has changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import layers
from minigrad.layers import (
    ELU,
    Add,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    GlobalMaxPooling2D,
    LeakyReLU,
    Multiply,
    PReLU,
    Rescaling,
    Reshape,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)

VE, TE = ValueError, TypeError
ones = np.ones


def row(text: str, act: Callable[..., Any], error: type[Exception], *texts: str) -> Any:
    return pytest.param(act, error, list(texts), id=text)


CONSTRUCTOR = [
    row("conv filters", lambda: Conv2D(0, 3), VE, "`filters`", "filters=0"),
    row("conv kernel", lambda: Conv2D(4, (3, 0)), VE, "`kernel_size`", "(3, 0)"),
    row("conv missing", lambda: Conv2D(4), TE, "'kernel_size'"),
    row("conv groups", lambda: Conv2D(4, 3, groups=3), VE, "groups=3, filters=4", "divide"),
    row("conv no groups", lambda: Conv2D(4, 3, groups=0), VE, "`groups`", "groups=0"),
    row("conv padding", lambda: Conv2D(4, 3, padding="causal"), VE, "only for 1-D convolutions"),
    row(
        "conv both",
        lambda: Conv2D(4, 3, 2, dilation_rate=(1, 2)),
        VE,
        "mg.ops.conv2d computes it",
        "strides=(2, 2), dilation_rate=(1, 2)",
    ),
    row("conv multiplier", lambda: Conv2D(4, 3, depth_multiplier=2), TE, "of SeparableConv2D"),
    row(
        "conv initializer",
        lambda: Conv2D(4, 3, kernel_initializer="he_norm"),
        VE,
        "`kernel_initial",
    ),
    row("conv bias", lambda: Conv2D(4, 3, use_bias=1), TE, "use_bias=1"),
    row("average size", lambda: AveragePooling2D(0), VE, "pool_size=0"),
    row("average padding", lambda: AveragePooling2D(padding="full"), VE, "padding='full'"),
    row("global max keepdims", lambda: GlobalMaxPooling2D(keepdims="no"), TE, "keepdims='no'"),
    row("spatial rate", lambda: SpatialDropout2D(2), VE, "rate=2"),
    row("spatial noise", lambda: SpatialDropout2D(0.5, noise_shape=(1,)), TE, "'noise_shape'"),
    row("spatial format", lambda: SpatialDropout2D(0.5, "nchw"), VE, "data_format='nchw'"),
    row("upsampling size", lambda: UpSampling2D(0), VE, "size=0"),
    row("upsampling size type", lambda: UpSampling2D(1.5), VE, "size=1.5"),
    row("upsampling kind", lambda: UpSampling2D(2, None, "cubic"), VE, "interpolation='cubic'"),
    *[
        row(f"padding {v!r}", lambda v=v: ZeroPadding2D(v), VE, f"padding={v!r}", "(top, bottom)")
        for v in (-1, "1", 1.5, None, (1, -1), ((1, 2), (3,)), (1, 2, 3), ((1, 2), (3, -4)))
    ],
    *[
        row(f"reshape {v!r}", lambda v=v: Reshape(v), VE, f"target_shape={v!r}", "at most one -1")
        for v in ((2, -2), (-1, -1), (2, None), ("2",), None, (1.5,), (True,))
    ],
    row("reshape missing", lambda: Reshape(), TE, "'target_shape'"),
    row("concatenate axis", lambda: Concatenate(axis=None), TE, "axis=None"),
    row("add axis", lambda: Add(axis=1), TE, "'axis'"),
    *[
        row(f"scale {v!r}", lambda v=v: Rescaling(v), VE, "scale must be a number")
        for v in (None, "1", [[1.0]], float("nan"), [1.0, float("inf")], [[1], [1, 2]], 1j, True)
    ],
    row("offset", lambda: Rescaling(1, "0"), VE, "offset='0'"),
    row("lengths", lambda: Rescaling([1, 2], [1, 2, 3]), VE, "one length", "offset=[1, 2, 3]"),
    *[
        row(f"leaky {v!r}", lambda v=v: LeakyReLU(v), VE, f"alpha={v!r}")
        for v in (None, -0.1, "0.3", float("nan"))
    ],
    row("elu", lambda: ELU(None), VE, "alpha=None"),
    *[
        row(f"softmax {v!r}", lambda v=v: Softmax(v), TE, f"axis={v!r}")
        for v in (None, 1.0, "1", [], [1, "2"], True)
    ],
    *[
        row(f"prelu {v!r}", lambda v=v: PReLU(shared_axes=v), VE, f"shared_axes={v!r}")
        for v in (0, [0, 1], -1, "1", [1.5], True)
    ],
    row("prelu initializer", lambda: PReLU("zeross"), VE, "`alpha_initializer`"),
]


@pytest.mark.parametrize(("act", "error", "texts"), CONSTRUCTOR)
def test_constructor(act: Callable[[], Any], error: Any, texts: list[str]) -> None:
    with pytest.raises(error) as caught:
        act()
    check_text(str(caught.value), texts)
    assert layers.Add().name == "add", "a constructor that fails uses up no name"


def check_text(message: str, texts: list[str]) -> None:
    for text in texts:
        assert text in message
    assert len(message) < 500 and "\n" not in message
    assert not re.search(r"numba|TypingError", message)


def use(layer: layers.Layer, shape: Any, bad: Any, error: Any, *texts: str) -> Any:
    """A row: a layer, the shape it is built for (or None), and an input that it must refuse."""
    return pytest.param(layer, shape, bad, error, texts, id=f"{layer.name}-{bad}".replace(" ", ""))


IMAGE = (2, 5, 6, 4)
FIRST = {"data_format": "channels_first"}
USE = [
    use(Conv2D(4, 3), None, (5, 6, 4), VE, "4 axes", "(5, 6, 4)"),
    use(Conv2D(4, 3), IMAGE, (2, 5, 6, 3), VE, "size 4 on axis -1", "(2, 5, 6, 3)"),
    use(Conv2D(4, 3, **FIRST), IMAGE, (2, 4, 6, 4), VE, "size 5 on axis 1", "(2, 4, 6, 4)"),
    use(
        Conv2D(4, 3), IMAGE, (2, 2, 6, 4), VE, "height 2 is smaller", "would be empty", "'conv2d_3'"
    ),
    use(Conv2D(4, 3), None, (2, 5, 2, 4), VE, "width 2 is smaller", "would be empty"),
    use(Conv2D(4, 3, groups=2), None, (2, 5, 6, 3), VE, "groups=2", "(2, 5, 6, 3)"),
    use(AveragePooling2D(3), None, (1, 2, 5, 1), VE, "height 2 is smaller", "window of 3 x 3"),
    use(AveragePooling2D(), None, (2, 5, 1), VE, "4 axes"),
    use(GlobalMaxPooling2D(), None, (2, 0, 3, 1), VE, "no maximum", "(2, 0, 3, 1)"),
    use(SpatialDropout2D(0.5), None, (2, 3), VE, "4 axes"),
    use(UpSampling2D(), None, (2, 3, 3), VE, "4 axes"),
    use(ZeroPadding2D(), None, (2, 3, 3), VE, "4 axes"),
    use(Reshape((3, -1)), None, (2, 4), VE, "(2, 4)", "(3, -1)"),
    use(Reshape((0, -1)), None, (2, 4), VE, "(0, -1)"),
    use(Reshape((4,)), (2, 4), (2, 2, 3), VE, "(2, 2, 3)", "(2, 4)"),
    use(Add(), None, (2, 3), VE, "a list of at least 2", "one tensor of shape (2, 3)"),
    use(Add(), None, [(2, 3)], VE, "at least 2", "[(2, 3)]"),
    use(Add(), None, [(2, 3), (2, 4)], VE, "shapes (2, 3), (2, 4)"),
    use(Multiply(), [(2, 3)] * 2, [(2, 3), (3, 3)], VE, "shapes (2, 3), (3, 3)"),
    use(Concatenate(), None, [(2, 3, 1), (2, 4, 1)], VE, "along axis -1 at most", "(2, 4, 1)"),
    use(Concatenate(), None, [(2, 3, 1), (2, 4)], VE, "same number of axes", "(2, 4)"),
    use(Concatenate(0), None, [(2, 3), (2, 3)], VE, "axis 0 that is not that of the batch"),
    use(Concatenate(2), None, [(2, 3), (2, 3)], VE, "with an axis 2", "(2, 3), (2, 3)"),
    use(Rescaling([1, 2]), None, (2, 3), VE, "size 2 on axis -1", "(2, 3)"),
    use(Softmax(2), None, (2, 3), VE, "no axis 2", "(2, 3)"),
    use(Softmax([1, -3]), None, (2, 3), VE, "no axis -3", "[1, -3]"),
    use(PReLU(), (2, 3), (2, 4), VE, "size 3 on axis 1", "(2, 4)"),
    use(PReLU(shared_axes=3), None, (2, 3), VE, "shared_axes=[3]", "(2, 3)"),
]


def state(layer: layers.Layer) -> dict[str, Any]:
    """All attributes but the number of the last call, which may have failed."""
    return {name: value for name, value in vars(layer).items() if name != "_call_number"}


@pytest.mark.parametrize(("layer", "shape", "bad", "error", "texts"), USE)
def test_use(layer: Any, shape: Any, bad: Any, error: Any, texts: tuple[str, ...]) -> None:
    """A layer refuses the same inputs in a call, for shapes, and in `build`; it stays as it was."""
    if shape is not None:
        layer.build(shape)
    values = [*map(ones, bad)] if isinstance(bad, list) else ones(bad)
    before, weights = state(layer), layer.get_weights()
    for act in (
        lambda: layer(values),
        lambda: layer.compute_output_shape(bad),
        lambda: layer.build(bad),
    ):
        with pytest.raises(error) as caught:
            act()
        check_text(str(caught.value), [*texts, f"ayer {layer.name!r}"])
        assert state(layer) == before
        for now, old in zip(layer.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, old)


CONVERSIONS = [
    row("unbuilt", lambda: layers.SeparableConv2D(2, 3).to_conv2d(), VE, "has no weights yet"),
    row("unbuilt conv", lambda: Conv2D(2, 3).to_separable(1), VE, "'conv2d' has no weights yet"),
    *[
        row(f"rank {r!r}", lambda r=r: conv().to_separable(r), VE, f"rank={r!r}")
        for r in (0, 5, None, 1.5, "2")
    ],
    row("groups", lambda: conv(groups=2).to_separable(1), VE, "groups=2", "without groups"),
]


def conv(**options: Any) -> Conv2D:
    layer = Conv2D(4, 3, **options)
    layer.build((None, 5, 5, 2))
    return layer


@pytest.mark.parametrize(("act", "error", "texts"), CONVERSIONS)
def test_conversion(act: Callable[[], Any], error: Any, texts: list[str]) -> None:
    with pytest.raises(error) as caught:
        act()
    check_text(str(caught.value), texts)

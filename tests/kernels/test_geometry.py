"""Sizes and padding: the published tables, a brute-force count, and the errors."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.kernels import (
    ConvGeometry,
    conv_geometry,
    join_shape,
    output_length,
    same_padding,
    split_shape,
)

SAME_TABLE = [  # n, k, s, d, out, before, after: as TensorFlow pads
    (4, 3, 1, 1, 4, 1, 1),
    (4, 3, 2, 1, 2, 0, 1),
    (5, 3, 2, 1, 3, 1, 1),
    (5, 2, 1, 1, 5, 0, 1),
    (4, 2, 2, 1, 2, 0, 0),
    (7, 4, 1, 1, 7, 1, 2),
    (224, 7, 2, 1, 112, 2, 3),
    (299, 3, 2, 1, 150, 1, 1),
    (7, 3, 1, 2, 7, 2, 2),
    (8, 3, 1, 3, 8, 3, 3),
    (8, 3, 2, 2, 4, 1, 2),
    (1, 5, 1, 1, 1, 2, 2),
    (5, 1, 3, 1, 2, 0, 0),
]


@pytest.mark.parametrize(("n", "k", "s", "d", "out", "before", "after"), SAME_TABLE)
def test_same(n, k, s, d, out, before, after):
    assert output_length(n, k, s, "same", d) == out
    assert same_padding(n, k, s, d) == (before, after)
    geometry = conv_geometry((n, n), (k, k), (s, s), "same", (d, d))
    assert geometry.output_size == (out, out)
    assert geometry.pads == ((before, after), (before, after))


@pytest.mark.parametrize(
    ("n", "k", "s", "d", "out"),
    [
        (4, 2, 1, 1, 3),
        (4, 2, 2, 1, 2),
        (5, 2, 2, 2, 2),
        (7, 3, 2, 2, 2),
        (8, 3, 2, 2, 2),
        (5, 5, 1, 1, 1),
        (5, 5, 3, 1, 1),
        (6, 3, 4, 1, 1),
        (7, 3, 4, 1, 2),
        (1, 1, 9, 9, 1),
    ],
)
def test_valid(n, k, s, d, out):
    assert output_length(n, k, s, "valid", d) == out
    assert conv_geometry((n, 9), (k, 1), (s, 1), "valid", (d, 1)).output_size == (out, 9)


def test_the_axes_are_independent():
    geometry = conv_geometry((8, 299), (3, 5), (2, 3), "same", (2, 1))
    assert geometry.output_size == (4, 100)
    assert geometry.pads == ((1, 2), (1, 2))
    assert geometry.numbers.tolist() == [8, 299, 4, 100, 3, 5, 2, 3, 2, 1, 1, 1]
    assert geometry.taps == 15


def test_unknown_sizes_stay_unknown():
    assert output_length(None, 3, 2, "same") is None
    assert output_length(None, 99, 2, "valid") is None
    assert output_length(None, 99, 2, (1, 1)) is None


axis = st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))


@given(axis, st.sampled_from(["valid", "same"]) | st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_the_window_is_counted_by_hand(sizes, padding):
    """Slide the window over the padded axis and count; "same" is padded as little as it can be."""
    n, k, s, d = sizes
    reach = (k - 1) * d
    if padding == "same":
        outputs = len(range(0, n, s))
        total = 0
        while len(range(0, n + total - reach, s)) < outputs:
            total += 1
        before, after = total // 2, (total + 1) // 2
    else:
        before, after = (0, 0) if padding == "valid" else padding
        outputs = len(range(0, n + before + after - reach, s))
    if outputs == 0:
        with pytest.raises(ValueError, match="smaller than the"):
            output_length(n, k, s, padding, d)
        return
    assert output_length(n, k, s, padding, d) == outputs
    mode = padding if isinstance(padding, str) else (padding, (0, 0))
    geometry = conv_geometry((n, 1), (k, 1), (s, 1), mode, (d, 1))
    assert geometry.output_size == (outputs, 1)
    assert geometry.pads == ((before, after), (0, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ((2, 9), (3, 3), (1, 1), "valid", (2, 1)),
            "The input of height 2 is smaller than the dilated kernel of height 5 "
            "(kernel size 3, dilation rate 2)",
        ),
        (((9, 4), (3, 5), (1, 2)), "The input of width 4 is smaller than the kernel of width 5:"),
        (
            ((9, 2), (3, 5), (1, 2), ((0, 0), (1, 1))),
            "The input of width 2 (padded to 4) is smaller than the kernel of width 5:",
        ),
        (((0, 4), (3, 3), (1, 1), "same"), "The input of height 0 has no pixels."),
        (((4, 0), (1, 1)), "The input of width 0 has no pixels."),
        (((4, 4), (0, 3)), "The `kernel_size` argument must be"),
        (((4, 4), (3, 3), (0, 1)), "The `strides` argument must be"),
        (((4, 4), (3, 3), (1, 1), "causal"), "only for 1-D convolutions"),
        (((4, 4), (3, 3), (1, 1), "valid", (1, -1)), "The `dilation_rate` argument must be"),
        (((4, 4), (3, 3), (1, 1), "valid", (1, 1), "NHWC"), "The `data_format` argument must be"),
        (((-1, 4), (3, 3)), "The `input_size` argument must be"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        conv_geometry(*arguments)


def test_no_stride_hides_an_input_that_is_too_small():
    # The rounded-up quotient (n - e + 1) / s is 0 or above for all of these.
    for n, k, s in [(4, 5, 2), (4, 5, 1), (3, 5, 9), (1, 5, 100)]:
        with pytest.raises(ValueError, match="smaller than the kernel"):
            output_length(n, k, s, "valid")


def test_a_geometry_is_a_value():
    geometry = conv_geometry((8, 8), (3, 3), (2, 2), "SAME")
    assert geometry is conv_geometry((8, 8), (3, 3), (2, 2), "SAME")
    twin = conv_geometry((8, 8), (np.int64(3), 3), (2, 2), "same")
    assert twin == geometry
    assert hash(twin) == hash(geometry)
    assert geometry != conv_geometry((8, 8), (3, 3), (2, 2), "same", (1, 1), "channels_first")
    copy = pickle.loads(pickle.dumps(geometry))
    assert copy == geometry
    assert isinstance(copy, ConvGeometry)
    assert (copy.numbers == geometry.numbers).all()
    with pytest.raises(AttributeError):
        geometry.strides = (1, 1)
    with pytest.raises(ValueError, match="read-only"):
        geometry.numbers[0] = 1
    assert all(type(member) is int for member in (*twin.kernel_size, *twin.output_size))


def test_shapes_split_and_join():
    assert split_shape((8, 32, 48, 3), "channels_last") == (8, 32, 48, 3)
    assert split_shape((8, 3, 32, 48), "channels_first") == (8, 32, 48, 3)
    for data_format in ("channels_last", "channels_first"):
        shape = (2, 3, 4, 5)
        assert join_shape(*split_shape(shape, data_format), data_format) == shape
    with pytest.raises(ValueError, match=r"4 axes.*shape=\(3, 4\)"):
        split_shape((3, 4), "channels_last")

"""Argument normalisation: what is accepted, what it becomes, and what the errors say."""

import json

import numpy as np
import pytest

from minigrad import _validate

PAIR = "The `strides` argument must be an integer or a tuple of 2 integers, all >= 1. Received: "


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3, 3)),
        (np.int64(3), (3, 3)),
        (np.uint8(3), (3, 3)),
        (np.array(3), (3, 3)),
        ((3, 5), (3, 5)),
        ([3, 5], (3, 5)),
        ((3.0, 5.0), (3, 5)),
        ((np.float32(3), np.int16(5)), (3, 5)),
        (np.array([3, 5]), (3, 5)),
        (np.array([3.0, 5.0]), (3, 5)),
        ((n for n in (3, 5)), (3, 5)),
        (range(3, 5), (3, 4)),
        ({3, 5}, tuple({3, 5})),
    ],
)
def test_pair_accepts(value, expected):
    result = _validate.pair(value, "strides")
    assert result == expected
    assert [type(member) for member in result] == [int, int]
    assert json.loads(json.dumps(result)) == list(expected)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((0, 1), "strides=(0, 1)"),
        (0, "strides=0"),
        (-1, "strides=-1"),
        ((2, -1), "strides=(2, -1)"),
        (None, "strides=None"),
        ((None, 3), "strides=(None, 3)"),
        (2.0, "strides=2.0"),
        (np.float64(2.0), "strides=np.float64(2.0)"),
        ((2.5, 2), "strides=(2.5, 2)"),
        ((float("nan"), 2), "strides=(nan, 2)"),
        ((float("inf"), 2), "strides=(inf, 2)"),
        ((2,), "strides=(2,)"),
        ([1, 2, 3], "strides=[1, 2, 3]"),
        ((), "strides=()"),
        (True, "strides=True"),
        ((True, 2), "strides=(True, 2)"),
        (np.True_, "strides=np.True_"),
        (np.array([True, True]), "strides=[True, True]"),
        ("3", "strides='3'"),
        ("33", "strides='33'"),
        (b"33", "strides=b'33'"),
        (("3", "3"), "strides=('3', '3')"),
        ({1: 2, 3: 4}, "strides={1: 2, 3: 4}"),
        ((n for n in (1, 2, 3)), "strides=(1, 2, 3)"),
        (np.array([[1, 2]]), "strides=[[1, 2]]"),
        ((2 + 0j, 2), "strides=((2+0j), 2)"),
        (((1, 2), 2), "strides=((1, 2), 2)"),
    ],
)
def test_pair_rejects(value, shown):
    with pytest.raises(ValueError) as error:
        _validate.pair(value, "strides")
    assert str(error.value) == PAIR + shown


def test_pair_minimum():
    assert _validate.pair((0, 2), "size", minimum=0) == (0, 2)
    with pytest.raises(ValueError, match="all >= 0"):
        _validate.pair(-1, "size", minimum=0)


def test_an_endless_generator_is_rejected():
    def ones():
        while True:
            yield 1

    with pytest.raises(ValueError, match="tuple of 2 integers"):
        _validate.pair(ones(), "strides")


@pytest.mark.parametrize("value", [4, 4.0, np.int64(4), np.float32(4), np.array(4)])
def test_positive_int_accepts(value):
    result = _validate.positive_int(value, "filters")
    assert result == 4
    assert type(result) is int


@pytest.mark.parametrize(
    "value", [0, -1, 4.7, None, "4", [4], (4,), True, np.False_, float("nan"), 4 + 0j]
)
def test_positive_int_rejects(value):
    with pytest.raises(ValueError) as error:
        _validate.positive_int(value, "filters")
    expected = "The `filters` argument must be an integer >= 1. Received: "
    assert str(error.value) == f"{expected}filters={value!r}"


@pytest.mark.parametrize("value", ["valid", "Valid", "VALID", "same", "SAME", "Same"])
@pytest.mark.parametrize("explicit", [False, True])
def test_padding_modes(value, explicit):
    assert _validate.padding(value, explicit=explicit) == value.lower()


@pytest.mark.parametrize("value", ["causal", "CAUSAL", "Causal"])
@pytest.mark.parametrize("explicit", [False, True])
def test_padding_causal(value, explicit):
    with pytest.raises(ValueError, match=r"only for 1-D convolutions.*padding='(?i:causal)'"):
        _validate.padding(value, explicit=explicit)


@pytest.mark.parametrize(
    "value", ["full", "", " same", "same ", None, 1, True, ("valid", "same"), ((0, 1), (2, 2))]
)
def test_padding_rejects(value):
    with pytest.raises(ValueError) as error:
        _validate.padding(value)
    expected = "The `padding` argument must be 'valid' or 'same'. Received: "
    assert str(error.value) == f"{expected}padding={value!r}"


@pytest.mark.parametrize(
    "value", [((0, 1), (2, 3)), [[0, 1], [2, 3]], np.array([[0, 1], [2, 3]]), ([0.0, 1], (2, 3))]
)
def test_explicit_padding_accepts(value):
    assert _validate.padding(value, explicit=True) == ((0, 1), (2, 3))


@pytest.mark.parametrize(
    "value",
    [
        ((0, 1), (2, -3)),
        (1, 2),
        1,
        ((1, 2),),
        ((1, 2), (3,)),
        ((0.5, 1), (2, 3)),
        ((1, True), (1, 1)),
    ],
)
def test_explicit_padding_rejects(value):
    with pytest.raises(
        ValueError, match=r"\(\(top, bottom\), \(left, right\)\) with integers >= 0"
    ):
        _validate.padding(value, explicit=True)


def test_data_format():
    assert _validate.data_format("CHANNELS_FIRST") == "channels_first"
    assert _validate.data_format("channels_last") == "channels_last"
    for value in ("NHWC", "", "channels_last ", None, 1, True):
        with pytest.raises(ValueError) as error:
            _validate.data_format(value)
        expected = "The `data_format` argument must be 'channels_last' or 'channels_first'. "
        assert str(error.value) == f"{expected}Received: data_format={value!r}"

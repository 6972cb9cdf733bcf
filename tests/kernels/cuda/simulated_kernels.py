"""Every CUDA kernel in numba's simulator, against the definition, with ``==``.

Not collected by name: `test_simulator.py` runs this file in a process of its own, since numba
chooses the simulator when it is imported. The simulator runs a Python thread for each thread of the
device, so blocks are made tiny; shared memory and what kernels do not write are full of garbage.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import conv_geometry, join_shape, reference, use_backend
from minigrad.kernels import cuda as fast
from minigrad.kernels.cuda import (
    depthwise,
    kernel_grad,
    layout,
    pointwise,
    pooling,
    reduction,
    runtime,
    simple,
)
from minigrad.kernels.simulated import SimulatedArray

TINY = {
    layout: {"TILE": 4, "LINES": 2},
    depthwise: {"THREADS": 4, "ENOUGH_THREADS": 8, "ROWS": 2},
    kernel_grad: {"THREADS": 4, "ACROSS": 2},
    reduction: {"DOWN": 2, "ACROSS": 2, "SLICE": 8, "BLOCKS": 4},
    pointwise: {"LARGE": 2, "SMALL": 1, "DEPTH": 4},
    pooling: {"THREADS": 4},
    simple: {"THREADS": 8},
}


@pytest.fixture(autouse=True)
def tiny_blocks(monkeypatch):
    assert runtime.simulated()
    for module, sizes in TINY.items():
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)


@dataclass(frozen=True)
class Case:
    """Images, a multiplier, filters, and a window over the images."""

    batch: int
    size: tuple[int, int]
    channels: int
    multiplier: int
    filters: int
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: object = "valid"
    dilation: tuple[int, int] = (1, 1)
    data_format: str = "channels_last"


CASES = {
    "vectors": Case(2, (3, 3), 4, 1, 8, (3, 3), padding="same"),
    "many filters": Case(1, (3, 3), 8, 1, 20, (2, 2)),
    "filters no vectors": Case(1, (3, 4), 4, 1, 5, (3, 3), padding="same"),
    "odd channels": Case(1, (4, 3), 3, 1, 4, (3, 3), padding="same"),
    "multiplier": Case(1, (4, 5), 2, 2, 3, (3, 2), (2, 1), "same", (1, 2)),
    "large kernel": Case(1, (4, 5), 4, 1, 4, (4, 3), padding="same"),
    "all unequal": Case(1, (5, 7), 4, 1, 4, (4, 4), (2, 3), ((1, 2), (0, 3)), (1, 2)),
    "gaps": Case(1, (7, 7), 4, 1, 4, (3, 3), (1, 1), "valid", (3, 3)),
    "image as large as the kernel": Case(3, (2, 2), 1, 3, 2, (2, 2)),
    "windows in the padding": Case(1, (3, 3), 2, 1, 2, (2, 2), (3, 3), ((5, 1), (0, 7))),
    "no pixel inside": Case(1, (1, 2), 2, 1, 1, (2, 2), (1, 1), "same", (2, 2)),
    "pixels out of reach": Case(1, (5, 5), 2, 1, 2, (1, 1), (4, 4)),
    "empty batch": Case(0, (3, 4), 3, 2, 5, (3, 3), padding="same"),
}
FIRST = ("vectors", "multiplier", "all unequal", "empty batch")
ALL = [(case, dtype) for case in CASES.values() for dtype in (np.float32, np.float64)] + [
    (replace(CASES[name], data_format="channels_first"), np.float32) for name in FIRST
]
NAMES = [f"{name}-float{bits}" for name in CASES for bits in (32, 64)] + [
    f"{name}-channels_first" for name in FIRST
]


def operands(case, dtype):
    """Return, by operation, the arguments: small integers, of which sums are exact."""
    rng = np.random.default_rng(0)
    geometry = conv_geometry(
        case.size, case.kernel, case.strides, case.padding, case.dilation, case.data_format
    )

    def some(*shape):
        return rng.integers(-4, 5, shape).astype(dtype)

    def images(size, channels):
        return some(*join_shape(case.batch, *size, channels, case.data_format))

    features = case.channels * case.multiplier
    x, h = images(case.size, case.channels), images(geometry.output_size, features)
    dy = images(geometry.output_size, case.filters)
    k, q = some(*case.kernel, case.channels, case.multiplier), some(1, 1, features, case.filters)
    bias, where = some(case.filters), case.data_format
    pooled, argmax = reference.max_pool_forward(x, geometry)
    return [
        ("depthwise_forward", x, k, geometry),
        ("depthwise_input_grad", h, k, geometry),
        ("depthwise_kernel_grad", x, h, geometry, case.multiplier),
        ("pointwise_forward", h, q, bias, where),
        ("pointwise_forward", h, q, None, where),
        ("pointwise_input_grad", dy, q, where),
        ("pointwise_kernel_grad", h, dy, where),
        ("bias_grad", dy, where),
        ("separable_forward", x, k, q, bias, geometry),
        ("separable_forward", x, k, q, None, geometry),
        ("separable_backward", x, k, q, dy, geometry, True),
        ("separable_backward", x, k, q, dy, geometry, False, False),
        ("max_pool_forward", x, geometry),
        ("max_pool_backward", pooled, argmax.astype(np.int32), geometry),
    ]


def on_device(value):
    return SimulatedArray(value.copy()) if isinstance(value, np.ndarray) else value


def check(function, expected, *arguments):
    received = function(*map(on_device, arguments))
    if not isinstance(expected, tuple):
        received, expected = (received,), (expected,)
    assert len(received) == len(expected)
    for result, truth in zip(received, expected, strict=True):
        if truth is None:
            assert result is None
            continue
        assert result.shape == truth.shape
        assert result.dtype == truth.dtype or truth.dtype.kind == "i"
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result.get(), truth, err_msg=function.__name__)


@pytest.mark.parametrize(("case", "dtype"), ALL, ids=NAMES)
def test_equals_the_definition(case, dtype):
    for name, *arguments in operands(case, dtype):
        check(getattr(fast, name), getattr(reference, name)(*arguments), *arguments)


@pytest.mark.parametrize(("case", "dtype"), ALL[2:-4:3] + ALL[-3:], ids=NAMES[2:-4:3] + NAMES[-3:])
def test_simple_kernels_equal_the_definition(case, dtype):
    for name, *arguments in operands(case, dtype):
        if name in simple.__all__:
            check(getattr(simple, name), getattr(reference, name)(*arguments), *arguments)


def test_whole_backend_is_there():
    x = SimulatedArray(np.ones((1, 3, 3, 4), np.float32))
    k = SimulatedArray(np.ones((2, 2, 4, 1), np.float32))
    geometry = conv_geometry((3, 3), (2, 2))
    with use_backend("cuda"):
        y = kernels.depthwise_forward(x, k, geometry)
    np.testing.assert_array_equal(y.get(), np.full((1, 2, 2, 4), 4))


def test_unaligned_arrays_take_the_slow_path():
    """A contiguous part of an array may start where no vector may."""
    case = CASES["vectors"]
    for name, *arguments in operands(case, np.float32)[:9]:
        shifted = []
        for value in arguments:
            if isinstance(value, np.ndarray):
                room = np.empty(value.size + 1, value.dtype)
                room[1:] = value.ravel()
                value = SimulatedArray(room[1:].reshape(value.shape))
                assert layout.vector_width((4,), value) == 1
            shifted.append(value)
        result = getattr(fast, name)(*shifted).get()
        np.testing.assert_array_equal(result, getattr(reference, name)(*arguments))


def test_nan_wins_and_stays():
    x = np.array([1, np.nan, 3, -np.inf, 5, 2, np.nan, 0, -np.inf], np.float32).reshape(1, 3, 3, 1)
    geometry = conv_geometry((3, 3), (2, 2))
    y, argmax = fast.max_pool_forward(SimulatedArray(x), geometry)
    expected, where = reference.max_pool_forward(x, geometry)
    np.testing.assert_array_equal(y.get(), expected)
    np.testing.assert_array_equal(argmax.get(), where)


def test_sums_are_the_same_bits_each_time():
    """Of numbers whose sum depends on the order, and with any number of threads at work."""
    rng = np.random.default_rng(0)
    dy = SimulatedArray(rng.standard_normal((2, 5, 5, 4)).astype(np.float32))
    x = SimulatedArray(rng.standard_normal((2, 5, 5, 4)).astype(np.float32))
    geometry = conv_geometry((5, 5), (3, 3), (1, 1), "same")
    for function, arguments in [
        (fast.bias_grad, (dy, "channels_last")),
        (fast.depthwise_kernel_grad, (x, dy, geometry, 1)),
        (fast.pointwise_kernel_grad, (x, dy, "channels_last")),
    ]:
        first, again = (function(*arguments).get() for _ in range(2))
        assert first.tobytes() == again.tobytes()


def test_division_by_multiplication():
    for number in (1, 2, 3, 7, 10, 641, 65_535, 65_536, 2**30 + 1, layout.LIMIT):
        by = layout.divisor(number)
        edges = {0, 1, number - 1, number, number + 1, 2 * number - 1, layout.LIMIT}
        largest = layout.LIMIT // number * number
        for t in edges | {largest - 1, largest}:
            if 0 <= t <= layout.LIMIT:
                quotient = layout.quotient.fn(np.uint32(t), by)
                assert quotient == t // number, (t, number)


class Huge:
    shape, size = (2**16, 2**15), 2**31


def test_too_large_for_an_index():
    with pytest.raises(ValueError, match="at most 2147483647 elements"):
        layout.flat(Huge())
    geometry = conv_geometry((1, 1), (1, 1), (2**31, 1), ((0, 2**31), (0, 0)))
    x = SimulatedArray(np.ones((1, 1, 1, 1)))
    for function in (fast.depthwise_forward, fast.depthwise_input_grad):
        with pytest.raises(ValueError, match="strides and dilation rates of at most"):
            function(x, x, geometry)

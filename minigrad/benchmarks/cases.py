"""What is measured: separable convolutions, whole training steps, and the work in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from minigrad.benchmarks.applications import Application, Name
from minigrad.kernels.geometry import same_padding

Array: TypeAlias = NDArray[np.float32]
Kind: TypeAlias = Literal["forward", "backward", "training"]

KINDS: tuple[Kind, ...] = ("forward", "backward", "training")
CLASSES = 10


@dataclass(frozen=True)
class Convolution:
    """A separable convolution: depthwise, pointwise, bias; float32, padding 'same'.

    Parameters
    ----------
    batch, height, width, channels : int
        The images.
    filters, kernel, stride : int
        Square kernels, the same stride along both axes.
    dilation, multiplier : int
        Dilation rate, and depthwise filters per channel.
    """

    batch: int
    height: int
    width: int
    channels: int
    filters: int
    kernel: int
    stride: int
    dilation: int = 1
    multiplier: int = 1

    @classmethod
    def parse(cls, text: str) -> Convolution:
        """Read "N,H,W,C,F,k,s[,dilation[,multiplier]]".

        Raises
        ------
        ValueError
            If that is not what it says, or if a number is zero.

        Examples
        --------
        >>> print(Convolution.parse("1,8,8,3,16,3,2,1,4"))
        1,8,8,3->16,3,2 m4
        """
        words = text.split(",")
        if not 7 <= len(words) <= 9 or not all(w.isascii() and w.isdigit() for w in words):
            raise ValueError(f"expected N,H,W,C,F,k,s[,dilation[,multiplier]], received {text!r}")
        numbers = [int(word) for word in words]
        if min(numbers) < 1:
            raise ValueError(f"expected numbers >= 1, received {text!r}")
        return cls(*numbers)

    @property
    def key(self) -> str:
        """What `parse` reads."""
        return ",".join(map(str, astuple(self)))

    def __str__(self) -> str:
        images = f"{self.batch},{self.height},{self.width},{self.channels}"
        extra = f" d{self.dilation}" * (self.dilation > 1) + f" m{self.multiplier}" * (
            self.multiplier > 1
        )
        return f"{images}->{self.filters},{self.kernel},{self.stride}{extra}"

    @property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros (before, after) along the height and the width."""
        height, width = (
            same_padding(n, self.kernel, self.stride, self.dilation)
            for n in (self.height, self.width)
        )
        return height, width

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return -(-self.height // self.stride), -(-self.width // self.stride)

    def arrays(self) -> dict[str, Array]:
        """Return x, both kernels, the bias, and a gradient of the output: the same at each call."""
        rng = np.random.default_rng(0)
        inner = self.channels * self.multiplier
        window = self.kernel * self.kernel
        return {
            "x": _normal(rng, 1.0, self.batch, self.height, self.width, self.channels),
            "depthwise": _normal(
                rng, window**-0.5, self.kernel, self.kernel, self.channels, self.multiplier
            ),
            "pointwise": _normal(rng, inner**-0.5, 1, 1, inner, self.filters),
            "bias": _normal(rng, 1.0, self.filters),
            "dy": _normal(rng, 1.0, self.batch, *self.output_size, self.filters),
        }

    def work(self, kind: Kind) -> tuple[float, float]:
        """Return (floating-point operations, bytes that must move) of one call.

        Forward reads x and writes y. Backward has each product twice more (for the input and for
        the kernels), reads x and dy, and writes dx. Kernels are small and counted as nothing; the
        result of the depthwise step could stay in the cache and is counted as nothing, too.
        """
        pixels = self.batch * self.output_size[0] * self.output_size[1]
        inner = self.channels * self.multiplier
        operations = 2.0 * pixels * inner * (self.kernel * self.kernel + self.filters)
        x = 4.0 * self.batch * self.height * self.width * self.channels
        y = 4.0 * pixels * self.filters
        return (operations, x + y) if kind == "forward" else (3 * operations, 3 * x + 2 * y)


@dataclass(frozen=True)
class Network:
    """SeparableConv2D + ReLU, a few times, global average, Dense; cross-entropy and Adam."""

    size: int
    channels: int
    filters: tuple[int, ...]
    batch: int
    learning_rate: float = 1e-3
    epsilon: float = 1e-7

    @property
    def key(self) -> str:
        """What `case_of` reads."""
        return f"{self.size}x{self.channels} {','.join(map(str, self.filters))} {self.batch}"

    def __str__(self) -> str:
        filters = ",".join(map(str, self.filters))
        return f"{self.size}x{self.size}x{self.channels} ({filters}) batch {self.batch}"

    def arrays(self) -> tuple[Array, NDArray[np.int64], list[Array]]:
        """Return images, labels, and the weights in Keras' order and shapes."""
        rng = np.random.default_rng(0)
        x = _normal(rng, 1.0, self.batch, self.size, self.size, self.channels)
        labels = rng.integers(0, CLASSES, self.batch)
        weights, channels = [], self.channels
        for filters in self.filters:
            weights += [
                _normal(rng, 1 / 3, 3, 3, channels, 1),
                _normal(rng, (2 / channels) ** 0.5, 1, 1, channels, filters),
                np.zeros(filters, np.float32),
            ]
            channels = filters
        dense = _normal(rng, channels**-0.5, channels, CLASSES)
        return x, labels, [*weights, dense, np.zeros(CLASSES, np.float32)]


Case: TypeAlias = Convolution | Network | Application


def wall_time(step: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Job:
    """One library's way to do a case.

    Attributes
    ----------
    step : callable
        What is timed.
    results : callable
        Does the same once and returns arrays to compare: y; y, dx and the gradients of both kernels
        and the bias; or the losses of the first steps. Images are (N, H, W, C), kernels Keras'.
    clock : callable
        Calls a step and returns its seconds; on a GPU, between two events on the device.
    """

    step: Callable[[], object]
    results: Callable[[], list[NDArray[Any]]]
    clock: Callable[[Callable[[], object]], float] = wall_time


LISTED = tuple(
    Convolution.parse(text)
    for text in (
        "64,28,28,16,32,3,1",
        "64,32,32,32,64,3,1",
        "4,56,56,128,128,3,1",
        "8,14,14,512,512,3,1",
        "4,19,19,728,728,3,1",
        "4,112,112,64,128,3,2",
        "8,28,28,192,96,5,1",
        "32,8,8,8,16,3,1",
    )
)
GPU_BATCHES = (64, 256)
"""On a GPU, each listed case is measured with these batches."""
NETWORKS = (
    Network(8, 1, (16, 32), 32),
    Network(28, 1, (32, 64), 64),
    Network(32, 3, (32, 64, 128), 64),
)


def case_of(key: str) -> Case:
    """Return the case with this key."""
    if "x" not in key:
        return Convolution.parse(key)
    first, second, batch = key.split()
    if "Tiny" in first:
        size, channels = second.split("x")
        return Application(cast(Name, first), int(size), int(channels), int(batch))
    size, channels = first.split("x")
    return Network(int(size), int(channels), tuple(map(int, second.split(","))), int(batch))


def _normal(rng: np.random.Generator, scale: float, *shape: int) -> Array:
    return (scale * rng.standard_normal(shape, dtype=np.float32)).astype(np.float32)

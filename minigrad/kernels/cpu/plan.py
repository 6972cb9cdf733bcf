"""How the work of a convolution is cut into tasks: decided once per shape, and remembered.

The numbers depend on shapes and dtypes only, never on the number of threads: so do the sums that
are added up task by task, and their rounding.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.cpu.gemm import STEP
from minigrad.kernels.cpu.layout import Array, Numbers
from minigrad.kernels.cpu.simd import VECTOR_BYTES
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["backward_plan", "pointwise_plan", "separable_plan"]

RUN_BYTES = 192 * 1024
"""Size of the features of a run of pixels: with a panel of Q they fit in the second-level cache."""
LONGEST_RUN = 1536
"""Pixels of a run going forward: more would leave too few runs for the threads to share."""
GROUP_BYTES = 4 * 1024 * 1024
"""Size of the features of a group of images: they fit in the last-level cache."""
STEP_BYTES = 512 * 1024
MOST_PIXELS = 384
"""Limits of the rows that gradients take at a time."""
MOST_CHUNKS = 16
"""Parts of a sum over pixels: a power of two, so that threads get equal shares."""
WORK_PER_CHUNK = 1 << 18
WORK_PER_RUN = 1 << 20
"""Multiply-adds from which more runs are made, for more threads."""
PIXELS_PER_CHUNK = 256
"""Fewer, and adding up the chunks' sums would take longer than computing them."""
MANY_PIXELS = 2048
"""Below, sums over pixels are made of pieces of `SHORT`, to round as little as sums row by row."""
SHORT = 16
LARGE_OUTPUT = 1 << 23
"""Bytes from which an output is not kept in the caches: the next layer would not find it there."""
TILED = 8
"""Multiply-adds in register tiles that take as long as a unit of other work: `jit.SPREAD_FROM`."""
SMALL_MATRIX = 4096
"""Bytes of Q up to which it is not packed: it stays in the nearest cache anyway."""
CONFLICT = 4096
"""Bytes: rows that lie a multiple of this apart use the same few places of the nearest cache."""
LARGEST_BY_RUNS = 1 << 16
"""Elements of Q from which its gradient is summed by blocks."""
BLOCK = (192, 128)


class Plan(NamedTuple):
    """The cut of a separable convolution's forward pass, and of a depthwise convolution."""

    shape: tuple[int, int, int, int]
    """Of the output, channels last."""
    work: int
    """How long it takes, in units of `jit.SPREAD_FROM`."""
    wide: int
    """Elements of the depthwise kernel, repeated (see `rows.repeat_kernel`)."""
    panels: int
    packed: int
    """Elements of the panels of Q; 0 where Q is used as it is."""
    runs: int
    zeros: Array
    """Read-only zeros, for biases that are not there."""
    sizes: Numbers
    """What tasks need to know."""
    bands: int


@lru_cache(maxsize=1024)
def separable_plan(
    geometry: ConvGeometry,
    batch: int,
    channels: int,
    multiplier: int,
    filters: int,
    dtype: np.dtype[Any],
    relu: bool = False,
) -> Plan:
    """Return the plan for a separable convolution, with or without ReLU at its end."""
    lanes = VECTOR_BYTES // dtype.itemsize
    height, width = geometry.output_size
    repeats = lanes if channels < lanes else 1
    features = channels * multiplier
    image = height * width
    work = batch * image * features * (geometry.taps + filters)
    most = RUN_BYTES // max(1, features * dtype.itemsize)
    runs = balanced(batch * image, max(12, min(LONGEST_RUN, most)), work)
    bands = max(1, min(chunks_of(work, batch * image, 16), batch * height))
    wide = geometry.taps * features * repeats
    panels = -(-filters // (2 * lanes))
    as_it_is = features * filters * dtype.itemsize <= SMALL_MATRIX
    sizes = np.array(
        [
            *geometry.numbers,
            *(channels, multiplier, filters, batch * image),
            *(_apart(features, dtype), filters * as_it_is, 2 * lanes * as_it_is, 0, 0),
            *(bands, batch, 0, runs, relu),
        ],
        dtype=np.int64,
    )
    sizes.setflags(write=False)
    zeros = np.zeros(max(features, filters), dtype)
    zeros.setflags(write=False)
    effort = work // TILED
    if filters == 0:  # there are no tiles, and where channels are few, numbers are copied first
        effort = work + 2 * batch * features * math.prod(geometry.input_size)
    return Plan(
        shape=(batch, height, width, filters),
        work=effort,
        wide=wide,
        panels=panels,
        packed=0 if as_it_is else panels * 2 * lanes * features,
        runs=runs,
        zeros=zeros,
        sizes=sizes,
        bands=bands,
    )


def balanced(pixels: int, run: int, work: int) -> int:
    """Return in how many runs of at most about `run` pixels to cut the pixels.

    Powers of two, then the nearest multiples of eight: 17 runs would keep one of two threads
    waiting. Runs are cut between tiles (`gemm.run_of`), so that they are alike.
    """
    runs = max(-(-pixels // run), min(8, work // WORK_PER_RUN))
    runs = 1 << (runs - 1).bit_length() if 1 <= runs <= 8 else (runs + 3) // 8 * 8
    return min(runs, -(-pixels // STEP))


class BackwardPlan(NamedTuple):
    """The cut of a separable convolution's gradients: chunks of rows times blocks of channels."""

    work: int
    """How long a group takes, in units of `jit.SPREAD_FROM`."""
    chunks: int
    blocks: int
    panels_at: int
    panels: int
    packed: int
    """See `Plan`; of the transposed Q."""
    sums: int
    """Elements of a chunk's sums, and where its parts end."""
    bounds: tuple[int, int, int]
    zeros: Array
    groups: tuple[tuple[int, int, Numbers], ...]
    """First image, last image + 1, and the sizes of each group."""


@lru_cache(maxsize=1024)
def backward_plan(
    geometry: ConvGeometry,
    batch: int,
    channels: int,
    multiplier: int,
    filters: int,
    dtype: np.dtype[Any],
    relu: int,
    in_place: bool,
) -> BackwardPlan:
    """Return the plan for the gradients of a separable convolution.

    `relu` is 1 with ReLU at its end, and 2 for a gradient that comes once per image and channel.
    Where images must be copied, they are taken in groups (not `in_place`).
    """
    lanes = VECTOR_BYTES // dtype.itemsize
    height, width = geometry.output_size
    features, panel = channels * multiplier, 2 * lanes
    image, matrix = height * width, features * filters
    group = max(1, batch)
    if not in_place:
        group = max(1, min(batch, GROUP_BYTES // max(1, image * features * dtype.itemsize)))
        group = -(-batch // -(-batch // group)) if batch > 0 else 1  # of nearly equal size
    pixels = group * image
    work = pixels * features * (3 * geometry.taps + 2 * filters)
    chunks = chunks_of(work // 2, pixels, max(PIXELS_PER_CHUNK, min(2048, matrix // 16)))
    # At a border within an image, some rows are computed twice.
    twice = (geometry.kernel_size[0] - 1) * geometry.dilation_rate[0] // geometry.strides[0]
    while chunks > 1 and group % chunks and group * height < 8 * chunks * twice:
        chunks //= 2
    blocks = 1 if multiplier > 1 else max(1, min(channels // 64, MOST_CHUNKS // chunks))
    blocks = 1 << (blocks.bit_length() - 1)
    block = channels if blocks == 1 else -(-channels // (blocks * panel)) * panel
    # Pixels of a step: its features, their gradients and dy stay in the second-level cache.
    most = STEP_BYTES // ((2 * block * multiplier + filters) * dtype.itemsize + 1) // width
    most = max(1, min(most, MOST_PIXELS // width, -(-group * height // chunks)))
    step = min(range(most, most // 2, -1), key=lambda rows: rows * width % STEP / rows)
    repeats = lanes if channels < lanes else 1
    wide = geometry.taps * features * repeats
    panels_at = -(-wide // panel) * panel
    panels = -(-features // panel)

    def sizes(images: int, begin: bool) -> Numbers:
        """Return the geometry's 12 numbers, then those that `_backward_task` unpacks."""
        numbers = np.array(
            [
                *geometry.numbers,
                *(channels, multiplier, filters, panels_at, images, step, chunks, blocks),
                *(_apart(filters, dtype), relu, begin, stream),
            ],
            dtype=np.int64,
        )
        numbers.setflags(write=False)
        return numbers

    size = batch * math.prod(geometry.input_size) * channels * dtype.itemsize
    stream = in_place and size >= LARGE_OUTPUT
    zeros = np.zeros(1, dtype)
    zeros.setflags(write=False)
    bounds = [(first, min(batch, first + group)) for first in range(0, max(1, batch), group)]
    return BackwardPlan(
        work=work // TILED,
        chunks=chunks,
        blocks=blocks,
        panels_at=panels_at,
        panels=panels,
        packed=panels * panel * filters,
        sums=-(-(matrix + filters + wide) // panel) * panel,
        bounds=(matrix, matrix + filters, matrix + filters + wide),
        zeros=zeros,
        groups=tuple((a, b, sizes(b - a, a == 0)) for a, b in bounds),
    )


class ProductPlan(NamedTuple):
    """The cut of a pointwise convolution."""

    work: int
    """How long it takes, in units of `jit.SPREAD_FROM`."""
    panels: int
    packed: int
    runs: int
    chunks: int
    blocks: int
    zeros: Array
    sizes: Numbers
    """Pixels, depth, outputs, row, column, run, chunks, height and width of a block, runs, ReLU,
    elements from row to row as the product reads them."""


@lru_cache(maxsize=1024)
def pointwise_plan(
    pixels: int,
    depth: int,
    outputs: int,
    row: int,
    column: int,
    dtype: np.dtype[Any],
    relu: bool = False,
) -> ProductPlan:
    """Return the plan for a product of `pixels` rows with a matrix, and for its gradient.

    `row` and `column` are the matrix' steps: element (k, j) is matrix[k * row + j * column].
    """
    lanes = VECTOR_BYTES // dtype.itemsize
    work = pixels * depth * outputs
    run = max(12, min(384, RUN_BYTES // max(1, depth * dtype.itemsize) // 12 * 12))
    runs = balanced(pixels, run, work)
    by_blocks = depth * outputs > LARGEST_BY_RUNS
    chunks = 1 if by_blocks else chunks_of(work, pixels, PIXELS_PER_CHUNK)
    height, width = max(1, depth), max(1, outputs)
    if by_blocks:
        height, width = _even(depth, BLOCK[0], 12), _even(outputs, BLOCK[1], 2 * lanes)
    panels = -(-outputs // (2 * lanes))
    sizes = np.array(
        [
            *(pixels, depth, outputs, row, column, run, chunks, height, width, runs, relu),
            _apart(depth, dtype),
        ],
        dtype=np.int64,
    )
    zeros = np.zeros(max(depth, outputs), dtype)
    sizes.setflags(write=False)
    zeros.setflags(write=False)
    return ProductPlan(
        work=work // TILED,
        panels=panels,
        packed=panels * 2 * lanes * depth,
        runs=runs,
        chunks=chunks,
        blocks=-(-depth // height) * -(-outputs // width),
        zeros=zeros,
        sizes=sizes,
    )


def _apart(size: int, dtype: np.dtype[Any]) -> int:
    """Return how far apart to put rows of so many elements: further where caches want it."""
    conflict = size > 0 and size * dtype.itemsize % CONFLICT == 0
    return size + conflict * VECTOR_BYTES // dtype.itemsize


def chunks_of(work: int, pixels: int, pixels_per_chunk: int) -> int:
    """Return into how many parts to cut a sum over pixels: a power of two."""
    most = min(MOST_CHUNKS, work // WORK_PER_CHUNK, pixels // pixels_per_chunk)
    return 1 << max(0, most.bit_length() - 1)


def _even(size: int, most: int, step: int) -> int:
    """Return the length of nearly equal parts of at most `most`, each a multiple of `step`."""
    parts = max(1, -(-size // most))
    return max(1, -(-size // (parts * step))) * step

"""Separable convolution on the CPU: both steps at once, tile by tile.

A task owns a run of output pixels: their depthwise features go to a scratch array that stays in the
second-level cache, and from there into the matrix product. The features of the whole batch never
exist. `minigrad.kernels.cpu.backward` has the gradients.

All tasks have the same list of arguments, so what launches them is compiled once: four inputs,
three outputs, and the sizes (see `minigrad.kernels.cpu.plan`).
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.depthwise import (
    features_of_pixels,
    one_kernel_pays,
    one_per_channel,
)
from minigrad.kernels.cpu.gemm import (
    multiply,
    pack_panel,
    run_of,
)
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import (
    Array,
    Numbers,
    flat,
    from_last,
    repeat_channels,
    to_last,
)
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.plan import LARGE_OUTPUT, separable_plan
from minigrad.kernels.cpu.simd import at, drain, keep, pointer, streams
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["planes_first", "separable_forward"]

PACKING = 8
"""Multiply-adds that take as long as moving an element of Q to its panel."""


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
    relu: bool = False,
) -> Array:
    """Return the separable convolution; see `minigrad.kernels.separable_forward`."""
    x = to_last(x, geometry.data_format)
    if one_kernel_pays(depthwise_kernel):
        x = repeat_channels(x, depthwise_kernel.shape[3])
        depthwise_kernel = one_per_channel(depthwise_kernel)
    _, _, channels, multiplier = depthwise_kernel.shape
    plan = separable_plan(
        geometry, len(x), channels, multiplier, pointwise_kernel.shape[3], x.dtype, relu
    )
    zeros, sizes = plan.zeros, plan.sizes
    y = empty(plan.shape, x.dtype)
    depthwise, matrix = planes_first(depthwise_kernel, pointwise_kernel)
    if plan.packed > 0:
        panels = empty(plan.packed, x.dtype)
        work = PACKING * plan.packed
        _pack(plan.panels, work, matrix, zeros, zeros, zeros, panels, panels, panels, sizes)
        matrix = flat(panels)
    out = y.reshape(-1)
    _forward_run(
        plan.runs, plan.work, flat(x), depthwise, zeros if bias is None else flat(bias), matrix,
        out, out, out, sizes,
    )  # fmt: skip
    return from_last(y, geometry.data_format)


def planes_first(depthwise: Array, pointwise: Array) -> tuple[Array, Array]:
    """Return the kernels flat, as (M, kh, kw, C) and (M, C, F)."""
    _, _, channels, multiplier = depthwise.shape
    if multiplier > 1:
        depthwise = depthwise.transpose(3, 0, 1, 2)
        pointwise = pointwise.reshape(channels, multiplier, pointwise.shape[3]).transpose(1, 0, 2)
    return flat(depthwise), flat(pointwise)


@kernel(parallel=True)
def _pack(
    panel: int, matrix: Array, _b: Array, _c: Array, _d: Array,
    panels: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Pack one panel of the pointwise kernel."""
    filters, depth = sizes[14], sizes[12] * sizes[13]
    pack_panel(pointer(matrix), filters, 1, depth, filters, panel, pointer(panels))


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, depthwise: Array, bias: Array, matrix: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a run of output pixels."""
    channels, multiplier, filters, pixels, row = sizes[12:17]
    first, count = run_of(number, sizes[24], pixels)
    large = len(y) * y.itemsize >= LARGE_OUTPUT and streams(pointer(y), filters)
    scratch = np.empty(count * row, x.dtype)
    t = pointer(scratch)
    features_of_pixels(
        pointer(x), pointer(depthwise), t, row, first, count, sizes, channels, multiplier
    )
    # What the next run is the first to see.
    after = (first + count) // sizes[3]
    place = after // sizes[2] * sizes[0] + after % sizes[2] * sizes[6] - sizes[10]
    place = (place + (sizes[4] - 1) * sizes[8]) * sizes[1] + (first + count) % sizes[3] * sizes[7]
    multiply(
        t, row, count, channels * multiplier, pointer(matrix), filters,
        pointer(bias), at(pointer(y), first * filters), filters, large, sizes[25] != 0,
        at(pointer(x), place * channels), count * sizes[6] * sizes[7] * channels,
        sizes[17], sizes[18],
    )  # fmt: skip
    if large:
        drain()
    keep(scratch)

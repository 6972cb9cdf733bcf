"""Separable convolution on the CPU: both steps, forward and backward, tile by tile.

Forward, a task owns a run of output pixels: their depthwise features go to a scratch array that
stays in the second-level cache, and from there into the matrix product. The features of the whole
batch never exist.

Backward, images are taken in groups that fit in the cache, in three steps:

1. a task owns runs of pixels. It computes the features again (cheaper than to keep them), their
   gradient dt = dy Qᵀ, and adds up the gradients of Q and of the bias;
2. where Q is large, its gradient is summed by blocks of Q instead of by runs of pixels;
3. a task owns a band of rows: from dt it computes the gradient of the input, and adds up the
   gradient of the depthwise kernel.

Sums over pixels run over chunks that depend on shapes only, added in a fixed order.

All tasks have the same list of arguments, so what launches them is compiled once: four inputs,
three outputs, and the sizes (see `minigrad.kernels.cpu.plan`).
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.activations import where_positive
from minigrad.kernels.cpu.depthwise import (
    add_kernel_grad,
    features_of_pixels,
    input_grad_row,
    one_kernel_pays,
    one_per_channel,
    total_of_kernel_grads,
)
from minigrad.kernels.cpu.gemm import (
    add_column_sums,
    add_transposed_product,
    clear,
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
    sum_repeated,
    to_last,
)
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.plan import LARGE_OUTPUT, separable_plan
from minigrad.kernels.cpu.rows import repeat_kernel
from minigrad.kernels.cpu.runs import repeated
from minigrad.kernels.cpu.simd import Pointer, at, drain, keep, pointer, streams
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["separable_backward", "separable_forward"]


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
    kernels = empty(plan.panels_at + plan.packed, x.dtype)
    zeros, sizes = plan.zeros, plan.sizes
    depthwise, pointwise = _planes_first(depthwise_kernel, pointwise_kernel)
    _pack(
        plan.panels, plan.packed, depthwise, pointwise, zeros, zeros,
        kernels, kernels, kernels, sizes,
    )  # fmt: skip
    y = empty(plan.shape, x.dtype)
    out = y.reshape(-1)
    _forward_run(
        plan.runs, plan.work, flat(x), flat(kernels), zeros if bias is None else flat(bias), zeros,
        out, out, out, sizes,
    )  # fmt: skip
    return from_last(y, geometry.data_format)


def separable_backward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    dy: Array,
    geometry: ConvGeometry,
    use_bias: bool,
    need_dx: bool = True,
    relu: Array | None = None,
) -> tuple[Array | None, Array, Array, Array | None]:
    """Return all gradients; see `minigrad.kernels.separable_backward`."""
    data_format, kernel_shape, times = geometry.data_format, depthwise_kernel.shape, 1
    if one_kernel_pays(depthwise_kernel):
        times = depthwise_kernel.shape[3]
        depthwise_kernel = one_per_channel(depthwise_kernel)
    _, _, channels, multiplier = depthwise_kernel.shape
    features, filters = pointwise_kernel.shape[2:]
    rest, dtype = (geometry, len(x), channels, multiplier, filters, x.dtype), x.dtype
    plan = separable_plan(*rest)
    if relu is not None and (plan.by_blocks or data_format != "channels_last"):
        dy, relu = where_positive(dy, relu), None
    elif relu is not None:
        _, height, width, _ = plan.shape
        found = repeated(dy)
        if found is not None and found[1] == (len(x), height * width, filters):
            dy, plan = found[0].reshape(len(x), filters), separable_plan(*rest, 2)
        else:
            dy, plan = np.ascontiguousarray(dy), separable_plan(*rest, 1)
    zeros = plan.zeros
    depthwise, pointwise = _planes_first(depthwise_kernel, pointwise_kernel)
    packed = empty(plan.panels_at + plan.packed_transposed, dtype)
    _pack_transposed(
        plan.panels_transposed, plan.packed, depthwise, pointwise, zeros, zeros,
        packed, packed, packed, plan.sizes,
    )  # fmt: skip
    kernels = flat(packed)
    dx = empty(x.shape if need_dx else (len(x), 0), dtype)
    dt = empty(plan.group_features, dtype)
    t = empty(plan.group_features if plan.by_blocks else 0, dtype)
    # Per chunk: the gradient of Q (where it is summed by runs), then that of the bias.
    sums = empty((plan.chunks, (0 if plan.by_blocks else features * filters) + filters), dtype)
    d_pointwise = empty(features * filters if plan.by_blocks else 0, dtype)
    d_depthwise = empty((plan.bands, plan.wide), dtype)
    in_place = not need_dx or (times == 1 and data_format == "channels_last")
    for first, last, sizes in plan.groups:  # the first one clears the sums
        images = to_last(x[first:last], data_format)
        if times > 1:
            images = repeat_channels(images, times)
        d_images = dx[first:last] if in_place else empty(images.shape, dtype)
        inputs, gradients = flat(images), flat(to_last(dy[first:last], data_format))
        share = plan.work * (last - first) // max(len(x), 1)
        _backward_runs(
            plan.chunks, 2 * share, inputs, kernels, gradients,
            zeros if relu is None else flat(relu[first:last]),
            dt, sums.reshape(-1), t, sizes,
        )  # fmt: skip
        if plan.by_blocks:
            _backward_block(
                plan.blocks, share, flat(t), gradients, zeros, zeros, d_pointwise, dt, dt, sizes
            )
        _backward_band(
            plan.bands, plan.depthwise_work, inputs, kernels, flat(dt), zeros,
            d_images.reshape(-1), d_depthwise.reshape(-1), dt, sizes,
        )  # fmt: skip
        if not in_place:
            if times > 1:
                d_images = sum_repeated(d_images, times)
            from_last(d_images, data_format, dx[first:last])
    total = sums[0] if plan.chunks == 1 else sums.sum(axis=0)
    if not plan.by_blocks:
        d_pointwise = total[: features * filters]
    d_bias = total[len(total) - filters :].copy() if use_bias else None
    d_matrix = d_pointwise.reshape(multiplier, channels, filters).transpose(1, 0, 2)
    d_kernel = total_of_kernel_grads(d_depthwise, geometry, channels, multiplier)
    return (
        dx if need_dx else None,
        d_kernel.reshape(kernel_shape),
        np.ascontiguousarray(d_matrix).reshape(pointwise_kernel.shape),
        d_bias,
    )


def _planes_first(depthwise: Array, pointwise: Array) -> tuple[Array, Array]:
    """Return the kernels flat, as (M, kh, kw, C) and (M, C, F)."""
    _, _, channels, multiplier = depthwise.shape
    if multiplier > 1:
        depthwise = depthwise.transpose(3, 0, 1, 2)
        pointwise = pointwise.reshape(channels, multiplier, pointwise.shape[3]).transpose(1, 0, 2)
    return flat(depthwise), flat(pointwise)


@kernel(parallel=True)
def _pack(
    panel: int, depthwise: Array, pointwise: Array, _c: Array, _d: Array,
    kernels: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Pack one panel of the pointwise kernel; task 0 repeats the depthwise one, too."""
    channels, multiplier, filters = sizes[12], sizes[13], sizes[14]
    if panel == 0:
        taps = multiplier * sizes[4] * sizes[5]
        repeat_kernel(pointer(depthwise), taps, channels, pointer(kernels))
    pack_panel(
        pointer(pointwise), filters, 1, channels * multiplier, filters, panel,
        at(pointer(kernels), sizes[26]),
    )  # fmt: skip


@kernel(parallel=True)
def _pack_transposed(
    panel: int, depthwise: Array, pointwise: Array, _c: Array, _d: Array,
    kernels: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Pack one panel of the transposed pointwise kernel, and repeat the depthwise one."""
    channels, multiplier, filters = sizes[12], sizes[13], sizes[14]
    if panel == 0:
        taps = multiplier * sizes[4] * sizes[5]
        repeat_kernel(pointer(depthwise), taps, channels, pointer(kernels))
    pack_panel(
        pointer(pointwise), 1, filters, filters, channels * multiplier, panel,
        at(pointer(kernels), sizes[26]),
    )  # fmt: skip


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, kernels: Array, bias: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a run of output pixels."""
    channels, multiplier, filters, pixels = sizes[12:16]
    features = channels * multiplier
    first, count = run_of(number, sizes[24], pixels)
    large = len(y) * y.itemsize >= LARGE_OUTPUT and streams(pointer(y), filters)
    scratch = np.empty(count * features, x.dtype)
    t = pointer(scratch)
    features_of_pixels(pointer(x), pointer(kernels), t, first, count, sizes, channels, multiplier)
    multiply(
        t, features, count, features, at(pointer(kernels), sizes[26]), filters, pointer(bias),
        at(pointer(y), first * filters), filters, large, sizes[25] != 0,
    )  # fmt: skip
    if large:
        drain()
    keep(scratch)


@kernel(parallel=True)
def _backward_runs(
    chunk: int, x: Array, kernels: Array, dy: Array, relu: Array,
    dt: Array, sums: Array, t: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute dt for every run of a chunk, and add up the gradients of Q and the bias."""
    channels, multiplier, filters, pixels, run = sizes[12:17]
    chunks, by_blocks = sizes[17], sizes[18]
    features = channels * multiplier
    size = (0 if by_blocks else features * filters) + filters
    if sizes[23] == 1:
        clear(at(pointer(sums), chunk * size), 1, size, 0)
    zeros = np.zeros(features, x.dtype)
    scratch = np.empty(0 if by_blocks else run * features, x.dtype)
    passed = np.empty(run * filters if sizes[25] else 0, x.dtype)
    # Tiles are twelve pixels high: so are the borders between chunks, and those between runs.
    last = pixels if chunk + 1 == chunks else (chunk + 1) * pixels // chunks // 12 * 12
    for first in range(chunk * pixels // chunks // 12 * 12, last, run):
        count = min(run, last - first)
        gradient = at(pointer(dy), first * filters)
        if sizes[25]:
            _pass_positive(pointer(dy), pointer(relu), first, count, sizes, pointer(passed))
            gradient = pointer(passed)
        t_run = at(pointer(t), first * features) if by_blocks else pointer(scratch)
        features_of_pixels(
            pointer(x), pointer(kernels), t_run, first, count, sizes, channels, multiplier
        )
        multiply(
            gradient, filters, count, filters, at(pointer(kernels), sizes[26]), features,
            pointer(zeros), at(pointer(dt), first * features), features,
        )  # fmt: skip
        target = at(pointer(sums), chunk * size)
        if not by_blocks:
            add_transposed_product(
                t_run, features, gradient, filters, count, features, filters, target, filters
            )
            target = at(target, features * filters)
        add_column_sums(gradient, count, filters, target)
    keep(zeros)
    keep(scratch)
    keep(passed)


@kernel(inner=True)
def _pass_positive(
    dy: Pointer, y: Pointer, first: int, count: int, sizes: Numbers, passed: Pointer
) -> None:
    """Copy a run of dy where y > 0, and 0 elsewhere: the gradient that ReLU lets through.

    It stays in the cache for the two products that need it, instead of going to memory and back.
    After a global average, dy has one pixel per image: it need not even be written out.
    """
    filters, image, zero = sizes[14], sizes[2] * sizes[3], dy[0] * 0
    for p in range(first, first + count):
        source = at(dy, (p // image if sizes[25] == 2 else p) * filters)
        choice, target = at(y, p * filters), at(passed, (p - first) * filters)
        for c in range(filters):
            value = source[c]
            target[c] = value if choice[c] > 0 else zero


@kernel(parallel=True)
def _backward_block(
    block: int, t: Array, dy: Array, _c: Array, _d: Array,
    d_pointwise: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add to one block of the gradient of Q the sum over all pixels of a group."""
    channels, multiplier, filters, pixels, _ = sizes[12:17]
    height, width = sizes[19], sizes[20]
    features, across = channels * multiplier, (filters + width - 1) // width
    row, column = block // across * height, block % across * width
    if sizes[23] == 1:
        clear(
            at(pointer(d_pointwise), row * filters + column), min(height, features - row),
            min(width, filters - column), filters,
        )  # fmt: skip
    for first in range(0, pixels, 256):
        add_transposed_product(
            at(pointer(t), first * features + row), features,
            at(pointer(dy), first * filters + column), filters,
            min(256, pixels - first), min(height, features - row), min(width, filters - column),
            at(pointer(d_pointwise), row * filters + column), filters,
        )  # fmt: skip


@kernel(parallel=True)
def _backward_band(
    band: int, x: Array, depthwise: Array, dt: Array, _d: Array,
    dx: Array, d_depthwise: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a band of rows of dx, and add up the depthwise kernel's gradient."""
    height, width, out_height, out_width = sizes[0], sizes[1], sizes[2], sizes[3]
    channels, multiplier, bands, images = sizes[12], sizes[13], sizes[21], sizes[22]
    features = channels * multiplier
    offsets = np.empty(3 * multiplier * sizes[4] * sizes[5], np.int64)
    side = np.empty((width + sizes[7]) * channels, x.dtype)
    wide = len(d_depthwise) // bands
    g = at(pointer(d_depthwise), band * wide)
    if sizes[23] == 1:
        clear(g, 1, wide, 0)
    # Input rows and output rows that lie at the same height are visited in turn: they use the same
    # pieces of x and dt, which are in the cache then.
    row, rows_end = band * images * height // bands, (band + 1) * images * height // bands
    first, last = band * images * out_height // bands, (band + 1) * images * out_height // bands
    for out_row in range(first, max(last, first + 1)):
        if out_row < last:
            image, i = out_row // out_height, out_row % out_height
            add_kernel_grad(
                g, at(pointer(x), image * height * width * channels), i,
                at(pointer(dt), out_row * out_width * features), sizes, channels, multiplier,
                pointer(side),
            )  # fmt: skip
        stop = rows_end if len(dx) > 0 else row
        if len(dx) > 0 and out_row + 1 < last:
            stop = min(rows_end, (out_row + 1) * height // out_height)
        while row < stop:
            image, r = row // height, row % height
            input_grad_row(
                at(pointer(dx), row * width * channels), r,
                at(pointer(dt), image * out_height * out_width * features), pointer(depthwise),
                sizes, channels, multiplier, pointer(offsets), pointer(side),
            )  # fmt: skip
            row += 1
    keep(offsets)
    keep(side)

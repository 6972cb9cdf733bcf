"""The gradients of a separable convolution on the CPU, all of them in one pass.

The gradients of one channel need nothing of the other channels, only dy: so a task owns a block of
channels, and a chunk of the images' rows. It goes through these a few rows at a time, and what it
computes on the way stays in the second-level cache:

1. the depthwise features t once more (cheaper than to keep them), and dt = dy Qᵀ;
2. their part of the gradient of Q, tᵀ dy, and the sums of dy for that of the bias;
3. the rows of the input whose features' gradients are complete by now: dx, and the gradient of the
   depthwise kernel (see `minigrad.kernels.cpu.input_rows`).

Rows of dt that later rows of the input need, too, are kept; at the borders of chunks within an
image they are computed twice. Sums over chunks, which depend on shapes only, are added in order.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.activations import where_positive
from minigrad.kernels.cpu.depthwise import (
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
)
from minigrad.kernels.cpu.input_rows import HEAD, add_both_grads_row
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import (
    Array,
    Numbers,
    add_chunks,
    flat,
    from_last,
    repeat_channels,
    sum_repeated,
    to_last,
)
from minigrad.kernels.cpu.memory import empty
from minigrad.kernels.cpu.plan import backward_plan
from minigrad.kernels.cpu.prefetch import fetch_ahead
from minigrad.kernels.cpu.rows import convolve_row, quotient_up, repeat_kernel
from minigrad.kernels.cpu.runs import repeated
from minigrad.kernels.cpu.separable import planes_first
from minigrad.kernels.cpu.simd import Pointer, at, drain, keep, lanes, pointer, streams
from minigrad.kernels.cpu.windows import (
    add_kernel_grad_of_few_channels,
    all_finite,
    block_of,
    features_of_few_channels,
    mirror,
)
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["separable_backward"]

FLUSH = 128
"""Pixels after which the depthwise kernel's gradient goes to the chunk's: short sums round less."""


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
    filters = pointwise_kernel.shape[3]
    dtype, how = x.dtype, 0
    in_place = times == 1 and data_format == "channels_last"
    if relu is not None and data_format != "channels_last":
        dy, relu = where_positive(dy, relu), None
    elif relu is not None:
        height, width = geometry.output_size
        found, how = repeated(dy), 1
        if found is not None and found[1] == (len(x), height * width, filters):
            dy, how = found[0].reshape(len(x), filters), 2
        else:
            dy = np.ascontiguousarray(dy)
    plan = backward_plan(geometry, len(x), channels, multiplier, filters, dtype, how, in_place)
    zeros = plan.zeros
    depthwise, pointwise = planes_first(depthwise_kernel, pointwise_kernel)
    packed = empty(plan.panels_at + plan.packed, dtype)
    _pack_transposed(
        plan.panels, plan.packed, depthwise, pointwise, zeros, zeros,
        packed, packed, packed, plan.groups[0][2],
    )  # fmt: skip
    kernels = flat(packed)
    dx = empty(x.shape if need_dx else (len(x), 0), dtype)
    # Per chunk: the gradients of Q, of the bias and of the depthwise kernel.
    sums = empty((plan.chunks, plan.sums), dtype)
    for first, last, sizes in plan.groups:  # the first one clears the sums
        images = to_last(x[first:last], data_format)
        if times > 1:
            images = repeat_channels(images, times)
        d_images = dx[first:last]
        if need_dx and not in_place:
            d_images = empty(images.shape, dtype)
        _backward_task(
            plan.chunks * plan.blocks, plan.work, flat(images), kernels,
            flat(to_last(dy[first:last], data_format)),
            zeros if relu is None else flat(relu[first:last]),
            d_images.reshape(-1), sums.reshape(-1), packed, sizes,
        )  # fmt: skip
        if need_dx and not in_place:
            if times > 1:
                d_images = sum_repeated(d_images, times)
            from_last(d_images, data_format, dx[first:last])
    end_of_matrix, end_of_bias, end = plan.bounds
    total = sums[0] if plan.chunks == 1 else add_chunks(sums[:, :end])
    d_matrix = total[:end_of_matrix]
    if multiplier > 1:
        by_planes = d_matrix.reshape(multiplier, channels, filters)
        d_matrix = np.ascontiguousarray(by_planes.transpose(1, 0, 2))
    repeated_grad = total[np.newaxis, end_of_bias:end]
    d_kernel = total_of_kernel_grads(repeated_grad, geometry, channels, multiplier)
    return (
        dx if need_dx else None,
        d_kernel.reshape(kernel_shape),
        d_matrix.reshape(pointwise_kernel.shape),
        total[end_of_matrix:end_of_bias].copy() if use_bias else None,
    )


@kernel(parallel=True)
def _pack_transposed(
    panel: int, depthwise: Array, pointwise: Array, _c: Array, _d: Array,
    kernels: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Pack one panel of the transposed pointwise kernel, and repeat the depthwise one."""
    channels, multiplier, filters, panels_at = sizes[12:16]
    if panel == 0:
        taps = multiplier * sizes[4] * sizes[5]
        repeat_kernel(pointer(depthwise), taps, channels, pointer(kernels))
    pack_panel(
        pointer(pointwise), 1, filters, filters, channels * multiplier, panel,
        at(pointer(kernels), panels_at),
    )  # fmt: skip


@kernel(parallel=True)
def _backward_task(
    number: int, x: Array, kernels: Array, dy: Array, relu: Array,
    dx: Array, sums: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute all gradients of a block of channels, over a chunk of the images' rows."""
    height, width, out_height, out_width = sizes[0], sizes[1], sizes[2], sizes[3]
    taps, sh, dh, top = sizes[4] * sizes[5], sizes[6], sizes[8], sizes[10]
    all_channels, multiplier, filters, panels_at, images, step, chunks, blocks = sizes[12:20]
    dy_row, relu_kind, begins, large = sizes[20:24]
    chunk, block, panel = number // blocks, number % blocks, 2 * lanes(pointer(x))
    parts = (all_channels + panel - 1) // panel
    c0 = block * parts // blocks * panel
    channels = min(all_channels, (block + 1) * parts // blocks * panel) - c0
    features, room = channels * multiplier, (sizes[4] - 1) * dh // sh + 1
    few = 0 < all_channels < lanes(pointer(x))
    # Where the gradients go.
    target = at(pointer(sums), chunk * (len(sums) // chunks))
    d_bias = at(target, all_channels * multiplier * filters)
    d_kernel, d_rows = at(d_bias, filters), at(target, c0 * filters)
    hop = (lanes(pointer(x)) if few else 1) * all_channels  # from tap to tap
    across = block_of(pointer(x), channels) if few else channels
    if begins:
        clear(d_rows, 1, features * filters, 0)
        if c0 == 0:
            clear(d_bias, 1, filters, 0)
        clear(at(d_kernel, c0), taps * multiplier, hop if few else channels, hop)
    # Scratch: kernels and gradients of just these channels, features, gradients of these.
    own = np.zeros(taps * multiplier * (across + channels), x.dtype)
    g, k = pointer(own), pointer(kernels)
    mirrored = np.zeros(12, np.int64)
    flipped = at(g, taps * multiplier * across)
    if few and sh == 1 and sizes[7] == 1 and all_finite(k, taps * hop):
        mirror(pointer(mirrored), pointer(sizes), k, hop, flipped, channels)
    if not few:
        k = flipped
        for i in range(taps * multiplier):
            for c in range(channels):
                k[i * channels + c] = kernels[i * all_channels + c0 + c]
    zeros, short = np.zeros(features, x.dtype), np.zeros(filters, x.dtype)
    t = np.empty(step * out_width * features, x.dtype)
    scratch = np.empty((step + room) * out_width * features, x.dtype)
    copied = relu_kind != 0 or dy_row > filters
    passed = np.empty(step * out_width * dy_row if copied else 0, x.dtype)
    side = np.empty((width + sizes[7]) * (all_channels if few else channels), x.dtype)
    table = np.empty(HEAD + 3 * multiplier * taps, np.int64)
    stream = large != 0 and len(dx) > 0 and streams(at(pointer(dx), c0), all_channels)
    panels = at(pointer(kernels), panels_at + c0 * filters)
    # Rows of the features and of the input, counted through all images.
    first, last = chunk * images * out_height // chunks, (chunk + 1) * images * out_height // chunks
    row = first // out_height * height + first % out_height * height // out_height
    rows_end = last // out_height * height + last % out_height * height // out_height
    begin, end = first, last
    if row < rows_end:
        begin = min(first, _seen(row, height, out_height, sh, dh, top, sizes[4], False))
        end = max(last, _seen(rows_end - 1, height, out_height, sh, dh, top, sizes[4], True) + 1)
    held, fresh, line = begin, 0, out_width * features  # the row at the start of scratch
    dt = pointer(scratch)
    for start in range(begin, end, step):
        stop = min(end, start + step)
        if row < rows_end:
            needed = _seen(row, height, out_height, sh, dh, top, sizes[4], False)
            needed = max(held, min(start, needed))
        else:
            needed = start
        if held < needed:
            for i in range((start - needed) * line):
                dt[i] = dt[(needed - held) * line + i]
            held = needed
        count = (stop - start) * out_width
        gradient = at(pointer(dy), start * out_width * filters)
        if copied:
            gradient = pointer(passed)
            _copy_gradient(
                pointer(dy), pointer(relu), start * out_width, count, sizes, gradient,
                x.dtype.type(0),
            )  # fmt: skip
        if not few:  # what the features will be the first to see
            below = start // out_height * height + start % out_height * sh - top
            below = (below + (sizes[4] - 1) * dh) * width
            fetch_ahead(
                at(pointer(x), below * all_channels + c0), (stop - start) * sh * width,
                all_channels, channels,
            )  # fmt: skip
        # The next step's dy, or that of the next task's first step. Copies read it in order.
        after, size = stop if stop < end else begin, 0 if copied else count * filters
        multiply(
            gradient, dy_row, count, filters, panels, features, pointer(zeros),
            at(dt, (start - held) * line), features, False, False,
            at(pointer(dy), after * out_width * filters), size,
        )  # fmt: skip
        complete = row  # no later row of the features sees the input's rows up to here
        while (
            complete < rows_end
            and _seen(complete, height, out_height, sh, dh, top, sizes[4], True) < stop
        ):
            complete += 1
        if not few and len(dx) > 0 and not stream:
            fetch_ahead(
                at(pointer(dx), row * width * all_channels + c0), (complete - row) * width,
                all_channels, channels, True,
            )  # fmt: skip
        mine, behind = max(start, first), min(stop, last)
        if mine < behind:
            _features_of_rows(
                pointer(x), k, pointer(t), mine, behind, sizes, c0, channels, pointer(table)
            )
            gradient, count = at(gradient, (mine - start) * out_width * dy_row), (behind - mine)
            count *= out_width
            add_transposed_product(
                pointer(t), features, gradient, dy_row, count, features, filters, d_rows, filters
            )
            if c0 == 0:
                add_column_sums(gradient, dy_row, count, filters, pointer(short))
                _flush(pointer(short), 1, filters, d_bias, 0)
            if few:
                add_kernel_grad_of_few_channels(
                    g, across, pointer(x), at(dt, (mine - held) * line), mine, behind - mine,
                    pointer(sizes), channels,
                )  # fmt: skip
                _flush(g, taps, across, d_kernel, hop)
        if mirrored[0] > 0 and len(dx) > 0:
            features_of_few_channels(
                at(dt, -held * line), flipped, channels, at(pointer(dx), row * width * channels),
                row * width, (complete - row) * width, pointer(mirrored), channels,
            )  # fmt: skip
        for done in range(row, complete):
            image, r, place = done // height, done % height, done * width * all_channels + c0
            there = at(dt, (image * out_height - held) * line)
            if few:
                if len(dx) > 0 and mirrored[0] == 0:
                    input_grad_row(
                        at(pointer(dx), place), r, there, k, sizes, channels, 1, pointer(table),
                        pointer(side), False,
                    )  # fmt: skip
                continue
            add_both_grads_row(
                at(pointer(dx), place) if len(dx) > 0 else pointer(side),
                all_channels if len(dx) > 0 else channels, at(pointer(x), place), all_channels,
                r, there, k, g, sizes, channels, multiplier, stream, pointer(table),
            )  # fmt: skip
            fresh += width
            if fresh >= FLUSH:
                _flush(g, taps * multiplier, across, at(d_kernel, c0), hop)
                fresh = 0
        row = complete
    _flush(g, taps * multiplier, across, at(d_kernel, c0), hop)
    if stream:
        drain()
    keep(own)
    keep(mirrored)
    keep(zeros)
    keep(short)
    keep(t)
    keep(scratch)
    keep(passed)
    keep(side)
    keep(table)


@kernel(inner=True)
def _seen(
    row: int, height: int, out_height: int, sh: int, dh: int, top: int, kh: int, last: bool
) -> int:
    """Return the first or the last row of the features that sees a row of the input.

    Both are counted through all images. Where there is none, it is one nearby.
    """
    image, place = row // height * out_height, row % height + top
    if last:
        return image + min(out_height - 1, place // sh)
    return image + max(0, min(out_height, quotient_up(place - (kh - 1) * dh, sh)))


@kernel(inner=True)
def _flush(g: Pointer, taps: int, channels: int, total: Pointer, hop: int) -> None:
    """Add short sums to the chunk's, and start again at zero."""
    for i in range(taps):
        for c in range(channels):
            total[i * hop + c] += g[i * channels + c]
            g[i * channels + c] = 0


@kernel(inner=True)
def _features_of_rows(
    x: Pointer, k: Pointer, t: Pointer, first: int, last: int, numbers: Numbers, c0: int,
    channels: int, table: Pointer,
) -> None:  # fmt: skip
    """Compute rows of a block of channels' features, counted through all images."""
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    pixel, multiplier = numbers[12:14]
    if 0 < pixel < lanes(x):
        count = (last - first) * out_width
        hop = pixel * lanes(x)
        features_of_few_channels(x, k, hop, t, first * out_width, count, pointer(numbers), channels)
        return
    finite = all_finite(k, multiplier * kh * kw * channels)
    for row in range(first, last):
        image, above = row // out_height, row % out_height * sh - top
        a0 = min(kh, max(0, quotient_up(-above, dh)))
        a1 = max(a0, min(kh, quotient_up(height - above, dh)))
        for m in range(multiplier):
            convolve_row(
                at(t, ((row - first) * out_width * multiplier + m) * channels),
                channels * multiplier, 0, out_width,
                at(x, (image * height + above + a0 * dh) * width * pixel + c0), pixel,
                dh * width * pixel, width, -left, sw, dw,
                at(k, (m * kh + a0) * kw * channels), kw * channels, channels,
                a1 - a0, kw, channels, 1, 0, 0, table, finite,
            )  # fmt: skip


@kernel(inner=True)
def _copy_gradient(
    dy: Pointer, y: Pointer, first: int, count: int, sizes: Numbers, passed: Pointer, zero: float
) -> None:
    """Copy a run of dy. With ReLU, it is dy where y > 0, and 0 elsewhere.

    It stays in the cache for the two products that need it, instead of going to memory and back.
    After a global average, dy has one pixel per image: it need not even be written out.
    """
    image, (_, _, filters), (row, relu) = sizes[2] * sizes[3], sizes[12:15], sizes[20:22]
    for p in range(first, first + count):
        source = at(dy, (p // image if relu == 2 else p) * filters)
        choice, target = at(y, p * filters if relu else 0), at(passed, (p - first) * row)
        if relu:
            for c in range(filters):
                value = source[c]
                target[c] = value if choice[c] > 0 else zero
        else:
            for c in range(filters):
                target[c] = source[c]

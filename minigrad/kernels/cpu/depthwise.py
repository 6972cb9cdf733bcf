"""Depthwise convolution on the CPU: output, gradient of the input, gradient of the kernel.

`minigrad.kernels.reference` has the formulas, `minigrad.kernels.loops` readable loops. Here, pixels
of all images are counted through, and a task owns a run of output pixels (forward), or a band of
rows (gradients). `minigrad.kernels.cpu.rows` does the work on one row.

With M kernels per channel, features are kept plane by plane, m C + c instead of c M + m, so that
vectors run over channels. They change places on their way in or out.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.cpu.gemm import run_of
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.kernel_grad import add_kernel_grad_row
from minigrad.kernels.cpu.layout import (
    Array,
    Numbers,
    flat,
    from_last,
    repeat_channels,
    sum_repeated,
    to_last,
)
from minigrad.kernels.cpu.memory import empty, zeroed
from minigrad.kernels.cpu.phases import input_grad_of_few_channels, meetings, put_apart
from minigrad.kernels.cpu.plan import separable_plan
from minigrad.kernels.cpu.prefetch import fetch_ahead
from minigrad.kernels.cpu.rows import (
    convolve_row,
    quotient_up,
    repeat_kernel,
    repeats,
)
from minigrad.kernels.cpu.simd import (
    VECTOR_BYTES,
    Pointer,
    at,
    keep,
    lanes,
    pointer,
)
from minigrad.kernels.cpu.windows import (
    add_kernel_grad_of_few_channels,
    all_finite,
    features_of_few_channels,
)
from minigrad.kernels.geometry import ConvGeometry

FLUSH = 128
"""Pixels after which short sums are added to long ones: short sums round less."""

__all__ = [
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "features_of_pixels",
    "input_grad_row",
    "one_kernel_pays",
    "one_per_channel",
    "total_of_kernel_grads",
]


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the depthwise convolution; see `minigrad.kernels.depthwise_forward`."""
    x = to_last(x, geometry.data_format)
    if one_kernel_pays(kernel):
        x, kernel = repeat_channels(x, kernel.shape[3]), one_per_channel(kernel)
    _, _, channels, multiplier = kernel.shape
    plan = separable_plan(geometry, len(x), channels, multiplier, 0, x.dtype)
    planes = flat(kernel.transpose(3, 0, 1, 2) if multiplier > 1 else kernel)
    y = empty((*plan.shape[:3], channels * multiplier), x.dtype)
    out, zeros = y.reshape(-1), plan.zeros
    _forward_run(plan.runs, plan.work, flat(x), planes, zeros, zeros, out, out, out, plan.sizes)
    return from_last(y, geometry.data_format)


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of the input; see `minigrad.kernels.depthwise_input_grad`."""
    dy = to_last(dy, geometry.data_format)
    times = kernel.shape[3] if one_kernel_pays(kernel) else 1
    if times > 1:
        kernel = one_per_channel(kernel)
    _, _, channels, multiplier = kernel.shape
    plan = separable_plan(geometry, len(dy), channels, multiplier, 0, dy.dtype)
    wide = _repeated(kernel, plan.wide, plan.sizes)
    dx = empty((len(dy), *geometry.input_size, channels), dy.dtype)
    out, zeros = dx.reshape(-1), plan.zeros
    _input_grad_band(
        plan.bands, plan.work, _by_planes(dy, multiplier), wide, zeros, zeros, out, out, out,
        plan.sizes,
    )  # fmt: skip
    return from_last(sum_repeated(dx, times) if times > 1 else dx, geometry.data_format)


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return the gradient of the kernel; see `minigrad.kernels.depthwise_kernel_grad`."""
    x, dy = to_last(x, geometry.data_format), to_last(dy, geometry.data_format)
    shape = (*geometry.kernel_size, x.shape[3], multiplier)
    if multiplier > 1 and x.shape[3] < VECTOR_BYTES // x.itemsize:
        x, multiplier = repeat_channels(x, multiplier), 1
    channels = x.shape[3]
    plan = separable_plan(geometry, len(x), channels, multiplier, 0, x.dtype)
    sums = zeroed((plan.bands, plan.wide), x.dtype)
    out, zeros = sums.reshape(-1), plan.zeros
    _kernel_grad_band(
        plan.bands, plan.work, flat(x), _by_planes(dy, multiplier), zeros, zeros, out, out, out,
        plan.sizes,
    )  # fmt: skip
    return total_of_kernel_grads(sums, geometry, channels, multiplier).reshape(shape)


def one_kernel_pays(kernel: Array) -> bool:
    """Whether to repeat the channels instead of convolving them several times."""
    _, _, channels, multiplier = kernel.shape
    return bool(multiplier > 1 and channels < VECTOR_BYTES // kernel.itemsize)


def one_per_channel(kernel: Array) -> Array:
    """Return (kh, kw, C, M) as the kernel of C M channels, (kh, kw, C M, 1)."""
    kh, kw, channels, multiplier = kernel.shape
    return kernel.reshape(kh, kw, channels * multiplier, 1)


def total_of_kernel_grads(
    sums: Array, geometry: ConvGeometry, channels: int, multiplier: int
) -> Array:
    """Add up repeated kernel gradients, (bands, M kh kw repeats C) -> (kh, kw, C, M)."""
    taps = multiplier * geometry.taps
    if sums.size > taps * channels:
        repeats = sums.shape[1] // max(1, taps * channels)
        sums = sums.reshape(len(sums), taps, repeats, channels).sum(axis=(0, 2))
    if multiplier == 1:
        return sums.reshape(*geometry.kernel_size, channels, 1)
    by_planes = sums.reshape(multiplier, *geometry.kernel_size, channels)
    return np.ascontiguousarray(by_planes.transpose(1, 2, 3, 0))


def _repeated(kernel: Array, size: int, sizes: Numbers) -> Array:
    """Return a kernel by planes, (M, kh, kw, C), and repeated: `rows.repeat_kernel`."""
    planes = flat(kernel.transpose(3, 0, 1, 2) if kernel.shape[3] > 1 else kernel)
    wide = empty(size, kernel.dtype)
    _repeat(1, size, planes, planes, planes, planes, wide, wide, wide, sizes)
    return flat(wide)


def _by_planes(y: Array, multiplier: int) -> Array:
    """Return features flat, with c M + m moved to m C + c."""
    if multiplier == 1:
        return flat(y)
    pixels, features = y.shape[0] * y.shape[1] * y.shape[2], y.shape[3]
    pairs = y.reshape(pixels, features // multiplier, multiplier)
    return flat(pairs.transpose(0, 2, 1))


@kernel(parallel=True)
def _repeat(
    _: int, planes: Array, _b: Array, _c: Array, _d: Array,
    wide: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Repeat a kernel."""
    repeat_kernel(pointer(planes), sizes[13] * sizes[4] * sizes[5], sizes[12], pointer(wide))


@kernel(parallel=True)
def _forward_run(
    number: int, x: Array, k: Array, _c: Array, _d: Array,
    y: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a run of output pixels."""
    channels, multiplier, _, pixels = sizes[12:16]
    features = channels * multiplier
    first, count = run_of(number, sizes[24], pixels)
    target = at(pointer(y), first * features)
    if multiplier == 1:
        features_of_pixels(
            pointer(x), pointer(k), target, channels, first, count, sizes, channels, 1
        )
        return
    scratch = np.empty(count * features, x.dtype)
    t = pointer(scratch)
    features_of_pixels(
        pointer(x), pointer(k), t, features, first, count, sizes, channels, multiplier
    )
    for p in range(count):
        for m in range(multiplier):
            for c in range(channels):
                target[p * features + c * multiplier + m] = t[p * features + m * channels + c]
    keep(scratch)


@kernel(parallel=True)
def _input_grad_band(
    band: int, dy: Array, k: Array, _c: Array, _d: Array,
    dx: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Compute a band of rows of the input's gradient."""
    height, width, image = sizes[0], sizes[1], sizes[2] * sizes[3]
    channels, multiplier, bands, rows = sizes[12], sizes[13], sizes[21], sizes[22] * sizes[0]
    first, last = band * rows // bands, (band + 1) * rows // bands
    if 0 < channels < lanes(pointer(dy)):  # then there is one multiple, see `one_kernel_pays`
        input_grad_of_few_channels(
            pointer(dx), first, last, pointer(dy), pointer(k), sizes, channels
        )
        return
    offsets = np.empty(3 * multiplier * sizes[4] * sizes[5], np.int64)
    side = np.empty((width + sizes[7]) * channels, dx.dtype)
    finite = all_finite(pointer(k), multiplier * sizes[4] * sizes[5] * channels)
    features = sizes[3] * channels * multiplier  # of a row of dy
    for row in range(first, last):
        if (row % height + sizes[10] + 1) % sizes[6] == 0:  # the next row is the first to see it
            seen = row // height * sizes[2] + (row % height + sizes[10] + 1) // sizes[6]
            fetch_ahead(at(pointer(dy), seen * features), 1, 0, features)
        input_grad_row(
            at(pointer(dx), row * width * channels), row % height,
            at(pointer(dy), row // height * image * channels * multiplier), pointer(k),
            sizes, channels, multiplier, pointer(offsets), pointer(side), finite,
        )  # fmt: skip
    keep(offsets)
    keep(side)


@kernel(parallel=True)
def _kernel_grad_band(
    band: int, x: Array, dy: Array, _c: Array, _d: Array,
    sums: Array, _v: Array, _w: Array, sizes: Numbers,
) -> None:  # fmt: skip
    """Add up the kernel's gradient over a band of output rows."""
    height, width, out_height, out_width, kh, kw, sh, sw, dh, dw, top, left = sizes[:12]
    channels, multiplier, bands, rows = sizes[12], sizes[13], sizes[21], sizes[22] * out_height
    image, features, fresh = height * width, channels * multiplier, 0
    g = at(pointer(sums), band * (len(sums) // bands))
    first, last = band * rows // bands, (band + 1) * rows // bands
    if 0 < channels < lanes(pointer(x)):  # then there is one multiple, see `one_kernel_pays`
        add_kernel_grad_of_few_channels(
            g, channels * lanes(pointer(x)), pointer(x),
            at(pointer(dy), first * out_width * channels), first, last - first,
            pointer(sizes), channels,
        )  # fmt: skip
        return
    size = len(sums) // bands
    short, table = np.zeros(size, sums.dtype), np.empty(2 * kh * kw, np.int64)
    for row in range(first, last):
        i, source = row % out_height, row // out_height * image * channels
        # The rows that the next row of outputs is the first to see, and its gradient.
        below = source + (i * sh - top + (kh - 1) * dh + 1) * width * channels
        fetch_ahead(at(pointer(x), below), 1, 0, min(sh, height) * width * channels)
        fetch_ahead(at(pointer(dy), (row + 1) * out_width * features), 1, 0, out_width * features)
        a0 = min(kh, max(0, quotient_up(top - i * sh, dh)))
        a1 = max(a0, min(kh, quotient_up(height + top - i * sh, dh)))
        for m in range(multiplier):
            add_kernel_grad_row(
                at(pointer(short), (m * kh + a0) * kw * channels), kw * channels, channels,
                at(pointer(x), source + (i * sh + a0 * dh - top) * width * channels),
                dh * width * channels, channels, width, -left, sw, dw,
                at(pointer(dy), row * out_width * features + m * channels), features, out_width,
                a1 - a0, kw, channels, pointer(table),
            )  # fmt: skip
        fresh += out_width
        if fresh >= FLUSH or row == last - 1:
            for e in range(size):
                g[e] += short[e]
                short[e] = 0
            fresh = 0
    keep(short)
    keep(table)


@kernel(inner=True)
def features_of_pixels(
    x: Pointer,
    k: Pointer,
    y: Pointer,
    y_pixel: int,
    first: int,
    count: int,
    numbers: Numbers,
    channels: int,
    multiplier: int,
) -> None:
    """Compute `count` pixels of a depthwise convolution, counted through rows and images.

    Pixels of y are `y_pixel` elements apart, without gaps where channels are fewer than lanes.
    Channel c of multiple m goes to m C + c. The multiples of `k` come first: (M, kh, kw, C).
    """
    height, width, out_height, out_width = numbers[0], numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    if 0 < channels < lanes(x) and multiplier == 1:
        features_of_few_channels(x, k, channels, y, first, count, pointer(numbers), channels)
        return
    offsets = np.empty(3 * kh * kw, np.int64)
    finite = all_finite(k, multiplier * kh * kw * channels)
    row, j = first // out_width, first % out_width
    image, i = row // out_height, row % out_height
    done = 0
    while done < count:
        run = min(count - done, out_width - j)
        # The rows of x that the next row of outputs is the first to see, also in the next image.
        below = (image * height + i * sh - top + (kh - 1) * dh + 1) * width + j * sw
        for r in range(min(sh, height)):
            fetch_ahead(at(x, (below + r * width) * channels), 1, 0, run * sw * channels)
        above = i * sh - top
        a0 = min(kh, max(0, quotient_up(-above, dh)))
        a1 = max(a0, min(kh, quotient_up(height - above, dh)))
        for m in range(multiplier):
            convolve_row(
                at(y, (done - j) * y_pixel + m * channels), y_pixel, j, j + run,
                at(x, (image * height + above + a0 * dh) * width * channels), channels,
                dh * width * channels, width, -left, sw, dw,
                at(k, (m * kh + a0) * kw * channels), kw * channels, channels,
                a1 - a0, kw, channels, 1, 0, 0, pointer(offsets), finite,
            )  # fmt: skip
        done += run
        i, j = i + 1, 0
        if i == out_height:
            image, i = image + 1, 0
    keep(offsets)


@kernel(inner=True)
def input_grad_row(
    dx: Pointer,
    r: int,
    dt: Pointer,
    k: Pointer,
    numbers: Numbers,
    channels: int,
    multiplier: int,
    table: Pointer,
    side: Pointer,
    finite: bool,
) -> None:
    """Compute row r of an image's gradient from the gradient of all its features.

    Tap row a of output row i saw row r where i sh + a dh - top = r. With g = gcd(sh, dh), these
    are every (sh / g)-th a, and i goes down by dh / g from one to the next. The same holds for
    columns: for each remainder of the column by sw, another convolution.

    Few channels are computed many pixels at a time (see `rows`). For that, the pixels of a
    remainder go to `side` first, where they are neighbours: it has room for a row.
    """
    width, out_height, out_width = numbers[1], numbers[2], numbers[3]
    kh, kw, sh, sw = numbers[4], numbers[5], numbers[6], numbers[7]
    dh, dw, top, left = numbers[8], numbers[9], numbers[10], numbers[11]
    hop, features = channels * repeats(dt, channels), channels * multiplier
    apart = sw > 1 and channels < lanes(dt)
    a0, i0, every_a, down, rows = meetings(r + top, sh, dh, kh)
    # Rows of the output that do not exist: those after the last one come first.
    skip = min(rows, max(0, -((out_height - 1 - i0) // down)))
    rows = max(0, min(rows, i0 // down + 1) - skip)
    a0, i0 = a0 + skip * every_a, i0 - skip * down
    for w in range(min(sw, width)):
        b0, j0, every_b, hop_back, taps = meetings(w + left, sw, dw, kw)
        last = b0 + (taps - 1) * every_b
        count, target, step = (width - 1 - w) // sw + 1, at(dx, w * channels), sw * channels
        if apart:
            target, step = side, channels
        convolve_row(
            target, step, 0, count,
            at(dt, i0 * out_width * features), features, -down * out_width * features,
            out_width, j0 - (taps - 1) * hop_back, 1, hop_back,
            at(k, (a0 * kw + last) * hop), every_a * kw * hop, -every_b * hop,
            rows, taps, channels, multiplier, channels, kh * kw * hop, table, finite,
        )  # fmt: skip
        if apart:
            put_apart(side, count, channels, at(dx, w * channels), sw * channels)

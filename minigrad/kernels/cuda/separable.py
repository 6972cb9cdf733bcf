"""Separable convolution on a GPU: the depthwise result goes straight into a matrix product.

The depthwise features are as large as the images, and only the pointwise step needs them. Fused,
they are computed slab by slab on the way into shared memory: a write and a read of them all are
saved. Blocks with more filters than a tile has columns would compute them again, so from there on
the two steps run one after the other. The backward pass is composed of the single gradients; the
features are computed once more instead of being kept.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from numba import uint32

from minigrad.kernels.cuda import pointwise
from minigrad.kernels.cuda.depthwise import (
    Window,
    depthwise_forward,
    depthwise_input_grad,
    window_of,
)
from minigrad.kernels.cuda.gemm import Source, Tile, turned_put
from minigrad.kernels.cuda.intrinsics import vectors
from minigrad.kernels.cuda.kernel_grad import depthwise_kernel_grad
from minigrad.kernels.cuda.layout import (
    VECTOR_BYTES,
    Array,
    check_geometry,
    divisor,
    from_last,
    numbers,
    quotient,
    to_last,
    vector_width,
)
from minigrad.kernels.cuda.pointwise import (
    pointwise_forward,
    pointwise_input_grad,
    pointwise_kernel_grad,
)
from minigrad.kernels.cuda.reduction import bias_grad
from minigrad.kernels.cuda.runtime import empty, jit
from minigrad.kernels.geometry import ConvGeometry

__all__ = ["separable_backward", "separable_forward"]

TAPS = 9
"""About as many taps are loaded before the first one is used."""


@functools.cache
def features_source(tile: Tile, aligned: bool, window: Window, multiplier: int) -> Source:
    """Return a `Source`: a depthwise convolution of x, computed on the way, never stored.

    Row p of the factor is output pixel p, column q is channel q of the features. Each thread
    computes a vector of features (four channels of one pixel) for each slab; neighbouring threads
    have the other channels of the slab, then the next pixel.

    With it, the twin of `minigrad.kernels.cuda.gemm.product_kernel` is
    `minigrad.kernels.reference.separable_forward`.

    """
    kh, kw, sh, sw, dh, dw = window
    width, threads = tile.width, tile.threads
    step = width if aligned else 1
    load, _ = vectors(step)
    along = tile.depth // width
    total = tile.rows * along
    share = tile.share(tile.rows) // width
    together = max(TAPS // (kw * share), 1)
    own = together * kw * width

    @jit(device=True)
    def fetch(
        part: Any, x: Any, kernel: Any, shape: Any, k: Any, stop: Any, first: Any, rows: Any,
        t: Any, seen: Any,
    ) -> None:  # fmt: skip
        height, breadth, channels, out_height, out_breadth, top, left, by_breadth, by_height = shape
        for p in range(share):
            at = uint32(t + uint32(p * threads))
            pixel = uint32(first + uint32(at // uint32(along)))
            q = uint32(k + uint32(uint32(at % uint32(along)) * uint32(width)))
            for v in range(width):
                part[p * width + v] = 0
            if pixel < rows and at < uint32(total):
                above = quotient(pixel, by_breadth)
                j = uint32(pixel - uint32(above * out_breadth))
                n = quotient(above, by_height)
                i = uint32(above - uint32(n * out_height))
                # Whole rows of taps are loaded before they are used: a thread waits for memory
                # once for each group of rows, not for each tap.
                for group in range(0, kh, together):
                    for g in range(together * kw):
                        a, b = group + g // kw, g % kw
                        r = uint32(uint32(uint32(i * uint32(sh)) + uint32(a * dh)) - top)
                        s = uint32(uint32(uint32(j * uint32(sw)) + uint32(b * dw)) - left)
                        for v in range(width):
                            seen[g * width + v] = 0
                        if a < kh and r < height and s < breadth:
                            at = uint32(uint32(uint32(n * height) + r) * breadth)
                            at = uint32(uint32(at + s) * channels)
                            for v in range(0, width, step):
                                e = uint32(q + uint32(v))
                                if e < stop:
                                    c = uint32(at + uint32(e // uint32(multiplier)))
                                    load(seen, uint32(g * width + v), x, c)
                    for g in range(together * kw):
                        if group + g // kw < kh:
                            tap = uint32(uint32(group * kw + g) * stop)
                            for v in range(0, width, step):
                                e = uint32(q + uint32(v))
                                if e < stop:
                                    load(seen, uint32(own), kernel, uint32(tap + e))
                                    for d in range(step):
                                        feature = seen[g * width + v + d] * seen[own + d]
                                        part[p * width + v + d] += feature

    return fetch, turned_put(tile), own + width


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
) -> Array:
    """Depthwise, pointwise and bias in one pass; see `minigrad.kernels.separable_forward`."""
    inner, filters = pointwise_kernel.shape[2:]
    width = VECTOR_BYTES // x.dtype.itemsize
    if filters > 2 * width * pointwise.LARGE:
        features = depthwise_forward(x, depthwise_kernel, geometry)
        return pointwise_forward(features, pointwise_kernel, bias, geometry.data_format)
    check_geometry(geometry)
    x = to_last(x, geometry.data_format)
    height, breadth = geometry.output_size
    multiplier = depthwise_kernel.shape[3]
    y = empty((len(x), height, breadth, filters), x.dtype)
    (top, _), (left, _) = geometry.pads
    shape = (
        *numbers(*x.shape[1:], height, breadth, top, left),
        *map(divisor, (breadth, height)),
    )
    arrays = (x, depthwise_kernel, pointwise_kernel, y)
    pointwise.multiply(
        functools.partial(features_source, window=window_of(geometry), multiplier=multiplier),
        (len(x) * height * breadth, filters, inner),
        x,
        pointwise_kernel,
        bias,
        y,
        extra=(depthwise_kernel, shape),
        aligned=multiplier == 1 and vector_width((inner, filters), *arrays) > 1,
    )
    return from_last(y, geometry.data_format)


def separable_backward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    dy: Array,
    geometry: ConvGeometry,
    use_bias: bool,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array | None]:
    """Return all gradients; see `minigrad.kernels.separable_backward`.

    Composed of the single gradients; images with the channels first are transposed once.
    """
    last = dataclasses.replace(geometry, data_format="channels_last")
    x, dy = (to_last(images, geometry.data_format) for images in (x, dy))
    features = depthwise_forward(x, depthwise_kernel, last)
    d_pointwise = pointwise_kernel_grad(features, dy, "channels_last")
    d_features = pointwise_input_grad(dy, pointwise_kernel, "channels_last")
    d_depthwise = depthwise_kernel_grad(x, d_features, last, depthwise_kernel.shape[3])
    dx = None
    if need_dx:
        dx = from_last(
            depthwise_input_grad(d_features, depthwise_kernel, last), geometry.data_format
        )
    return dx, d_depthwise, d_pointwise, bias_grad(dy, "channels_last") if use_bias else None

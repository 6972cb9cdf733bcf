"""A tile of neighbouring pixels of a depthwise row, from the first tap to the last, as one value.

The tiles of `minigrad.kernels.cpu.simd` are loaded, changed and stored by operations of their own.
This one is all of it in one operation, for two reasons. Each combination of a tile's width and a
group of taps is compiled by LLVM alone, which is much faster than numba. And it comes in two forms,
one of which looks where the row ends: a pixel outside is read from a vector of zeros instead, by
choosing between two addresses. So borders cost a few instructions per tile, not a path of their
own.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from minigrad.kernels.cpu.emit import VECTOR_BYTES, Code, types

__all__ = ["convolve_tile"]


@intrinsic  # type: ignore[untyped-decorator] # numba has no type hints
def convolve_tile(
    typing: Any, pixels: Any, taps: Any, y: Any, i: Any, y_step: Any, x: Any, left: Any, unit: Any,
    k: Any, c: Any, hop: Any, table: Any, n: Any, inside: Any, position: Any, step: Any, width: Any,
) -> Any:  # fmt: skip
    """Compute one vector of channels of several pixels, and store them at y[i + p * y_step].

    ``pixels`` is Static(number of pixels, 1), ``taps`` is Static(number of taps, stride s) as for
    `simd.add_taps`. Each of the table's n triples (a, b, d) adds a group of taps: pixel q of x is
    at x[left + a + q * unit], tap t of k at k[c + b + t * hop]. Unless all are ``inside``, pixel q
    stands for zeros where position + d + q * step is not in 0 ... width - 1.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, x.dtype)
        zeros = ir.Constant(code.vector, [0.0] * code.lanes)
        nothing = cgutils.global_constant(builder.module, "no_pixel", zeros)
        nothing.align = VECTOR_BYTES
        sums = [cgutils.alloca_once(builder, code.vector) for _ in range(pixels.a)]
        for value in sums:
            builder.store(zeros, value)
        with builder.if_else(arguments[13]) as (whole, cut):
            with whole:
                _add_groups(code, pixels.a, taps, sums, arguments, None)
            with cut:
                _add_groups(code, pixels.a, taps, sums, arguments, nothing)
        for p, value in enumerate(sums):
            at = code.offset(arguments[3], (p, arguments[4]))
            code.store(arguments[2], at, 0, builder.load(value))
        return context.get_dummy_value()

    integer = types.intp
    return types.void(
        pixels, taps, y, integer, integer, x, integer, integer, k, integer, integer, table, integer,
        types.boolean, integer, integer, integer,
    ), generate  # fmt: skip


def _add_groups(
    code: Code, pixels: int, taps: Any, sums: list[Any], arguments: Any, nothing: Any
) -> None:
    """Write the loop over the table; `nothing` is where zeros are, or None without a border."""
    x, left, unit, k, channel, hop, table, n, _, position, step, width = arguments[5:]
    builder = code.builder
    with cgutils.for_range(builder, n) as loop:
        first = builder.mul(loop.index, code.constant(3))
        a, b, d = (
            builder.load(builder.gep(table, [builder.add(first, code.constant(j))]))
            for j in range(3)
        )
        source, weights = builder.add(left, a), builder.add(channel, b)
        place = builder.add(position, d)
        values, seen = [builder.load(value) for value in sums], {}
        for t in range(taps.a):
            weight = code.load(k, code.offset(weights, (t, hop)), 0)
            for p in range(pixels):
                q = p * taps.b + t
                if q not in seen:
                    address = builder.gep(x, [code.offset(source, (q, unit))])
                    address = builder.bitcast(address, code.vector.as_pointer())
                    if nothing is not None:
                        here = code.offset(place, (q, step))
                        exists = builder.icmp_unsigned("<", here, width)
                        address = builder.select(exists, address, nothing)
                    seen[q] = builder.load(address, align=code.bytes)
                values[p] = code.multiply_add(seen[q], weight, values[p])
        code.fence()
        for value, target in zip(values, sums, strict=True):
            builder.store(value, target)

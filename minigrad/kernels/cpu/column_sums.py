"""Sums over the rows of an array, with the sums of a few columns in registers.

Sums in memory would be read and written once for each row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from minigrad.kernels.cpu.emit import Code
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.prefetch import fetch_ahead
from minigrad.kernels.cpu.simd import (
    Pointer,
    Static,
    add_tile,
    at,
    lanes,
    load_tile,
    operation,
    store_tile,
)

__all__ = ["add_up"]

COLUMNS = Static(1, 4)
PIECE = 1 << 12
"""Elements whose columns are added up before the next: memory is read nearly in its order."""


@operation
def _minus(typing: Any, a: Any, b: Any) -> Any:
    """Return a - b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, a.dtype)
        pairs = zip(*map(code.unpack, arguments), strict=True)
        return code.pack([builder.fsub(x, y) for x, y in pairs])

    return a(a, b), generate


@operation
def _multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, a.dtype)
        values = list(map(code.multiply_add, *map(code.unpack, arguments)))
        code.fence()
        return code.pack(values)

    return a(a, b, c), generate


@operation
def _passed(typing: Any, tile: Any, value: Any, low: Any) -> Any:
    """Return a tile with 0 where a value is not above a number. NaN, on either side, passes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)
        zeros, bound = ir.Constant(code.vector, [0.0] * code.lanes), code.splat(arguments[2])
        pairs = zip(*map(code.unpack, arguments[:2]), strict=True)
        return code.pack(
            [builder.select(builder.fcmp_ordered("<=", v, bound), zeros, x) for x, v in pairs]
        )

    return tile(tile, value, low), generate


@kernel(inner=True)
def _add_columns(
    x: Pointer, g: Pointer, alone: bool, rows: Pointer, totals: Pointer, length: int, first: int,
    last: int, wide: int, c: int, low: float, n: int | None,
) -> None:  # fmt: skip
    """Do a few columns of `add_up`."""
    mean = load_tile(COLUMNS, rows, c, 0, n)
    scale = load_tile(COLUMNS, rows, length + c, 0, n)
    offset = load_tile(COLUMNS, rows, 2 * length + c, 0, n)
    sums = load_tile(COLUMNS, totals, c, 0, n)
    products = load_tile(COLUMNS, totals, length + c, 0, n)
    block = 4 * lanes(x)
    ahead = PIECE if wide > block else 0  # what is in order is foreseen by the processor
    for i in range(first + c, last, wide):
        fetch_ahead(at(x, i + ahead), 1, 0, block)
        fetch_ahead(at(g, i + ahead), 1, 0, block)
        up = centred = _minus(load_tile(COLUMNS, x, i, 0, n), mean)
        if not alone:
            value = _multiply_add(centred, scale, offset)
            up = _passed(load_tile(COLUMNS, g, i, 0, n), value, low)
        sums = add_tile(sums, up)
        products = _multiply_add(up, centred, products)
    store_tile(sums, totals, c, 0, n)
    store_tile(products, totals, length + c, 0, n)


@kernel(inner=True)
def add_up(
    x: Pointer, g: Pointer, alone: bool, rows: Pointer, totals: Pointer, length: int, features: int,
    start: int, end: int, low: float,
) -> None:  # fmt: skip
    """Add up the columns of long rows, and of the short ones that are left at the end.

    `rows` are mean, scale and offset. To two rows, `totals`, is added: g where (x - mean) scale
    + offset is above a bound (x - mean if that is `alone`), and its products with x - mean.
    """
    block, middle = 4 * lanes(x), end - (end - start) % length
    piece = max(1, PIECE // length) * length
    first = start
    while first < end:
        wide, last = (length, min(first + piece, middle)) if first < middle else (features, end)
        for c in range(0, wide, block):
            if c + block <= wide:
                _add_columns(x, g, alone, rows, totals, length, first, last, wide, c, low, None)
            else:
                _add_columns(x, g, alone, rows, totals, length, first, last, wide, c, low, wide - c)
        first = last

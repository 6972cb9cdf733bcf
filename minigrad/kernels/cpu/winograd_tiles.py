"""Tiles of Winograd's convolution, into the 16 points and back (see `winograd`).

A tile is a square of pixels, each a vector of channels; with M for one of a few matrices, it is
multiplied from both sides.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from minigrad.kernels.cpu.emit import Code, tile_type, types
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.simd import Pointer, Static, at, lanes, operation, store_tile

__all__ = [
    "OF_INPUT",
    "OF_KERNEL",
    "OF_KERNEL_GRAD",
    "OF_OUTPUT",
    "OF_OUTPUT_GRAD",
    "load_patch",
    "marked",
    "sandwich",
    "store_pixels",
    "total",
    "transform",
]


def _turned(matrix: Any) -> Any:
    return tuple(zip(*matrix, strict=True))


A = ((1, 0), (1, 1), (1, -1), (0, -1))
B = ((1, 0, 0, 0), (0, 1, -1, 1), (-1, 1, 1, 0), (0, 0, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
OF_INPUT, OF_OUTPUT, OF_OUTPUT_GRAD = Static(0, 4), Static(1, 4), Static(2, 2)
OF_KERNEL, OF_KERNEL_GRAD = Static(3, 3), Static(4, 4)
"""Number of a matrix, and the side of the square that it is applied to."""
MATRICES: Any = (_turned(B), _turned(A), A, G, _turned(G))
FIRST, SECOND, THIRD, LAST = Static(0, 0), Static(1, 0), Static(2, 0), Static(3, 0)


@operation
def sandwich(typing: Any, tile: Any, which: Any) -> Any:
    """Return M X Mᵀ for a square X of vectors, row by row, and a matrix of `MATRICES`."""
    matrix, side = MATRICES[which.a], which.b
    result = tile_type(tile.dtype, len(matrix) ** 2, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)

        def combined(factors: Any, values: Any) -> Any:
            total = None
            for factor, value in zip(factors, values, strict=True):
                if abs(factor) not in (0, 1):
                    value = builder.fmul(
                        value, ir.Constant(code.vector, [abs(factor)] * code.lanes)
                    )
                if factor > 0:
                    total = value if total is None else builder.fadd(total, value)
                elif factor < 0:
                    zeros = ir.Constant(code.vector, [0.0] * code.lanes)
                    total = builder.fsub(zeros if total is None else total, value)
            return total

        values = code.unpack(arguments[0])
        columns = [[combined(row, values[j::side]) for row in matrix] for j in range(side)]
        lines = zip(*columns, strict=True)
        return code.pack([combined(row, line) for line in lines for row in matrix])

    return result(tile, which), generate


@operation
def marked(typing: Any, marks: Any, tile: Any) -> Any:
    """Return marks, a tile of zeros, with NaN where an element of the tile is infinite or NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)
        zeros = ir.Constant(code.vector, [0.0] * code.lanes)
        pairs = zip(*map(code.unpack, arguments), strict=True)
        return code.pack([code.multiply_add(value, zeros, mark) for mark, value in pairs])

    return marks(marks, tile), generate


@operation
def total(typing: Any, tile: Any) -> Any:
    """Return the sum of a tile's elements."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)
        vector, *others = code.unpack(arguments[0])
        for other in others:
            vector = builder.fadd(vector, other)
        numbers = [
            builder.extract_element(vector, ir.Constant(ir.IntType(32), lane))
            for lane in range(code.lanes)
        ]
        result = numbers[0]
        for number in numbers[1:]:
            result = builder.fadd(result, number)
        return result

    return tile.dtype(tile), generate


@operation
def load_patch(typing: Any, which: Any, source: Any, down: Any, across: Any, n: Any) -> Any:
    """Return a square of vectors whose (i, j) starts at source[i * down + j * across]."""
    side = which.b
    result = tile_type(source.dtype, side * side, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, row, column, count = arguments
        code = Code(context, builder, source.dtype, count)
        starts = [code.offset(code.constant(0), (i, row), (j, column))
                  for i in range(side) for j in range(side)]  # fmt: skip
        return code.pack([code.load(data, start, 0) for start in starts])

    return result(which, source, types.intp, types.intp, types.intp), generate


@kernel(inner=True)
def transform(
    x: Pointer,
    starts: Pointer,
    rows: int,
    across: int,
    line: int,
    channels: int,
    first: int,
    count: int,
    side: Static,
    points: Pointer,
) -> None:
    """Write the points of all tiles, (16, tiles, count), of `count` channels from `first` on."""
    one, step = lanes(x), rows * across * count
    for r in range(rows):
        for u in range(across):
            source = at(x, starts[2 * r] + 2 * u * channels + first)
            target = at(points, (r * across + u) * count)
            for c in range(0, count, one):
                n = min(one, count - c)
                tile = sandwich(load_patch(side, at(source, c), line, channels, n), side)
                store_tile(tile, target, c, step, n)


@operation
def _store_pixel(typing: Any, tile: Any, which: Any, target: Any, n: Any) -> Any:
    """Write one vector of a tile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, target.dtype, arguments[3])
        code.store(arguments[2], code.constant(0), 0, code.unpack(arguments[0])[which.a])
        return context.get_dummy_value()

    return types.void(tile, which, target, types.intp), generate


@kernel(inner=True)
def store_pixels(
    tile: Any, y: Pointer, across: int, down: int, below: bool, beside: bool, n: int
) -> None:
    """Write two by two pixels, as far as they are there."""
    _store_pixel(tile, FIRST, y, n)
    if beside:
        _store_pixel(tile, SECOND, at(y, across), n)
    if below:
        _store_pixel(tile, THIRD, at(y, down), n)
        if beside:
            _store_pixel(tile, LAST, at(y, down + across), n)

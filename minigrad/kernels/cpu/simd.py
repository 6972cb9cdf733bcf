"""Vectors and register tiles, as values that numba code can compute with.

A `Tile` is a small matrix of SIMD vectors, `rows` by `vectors`, that lives in registers: what a
kernel keeps in a tile is neither loaded nor stored inside its loops. The operations below unroll
themselves completely; the loops around them are plain Python.

The sizes of a tile are part of its type. `Static(12, 2)`, a global constant, carries such numbers
through functions, so one function is compiled once for each tile it is called with.

Arguments named `n` say how many lanes of a row take part: None for all (no masks at all), else the
lanes from n on read as 0 and are not written.

Pointers (`pointer`) take the place of arrays inside kernels: they are cheap to pass on, and one
compiled function serves writable and read-only arrays. Offsets count elements. Nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from minigrad.kernels.cpu.emit import VECTOR_BYTES, Code, Static, tile_type, types

__all__ = [
    "VECTOR_BYTES",
    "Pointer",
    "Static",
    "Tile",
    "add_outer",
    "add_products",
    "add_taps",
    "add_tile",
    "at",
    "drain",
    "fold",
    "keep",
    "lanes",
    "load_like",
    "load_square",
    "load_tile",
    "operation",
    "pointer",
    "positive",
    "repeat_row",
    "store_tile",
    "stream_tile",
    "streams",
    "zero_tile",
]

Pointer = Any
Tile = Any


def _is_none(numba_type: Any) -> bool:
    return isinstance(numba_type, types.NoneType)


def operation(typer: Callable[..., Any]) -> Any:
    """Make an operation of a function that returns its signature, and how to emit its code."""
    return intrinsic(typer)


# --- pointers ---------------------------------------------------------------------------------


@operation
def pointer(typing: Any, array: Any) -> Any:
    """Return a pointer to the first element of an array, which must be kept alive (`keep`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@operation
def keep(typing: Any, array: Any) -> Any:
    """Do nothing: an array lives until here. A pointer to it does not keep it alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.void(array), generate


@operation
def at(typing: Any, source: Any, i: Any) -> Any:
    """Return a pointer that is i elements further on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return source(source, types.intp), generate


@operation
def lanes(typing: Any, source: Any) -> Any:
    """Return the number of a pointer's elements that fit in a vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), VECTOR_BYTES * 8 // source.dtype.bitwidth)

    return types.intp(source), generate


# --- tiles from memory and back ---------------------------------------------------------------


@operation
def zero_tile(typing: Any, shape: Any, source: Any) -> Any:
    """Return a tile of zeros with a pointer's dtype."""
    result = tile_type(source.dtype, shape.a, shape.b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, source.dtype)
        zeros = ir.Constant(code.vector, [0.0] * code.lanes)
        return code.pack([zeros] * (result.rows * result.vectors))

    return result(shape, source), generate


@operation
def repeat_row(typing: Any, shape: Any, source: Any, i: Any, n: Any) -> Any:
    """Return a tile whose rows are all alike, and start at source[i]."""
    result = tile_type(source.dtype, shape.a, shape.b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, count = arguments
        code = Code(context, builder, source.dtype, None if _is_none(n) else count)
        return code.pack([code.load(data, start, v) for v in range(result.vectors)] * result.rows)

    return result(shape, source, types.intp, n), generate


@operation
def load_tile(typing: Any, shape: Any, source: Any, i: Any, step: Any, n: Any) -> Any:
    """Return a tile whose row r starts at source[i + r * step]."""
    result = tile_type(source.dtype, shape.a, shape.b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, stride, count = arguments
        code = Code(context, builder, source.dtype, None if _is_none(n) else count)
        return code.pack(
            [
                code.load(data, code.offset(start, (r, stride)), v)
                for r in range(result.rows)
                for v in range(result.vectors)
            ]
        )

    return result(shape, source, types.intp, types.intp, n), generate


@operation
def load_like(typing: Any, tile: Any, source: Any, i: Any, step: Any, n: Any) -> Any:
    """Return a tile of the given one's shape whose row r starts at source[i + r * step]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, stride, count = arguments
        code = Code(context, builder, source.dtype, None if _is_none(n) else count)
        return code.pack(
            [
                code.load(data, code.offset(start, (r, stride)), v)
                for r in range(tile.rows)
                for v in range(tile.vectors)
            ]
        )

    return tile(tile, source, types.intp, types.intp, n), generate


@operation
def store_tile(typing: Any, tile: Any, target: Any, i: Any, step: Any, n: Any) -> Any:
    """Write row r of a tile to target[i + r * step] and on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, data, start, stride, count = arguments
        code = Code(context, builder, target.dtype, None if _is_none(n) else count)
        for number, value in enumerate(code.unpack(values)):
            r, v = divmod(number, tile.vectors)
            code.store(data, code.offset(start, (r, stride)), v, value)
        return context.get_dummy_value()

    return types.void(tile, target, types.intp, types.intp, n), generate


@operation
def stream_tile(typing: Any, tile: Any, target: Any, i: Any, step: Any, n: Any) -> Any:
    """Write a tile past the caches, where rows start at multiples of a vector; then `drain`.

    A cache would first read from memory what is about to be overwritten. Masked rows go there as
    usual.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, data, start, stride, count = arguments
        code = Code(context, builder, target.dtype, None if _is_none(n) else count)
        for number, value in enumerate(code.unpack(values)):
            r, v = divmod(number, tile.vectors)
            code.store(data, code.offset(start, (r, stride)), v, value, past_caches=True)
        return context.get_dummy_value()

    return types.void(tile, target, types.intp, types.intp, n), generate


@operation
def streams(typing: Any, target: Any, step: Any) -> Any:
    """Return whether rows from a pointer on, with a step, start at multiples of a vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(64)
        address = builder.ptrtoint(arguments[0], integer)
        offset = builder.mul(arguments[1], ir.Constant(integer, target.dtype.bitwidth // 8))
        rest = builder.and_(builder.or_(address, offset), ir.Constant(integer, VECTOR_BYTES - 1))
        return builder.icmp_signed("==", rest, ir.Constant(integer, 0))

    return types.boolean(target, types.intp), generate


@operation
def drain(typing: Any) -> Any:
    """Let other threads see what was written past the caches."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


# --- arithmetic -------------------------------------------------------------------------------


@operation
def add_tile(typing: Any, a: Any, b: Any) -> Any:
    """Return the sum of two tiles of one shape."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, a.dtype)
        pairs = zip(*map(code.unpack, arguments), strict=True)
        return code.pack([builder.fadd(x, y) for x, y in pairs])

    return a(a, b), generate


@operation
def positive(typing: Any, tile: Any) -> Any:
    """Return a tile with 0 in place of what is negative; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)
        zeros = ir.Constant(code.vector, [0.0] * code.lanes)
        values = code.unpack(arguments[0])
        negative = [builder.fcmp_ordered("<=", value, zeros) for value in values]
        pairs = zip(negative, values, strict=True)
        return code.pack([builder.select(is_low, zeros, value) for is_low, value in pairs])

    return tile(tile), generate


@operation
def fold(typing: Any, tile: Any) -> Any:
    """Return a tile with one vector per row: the sum of the row's vectors."""
    result = tile_type(tile.dtype, tile.rows, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, tile.dtype)
        values = code.unpack(arguments[0])
        sums = []
        for r in range(tile.rows):
            row = values[r * tile.vectors : (r + 1) * tile.vectors]
            total = row[0]
            for value in row[1:]:
                total = builder.fadd(total, value)
            sums.append(total)
        return code.pack(sums)

    return result(tile), generate


@operation
def add_outer(typing: Any, tile: Any, a: Any, i: Any, step: Any, b: Any, j: Any, n: Any) -> Any:
    """Add an outer product: row r receives a[i + r * step] times the row of b that starts at j."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, left, start, stride, right, column, count = arguments
        code = Code(context, builder, tile.dtype, None if _is_none(n) else count)
        values = code.unpack(values)
        row = [code.load(right, column, v) for v in range(tile.vectors)]
        for r in range(tile.rows):
            factor = code.splat(code.scalar(left, code.offset(start, (r, stride))))
            for v in range(tile.vectors):
                at = r * tile.vectors + v
                values[at] = code.multiply_add(factor, row[v], values[at])
        code.fence()
        return code.pack(values)

    integer = types.intp
    return tile(tile, a, integer, integer, b, integer, n), generate


@operation
def add_taps(
    typing: Any, tile: Any, taps: Any, x: Any, i: Any, step: Any, k: Any, j: Any, hop: Any, n: Any
) -> Any:
    """Add a piece of a convolution: row p receives the sum over t of x(p s + t) k(t).

    ``taps`` is Static(number of taps, stride s). Pixel q of x starts at x[i + q * step], tap t of
    k at k[j + t * hop]. A pixel that several rows see is loaded once.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, _, pixels, first, pixel_step, kernel, tap, tap_step, count = arguments
        code = Code(context, builder, tile.dtype, None if _is_none(n) else count)
        values = code.unpack(values)
        for v in range(tile.vectors):
            seen: dict[int, Any] = {}
            for t in range(taps.a):
                weight = code.load(kernel, code.offset(tap, (t, tap_step)), v)
                for p in range(tile.rows):
                    q = p * taps.b + t
                    if q not in seen:
                        seen[q] = code.load(pixels, code.offset(first, (q, pixel_step)), v)
                    at = p * tile.vectors + v
                    values[at] = code.multiply_add(seen[q], weight, values[at])
        code.fence()
        return code.pack(values)

    integer = types.intp
    return tile(tile, taps, x, integer, integer, k, integer, integer, n), generate


@operation
def add_products(
    typing: Any, tile: Any, pixels: Any, x: Any, i: Any, step: Any, y: Any, j: Any, hop: Any, n: Any
) -> Any:
    """Add a piece of a convolution's gradient: row t receives the sum over p of x(p s + t) y(p).

    ``pixels`` is Static(number of pixels p, stride s); rows of the tile are taps. The products go
    to the row's vectors in turn, so that one addition need not wait for the last: `fold` adds them.
    Pixel q of x starts at x[i + q * step], pixel p of y at y[j + p * hop].
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, _, data, first, x_step, gradient, start, y_step, count = arguments
        code = Code(context, builder, tile.dtype, None if _is_none(n) else count)
        values = code.unpack(values)
        seen: dict[int, Any] = {}
        for p in range(pixels.a):
            factor = code.load(gradient, code.offset(start, (p, y_step)), 0)
            for t in range(tile.rows):
                q = p * pixels.b + t
                if q not in seen:
                    seen[q] = code.load(data, code.offset(first, (q, x_step)), 0)
                at = t * tile.vectors + p % tile.vectors
                values[at] = code.multiply_add(seen[q], factor, values[at])
        code.fence()
        return code.pack(values)

    integer = types.intp
    return tile(tile, pixels, x, integer, integer, y, integer, integer, n), generate


@operation
def load_square(typing: Any, source: Any, i: Any, step: Any) -> Any:
    """Load a square of one vector's width whose COLUMN c starts at source[i + c * step]."""
    count = VECTOR_BYTES * 8 // source.dtype.bitwidth
    result = tile_type(source.dtype, count, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, start, stride = arguments
        code = Code(context, builder, source.dtype)
        rows = [code.load(data, code.offset(start, (r, stride)), 0) for r in range(count)]
        integers = ir.VectorType(ir.IntType(32), count)
        half = 1
        while half < count:
            # Exchange the off-diagonal quarters of all blocks of 2 * half rows and columns.
            low = [i if i % (2 * half) < half else i + count - half for i in range(count)]
            high = [i + half if i % (2 * half) < half else i + count for i in range(count)]
            for r in range(count):
                if r % (2 * half) < half:
                    a, b = rows[r], rows[r + half]
                    rows[r] = builder.shuffle_vector(a, b, ir.Constant(integers, low))
                    rows[r + half] = builder.shuffle_vector(a, b, ir.Constant(integers, high))
            half *= 2
        return code.pack(rows)

    return result(source, types.intp, types.intp), generate

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
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_constant
from numba.core.registry import cpu_target
from numba.extending import (
    intrinsic,
    models,
    register_model,
    typeof_impl,
)

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
    "fold",
    "keep",
    "lanes",
    "load_like",
    "load_square",
    "load_tile",
    "pointer",
    "repeat_row",
    "store_tile",
    "zero_tile",
]


def _vector_bytes() -> int:
    """Return the size of the vectors of the processor that numba compiles for."""
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    if "+avx512f" in features:
        return 64
    return 32 if "+avx2" in features else 16


VECTOR_BYTES = _vector_bytes()
"""64 with AVX-512, 32 with AVX2, else 16 (SSE, NEON)."""

Pointer = Any
Tile = Any


class Static(NamedTuple("Static", [("a", int), ("b", int)])):
    """Two numbers that the compiler knows."""


class StaticType(types.Type):
    def __init__(self, a: int, b: int) -> None:
        self.a, self.b = a, b
        super().__init__(f"Static({a}, {b})")


class TileType(types.Type):
    def __init__(self, dtype: Any, rows: int, vectors: int, lanes: int) -> None:
        self.dtype, self.rows, self.vectors, self.lanes = dtype, rows, vectors, lanes
        super().__init__(f"Tile({dtype}, {rows}, {vectors}, {lanes})")


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, tile: TileType) -> None:
        vector = _vector_type(tile.dtype, tile.lanes)
        super().__init__(manager, tile, ir.ArrayType(vector, tile.rows * tile.vectors))


register_model(StaticType)(models.OpaqueModel)


@typeof_impl.register(Static)
def _typeof_static(value: Static, context: Any) -> StaticType:
    return StaticType(value.a, value.b)


@lower_constant(StaticType)
def _lower_static(context: Any, builder: Any, static: Any, value: Any) -> Any:
    return context.get_dummy_value()


def _vector_type(dtype: Any, lanes: int) -> Any:
    element = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
    return ir.VectorType(element, lanes)


def _tile_type(dtype: Any, rows: int, vectors: int) -> TileType:
    return TileType(dtype, rows, vectors, VECTOR_BYTES * 8 // dtype.bitwidth)


class _Code:
    """Writes the instructions of one operation."""

    def __init__(self, context: Any, builder: Any, dtype: Any, n: Any = None) -> None:
        self.builder = builder
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        self.bytes = dtype.bitwidth // 8
        self.vector = _vector_type(dtype, self.lanes)
        self.suffix = f"v{self.lanes}f{dtype.bitwidth}"
        self.masks: dict[int, Any] = {}
        self.n = n

    def constant(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def offset(self, start: Any, *terms: tuple[int, Any]) -> Any:
        """Return start + the sum of count * step."""
        for count, step in terms:
            if count:
                product = self.builder.mul(self.constant(count), step) if count > 1 else step
                start = self.builder.add(start, product)
        return start

    def splat(self, scalar: Any) -> Any:
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def scalar(self, pointer: Any, index: Any) -> Any:
        return self.builder.load(self.builder.gep(pointer, [index]), align=self.bytes)

    def mask(self, vector: int) -> Any:
        """Return which lanes of a row's vector number `vector` are below n."""
        if vector not in self.masks:
            integers = ir.VectorType(ir.IntType(64), self.lanes)
            numbers = ir.Constant(integers, [vector * self.lanes + i for i in range(self.lanes)])
            undefined = ir.Constant(integers, ir.Undefined)
            zero = ir.Constant(ir.IntType(32), 0)
            first = self.builder.insert_element(undefined, self.n, zero)
            shuffle = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
            limit = self.builder.shuffle_vector(first, undefined, shuffle)
            self.masks[vector] = self.builder.icmp_signed("<", numbers, limit)
        return self.masks[vector]

    def load(self, pointer: Any, index: Any, vector: int) -> Any:
        index = self.offset(index, (1, self.constant(vector * self.lanes)))
        address = self.builder.gep(pointer, [index])
        address = self.builder.bitcast(address, self.vector.as_pointer())
        if self.n is None:
            return self.builder.load(address, align=self.bytes)
        mask = self.mask(vector)
        align = ir.IntType(32)
        load = self.function(
            f"llvm.masked.load.{self.suffix}.{_pointer_suffix(self.suffix)}",
            ir.FunctionType(self.vector, [address.type, align, mask.type, self.vector]),
        )
        zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.builder.call(load, [address, ir.Constant(align, self.bytes), mask, zeros])

    def store(self, pointer: Any, index: Any, vector: int, value: Any) -> None:
        index = self.offset(index, (1, self.constant(vector * self.lanes)))
        address = self.builder.gep(pointer, [index])
        address = self.builder.bitcast(address, self.vector.as_pointer())
        if self.n is None:
            self.builder.store(value, address, align=self.bytes)
            return
        mask = self.mask(vector)
        align = ir.IntType(32)
        store = self.function(
            f"llvm.masked.store.{self.suffix}.{_pointer_suffix(self.suffix)}",
            ir.FunctionType(ir.VoidType(), [self.vector, address.type, align, mask.type]),
        )
        self.builder.call(store, [value, address, ir.Constant(align, self.bytes), mask])

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c, rounded once where the processor can."""
        vector = self.vector
        function = self.function(
            f"llvm.fmuladd.{self.suffix}", ir.FunctionType(vector, [vector, vector, vector])
        )
        return self.builder.call(function, [a, b, c])

    def function(self, name: str, signature: Any) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, signature, name)

    def fence(self) -> None:
        """Keep loads from moving here from below: they would need registers that a tile occupies.

        The compiler likes to unroll the loop around an operation and to load ahead.
        """
        nothing = ir.FunctionType(ir.VoidType(), [])
        self.builder.call(ir.InlineAsm(nothing, "", "~{memory}", side_effect=True), [])

    def unpack(self, tile: Any) -> list[Any]:
        return [self.builder.extract_value(tile, i) for i in range(tile.type.count)]

    def pack(self, values: list[Any]) -> Any:
        tile = ir.Constant(ir.ArrayType(self.vector, len(values)), ir.Undefined)
        for i, value in enumerate(values):
            tile = self.builder.insert_value(tile, value, i)
        return tile


def _pointer_suffix(suffix: str) -> str:
    """Return how an intrinsic function's name spells a pointer: LLVM's pointers lost their types."""
    opaque = not hasattr(ir.PointerType(ir.IntType(8)), "pointee") or ir.PointerType(
        ir.IntType(8)
    ).is_opaque
    return "p0" if opaque else f"p0{suffix}"


def _is_none(numba_type: Any) -> bool:
    return isinstance(numba_type, types.NoneType)


def _operation(typer: Callable[..., Any]) -> Any:
    return intrinsic(typer)


# --- pointers ---------------------------------------------------------------------------------


@_operation
def pointer(typing: Any, array: Any) -> Any:
    """Return a pointer to the first element of an array, which must be kept alive (`keep`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@_operation
def keep(typing: Any, array: Any) -> Any:
    """Do nothing: an array lives until here. A pointer to it does not keep it alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.void(array), generate


@_operation
def at(typing: Any, source: Any, i: Any) -> Any:
    """Return a pointer that is i elements further on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return source(source, types.intp), generate


@_operation
def lanes(typing: Any, source: Any) -> Any:
    """Return the number of a pointer's elements that fit in a vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), VECTOR_BYTES * 8 // source.dtype.bitwidth)

    return types.intp(source), generate


# --- tiles from memory and back ---------------------------------------------------------------


@_operation
def zero_tile(typing: Any, shape: Any, source: Any) -> Any:
    """Return a tile of zeros with a pointer's dtype."""
    result = _tile_type(source.dtype, shape.a, shape.b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, source.dtype)
        zeros = ir.Constant(code.vector, [0.0] * code.lanes)
        return code.pack([zeros] * (result.rows * result.vectors))

    return result(shape, source), generate


@_operation
def repeat_row(typing: Any, shape: Any, source: Any, i: Any, n: Any) -> Any:
    """Return a tile whose rows are all alike, and start at source[i]."""
    result = _tile_type(source.dtype, shape.a, shape.b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, count = arguments
        code = _Code(context, builder, source.dtype, None if _is_none(n) else count)
        return code.pack([code.load(data, start, v) for v in range(result.vectors)] * result.rows)

    return result(shape, source, types.intp, n), generate


@_operation
def load_tile(typing: Any, shape: Any, source: Any, i: Any, step: Any, n: Any) -> Any:
    """Return a tile whose row r starts at source[i + r * step]."""
    result = _tile_type(source.dtype, shape.a, shape.b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, stride, count = arguments
        code = _Code(context, builder, source.dtype, None if _is_none(n) else count)
        return code.pack(
            [
                code.load(data, code.offset(start, (r, stride)), v)
                for r in range(result.rows)
                for v in range(result.vectors)
            ]
        )

    return result(shape, source, types.intp, types.intp, n), generate


@_operation
def load_like(typing: Any, tile: Any, source: Any, i: Any, step: Any, n: Any) -> Any:
    """Return a tile of the given one's shape whose row r starts at source[i + r * step]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, stride, count = arguments
        code = _Code(context, builder, source.dtype, None if _is_none(n) else count)
        return code.pack(
            [
                code.load(data, code.offset(start, (r, stride)), v)
                for r in range(tile.rows)
                for v in range(tile.vectors)
            ]
        )

    return tile(tile, source, types.intp, types.intp, n), generate


@_operation
def store_tile(typing: Any, tile: Any, target: Any, i: Any, step: Any, n: Any) -> Any:
    """Write row r of a tile to target[i + r * step] and on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, data, start, stride, count = arguments
        code = _Code(context, builder, target.dtype, None if _is_none(n) else count)
        for number, value in enumerate(code.unpack(values)):
            r, v = divmod(number, tile.vectors)
            code.store(data, code.offset(start, (r, stride)), v, value)
        return context.get_dummy_value()

    return types.void(tile, target, types.intp, types.intp, n), generate


# --- arithmetic -------------------------------------------------------------------------------


@_operation
def add_tile(typing: Any, a: Any, b: Any) -> Any:
    """Return the sum of two tiles of one shape."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, a.dtype)
        pairs = zip(*map(code.unpack, arguments), strict=True)
        return code.pack([builder.fadd(x, y) for x, y in pairs])

    return a(a, b), generate


@_operation
def fold(typing: Any, tile: Any) -> Any:
    """Return a tile with one vector per row: the sum of the row's vectors."""
    result = _tile_type(tile.dtype, tile.rows, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, tile.dtype)
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


@_operation
def add_outer(typing: Any, tile: Any, a: Any, i: Any, step: Any, b: Any, j: Any, n: Any) -> Any:
    """Add an outer product: row r receives a[i + r * step] times the row of b that starts at j."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, left, start, stride, right, column, count = arguments
        code = _Code(context, builder, tile.dtype, None if _is_none(n) else count)
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


@_operation
def add_taps(
    typing: Any, tile: Any, taps: Any, x: Any, i: Any, step: Any, k: Any, j: Any, hop: Any, n: Any
) -> Any:
    """Add a piece of a convolution: row p receives the sum over t of x(p s + t) k(t).

    ``taps`` is Static(number of taps, stride s). Pixel q of x starts at x[i + q * step], tap t of
    k at k[j + t * hop]. A pixel that several rows see is loaded once.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, _, pixels, first, pixel_step, kernel, tap, tap_step, count = arguments
        code = _Code(context, builder, tile.dtype, None if _is_none(n) else count)
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


@_operation
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
        code = _Code(context, builder, tile.dtype, None if _is_none(n) else count)
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


@_operation
def load_square(typing: Any, source: Any, i: Any, step: Any) -> Any:
    """Load a square of one vector's width whose COLUMN c starts at source[i + c * step]."""
    count = VECTOR_BYTES * 8 // source.dtype.bitwidth
    result = _tile_type(source.dtype, count, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, start, stride = arguments
        code = _Code(context, builder, source.dtype)
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

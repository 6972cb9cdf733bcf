"""The types behind `minigrad.kernels.cpu.simd`, and how its operations become instructions."""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils
from numba.core import types as numba_types
from numba.core.imputils import lower_constant
from numba.core.registry import cpu_target
from numba.extending import models, register_model, typeof_impl

__all__ = ["VECTOR_BYTES", "Code", "Static", "TileType", "pointer_suffix", "tile_type", "types"]

types: Any = numba_types  # much of it has no type hints


def _vector_bytes() -> int:
    """Return the size of the vectors of the processor that numba compiles for."""
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    if "+avx512f" in features:
        return 64
    return 32 if "+avx2" in features else 16


VECTOR_BYTES = _vector_bytes()
"""64 with AVX-512, 32 with AVX2, else 16 (SSE, NEON)."""


class Static(NamedTuple):
    """Two numbers that the compiler knows."""

    a: int
    b: int


class StaticType(types.Type):  # type: ignore[misc] # numba has no type hints
    """numba's type of a `Static`."""

    def __init__(self, a: int, b: int) -> None:
        self.a, self.b = a, b
        super().__init__(f"Static({a}, {b})")


class TileType(types.Type):  # type: ignore[misc] # numba has no type hints
    """numba's type of a tile."""

    def __init__(self, dtype: Any, rows: int, vectors: int, lanes: int) -> None:
        self.dtype, self.rows, self.vectors, self.lanes = dtype, rows, vectors, lanes
        super().__init__(f"Tile({dtype}, {rows}, {vectors}, {lanes})")


class _TileModel(models.PrimitiveModel):  # type: ignore[misc] # numba has no type hints
    def __init__(self, manager: Any, tile: TileType) -> None:
        vector = _vector_type(tile.dtype, tile.lanes)
        super().__init__(manager, tile, ir.ArrayType(vector, tile.rows * tile.vectors))


def _typeof_static(value: Static, context: Any) -> StaticType:
    return StaticType(value.a, value.b)


def _lower_static(context: Any, builder: Any, static: Any, value: Any) -> Any:
    return context.get_dummy_value()


register_model(TileType)(_TileModel)
register_model(StaticType)(models.OpaqueModel)
typeof_impl.register(Static)(_typeof_static)
lower_constant(StaticType)(_lower_static)


def _vector_type(dtype: Any, lanes: int) -> Any:
    element = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
    return ir.VectorType(element, lanes)


def tile_type(dtype: Any, rows: int, vectors: int) -> TileType:
    """Return the type of a tile of whole vectors of a dtype."""
    return TileType(dtype, rows, vectors, VECTOR_BYTES * 8 // dtype.bitwidth)


class Code:
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
        """Return an integer as an operand."""
        return ir.Constant(ir.IntType(64), value)

    def offset(self, start: Any, *terms: tuple[int, Any]) -> Any:
        """Return start + the sum of count * step."""
        for count, step in terms:
            if count:
                product = self.builder.mul(self.constant(count), step) if count > 1 else step
                start = self.builder.add(start, product)
        return start

    def splat(self, scalar: Any) -> Any:
        """Return a vector of copies of a number."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def scalar(self, pointer: Any, index: Any) -> Any:
        """Load one number."""
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
        """Load vector number `vector` of the row that starts at an index, masked if n is given."""
        index = self.offset(index, (1, self.constant(vector * self.lanes)))
        address = self.builder.gep(pointer, [index])
        address = self.builder.bitcast(address, self.vector.as_pointer())
        if self.n is None:
            return self.builder.load(address, align=self.bytes)
        mask = self.mask(vector)
        align = ir.IntType(32)
        load = self.function(
            f"llvm.masked.load.{self.suffix}.{pointer_suffix(self.suffix)}",
            ir.FunctionType(self.vector, [address.type, align, mask.type, self.vector]),
        )
        zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.builder.call(load, [address, ir.Constant(align, self.bytes), mask, zeros])

    def store(
        self, pointer: Any, index: Any, vector: int, value: Any, past_caches: bool = False
    ) -> None:
        """Store vector number `vector` of a row, masked if n is given."""
        index = self.offset(index, (1, self.constant(vector * self.lanes)))
        address = self.builder.gep(pointer, [index])
        address = self.builder.bitcast(address, self.vector.as_pointer())
        if self.n is None:
            align = VECTOR_BYTES if past_caches else self.bytes
            instruction = self.builder.store(value, address, align=align)
            if past_caches:
                one = ir.Constant(ir.IntType(32), 1)
                node = self.builder.module.add_metadata([one])
                instruction.set_metadata("nontemporal", node)
            return
        mask = self.mask(vector)
        align = ir.IntType(32)
        store = self.function(
            f"llvm.masked.store.{self.suffix}.{pointer_suffix(self.suffix)}",
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
        """Declare a function of LLVM."""
        return cgutils.get_or_insert_function(self.builder.module, signature, name)

    def fence(self) -> None:
        """Keep loads from moving here from below: they would need registers that a tile occupies.

        The compiler likes to unroll the loop around an operation and to load ahead.
        """
        nothing = ir.FunctionType(ir.VoidType(), [])
        self.builder.call(ir.InlineAsm(nothing, "", "~{memory}", side_effect=True), [])

    def unpack(self, tile: Any) -> list[Any]:
        """Return a tile's vectors, row by row."""
        return [self.builder.extract_value(tile, i) for i in range(tile.type.count)]

    def pack(self, values: list[Any]) -> Any:
        """Return the tile made of these vectors."""
        tile = ir.Constant(ir.ArrayType(self.vector, len(values)), ir.Undefined)
        for i, value in enumerate(values):
            tile = self.builder.insert_value(tile, value, i)
        return tile


def pointer_suffix(suffix: str) -> str:
    """Return how the name of an LLVM function spells a pointer, which once had a type."""
    opaque = (
        not hasattr(ir.PointerType(ir.IntType(8)), "pointee")
        or ir.PointerType(ir.IntType(8)).is_opaque
    )
    return "p0" if opaque else f"p0{suffix}"

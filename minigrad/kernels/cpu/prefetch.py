"""Asking for memory before it is needed.

The processor foresees a stream or two through memory. A tile of pixels reads from dozens of places,
and waits for each of them if they are not in the cache.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from minigrad.kernels.cpu.emit import VECTOR_BYTES, Code, Static, pointer_suffix, types
from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.memory import LINE
from minigrad.kernels.cpu.simd import Pointer, lanes

__all__ = ["TO_READ", "TO_WRITE", "fetch_ahead", "prefetch"]

TO_READ, TO_WRITE = Static(0, 2), Static(1, 3)
"""LLVM's numbers for: into the second-level cache for reading, into all caches for writing."""


@intrinsic  # type: ignore[untyped-decorator] # numba has no type hints
def prefetch(typing: Any, source: Any, i: Any, purpose: Any) -> Any:
    """Ask for the cache line of source[i], `TO_READ` or `TO_WRITE`. It need not exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = Code(context, builder, source.dtype).function(
            f"llvm.prefetch.{pointer_suffix('i8')}",
            ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
        )
        address = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        flags = [ir.Constant(word, number) for number in (purpose.a, purpose.b, 1)]
        builder.call(function, [address, *flags])
        return context.get_dummy_value()

    return types.void(source, types.intp, purpose), generate


@kernel(inner=True)
def fetch_ahead(x: Pointer, pixels: int, pixel: int, channels: int, to_write: bool = False) -> None:
    """Ask for some channels of pixels, so many elements apart.

    The processor foresees one stream through memory, not six rows.
    """
    for p in range(pixels):
        for c in range(0, channels, lanes(x) * LINE // VECTOR_BYTES):
            if to_write:
                prefetch(x, p * pixel + c, TO_WRITE)
            else:
                prefetch(x, p * pixel + c, TO_READ)

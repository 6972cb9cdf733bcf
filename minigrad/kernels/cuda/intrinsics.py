"""Loads and stores of 2 or 4 neighbouring elements with one instruction of 64 or 128 bits.

numba has no such instruction, so it is written here in LLVM's language. A kernel says ::

    load, store = vectors(4)
    load(values, k, x, i)    # values[k : k + 4] = x[i : i + 4]
    store(y, i, values, k)   # y[i : i + 4] = values[k : k + 4]

where `values` is a thread's own array (``cuda.local.array``) and `x` and `y` lie in global or
shared memory (call ``align_shared()`` once after making the shared arrays). Indices are unsigned;
the address of ``x[i]`` must be a multiple of the vector's size, or the device stops with an error
that ends the process. In the simulator the same names are plain Python.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from minigrad.kernels.cuda import runtime

__all__ = ["VECTOR_BYTES", "align_shared", "vectors"]

VECTOR_BYTES = 16


def _aligner() -> Any:
    """Return `align_shared`, which puts the shared arrays of a kernel at multiples of 16 bytes.

    numba aligns them for single elements. The instruction sets what the module says about arrays in
    address space 3, and leaves no code.
    """
    if runtime.intrinsic is None or runtime.simulated():
        return lambda: None
    from llvmlite import ir
    from numba import types

    def align_shared(typingctx: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            for value in builder.module.global_values:
                if isinstance(value, ir.GlobalVariable) and value.addrspace == 3:
                    value.align = VECTOR_BYTES
            return context.get_dummy_value()

        return types.void(), generate

    return runtime.intrinsic(align_shared)


align_shared: Any = _aligner()


@functools.cache
def vectors(width: int) -> tuple[Any, Any]:
    """Return (load, store) for vectors of 1, 2 or 4 elements.

    Examples
    --------
    >>> load, store = _python(2)
    >>> values, x = [0, 0, 0], [5, 6, 7]
    >>> load(values, 0, x, 1)
    >>> values
    [6, 7, 0]
    """
    if runtime.intrinsic is None or runtime.simulated():
        return _python(width)
    return _compiled(width)


def _python(width: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what the intrinsics do, in Python."""

    def move(target: Any, to: Any, source: Any, start: Any) -> None:
        to, start = int(to), int(start)
        for k in range(width):
            target[to + k] = source[start + k]

    return move, move


def _compiled(width: int) -> tuple[Any, Any]:
    """Return intrinsics for numba's CUDA compiler."""
    from llvmlite import ir
    from numba import types

    def address(context: Any, builder: Any, kind: Any, array: Any, index: Any, of: Any) -> Any:
        """Return the address of array[index], without numba's handling of negative indices."""
        data = context.make_array(kind)(context, builder, array).data
        return builder.gep(data, [context.cast(builder, index, of, types.uint64)])

    def element(number: int) -> Any:
        return ir.Constant(ir.IntType(32), number)

    def vector(context: Any, kind: Any) -> tuple[Any, int]:
        """Return the vector's type and its size in bytes."""
        return ir.VectorType(context.get_data_type(kind.dtype), width), width * (
            kind.dtype.bitwidth // 8
        )

    def load(typingctx: Any, target: Any, to: Any, source: Any, start: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind, size = vector(context, source)
            pointer = address(context, builder, source, args[2], args[3], start)
            value = builder.load(builder.bitcast(pointer, kind.as_pointer()), align=size)
            own = address(context, builder, target, args[0], args[1], to)
            for k in range(width):
                part = builder.extract_element(value, element(k))
                builder.store(part, builder.gep(own, [element(k)]))
            return context.get_dummy_value()

        return types.void(target, to, source, start), generate

    def store(typingctx: Any, target: Any, to: Any, source: Any, start: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind, size = vector(context, target)
            own = address(context, builder, source, args[2], args[3], start)
            value = ir.Constant(kind, ir.Undefined)
            for k in range(width):
                part = builder.load(builder.gep(own, [element(k)]))
                value = builder.insert_element(value, part, element(k))
            pointer = address(context, builder, target, args[0], args[1], to)
            builder.store(value, builder.bitcast(pointer, kind.as_pointer()), align=size)
            return context.get_dummy_value()

        return types.void(target, to, source, start), generate

    return runtime.intrinsic(load), runtime.intrinsic(store)

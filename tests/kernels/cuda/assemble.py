"""Compiles every CUDA kernel for real GPUs, on a machine without one, and reads the machine code.

Run as a program by `test_cubins.py`: prints one JSON object a line. Python -> PTX (libNVVM) ->
cubin (nvJitLink) -> instructions (nvdisasm); no GPU, no driver.
"""

import functools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numba.cuda.dispatcher
import nvidia
from cuda.bindings import nvjitlink
from numba import cuda, types

from minigrad.kernels.cuda import (
    depthwise,
    gemm,
    kernel_grad,
    layout,
    pointwise,
    pooling,
    reduction,
    separable,
    simple,
)

ARCHITECTURES = ((7, 5), (8, 0), (9, 0))
U, D = types.uint32, types.uint64  # a number, a divisor


class Device:
    """Stands for the device that device functions are compiled for."""

    compute_capability = ARCHITECTURES[0]


numba.cuda.dispatcher.get_current_device = lambda: Device


def kernels():
    """Yield (name, kernel, signature, docstring, whether it is a fast one)."""
    window, strided, large = (3, 3, 1, 1, 1, 1), (3, 3, 2, 2, 1, 1), (5, 5, 1, 1, 1, 1)
    for bits, width in ((32, 4), (64, 2)):
        real = types.float32 if bits == 32 else types.float64
        a = real[::1]

        def numbers(count, *rest, arrays=3, a=a):
            return types.void(*[a] * arrays, *[U] * count, *rest)

        forward = numbers(10, D, U, D, U, U, D)
        make = depthwise.forward_kernel
        for name, *options in [
            ("", window, width, 1, 2, True, False),
            (" stride 2", strided, width, 1, 2, True, False),
            (" turned", window, width, 1, 2, True, True),
            (" 5x5", large, width, 1, 1, False, False),
            (" odd", window, 1, 1, 2, True, False),
            (" multiplier", window, 1, 2, 2, True, False),
        ]:
            fast = options[1] > 1
            yield f"depthwise forward{name} f{bits}", make(*options), forward, make, fast
        make = depthwise.input_grad_kernel
        gather = numbers(10, D, D, D)
        for name, *options in [(" stride 2", strided, width, 1), (" multiplier", window, 1, 2)]:
            yield f"depthwise input{name} f{bits}", make(*options), gather, make, options[1] > 1
        make = kernel_grad.kernel_grad_kernel
        sums = numbers(11, D, D)
        for name, *options in [
            ("", window, width, 1, 9, 8, 32),
            (" 5x5", large, width, 1, 9, 8, 32),
            (" odd", window, 1, 1, 9, 8, 32),
        ]:
            yield f"depthwise kernel{name} f{bits}", make(*options), sums, make, options[1] > 1
        make = gemm.product_kernel
        plain = types.void(a, a, types.UniTuple(U, 1), a, a, a, *[U] * 7)
        fused = types.void(a, a, types.Tuple((U,) * 7 + (D, D)), a, a, a, *[U] * 7)
        features = functools.partial(separable.features_source, window=window, multiplier=1)
        for name, source, signature in [
            ("pointwise forward", gemm.rows_source, plain),
            ("pointwise kernel", gemm.columns_source, plain),
            ("separable forward", features, fused),
        ]:
            done = set()
            shapes = ((128, 128, 1), (128, 64, 1), (64, 64, 1), (128, 128, 0))
            for rows, columns, aligned in shapes if bits == 32 else shapes[::3]:
                tile = pointwise.tile(width, rows, columns, source is features)
                kernel = make(tile, source(tile, bool(aligned)), bool(aligned))
                kind = f"{tile.rows}x{tile.columns}" + " odd" * (not aligned)
                if kind not in done:
                    yield f"{name} {kind} f{bits}", kernel, signature, make, bool(aligned)
                done.add(kind)
        yield (
            f"sums f{bits}", reduction.sums_kernel(width, reduction.DOWN, reduction.ACROSS),
            numbers(4, arrays=2), reduction.sums_kernel, True,
        )  # fmt: skip
        yield (
            f"transpose f{bits}", layout.transpose_kernel(layout.TILE, layout.LINES),
            numbers(4, arrays=2), layout.transpose_kernel, False,
        )  # fmt: skip
        where = types.int32[::1]
        for name, kernel, arrays in [
            ("forward", pooling.forward_kernel, (a, a, where)),
            ("backward", pooling.backward_kernel, (a, where, a)),
        ]:
            signature = types.void(*arrays, *[U] * 14, real, D, D, D)
            yield f"max pool {name} f{bits}", kernel, signature, kernel.py_func, False
        images, row = types.Array(real, 4, "A"), types.Array(real, 1, "A")
        six = (types.int64,) * 6
        for name, arguments in [
            ("depthwise_forward", (images, images, images, *six)),
            ("depthwise_input_grad", (images, images, images, *six)),
            ("depthwise_kernel_grad", (images, images, images, *six)),
            ("pointwise_forward", (images, images, row, images)),
            ("pointwise_kernel_grad", (images, images, images)),
            ("bias_grad", (images, row)),
            ("separable_forward", (images, images, images, row, images, *six)),
        ] * (bits == 32):
            kernel = getattr(simple, f"{name}_kernel")
            yield f"simple {name} f{bits}", kernel, types.void(*arguments), kernel.py_func, False


def assemble(ptx: str, architecture: str) -> tuple[bytes, str]:
    """Return the cubin and what the linker says about it."""
    options = [f"-arch={architecture}", "-verbose"]
    handle = nvjitlink.create(len(options), options)

    def log(size, get):
        text = bytearray(size(handle))
        if text:
            get(handle, text)
        return text.decode(errors="replace").rstrip("\0")

    try:
        data = ptx.encode()
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "kernel.ptx")
        nvjitlink.complete(handle)
        cubin = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, cubin)
        return bytes(cubin), log(nvjitlink.get_info_log_size, nvjitlink.get_info_log)
    except Exception as error:
        raise RuntimeError(log(nvjitlink.get_error_log_size, nvjitlink.get_error_log)) from error
    finally:
        nvjitlink.destroy(handle)


def instructions(cubin: bytes) -> list[str]:
    """Return the names of the instructions, without those that fill up."""
    (nvdisasm,) = (p for root in nvidia.__path__ for p in Path(root).glob("*/bin/nvdisasm"))
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run(
            (nvdisasm, "-c", file.name), capture_output=True, text=True, check=True
        ).stdout
    names = re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", text)
    return [name for name in names if name != "NOP"]


def main(share: int, shares: int) -> None:
    """Print what became of every ``shares``-th kernel."""
    for name, kernel, signature, factory, fast in list(kernels())[share::shares]:
        for architecture in ARCHITECTURES:
            Device.compute_capability = architecture
            bounds = kernel.targetoptions.get("launch_bounds")
            ptx, _ = cuda.compile(
                kernel.py_func, signature, device=False, abi="numba", cc=architecture,
                **({"launch_bounds": bounds} if bounds else {}),
            )  # fmt: skip
            label = "sm_" + "".join(map(str, architecture))
            cubin, info = assemble(ptx, label)
            names = instructions(cubin)

            def largest(pattern, info=info):
                return max(map(int, re.findall(pattern, info)), default=0)

            row = {
                "kernel": name,
                "arch": label,
                "registers": largest(r"Used (\d+) registers"),
                "shared": largest(r"(\d+) bytes smem"),
                "spill": largest(r"(\d+) bytes spill"),
                "stack": largest(r"(\d+) bytes stack"),
                "instructions": len(names),
                "fma": sum(name.startswith(("FFMA", "DFMA")) for name in names),
                "lds": sum(name.startswith("LDS") for name in names),
                "ldg128": names.count("LDG.E.128") + names.count("LDG.E.128.SYS"),
                "calls": sum(name.startswith("CALL") for name in names),
                "align": min(map(int, re.findall(r"\.shared \.align (\d+)", ptx)), default=16),
                "doc": factory.__doc__,
                "fast": fast,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

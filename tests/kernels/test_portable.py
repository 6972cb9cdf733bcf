"""The kernels compile and compute exactly for other processors than this one.

numba compiles for the processor that ``NUMBA_CPU_NAME`` names: "generic" has 128-bit vectors and no
fused multiply-add. For any other name it keeps this machine's features (AVX-512, say) unless
``NUMBA_CPU_FEATURES`` lists them. On small integers every result is exact, whatever the lanes.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

import minigrad.kernels

AVX2 = ("avx", "avx2", "bmi", "bmi2", "cx16", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse3",
        "sse4.1", "sse4.2", "ssse3")  # fmt: skip
ROOT = Path(minigrad.kernels.__file__).parents[2]
PROGRAM = """
import numpy as np
from minigrad import kernels

rng = np.random.default_rng(0)


def integers(*shape):
    return rng.integers(-3, 4, shape).astype(np.float32)


# Odd channel counts: whole vectors of any width, and what is left over.
x, depthwise, pointwise, bias = (
    integers(2, 9, 11, 37), integers(3, 3, 37, 1), integers(1, 1, 37, 35), integers(35)
)
geometry = kernels.conv_geometry((9, 11), (3, 3), (1, 1), "same")
dy, hidden, full = integers(2, 9, 11, 35), integers(2, 9, 11, 37), integers(3, 3, 37, 35)


strided = dy[:, ::2, ::2].copy()


def convolution(geometry, dy):
    return [
        kernels.conv2d_forward(x, full, bias, geometry),
        kernels.conv2d_input_grad(dy, full, geometry),
        kernels.conv2d_kernel_grad(x, dy, geometry),
    ]


def everything():
    return [
        kernels.separable_forward(x, depthwise, pointwise, bias, geometry),
        *kernels.separable_backward(x, depthwise, pointwise, dy, geometry, True),
        kernels.depthwise_forward(x, depthwise, geometry),
        kernels.depthwise_input_grad(hidden, depthwise, geometry),
        kernels.depthwise_kernel_grad(x, hidden, geometry, 1),
        kernels.pointwise_forward(x, pointwise, bias, "channels_last"),
        kernels.pointwise_input_grad(dy, pointwise, "channels_last"),
        kernels.pointwise_kernel_grad(x, dy, "channels_last"),
        *convolution(geometry, dy),
        *convolution(kernels.conv_geometry((9, 11), (3, 3), (2, 2), "same"), strided),
    ]


received = everything()
with kernels.use_backend("reference"):
    expected = everything()
for a, e in zip(received, expected, strict=True):
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a, e)

from numba.core.registry import cpu_target

features = cpu_target.target_context.codegen().magic_tuple()[2]
print("avx2" if "+avx2" in features else "", "avx512" if "+avx512f" in features else "")
"""


@pytest.mark.parametrize(
    ("variables", "lanes"),
    [
        ({"NUMBA_CPU_NAME": "generic"}, []),
        (
            {
                "NUMBA_CPU_NAME": "haswell",
                "NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in AVX2),
            },
            ["avx2"],
        ),
        ({}, None),
    ],
    ids=["generic", "AVX2", "host"],
)
def test_exact_on_another_processor(variables, lanes, tmp_path):
    if lanes == ["avx2"] and not runs_avx2():
        pytest.skip("this processor cannot run AVX2 code")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MINIGRAD_CACHE_DIR": str(tmp_path)}
    environment["NUMBA_NUM_THREADS"] = "1"  # launching threads is compiled code like any other
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "MINIGRAD_CACHE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.nbc"))
    if lanes is not None:  # numba did compile for something else
        assert done.stdout.split() == lanes


def runs_avx2():
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    features = llvm.get_host_cpu_features()
    return all(features.get(name) for name in AVX2)

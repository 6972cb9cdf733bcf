"""On a GPU, by one command: ``pytest -m gpu``. The simulator runs the same with tiny sizes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels, layers
from minigrad.kernels import devices
from minigrad.kernels.cuda import runtime

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not runtime.available(), reason=f"CUDA is off: {runtime.reason()}"),
]
SIMULATED = runtime.available() and runtime.simulated()
real_gpu = pytest.mark.skipif(SIMULATED, reason="the simulator has no memory of a GPU")
RUNS = 2 if SIMULATED else 50

# Batch, height, width, channels, multiplier, filters, kernel, and how it is used.
CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 4, 3, 1, 2, 3, 2), {"strides": (2, 1), "data_format": "channels_first"}),
]
if not SIMULATED:
    CASES += [
        ((1, 4, 4, 2, 1, 2, 3), {"padding": "same"}),
        ((8, 32, 32, 64, 1, 64, 3), {"padding": "same"}),
        ((3, 19, 17, 37, 1, 53, 3), {"padding": "same", "data_format": "channels_first"}),
        ((2, 30, 31, 12, 3, 20, 5), {"strides": 2, "padding": "same"}),
        ((2, 30, 31, 12, 2, 33, 3), {"dilation_rate": (2, 3), "padding": "valid"}),
        ((4, 112, 112, 64, 1, 128, 3), {"strides": 2, "padding": "same"}),
        ((4, 14, 14, 512, 1, 512, 3), {"padding": "same"}),
    ]


def arguments(sizes: tuple[int, ...], ways: dict[str, Any], dtype: str) -> list[np.ndarray]:
    batch, height, width, channels, multiplier, filters, side = sizes
    rng = np.random.default_rng(sum(sizes))
    shape = (batch, height, width, channels)
    if "data_format" in ways:
        shape = (batch, channels, height, width)
    shapes = [shape, (side, side, channels, multiplier), (1, 1, channels * multiplier, filters)]
    return [rng.standard_normal(s).astype(dtype) for s in (*shapes, (filters,))]


def everything(arrays: list[np.ndarray], ways: dict[str, Any], device: str) -> list[np.ndarray]:
    """Return a convolution and all its gradients, fused and by its parts."""
    inputs = [mg.tensor(array, requires_grad=True, device=device) for array in arrays]
    x, depthwise, pointwise, bias = inputs
    where = {"data_format": ways.get("data_format", "channels_last")}
    fused = mg.ops.separable_conv2d(*inputs, **ways)
    deep = mg.ops.depthwise_conv2d(x, depthwise, **ways)
    apart = mg.ops.pointwise_conv2d(deep, pointwise, bias, **where)
    found = [fused, deep, apart]
    for y in (fused, apart):
        upstream = np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)
        found += mg.grad(y, inputs, upstream)
    assert {part.device for part in found} == {device}
    return [part.numpy() for part in found]


@pytest.mark.parametrize("dtype", ["float32"] if SIMULATED else ["float32", "float64"])
@pytest.mark.parametrize(("sizes", "ways"), CASES, ids=[str(sizes) for sizes, _ in CASES])
def test_convolution_against_float64(
    sizes: tuple[int, ...], ways: dict[str, Any], dtype: str
) -> None:
    arrays = arguments(sizes, ways, dtype)
    exact = everything([array.astype(np.float64) for array in arrays], ways, "cpu")
    # Sums of n products: rounding errors grow like the root of n, to the largest value.
    tolerance = {"float32": 2e-5, "float64": 2e-13}[dtype]
    for found, expected in zip(everything(arrays, ways, "cuda"), exact, strict=True):
        assert found.dtype == dtype
        scale = max(np.abs(expected).max(initial=0.0), 1e-30)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_pooling_is_exact(data_format: str) -> None:
    shape = (1, 2, 5, 4) if SIMULATED else (8, 24, 33, 30)
    x = np.random.default_rng(0).integers(-9, 9, shape).astype(np.float32)

    def both_ways(device: str) -> list[np.ndarray]:
        tensor = mg.tensor(x, requires_grad=True, device=device)
        y = mg.ops.max_pool2d(tensor, 3, 2, "same", data_format)
        (dx,) = mg.grad(y, [tensor], np.arange(y.size, dtype=np.float32).reshape(y.shape))
        return [y.numpy(), dx.numpy()]

    for found, expected in zip(both_ways("cuda"), both_ways("cpu"), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_same_bits_every_time() -> None:
    sizes, ways = CASES[0] if SIMULATED else CASES[2]
    arrays = arguments(sizes, ways, "float32")
    first = everything(arrays, ways, "cuda")
    for _ in range(RUNS - 1):
        for again, before in zip(everything(arrays, ways, "cuda"), first, strict=True):
            np.testing.assert_array_equal(again, before)


def test_a_network_learns_what_it_learns_on_the_cpu() -> None:
    rng = np.random.default_rng(0)
    size, batch, filters = (3, 2, 2) if SIMULATED else (16, 64, 32)
    x = rng.standard_normal((batch, size, size, 2)).astype(np.float32)
    y = rng.integers(0, 3, batch)

    def learned(device: str) -> list[Any]:
        mg.set_random_seed(2)
        model = mg.Sequential(
            [
                layers.SeparableConv2D(filters, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3),
            ]
        )
        model.build((None, size, size, 2))
        loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(mg.optimizers.Adam(0.01), loss=loss)
        model.to(device)
        losses = [model.train_on_batch(x, y) for _ in range(RUNS)]
        return [losses[-1], *model.get_weights()]

    for found, expected in zip(learned("cuda"), learned("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * RUNS)


@real_gpu
def test_cupy_shares_its_memory() -> None:
    cupy = pytest.importorskip("cupy")
    array = cupy.arange(6, dtype=cupy.float32).reshape(2, 3)
    x = mg.from_dlpack(array)
    assert (x.device, x.data.data.ptr) == ("cuda", array.data.ptr)
    assert x.__cuda_array_interface__["data"][0] == array.data.ptr
    assert mg.tensor(array).data.data.ptr != array.data.ptr
    np.testing.assert_array_equal((x * 2.0).numpy(), 2 * array.get())


@real_gpu
def test_torch_shares_its_memory() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch finds no GPU")
    theirs = torch.arange(6.0, device="cuda").reshape(2, 3)
    x = mg.from_dlpack(theirs)
    assert (x.device, x.data.data.ptr) == ("cuda", theirs.data_ptr())
    assert mg.tensor(theirs).device == "cuda"
    for back in (torch.from_dlpack(x), torch.as_tensor(x, device="cuda")):
        assert back.data_ptr() == theirs.data_ptr()


@real_gpu
def test_numba_shares_its_memory() -> None:
    array = runtime.cuda.to_device(np.arange(4.0))
    np.testing.assert_array_equal(mg.from_dlpack(array).numpy(), np.arange(4.0))


@real_gpu
def test_every_operation_of_the_table(request: pytest.FixtureRequest) -> None:
    """Run `tests/devices/test_operations.py`'s cases on the device itself."""
    from importlib import util

    path = request.path.parents[1] / "ops" / "test_every_operation.py"
    spec = util.spec_from_file_location("every_operation_on_a_gpu", path)
    assert spec is not None
    assert spec.loader is not None
    table = util.module_from_spec(spec)
    sys.modules[spec.name] = table
    spec.loader.exec_module(table)

    def values(function: Callable[..., mg.Tensor], inputs: list[mg.Tensor]) -> list[np.ndarray]:
        output = function(*inputs)
        upstream = np.random.default_rng(7).uniform(-1, 1, output.shape)
        fused = mg.grad(output, inputs, upstream, retain_graph=True)
        composed = mg.grad(output, inputs, upstream, create_graph=True)
        assert {part.device for part in (output, *fused, *composed)} == {inputs[0].device}
        return [part.numpy() for part in (output, *fused, *composed)]

    for case in table.CASES:
        arrays = case.arrays()
        expected = values(case.function, table.leaves(arrays))
        there = [mg.tensor(array, requires_grad=True, device="cuda") for array in arrays]
        for found, wanted in zip(values(case.function, there), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11, err_msg=case.label)


@pytest.mark.skipif(
    shutil.which("compute-sanitizer") is None, reason="compute-sanitizer is not installed"
)
@real_gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck", "initcheck"])
def test_sanitizer_finds_nothing(tool: str) -> None:
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", sys.executable]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_device as t\n"
        "for sizes, ways in t.CASES[:6]: t.everything(t.arguments(sizes, ways, 'float32'), ways, "
        "'cuda')"
    )
    folder = str(__file__).rpartition("/")[0]
    done = subprocess.run([*command, "-c", code, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_device_says() -> None:
    assert runtime.device_name()
    assert runtime.multiprocessors() >= 1
    assert SIMULATED or runtime.compute_capability() >= runtime.MINIMUM
    assert devices.parse(f"cuda:{runtime.current_device()}") == "cuda"
    x = runtime.upload(np.arange(3.0))
    assert runtime.seconds(lambda: x + x) > 0.0
    runtime.synchronize()
    geometry = kernels.conv_geometry((3, 3), (2, 2))
    with pytest.raises(TypeError, match="on one device"):
        kernels.depthwise_forward(np.ones((1, 3, 3, 1)), x.reshape(3, 1, 1, 1), geometry)

"""Wrong use: one line that says what was expected, what was received, and what to do."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels, layers
from minigrad.kernels import devices
from minigrad.kernels.cuda import probe, runtime

X = np.ones((1, 4, 4, 2), np.float32)
GEOMETRY = kernels.conv_geometry((4, 4), (3, 3))


def there(array: Any) -> mg.Tensor:
    return mg.tensor(array, device="cuda")


MIXED: dict[str, tuple[Callable[[], Any], str]] = {
    "add": (lambda: mg.tensor([1.0]) + there([1.0]), "add() needs"),
    "matmul": (lambda: there(np.ones((2, 2))) @ mg.tensor(np.ones((2, 2))), "matmul() needs"),
    "where": (lambda: mg.ops.where(there([True]), mg.tensor([1.0]), 0.0), "where() needs"),
    "stack": (lambda: mg.ops.stack([mg.tensor([1.0]), there([1.0])]), "stack() needs"),
    "separable": (
        lambda: mg.ops.depthwise_conv2d(there(X), mg.tensor(np.ones((3, 3, 2, 1), np.float32))),
        "depthwise() needs",
    ),
    "kernel": (
        lambda: kernels.depthwise_kernel_grad(there(X).data, X[:, 1:3, 1:3], GEOMETRY, 1),
        "depthwise_kernel_grad() needs",
    ),
    "backward": (
        lambda: mg.tensor([1.0], requires_grad=True).backward(there([1.0])),
        "backward() needs",
    ),
    "layer": (lambda: layers.Dense(2)(there([[1.0]])), "matmul() needs"),
    "optimizer": (
        lambda: mg.optimizers.SGD().apply_gradients(
            [(there([1.0]), mg.tensor([1.0], requires_grad=True))]
        ),
        "apply_gradients() needs",
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixed_devices(name: str, device: Callable[..., Any]) -> None:
    function, begin = MIXED[name]
    with pytest.raises(TypeError) as caught:
        function()
    text = str(caught.value)
    assert text.startswith(begin), text
    assert "move them with .to('cuda') or .to('cpu'). Received: " in text
    assert "\n" not in text


def test_numbers_lists_and_numpy_arrays_live_nowhere(device: Callable[..., Any]) -> None:
    """They go where the tensors are."""
    x = there([1.0, 2.0])
    for other in (2.0, [2.0, 2.0], np.full(2, 2.0, np.float32), np.float32(2.0)):
        for y in (x * other, other * x, mg.ops.where([True, True], x * other, other)):
            assert (y.device, y.tolist()) == ("cuda", [2.0, 4.0])
    x.assign([3.0, 4.0])
    x[0] = 5.0
    assert (x.device, x.tolist()) == ("cuda", [5.0, 4.0])


@pytest.mark.parametrize("wrong", ["gpu", "cuda:", "CUDA", "cuda:x", None, 0])
def test_unknown_devices(wrong: Any, device: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"^A device is 'cpu' or 'cuda'. Received: device="):
        mg.tensor([1.0]).to(wrong)
    with pytest.raises(ValueError, match=r"^A device is"):
        layers.Dense(1).to(wrong)


def test_another_gpu(device: Callable[..., Any]) -> None:
    assert mg.tensor([1.0]).to("cuda:0").device == "cuda"
    with pytest.raises(ValueError, match=r"one GPU, number 0 here; set CUDA_VISIBLE_DEVICES=3 to"):
        mg.tensor([1.0]).to("cuda:3")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_float16_is_refused_as_on_the_cpu(dtype: str, device: Callable[..., Any]) -> None:
    def convolve() -> mg.Tensor:
        return mg.ops.depthwise_conv2d(
            there(X.astype("float16")), there(np.ones((3, 3, 2, 1), dtype))
        )

    with pytest.raises(TypeError, match="float16"):
        convolve()
    with pytest.raises(TypeError, match=r"computes in float32 or float64 .*dtype=float16$"):
        kernels.bias_grad(there(X.astype("float16")).data, "channels_last")


def test_a_model_that_cannot_move_stays_as_it_was(
    device: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = mg.Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(2)])
    (model(np.ones((1, 3), np.float32)).sum()).backward()
    weights, count, upload = model.get_weights(), [0], runtime.upload

    def full(array: np.ndarray) -> Any:
        count[0] += 1
        if count[0] == 4:
            raise MemoryError("out of memory")
        return upload(array)

    monkeypatch.setattr(runtime, "upload", full)
    with pytest.raises(MemoryError):
        model.to("cuda")
    assert {w.device for w in model.weights} == {w.grad.device for w in model.weights} == {"cpu"}
    assert model.device == model.layers[0].device == "cpu"
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    model.to("cuda")
    assert {w.device for w in model.weights} == {w.grad.device for w in model.weights} == {"cuda"}


# --- why CUDA is off --------------------------------------------------------------------------


class Machine:
    """A `numba.cuda` that finds what it is told to find."""

    implementation = "NVIDIA"

    def __init__(self, capability: tuple[int, int], toolkit: bool) -> None:
        self._toolkit = toolkit
        self._device = types.SimpleNamespace(
            name=b"NVIDIA Old", id=0, compute_capability=capability, MULTIPROCESSOR_COUNT=7
        )

    def is_available(self) -> bool:
        return self._toolkit

    def get_current_device(self) -> Any:
        return self._device


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "driver": (
        {"error": "CUDA driver library cannot be found. If you are sure ..."},
        "no NVIDIA driver answers (CUDA driver library cannot be found); use a machine with an "
        "NVIDIA GPU, or device='cpu'",
    ),
    "built-in": (
        {"implementation": "Built-in"},
        "numba's built-in CUDA target is no longer maintained, numba-cuda is; pip install "
        "'minigrad[cuda]'",
    ),
    "cupy": (
        {"cupy": False},
        "CuPy, which holds the memory of tensors, is not installed; pip install 'minigrad[cuda]'",
    ),
    "toolkit": (
        {"toolkit": False},
        "no CUDA toolkit (libnvvm) was found; pip install 'minigrad[cuda]'",
    ),
    "libraries": (
        {"cupy_error": "libcublas.so.13: cannot open shared object file"},
        "CuPy cannot be imported (libcublas.so.13: cannot open shared object file); pip install "
        "'minigrad[cuda]'",
    ),
    "old": (
        {"capability": (6, 1)},
        "NVIDIA Old has compute capability 6.1, and kernels are compiled for 7.5 and newer; use a "
        "newer GPU or device='cpu'",
    ),
}


def pretend(
    monkeypatch: pytest.MonkeyPatch,
    error: str | None = None,
    implementation: str = "NVIDIA",
    cupy: bool = True,
    toolkit: bool = True,
    capability: tuple[int, int] = (9, 0),
    cupy_error: str | None = None,
) -> None:
    machine = Machine(capability, toolkit)
    machine.implementation = implementation
    monkeypatch.setattr(runtime, "cuda", machine)
    monkeypatch.setattr(runtime, "simulated", lambda: False)
    monkeypatch.setattr(runtime, "_driver_error", lambda: error)
    monkeypatch.setattr(runtime, "_cupy_error", lambda: cupy_error)
    found = types.SimpleNamespace() if cupy else None
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(np, "row_stack", np.vstack, raising=False)
    monkeypatch.setattr(runtime, "reason", runtime.reason.__wrapped__)


@pytest.mark.parametrize("name", CASES)
def test_why_cuda_is_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options, expected = CASES[name]
    pretend(monkeypatch, **options)
    assert runtime.reason() == expected
    with pytest.raises(RuntimeError) as caught:
        mg.tensor([1.0], device="cuda")
    assert str(caught.value) == f"CUDA is not available: {expected}."
    with pytest.raises(RuntimeError, match="CUDA is not available"), mg.use_backend("cuda"):
        pass


def test_a_working_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    assert runtime.reason() is None
    assert (runtime.device_name(), runtime.compute_capability()) == ("NVIDIA Old", (9, 0))
    assert (runtime.current_device(), runtime.multiprocessors()) == (0, 7)


def test_cupy_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "cupy" in str(runtime._cupy_error())
    for name in ("cupy", "cupy_backends", "cupy_backends.cuda", "cupy_backends.cuda.libs"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert "cublas" in str(runtime._cupy_error())
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.cublas", types.ModuleType("cublas"))
    assert runtime._cupy_error() is None


def test_kernels_run_on_the_current_stream_of_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    launches, stream = [], types.SimpleNamespace(ptr=0)
    cupy = types.SimpleNamespace(
        cuda=types.SimpleNamespace(get_current_stream=lambda: stream), ndarray=type(None)
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    runtime.cuda.external_stream = lambda pointer: ("stream", pointer)

    class Kernel:
        def __getitem__(self, configuration: Any) -> Callable[..., None]:
            launches.append(configuration)
            return lambda *_: None

    runtime.launch(Kernel(), 1, 32)
    stream.ptr = 7
    runtime.launch(Kernel(), 2, 32, shared=16)
    assert launches == [(1, 32, 0, 0), (2, 32, ("stream", 7), 16)]


def test_numba_cuda_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba.cuda", None)
    monkeypatch.delattr("numba.cuda", raising=False)
    missing = runtime._import()
    monkeypatch.setattr(runtime, "cuda", missing)
    monkeypatch.setattr(runtime, "reason", runtime.reason.__wrapped__)
    assert not runtime.available()
    with pytest.raises(RuntimeError, match=r"^CUDA is not available: numba.cuda cannot be import"):
        runtime.require()
    with pytest.raises(RuntimeError, match="cannot be imported"):
        missing.grid(1)

    @runtime.jit(launch_bounds=32)
    def kernel(x: Any) -> None:
        """Do nothing."""

    assert (kernel.__doc__, kernel.py_func(1)) == ("Do nothing.", None)
    for use in (lambda: kernel[1, 1](1), lambda: kernel(1), lambda: runtime.launch(kernel, 1, 1)):
        with pytest.raises(RuntimeError, match="CUDA is not available"):
            use()


# --- what the doctor says ---------------------------------------------------------------------

VERSIONS = {"nvidia-nvvm": "13.0.88", "nvidia-nvjitlink": "13.5.37", "numba-cuda": "0.30.4"}


@pytest.mark.parametrize(
    ("driver", "versions", "subject", "state", "fix"),
    [
        ((13, 0), VERSIONS, "driver", "for CUDA 13.0 and older", None),
        ((13, 0), VERSIONS, "toolkit", "nvvm 13.0.88, nvjitlink 13.5.37", None),
        (
            (13, 0),
            VERSIONS | {"nvidia-nvvm": "13.5.1"},
            "toolkit",
            "nvvm 13.5.1, nvjitlink 13.5.37: its PTX is newer than the driver understands",
            "pip install 'minigrad[cuda]' 'cuda-toolkit==13.0.*'",
        ),
        (
            (13, 5),
            VERSIONS | {"nvidia-nvjitlink": "12.9.1"},
            "toolkit",
            "nvvm 13.0.88, nvjitlink 12.9.1: the linker is older than the compiler",
            "pip install 'minigrad[cuda]' 'cuda-toolkit==13.0.*'",
        ),
        (
            (13, 0),
            {},
            "toolkit",
            "not installed (only a GPU needs it)",
            "pip install 'minigrad[cuda]'",
        ),
        ((13, 0), VERSIONS, "numba-cuda", "0.30.4", None),
        (
            (13, 0),
            VERSIONS,
            "cupy-cuda13x",
            "not installed (only a GPU needs it)",
            "pip install 'minigrad[cuda]'",
        ),
        (None, {}, "cupy-cuda13x", "not installed (only a GPU needs it)", None),
    ],
)
def test_doctor(
    driver: Any,
    versions: dict[str, str],
    subject: str,
    state: str,
    fix: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "_driver_version", lambda: driver)
    monkeypatch.setattr(probe, "_version", versions.get)
    monkeypatch.setattr(probe, "_kernel", lambda: ("off: a test", None))
    found = {name: rest for name, *rest in probe.lines()}
    assert found[subject] == [state, fix]
    assert list(found) == ["driver", "toolkit", "numba-cuda", "cupy-cuda13x", "CUDA"]


def test_the_probe_runs_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "reason", lambda: None)
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert probe._kernel() == ("simulator: kernels run", None)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("raise SystemExit('no\\nluck')", "broken: a kernel failed: luck"),
        ("while True: pass", "1 s"),
    ],
)
def test_a_kernel_that_fails(code: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "reason", lambda: None)
    monkeypatch.setattr(probe, "_COMMAND", (sys.executable, "-c", code))
    monkeypatch.setattr(probe, "TIMEOUT", 1)
    state, fix = probe._kernel()
    assert text in state
    assert fix


def test_devices_of_arrays() -> None:
    assert devices.device_of(np.ones(1)) == "cpu"
    assert not devices.is_array([1.0])

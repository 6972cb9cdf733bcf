"""What minigrad runs on: `doctor` looks at it, `warmup` gets it ready."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import config, layers, losses, ops, optimizers
from minigrad._version import __version__
from minigrad.autograd import Tensor
from minigrad.models import Sequential


@dataclass(frozen=True)
class Finding:
    """One line of `doctor`.

    Attributes
    ----------
    subject : str
        What was looked at.
    state : str
        How it is.
    fix : str or None
        The command that would improve it, if something should be.
    """

    subject: str
    state: str
    fix: str | None = None

    def __str__(self) -> str:
        advice = "" if self.fix is None else f"  (fix: {self.fix})"
        return f"{self.subject:<12} {self.state}{advice}"


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found; printing it gives one line per finding."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))

    __repr__ = __str__


def doctor() -> Diagnosis:
    """Look at the versions, the processor, the threads, the cache, the settings and CUDA.

    Nothing is changed, and nothing that is missing raises: the line about it says what to do.

    Returns
    -------
    Diagnosis
        Prints as one line per finding; ``findings`` holds them.

    Examples
    --------
    >>> import minigrad as mg
    >>> [finding.subject for finding in mg.doctor().findings][:3]
    ['minigrad', 'Python', 'numpy']
    """
    findings = [
        Finding("minigrad", f"{_version('minigrad')} in {Path(__file__).parent}"),
        Finding("Python", f"{platform.python_version()} ({sys.executable})"),
        *(_package(name) for name in ("numpy", "numba", "llvmlite", "matplotlib", "tqdm")),
    ]
    looks: tuple[tuple[str, Callable[[], Finding | list[Finding]]], ...] = (
        ("processor", _processor),
        ("threads", _threads),
        ("cache", _cache),
        ("settings", _settings),
        ("CUDA", _cuda),
    )
    for subject, look in looks:
        try:
            found = look()
            findings += found if isinstance(found, list) else [found]
        except Exception as error:  # a doctor who faints helps nobody
            reason = " ".join(str(error).split()) or "no reason given"
            findings.append(Finding(subject, f"unknown: {type(error).__name__}: {reason}"))
    return Diagnosis(tuple(findings))


def warmup(dtypes: Sequence[str] = ("float32", "float64"), *, verbose: bool = False) -> float:
    """Compile the kernels that training uses, or load them from the cache.

    Without it each kernel is compiled at its first use. Compiled kernels are kept on disk, so that
    this takes seconds once and a fraction of a second from then on.

    Parameters
    ----------
    dtypes : sequence of str
        For which types of numbers; training needs "float32", gradient checks need "float64".
    verbose : bool
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    float
        How long it took, in seconds.

    Raises
    ------
    ValueError
        For other dtypes.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.warmup(["float32"]) < 300.0
    True
    """
    from tqdm import tqdm

    from minigrad.kernels.cpu import notice

    names = [config.resolve_dtype(dtype) for dtype in dtypes]
    work = [[*_steps(dtype)] for dtype in names]
    began = time.perf_counter()
    total = sum(map(len, work))
    bar = tqdm(total=total, disable=None if verbose else True, unit="op", desc="Compiling")
    with notice.paused(), bar, _compiling_aside(names[1:]) as aside:
        for number, steps in enumerate(work):
            if number == 1:
                bar.set_postfix_str("waiting for the other process")
                aside()
            for name, step in steps:
                bar.set_postfix_str(name)
                step()
                bar.update()
    return time.perf_counter() - began


# ---------------------------------------------------------------------- warming up


@contextlib.contextmanager
def _compiling_aside(dtypes: Sequence[np.dtype[Any]]) -> Iterator[Callable[[], object]]:
    """Compile for `dtypes` in a process beside this one, if nothing is in the cache yet.

    Compiling keeps one core busy, and the processes share their results through the cache. Yields
    a function that waits; whatever went wrong there is simply compiled here afterwards.
    """
    from minigrad.kernels.cpu.cache import cache_directory
    from minigrad.kernels.cpu.jit import _STAMP

    directory = cache_directory(_STAMP)
    cold = directory is not None and not any(directory.glob("*.nbc"))
    if not (dtypes and cold and (os.cpu_count() or 1) > 1 and sys.executable):
        yield lambda: None
        return
    code = f"import minigrad; minigrad.warmup({[dtype.name for dtype in dtypes]})"
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.wait
    finally:
        process.kill()
        process.wait()


def _steps(dtype: np.dtype[Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield (name, function) pairs that together use every kernel once."""

    def tensor(*shape: int) -> Tensor:
        return Tensor(np.ones(shape, dtype), requires_grad=True)

    def both_ways(operation: Callable[..., Tensor], *arguments: Tensor, **options: Any) -> None:
        operation(*arguments, **options).sum().backward()

    same = {"padding": "same"}
    # What is large is spread over threads, which is compiled code as well.
    for batch, side in ((1, 4), (8, 16)):
        image, bias = tensor(batch, side, side, 16), tensor(16)
        depthwise, pointwise = tensor(3, 3, 16, 1), tensor(1, 1, 16, 16)
        size = f"{batch}x{side}x{side} {dtype}"
        yield (
            f"separable {size}",
            partial(both_ways, ops.separable_conv2d, image, depthwise, pointwise, bias, **same),
        )
        many = tensor(1, 1, 16, 256)  # a large matrix is packed first
        yield (
            f"separable, no bias {size}",
            partial(both_ways, ops.separable_conv2d, image, depthwise, many, **same),
        )
        yield (
            f"depthwise {size}",
            partial(both_ways, ops.depthwise_conv2d, image, depthwise, **same),
        )
        yield (
            f"pointwise {size}",
            partial(both_ways, ops.pointwise_conv2d, image, pointwise, bias),
        )
        yield (
            f"convolution {size}",
            partial(both_ways, ops.conv2d, image, tensor(3, 3, 16, 16), bias, **same),
        )
        yield (
            f"grouped convolution {size}",
            partial(both_ways, ops.conv2d, image, tensor(3, 3, 2, 16), bias, groups=8, **same),
        )
        yield f"pooling {size}", partial(both_ways, ops.max_pool2d, image)
        yield f"means {size}", partial(both_ways, ops.average_pool2d, image)
        yield f"ReLU {size}", partial(both_ways, lambda x: ops.relu(ops.square(ops.relu(x))), image)
        yield f"training {size}", partial(_train, image.numpy())


def _train(images: np.ndarray[Any, Any]) -> None:
    """Make a training step and a prediction with layers that have kernels of their own."""
    dtype = images.dtype.name
    # With names and zeros, neither the names nor the random numbers of later layers depend on it.
    zeros: dict[str, Any] = {
        "depthwise_initializer": "zeros",
        "pointwise_initializer": "zeros",
        "padding": "same",
    }
    model = Sequential(
        [
            layers.SeparableConv2D(16, 3, use_bias=False, dtype=dtype, name="first", **zeros),
            layers.BatchNormalization(dtype=dtype, name="normalize"),
            layers.ReLU(dtype=dtype, name="relu"),
            layers.SeparableConv2D(16, 3, activation="relu", dtype=dtype, name="second", **zeros),
            layers.GlobalAveragePooling2D(dtype=dtype, name="average"),
            layers.Dense(10, kernel_initializer="zeros", dtype=dtype, name="vote"),
        ],
        name="warmup",
    )
    model.compile(optimizers.Adam(), loss=losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(images, np.zeros(len(images), np.int64))
    model.predict(images, verbose=0)


# ---------------------------------------------------------------------- looking around


def _version(package: str) -> str:
    if package == "minigrad":
        return __version__
    return importlib.metadata.version(package)


def _package(name: str) -> Finding:
    try:
        return Finding(name, _version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", f"{_python()} -m pip install {name}")


def _processor() -> Finding:
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    widths = (("avx512f", 512), ("avx2", 256), ("avx", 256), ("sse2", 128), ("neon", 128))
    found = [(name, bits) for name, bits in widths if features.get(name)]
    name, bits = found[0] if found else ("no SIMD known", 64)
    extra = [word for word in ("fma", "avx512vl", "avx512bw", "sve") if features.get(word)]
    lanes = f"{bits}-bit SIMD ({bits // 32} float32 lanes)"
    words = ", ".join([name, *extra])
    return Finding("processor", f"{_processor_name()}, {os.cpu_count()} cores, {lanes}: {words}")


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _threads() -> Finding:
    import numba
    from numba.np.ufunc import parallel

    count = numba.config.NUMBA_NUM_THREADS
    try:
        parallel._launch_threads()
    except ValueError as error:
        reason = " ".join(str(error).split())
        return Finding("threads", f"1 of {count}: {reason}", "unset NUMBA_THREADING_LAYER")
    return Finding("threads", f"{count}, threading layer {numba.threading_layer()}")


def _cache() -> Finding:
    from minigrad.kernels.cpu.cache import cache_directory
    from minigrad.kernels.cpu.jit import _STAMP

    directory = cache_directory(_STAMP)
    if directory is not None:
        entries = list(directory.glob("*.nbc"))
        size = sum(entry.stat().st_size for entry in entries) / 1e6
        return Finding("cache", f"{directory}, writable ({len(entries)} kernels, {size:.1f} MB)")
    if os.environ.get("MINIGRAD_CACHE"):
        return Finding("cache", "off: MINIGRAD_CACHE says so", "unset MINIGRAD_CACHE")
    return Finding(
        "cache",
        "off: no writable directory; kernels are compiled anew by each process",
        "export MINIGRAD_CACHE_DIR=<a directory of yours>",
    )


def _settings() -> Finding:
    path = config._settings_path()
    source = f"from {path}" if path.is_file() else f"defaults ({path} does not exist)"
    values = f"{config.floatx()}, epsilon {config.epsilon():g}, {config.image_data_format()}"
    return Finding("settings", f"{values}; {source}")


def _cuda() -> list[Finding]:
    """Ask about everything that a GPU needs; the last line says whether it works."""
    from minigrad.kernels.cuda import probe

    return [Finding(*line) for line in probe.lines()]


def _python() -> str:
    return Path(sys.executable).name or "python"

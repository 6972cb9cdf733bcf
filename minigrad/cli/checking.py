"""``minigrad gradcheck``: the gradients of a function in a file, or those of the library."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import layers, ops
from minigrad.cli.problem import Problem, one_line
from minigrad.gradcheck import GradCheckReport, check_layer, gradcheck, gradgradcheck
from minigrad.gradcheck.report import Mode

DEFAULT_SHAPE = (3, 4)


def check_file(
    target: str,
    shapes: Sequence[tuple[int, ...]] | None,
    mode: Mode,
    seed: int,
    second: bool,
    as_json: bool = False,
) -> int:
    """Check what ``FILE.py:NAME`` names, print the report, return the exit code."""
    file, _, name = target.rpartition(":")
    if not file or not name.isidentifier():
        raise Problem(f"expected FILE.py:NAME. Received: {target!r}")
    module = _load(Path(file))
    found = getattr(module, name, None)
    if not callable(found):
        raise Problem(f"{file} defines no function or layer {name!r}")
    gradient = getattr(module, f"{name}_gradient", None)
    count = 1 if isinstance(found, layers.Layer) else _count(found, name, len(shapes or ()))
    if shapes is not None and len(shapes) != count:
        raise Problem(f"{name} takes {count} inputs. Received: {len(shapes)} times --shape")
    rng = np.random.default_rng([seed, 3])
    inputs = [rng.standard_normal(shape) for shape in shapes or [DEFAULT_SHAPE] * count]
    try:
        if second:
            if gradient is not None or isinstance(found, layers.Layer):
                raise Problem("--second needs a function of tensors")
            report = gradgradcheck(found, inputs, mode=mode, seed=seed)
        else:
            report = gradcheck(found, inputs, gradient=gradient, mode=mode, seed=seed)
    except Problem:
        raise
    except Exception as error:
        raise Problem(f"{name} failed: {type(error).__name__}: {one_line(error)}") from error
    print(report.to_json() if as_json else report)
    return 0 if report else 1


def check_library(mode: Mode, seed: int) -> int:
    """Check the operations and layers of the library, print a table, return the exit code."""
    width = 34
    failed = []
    print(f"{'':<{width}}{'first derivatives':>20}{'second derivatives':>20}")
    for name, first, second in _library(mode, seed):
        reports = [first(), second()] if second else [first()]
        cells = "".join(f"{_cell(report):>20}" for report in reports)
        print(f"{name:<{width}}{cells}", flush=True)
        failed += [report for report in reports if not report]
    for report in failed:
        print(f"\n{report}")
    print(f"\n{'All passed.' if not failed else f'{len(failed)} FAILED.'}")
    return 1 if failed else 0


def _cell(report: GradCheckReport) -> str:
    if not report:
        return "WRONG"
    return f"ok {max(check.error for check in report.inputs):.0e}"


def _load(path: Path) -> Any:
    """Run a Python file and return it as a module."""
    if not path.is_file():
        raise Problem(f"there is no file {str(path)!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Problem(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Problem(f"{path} failed: {type(error).__name__}: {one_line(error)}") from error
    finally:
        del sys.path[0]
    return module


def _count(function: Callable[..., Any], name: str, given: int) -> int:
    """Return how many inputs a function takes: its parameters without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return given or 1
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return given or max(1, len(plain))
    required = [p for p in plain if p.default is p.empty]
    if not required:
        raise Problem(f"{name} takes no inputs")
    return min(max(given, len(required)), len(plain))


# ---------------------------------------------------------------------- the library's own

Check = Callable[[], GradCheckReport]


def _library(mode: Mode, seed: int) -> Iterator[tuple[str, Check, Check | None]]:
    """Yield (name, check of first derivatives, check of second derivatives or None)."""
    rng = np.random.default_rng([seed, 4])

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.standard_normal(shape)

    def operation(
        name: str, function: Callable[..., Any], *inputs: Any
    ) -> tuple[str, Check, Check | None]:
        return (
            name,
            lambda: gradcheck(function, inputs, mode=mode, seed=seed),
            lambda: gradgradcheck(function, inputs, mode=mode, seed=seed),
        )

    image, depthwise, pointwise = normal(2, 5, 6, 3), normal(3, 2, 3, 2), normal(1, 1, 6, 4)
    for title, options in (
        ("valid", {}),
        ("same, strides 2", {"padding": "same", "strides": 2}),
        ("same, dilation 2", {"padding": "same", "dilation_rate": 2}),
    ):
        yield operation(
            f"separable_conv2d ({title})",
            _with(ops.separable_conv2d, options),
            image,
            depthwise,
            pointwise,
            normal(4),
        )
        yield operation(
            f"depthwise_conv2d ({title})", _with(ops.depthwise_conv2d, options), image, depthwise
        )
    yield operation("pointwise_conv2d", ops.pointwise_conv2d, normal(2, 3, 4, 6), pointwise)
    yield operation("max_pool2d", ops.max_pool2d, normal(2, 4, 4, 3))
    yield operation("global_average_pool2d", ops.global_average_pool2d, normal(2, 4, 4, 3))

    matrix, positive = normal(3, 4), np.abs(normal(3, 4)) + 0.5
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        yield operation(name, getattr(ops, name), matrix, positive[:1])
    for name in ("exp", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "relu", "softmax"):
        yield operation(name, getattr(ops, name), matrix)
    for name in ("log", "sqrt", "reciprocal"):
        yield operation(name, getattr(ops, name), positive)
    for name in ("sum", "mean", "var", "max", "logsumexp", "log_softmax", "cumsum"):
        yield operation(name, _with(getattr(ops, name), {"axis": -1}), matrix)
    yield operation("matmul", ops.matmul, normal(2, 3, 4), normal(4, 2))

    for layer, shape in (
        (layers.SeparableConv2D(4, 3, activation="softplus", depth_multiplier=2), (2, 5, 5, 3)),
        (layers.DepthwiseConv2D(3, strides=2, padding="same"), (2, 5, 5, 3)),
        (layers.Dense(4, activation="tanh"), (2, 5)),
        (layers.BatchNormalization(), (4, 3, 3, 2)),
        (layers.MaxPooling2D(), (2, 4, 4, 2)),
        (layers.GlobalAveragePooling2D(), (2, 4, 4, 2)),
    ):
        yield f"layer {type(layer).__name__}", _layer_check(layer, shape, mode, seed), None


def _with(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Return the function with some options set."""

    def call(*inputs: Any) -> Any:
        return function(*inputs, **options)

    call.__name__ = function.__name__
    return call


def _layer_check(layer: layers.Layer, shape: tuple[int, ...], mode: Mode, seed: int) -> Check:
    return lambda: check_layer(layer, shape, training=True, mode=mode, seed=seed)

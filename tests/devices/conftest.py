"""A device that exists on every machine: arrays as strict as CuPy's, where CUDA would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.kernels import simulated
from minigrad.kernels.cuda import runtime
from minigrad.kernels.simulated import SimulatedArray

collect_ignore = ["make_cupy_functions.py", "simulated_network.py"]  # need CuPy, the simulator
TABLE = json.loads((Path(__file__).parent / "cupy_functions.json").read_text(encoding="utf-8"))


def refuse_what_cupy_lacks(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise TypeError for a call of a NumPy function that CuPy would not answer."""
    known = TABLE["functions"].get(function.__name__)
    called = f"np.{function.__name__}"
    if known is None or (function.__module__ or "numpy") != "numpy":
        raise TypeError(f"CuPy has no {function.__module__}.{function.__name__}.")
    if known == "ufunc":
        if any(isinstance(arg, (list, tuple, np.ndarray)) for arg in args):
            raise TypeError(f"CuPy's {called} takes no sequences and no NumPy arrays.")
        known = ["*args", "dtype", "out", "casting"]
    several = any(name.startswith("*") and not name.startswith("**") for name in known)
    anything = any(name.startswith("**") for name in known)
    if len(args) > len(known) and not several:
        raise TypeError(f"CuPy's {called} takes {len(known)} arguments at most.")
    unknown = set(options) - set(known)
    if unknown and not anything:
        raise TypeError(f"CuPy's {called} has no {', '.join(sorted(unknown))}.")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray], SimulatedArray]:
    """Make ``"cuda"`` work without kernels, strictly; return what copies an array there."""
    ufuncs, functions = SimulatedArray.__array_ufunc__, SimulatedArray.__array_function__

    def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method not in ("__call__", "reduce", "at"):
            raise TypeError(f"CuPy has no np.{ufunc.__name__}.{method}.")
        refuse_what_cupy_lacks(ufunc, inputs, options)
        return ufuncs(self, ufunc, method, *inputs, **options)

    def array_function(self: Any, function: Any, types: Any, args: Any, options: Any) -> Any:
        refuse_what_cupy_lacks(function, args, options)
        return functions(self, function, types, args, options)

    def upload(array: np.ndarray) -> SimulatedArray:
        return SimulatedArray(np.array(array))

    monkeypatch.setattr(SimulatedArray, "__array_ufunc__", array_ufunc)
    monkeypatch.setattr(SimulatedArray, "__array_function__", array_function)
    monkeypatch.setattr(runtime, "simulated", lambda: True)
    monkeypatch.setattr(runtime, "reason", lambda: None)
    monkeypatch.setattr(runtime, "upload", upload)
    assert set(simulated._METHODS) <= set(TABLE["methods"])
    return upload

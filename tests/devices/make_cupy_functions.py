"""Writes cupy_functions.json: what NumPy functions CuPy has, and the names of their parameters.

Run it where CuPy is installed; a GPU is not needed.
"""

import inspect
import json
from pathlib import Path

import cupy
import numpy as np


def parameters(function: object) -> list[str] | str:
    """Return names of parameters, with stars before those that take many; "ufunc" for ufuncs."""
    if isinstance(function, cupy.ufunc):
        return "ufunc"
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["*args", "**kwargs"]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [stars.get(one.kind, "") + one.name for one in found]


functions = {
    name: parameters(getattr(cupy, name))
    for name in sorted(set(dir(np)) & set(dir(cupy)))
    if callable(getattr(cupy, name))
    and not isinstance(getattr(cupy, name), type)
    and getattr(cupy, name) is not getattr(np, name)
}
methods = sorted(name for name in dir(cupy.ndarray) if not name.startswith("_"))
table = {"version": cupy.__version__, "functions": functions, "methods": methods}
text = (
    "{\n"
    + ",\n".join(
        f"{json.dumps(key)}: "
        + (
            "{\n"
            + ",\n".join(f"  {json.dumps(n)}: {json.dumps(p)}" for n, p in value.items())
            + "\n}"
            if isinstance(value, dict)
            else json.dumps(value)
        )
        for key, value in table.items()
    )
    + "\n}\n"
)
(Path(__file__).parent / "cupy_functions.json").write_text(text, encoding="utf-8")

"""Write golden data: one `.npz` of arrays and one `.json` that explains it.

Both files are reproducible byte for byte on one machine: NumPy stamps every
member of an archive with the same date, and the JSON keeps its order.
"""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
Arrays = dict[str, np.ndarray]


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of the named packages, as installed."""
    found = {"python": platform.python_version()}
    found.update({name: metadata.version(name) for name in packages})
    return found


def plain(value: Any) -> Any:
    """`value` in types that JSON knows: tuples become lists, NumPy scalars Python numbers."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value


def one_line_per_item(value: Any, indent: int = 0, depth: int = 2) -> str:
    """JSON text that breaks lines down to `depth` levels and not below."""
    inner = " " * (indent + 1)
    if depth > 0 and isinstance(value, dict) and value:
        rows = [
            f"{json.dumps(k)}: {one_line_per_item(v, indent + 1, depth - 1)}"
            for k, v in value.items()
        ]
        return "{\n" + ",\n".join(inner + row for row in rows) + "\n" + " " * indent + "}"
    if depth > 0 and isinstance(value, list) and value:
        rows = [one_line_per_item(v, indent + 1, depth - 1) for v in value]
        return "[\n" + ",\n".join(inner + row for row in rows) + "\n" + " " * indent + "]"
    return json.dumps(value)


def write(name: str, index: dict[str, Any], arrays: Arrays | None = None, depth: int = 2) -> None:
    """Write `name.json`, and `name.npz` when there are arrays."""
    text = one_line_per_item(plain(index), depth=depth) + "\n"
    (HERE / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}.json: {len(text) / 1024:.0f} KiB")
    if arrays is not None:
        for key, array in arrays.items():
            assert array.dtype != object, key
        path = HERE / f"{name}.npz"
        np.savez_compressed(path, **arrays)
        print(f"{name}.npz: {len(arrays)} arrays, {path.stat().st_size / 1024:.0f} KiB")


def eighths(rng: np.random.Generator, shape: tuple[int, ...], limit: int = 16) -> np.ndarray:
    """Random multiples of 1/8 in [-limit/8, limit/8].

    Sums of products of such numbers are exact in float64, in any order of
    summation: tests may compare with `==`.
    """
    return rng.integers(-limit, limit + 1, size=shape).astype(np.float64) / 8.0

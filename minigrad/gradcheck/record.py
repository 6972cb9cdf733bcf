"""Reports as plain data: to dictionaries that JSON can hold, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.gradcheck.findings import Diagnosis, InputCheck, Maps, StepCurve

if TYPE_CHECKING:
    from minigrad.gradcheck.report import GradCheckReport

_NUMBERS = ("analytic", "numeric", "error", "tolerance", "resolution")  # null where not finite
_PLAIN = ("name", "dtype", "checks", "problem", "kinks")


def pack(report: GradCheckReport, maps: bool) -> dict[str, Any]:
    """Return a report as dictionaries, lists, strings and numbers."""
    return {
        "function": report.function,
        "passed": report.passed,
        "verdict": report.verdict,
        "mode": report.mode,
        "inputs": [_pack_input(check, maps) for check in report.inputs],
        "problems": list(report.problems),
        "notes": list(report.notes),
        "method": report.method,
    }


def unpack(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with which to make the report again."""
    try:
        return {
            "function": facts["function"],
            "mode": facts["mode"],
            "inputs": tuple(_unpack_input(entry) for entry in facts["inputs"]),
            "problems": tuple(facts["problems"]),
            "notes": tuple(facts["notes"]),
            "method": facts["method"],
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"This is no gradient check report: {error!r} is missing.") from None


def _pack_input(check: InputCheck, maps: bool) -> dict[str, Any]:
    entry = {key: getattr(check, key) for key in _PLAIN}
    entry |= {key: _finite(getattr(check, key)) for key in _NUMBERS}
    entry |= {"passed": check.passed, "verdict": check.verdict, "ulps": _finite(check.ulps)}
    entry |= {"shape": list(check.shape), "index": _list(check.index), "diagnosis": None}
    if (found := check.diagnosis) is not None:
        entry["diagnosis"] = {"name": found.name, "text": found.text, "also": list(found.also)}
    if maps and check.maps is not None:
        entry["maps"] = {key: _numbers(value) for key, value in vars(check.maps).items()}
    if maps and (curve := check.curve()) is not None:
        entry["curve"] = {key: _numbers(value) for key, value in vars(curve).items()}
    return entry


def _unpack_input(entry: Mapping[str, Any]) -> InputCheck:
    numbers: dict[str, Any] = {
        key: math.nan if entry[key] is None else entry[key] for key in _NUMBERS
    }
    if entry["diagnosis"] is not None:
        found = entry["diagnosis"]
        numbers["diagnosis"] = Diagnosis(found["name"], found["text"], tuple(found["also"]))
    shape = tuple(entry["shape"])
    if "maps" in entry:
        numbers["maps"] = Maps(
            **{key: _floats(value).reshape(shape) for key, value in entry["maps"].items()}
        )
    if "curve" in entry:
        curve = _unpack_curve(entry["curve"])
        numbers["probe"] = lambda: curve
    return InputCheck(
        shape=shape, index=_tuple(entry["index"]), **{key: entry[key] for key in _PLAIN}, **numbers
    )


def _unpack_curve(entry: Mapping[str, Any]) -> StepCurve:
    values: dict[str, Any] = {
        key: tuple(_floats(value).tolist()) if isinstance(value, list) else float(_floats(value))
        for key, value in entry.items()
        if key != "index"
    }
    return StepCurve(index=_tuple(entry["index"]), **values)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(value: Any) -> Any:
    """Return an array, tuple or number as (lists of) numbers, with None where not finite."""
    if value is None:
        return None
    if np.ndim(value) == 0:
        return _finite(value)
    return [_finite(number) for number in np.ravel(value).tolist()]


def _floats(value: Any) -> np.ndarray[Any, Any]:
    return np.array(value, dtype=np.float64)  # None becomes NaN


def _list(index: tuple[int, ...] | None) -> list[int] | None:
    return None if index is None else list(index)


def _tuple(index: Any) -> tuple[int, ...] | None:
    return None if index is None else tuple(int(k) for k in index)

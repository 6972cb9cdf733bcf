"""Reports as plain data: to dictionaries that JSON can hold, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.gradcheck.findings import Diagnosis, InputCheck, Maps, StepCurve

if TYPE_CHECKING:
    from minigrad.gradcheck.report import GradCheckReport


def pack(report: GradCheckReport, maps: bool) -> dict[str, Any]:
    """Return a report as dictionaries, lists, strings and numbers."""
    facts = plain(report) | {"passed": report.passed, "verdict": report.verdict}
    for entry, check in zip(facts["inputs"], report.inputs, strict=True):
        entry |= {"passed": check.passed, "verdict": check.verdict, "ulps": plain(check.ulps)}
        if maps and check.maps is not None:
            entry["maps"] = plain(check.maps)
        if maps and (curve := check.curve()) is not None:
            entry["curve"] = plain(curve)
    return dict(facts)


def unpack(kind: Any, facts: Mapping[str, Any]) -> Any:
    """Return the report (or another of the dataclasses) that a dictionary was made of."""
    try:
        known = [f for f in fields(kind) if f.compare]
        return kind(**{f.name: _READERS.get(str(f.type), _same)(facts[f.name]) for f in known})
    except (KeyError, TypeError) as error:
        raise ValueError(f"This is no gradient check report: {error!r} is missing.") from None


def plain(value: Any) -> Any:
    """Return dataclasses, arrays and numbers as dictionaries and lists; None if not finite."""
    if is_dataclass(value):  # what does not count in comparisons (maps, probes) stays behind
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.compare}
    if isinstance(value, np.ndarray):
        return plain(value.astype(np.float64).ravel().tolist())
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _unpack_input(facts: Mapping[str, Any]) -> InputCheck:
    check: InputCheck = unpack(InputCheck, facts)
    if "maps" in facts:
        flat = vars(unpack(Maps, facts["maps"])).items()
        check = replace(check, maps=Maps(**{key: a.reshape(check.shape) for key, a in flat}))
    if "curve" in facts:
        curve = unpack(StepCurve, facts["curve"])
        check = replace(check, probe=lambda: curve)
    return check


def _same(value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any], Any]] = {  # by the type of a field; others stay as they are
    "float": lambda value: math.nan if value is None else value,
    "Array": lambda value: np.array(value, np.float64),  # None becomes NaN
    "tuple[float, ...]": lambda value: tuple(np.array(value, np.float64).tolist()),
    "tuple[str, ...]": tuple,
    "tuple[int, ...]": tuple,
    "tuple[int, ...] | None": lambda value: None if value is None else tuple(value),
    "tuple[InputCheck, ...]": lambda value: tuple(map(_unpack_input, value)),
    "Diagnosis | None": lambda value: None if value is None else unpack(Diagnosis, value),
}

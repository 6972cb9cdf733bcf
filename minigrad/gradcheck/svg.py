"""Two small diagrams as SVG: error against step, and a histogram of errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.gradcheck.findings import Array, StepCurve

_WIDTH, _HEIGHT = 330, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 34
_BLUE, _RED, _GREY, _INK = "#0072B2", "#B22222", "#8a8a8a", "#333"


def step_diagram(curve: StepCurve) -> str:
    """Return error against step: truncation falls with the step, rounding grows as it shrinks."""
    size = abs(curve.best) or 1.0
    errors, rounding = (
        [max(e / size, 1e-18) for e in values] for values in (curve.errors, curve.rounding)
    )
    gap = abs(curve.analytic - curve.best) / size
    finite = [e for e in (*errors, *rounding) if 0.0 < e < math.inf]
    if not finite:
        return ""
    low, high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
    low, high = max(low, -17), min(max(high, low + 1), 6)
    first, last = math.log10(max(curve.steps)), math.log10(min(curve.steps))

    def across(step: float) -> float:
        share = (math.log10(step) - last) / ((first - last) or 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def down(error: float) -> float:
        share = (math.log10(min(max(error, 10.0**low), 10.0**high)) - low) / (high - low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def line(values: Sequence[float], colour: str, style: str = "") -> str:
        points = " ".join(
            f"{across(h):.1f},{down(e):.1f}" for h, e in zip(curve.steps, values, strict=True)
        )
        return f'<polyline points="{points}" fill="none" stroke="{colour}" {style}/>'

    parts = [
        _axes("step", "relative error of the difference"),
        *_scales(
            [(down(10.0**k), f"1e{k}") for k in range(low, high + 1, 1 + (high - low) // 5)],
            [(across(10.0**k), f"1e{k}") for k in range(math.ceil(last), int(first) + 1, 3)],
        ),
        line(rounding, _GREY, 'stroke-dasharray="3 3"'),
        line(errors, _BLUE, 'stroke-width="1.8"'),
        f'<path d="M{across(curve.chosen):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="{_INK}" '
        'stroke-dasharray="1 3"/>',
        _text(across(curve.chosen) + 3, _TOP + 8, "step taken", _INK),
    ]
    if gap > 10.0**low:
        y, right = down(gap), _WIDTH - _RIGHT
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="{_RED}"/>')
        parts.append(_text(right - 2, y - 3, "the gradient", _RED, "end"))
    return _svg(parts)


def histogram(ulps: Array) -> str:
    """Return how many elements are off by how many units in the last place."""
    finite = ulps[np.isfinite(ulps)]
    if not finite.size:
        return ""
    level = np.log10(np.maximum(finite, 0.1)).ravel()
    low = math.floor(level.min())
    high = max(math.floor(level.max()) + 1, low + 6)
    edges = np.linspace(low, high, 2 * (high - low) + 1)
    counts, _ = np.histogram(level, edges)
    most = int(counts.max())
    wide = (_WIDTH - _LEFT - _RIGHT) / len(counts)
    tall = _HEIGHT - _TOP - _BOTTOM
    bars = [
        f'<rect x="{_LEFT + k * wide + 0.5:.1f}" y="{_HEIGHT - _BOTTOM - tall * n / most:.1f}" '
        f'width="{wide - 1:.1f}" height="{tall * n / most:.1f}" fill="{_BLUE}"/>'
        for k, n in enumerate(counts)
        if n
    ]
    ticks = [
        (_LEFT + 2 * (k - low) * wide, "0" if k < 0 else f"1e{k}")
        for k in range(low, high + 1, 1 + (high - low) // 7)
    ]
    scale = [(_HEIGHT - _BOTTOM, "0"), (float(_TOP), str(most))]
    return _svg([_axes("error in ULPs", "elements"), *_scales(scale, ticks), *bars])


def _svg(parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="9">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, colour: str = _INK, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def _axes(across: str, down: str) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    return (
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="{_GREY}"/>'
        + _text((_LEFT + right) / 2, _HEIGHT - 6, across, _INK, "middle")
        + f'<text transform="translate(9 {(_TOP + bottom) / 2:.0f}) rotate(-90)" fill="{_INK}" '
        f'text-anchor="middle">{down}</text>'
    )


def _scales(down: Sequence[tuple[float, str]], across: Sequence[tuple[float, str]]) -> list[str]:
    """Return the numbers beside both axes."""
    beside = [_text(_LEFT - 4, y + 3, label, _INK, "end") for y, label in down]
    return beside + [_text(x, _HEIGHT - _BOTTOM + 12, n, _INK, "middle") for x, n in across]

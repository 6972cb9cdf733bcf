"""Figures of a report and of a ladder (matplotlib, imported when a figure is drawn)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.gradcheck import tiles
from minigrad.gradcheck.findings import InputCheck, Maps, short
from minigrad.visualization import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minigrad.gradcheck.exact import Ladder
    from minigrad.gradcheck.report import GradCheckReport

_BLUE, _ORANGE, _GREY, _INK = canvas.BLUE, canvas.ORANGE, canvas.GREY, canvas.INK
_RED = "#B22222"
_RUNGS: dict[str, tuple[float | None, str, str]] = {  # step, marker or line, colour
    "integers": (1.0, "P", "#009E73"),
    "adjoint": (None, "--", "#56B4E9"),
    "complex step": (None, ":", "#CC79A7"),
    "large step": (1.0, "s", _ORANGE),
    "textbook": (1e-5, "D", "#E69F00"),
    "projection": (1e-5, "*", _INK),
}
_FLOOR = 1e-18  # where an error of 0 is drawn


def draw(report: GradCheckReport, name: str | None) -> Figure:
    """Draw four views of one input: errors in its shape, both gradients, ULPs, steps.

    Raises
    ------
    ValueError
        If nothing was measured.
    """
    from matplotlib import pyplot

    check = report.worst if name is None else report[name]
    if check is None or not check.checks:
        raise ValueError("There is nothing to draw: no element was compared.")
    figure, axes = pyplot.subplots(2, 2, figsize=(9.0, 6.6), layout="constrained")
    title = f"gradcheck of {report.function}: {check.name} is {check.told}"
    if check.diagnosis is not None:
        title += f"\n{check.diagnosis.text}"
    figure.suptitle(title, fontsize="medium", wrap=True)
    if check.maps is None:
        for ax in (axes[0, 0], axes[0, 1], axes[1, 0]):
            ax.set_axis_off()
            ax.text(0.5, 0.5, 'mode="full" shows every element', ha="center", color=_GREY)
    else:
        _errors(axes[0, 0], check, check.maps)
        _both(axes[0, 1], check.maps)
        _ulps(axes[1, 0], check, check.maps)
    _steps(axes[1, 1], check)
    return figure  # type: ignore[no-any-return]


def draw_ladder(ladder: Ladder, ax: Axes | None) -> Axes:
    """Draw the error of central differences against the step, and a line for every other rung."""
    ax = canvas.axes(ax, 7.2, 4.4)
    errors = [max(error, _FLOOR) for error in ladder.errors]
    ax.loglog(ladder.steps, errors, "o-", color=_BLUE, label="central differences", markersize=4)
    for rung in ladder.rungs:
        if rung.why_not:
            continue
        error = max(rung.error, _FLOOR)
        label = f"{rung.name}: {'exact (==)' if rung.exact else short(rung.error)}"
        step, marker, colour = _RUNGS[rung.name]
        if step is None:
            ax.axhline(error, color=colour, linestyle=marker, label=label)
        else:
            ax.plot([step], [error], marker, color=colour, markersize=9, label=label)
    ax.axhspan(_FLOOR / 3, _FLOOR * 3, color=_GREY, alpha=0.15, linewidth=0)
    ax.text(ladder.steps[-1], 4.0 * _FLOOR, "no error at all", va="bottom", fontsize="small")
    ax.set_xlabel("step")
    ax.set_ylabel("largest error, relative")
    ax.set_title(f"How closely can the gradient of {ladder.function} be checked?")
    ax.legend(fontsize="small")
    return ax


def _errors(ax: Any, check: InputCheck, maps: Maps) -> None:
    picture, text = tiles.colours(maps, check.name)
    ax.imshow(picture, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    said = f"blue below, red above, yellow a kink\n{text}"
    _label(ax, "error for its tolerance", said)


def _both(ax: Any, maps: Maps) -> None:
    for verdict, colour, label in ((0, _BLUE, "ok"), (1, "#E0B000", "kink"), (2, _RED, "wrong")):
        chosen = maps.verdict == verdict
        if chosen.any():
            label = f"{label} ({int(chosen.sum())})"
            ax.plot(maps.numeric[chosen], maps.analytic[chosen], ".", color=colour, label=label)
    finite = maps.numeric[np.isfinite(maps.numeric)]
    if finite.size:
        ends = [float(finite.min()), float(finite.max())]
        ax.plot(ends, ends, color=_GREY, linewidth=0.8, zorder=0)
    _label(ax, "gradient against slope", "slope measured", "gradient")
    ax.legend(fontsize="small")


def _ulps(ax: Any, check: InputCheck, maps: Maps) -> None:
    found = maps.ulps(check.dtype)
    level = np.log10(np.maximum(found[np.isfinite(found)], 0.1)).ravel()
    if level.size:
        ax.hist(level, bins=max(12, min(40, level.size // 4)), color=_BLUE)
    said = f"error in ULPs of {check.dtype} (powers of ten)"
    _label(ax, "how many digits agree", said, "elements")


def _steps(ax: Any, check: InputCheck) -> None:
    curve = check.curve()
    if curve is None:
        ax.set_axis_off()
        return
    size = abs(curve.best) or 1.0
    errors, rounding = (
        [max(e / size, _FLOOR) for e in values] for values in (curve.errors, curve.rounding)
    )
    ax.loglog(curve.steps, errors, ".-", color=_BLUE)
    ax.loglog(curve.steps, rounding, "--", color=_GREY, label="what rounding may do")
    ax.axvline(curve.chosen, color=_INK, linestyle=":", label="step taken")
    gap = abs(curve.analytic - curve.best) / size
    if math.isfinite(gap) and gap > _FLOOR:
        ax.axhline(gap, color=_RED, label="the gradient itself")
    where = "" if curve.index is None else f" at {list(curve.index)}"
    said = "relative error of the difference"
    _label(ax, f"truncation against rounding{where}", "step", said)
    ax.legend(fontsize="small")


def _label(ax: Any, title: str, across: str, down: str = "") -> None:
    ax.set_title(title, fontsize="medium")
    ax.set_xlabel(across, fontsize="small")
    ax.set_ylabel(down, fontsize="small")

"""Figures of a report and of a ladder (matplotlib, imported when a figure is drawn)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.gradcheck import tiles
from minigrad.gradcheck.findings import InputCheck, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minigrad.gradcheck.exact import Ladder
    from minigrad.gradcheck.report import GradCheckReport

_BLUE, _ORANGE, _RED, _GREY, _INK = "#0072B2", "#D55E00", "#B22222", "#8a8a8a", "#222222"
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
    verdict = {"pass": "ok", "fail": "wrong", "kink": f"ok but for {check.kinks} kinks"}
    title = f"gradcheck of {report.function}: {check.name} is {verdict[check.verdict]}"
    if check.diagnosis is not None:
        title += f"\n{check.diagnosis.text}"
    figure.suptitle(title, fontsize="medium", wrap=True)
    if check.maps is None:
        for ax in (axes[0, 0], axes[0, 1], axes[1, 0]):
            ax.set_axis_off()
            ax.text(0.5, 0.5, 'mode="full" shows every element', ha="center", color=_GREY)
    else:
        _errors(axes[0, 0], check)
        _both(axes[0, 1], check)
        _ulps(axes[1, 0], check)
    _steps(axes[1, 1], check)
    return figure  # type: ignore[no-any-return]


def draw_ladder(ladder: Ladder, ax: Axes | None) -> Axes:
    """Draw the error of central differences against the step, and a line for every other rung."""
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(7.2, 4.4), layout="constrained")
    assert ax is not None
    errors = [max(error, _FLOOR) for error in ladder.errors]
    ax.loglog(ladder.steps, errors, "o-", color=_BLUE, label="central differences", markersize=4)
    for rung in ladder.rungs:
        if rung.why_not:
            continue
        error = max(rung.error, _FLOOR)
        said = "exact (==)" if rung.exact else short(rung.error)
        step, marker, colour = _RUNGS[rung.name]
        if step is None:  # there is no step
            ax.axhline(error, color=colour, linestyle=marker, label=f"{rung.name}: {said}")
            continue
        label = f"{rung.name}: {said}"
        ax.plot([step], [error], marker, color=colour, markersize=9, label=label)
    ax.axhspan(_FLOOR / 3, _FLOOR * 3, color=_GREY, alpha=0.15, linewidth=0)
    ax.text(ladder.steps[-1], 4.0 * _FLOOR, "no error at all", va="bottom", fontsize="small")
    ax.set_xlabel("step")
    ax.set_ylabel("largest error, relative")
    ax.set_title(f"How closely can the gradient of {ladder.function} be checked?")
    ax.legend(fontsize="small")
    return ax


def _errors(ax: Any, check: InputCheck) -> None:
    assert check.maps is not None
    picture, text = tiles.colours(check.maps, check.name)
    ax.imshow(picture, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title("error for its tolerance", fontsize="medium")
    ax.set_xlabel(f"blue below, red above, yellow a kink\n{text}", fontsize="small")


def _both(ax: Any, check: InputCheck) -> None:
    assert check.maps is not None
    maps = check.maps
    for verdict, colour, label in ((0, _BLUE, "ok"), (1, "#E0B000", "kink"), (2, _RED, "wrong")):
        chosen = maps.verdict == verdict
        if chosen.any():
            ax.plot(
                maps.numeric[chosen],
                maps.analytic[chosen],
                ".",
                color=colour,
                label=f"{label} ({int(chosen.sum())})",
            )
    finite = maps.numeric[np.isfinite(maps.numeric)]
    if finite.size:
        ends = [float(finite.min()), float(finite.max())]
        ax.plot(ends, ends, color=_GREY, linewidth=0.8, zorder=0)
    ax.set_xlabel("slope measured")
    ax.set_ylabel("gradient")
    ax.set_title("gradient against slope", fontsize="medium")
    ax.legend(fontsize="small")


def _ulps(ax: Any, check: InputCheck) -> None:
    assert check.maps is not None
    found = check.maps.ulps(check.dtype)
    found = found[np.isfinite(found)]
    if found.size:
        level = np.log10(np.maximum(found, 0.1)).ravel()
        ax.hist(level, bins=max(12, min(40, level.size // 4)), color=_BLUE)
    ax.set_xlabel(f"error in ULPs of {check.dtype} (powers of ten)")
    ax.set_ylabel("elements")
    ax.set_title("how many digits agree", fontsize="medium")


def _steps(ax: Any, check: InputCheck) -> None:
    curve = check.curve()
    if curve is None:
        ax.set_axis_off()
        return
    size = abs(curve.best) or 1.0
    ax.loglog(curve.steps, [max(e / size, _FLOOR) for e in curve.errors], ".-", color=_BLUE)
    ax.loglog(
        curve.steps,
        [max(e / size, _FLOOR) for e in curve.rounding],
        "--",
        color=_GREY,
        label="what rounding may do",
    )
    ax.axvline(curve.chosen, color=_INK, linestyle=":", label="step taken")
    gap = abs(curve.analytic - curve.best) / size
    if math.isfinite(gap) and gap > _FLOOR:
        ax.axhline(gap, color=_RED, label="the gradient itself")
    ax.set_xlabel("step")
    ax.set_ylabel("relative error of the difference")
    where = "" if curve.index is None else f" at {list(curve.index)}"
    ax.set_title(f"truncation against rounding{where}", fontsize="medium")
    ax.legend(fontsize="small")

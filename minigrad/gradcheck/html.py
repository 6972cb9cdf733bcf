"""The report as a page for notebooks: self-contained, without scripts, all names escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from minigrad.gradcheck import svg, tiles
from minigrad.gradcheck.findings import InputCheck, short

if TYPE_CHECKING:
    from minigrad.gradcheck.report import GradCheckReport

_COLOURS = {"pass": "#1a7f37", "kink": "#9a6700", "fail": "#b22222"}
_WIDEST = 420  # pixels for a picture
_OPEN = 1  # inputs whose pictures are shown at once, if all is well


def page(report: GradCheckReport) -> str:
    """Return the report as HTML.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> text = page(mg.gradcheck(mg.ops.tanh, np.ones((2, 2)), names=["<x>"]))
    >>> "&lt;x&gt;" in text, "<x>" in text, "<script" in text
    (True, False, False)
    """
    failed = [check for check in report.inputs if not check.passed]
    shown = failed or list(report.inputs[:_OPEN])
    remarks = [("problem", text) for text in report.problems]
    remarks += [("note", text) for text in report.notes]
    remarks += [("method", report.method)] if report.method else []
    return (
        '<div style="font-family:sans-serif;font-size:13px;line-height:1.5;color:#222;'
        'background:#fff;padding:8px 12px;max-width:900px">'
        f"<div><b>gradcheck of {html.escape(report.function)}</b> "
        f"{_badge(report.verdict, report.headline)} "
        f'<span style="color:#666">{report.extent}</span></div>'
        f"{_table(report.inputs) if report.inputs else ''}"
        + "".join(f"<div><b>{kind}:</b> {html.escape(text)}</div>" for kind, text in remarks)
        + "".join(_details(check, check in shown) for check in report.inputs if check.checks)
        + "</div>"
    )


def _table(checks: Sequence[InputCheck]) -> str:
    heads = ("input", "shape", "dtype", "worst at", "gradient", "slope", "error", "ULPs", "verdict")
    return (
        '<table style="border-collapse:collapse;margin:6px 0;font-size:12px;background:#fff">'
        f"{_line('th', heads)}{''.join(map(_row, checks))}</table>"
    )


def _row(check: InputCheck) -> str:
    where = "a direction" if check.index is None else str(list(check.index))
    values = (
        check.name,
        "×".join(map(str, check.shape)) or "number",
        check.dtype,
        where if check.checks else "-",
        *(
            "-" if math.isnan(value) else f"{value:.9g}"
            for value in (check.analytic, check.numeric)
        ),
        f"{short(check.error)} (≤ {short(check.tolerance)})",
        "-" if math.isnan(check.ulps) else f"{check.ulps:.3g}",
    )
    return _line("td", map(html.escape, values), f"<td>{_badge(check.verdict, check.told)}</td>")


def _line(tag: str, cells: Iterable[str], end: str = "") -> str:
    style = "text-align:left;padding:2px 10px 2px 0"
    inner = "".join(f'<{tag} style="{style}">{cell}</{tag}>' for cell in cells)
    return f"<tr>{inner}{end}</tr>"


def _details(check: InputCheck, opened: bool) -> str:
    """Return the pictures of one input, folded away unless it deserves a look."""
    said = ""
    if check.problem:
        said += f'<div style="color:{_COLOURS["fail"]}">{html.escape(check.problem)}</div>'
    if check.diagnosis:
        said += f"<div><b>diagnosis:</b> {html.escape(check.diagnosis.text)}</div>"
    pictures = ""
    if check.maps is not None:
        pictures += _heat_map(check) + svg.histogram(check.maps.ulps(check.dtype))
    curve = check.curve()
    if curve is not None:
        pictures += svg.step_diagram(curve)
    return (
        f'<details{" open" if opened else ""} style="margin-top:6px">'
        f'<summary style="cursor:pointer">{html.escape(check.name)}</summary>{said}'
        f'<div style="display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start">{pictures}'
        "</div></details>"
    )


def _heat_map(check: InputCheck) -> str:
    assert check.maps is not None
    picture, text = tiles.colours(check.maps, check.name)
    height, width = picture.shape[:2]
    scale = max(1, min(16, _WIDEST // max(width, height)))
    return (
        f'<figure style="margin:0"><img alt="errors of {html.escape(check.name)}" '
        f'width="{width * scale}" height="{height * scale}" '
        f'style="image-rendering:pixelated;border:1px solid #ddd" src="{tiles.png(picture)}"/>'
        '<figcaption style="font-size:10px;color:#666;max-width:330px">'
        f"error for its tolerance: blue below, red above, yellow a kink; {text}"
        "</figcaption></figure>"
    )


def _badge(verdict: str, text: str) -> str:
    style = f"background:{_COLOURS[verdict]};color:#fff;border-radius:3px;padding:0 6px"
    return f'<span style="{style}">{html.escape(text)}</span>'

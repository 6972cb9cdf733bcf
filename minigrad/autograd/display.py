"""How tensors show themselves: text for terminals, HTML for notebooks."""

from __future__ import annotations

import html as _html
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minigrad.autograd.tensor import Tensor

_THUMBNAIL = 32  # rows and columns of the picture that a notebook shows at most


def facts(tensor: Tensor) -> str:
    """Return shape, dtype, device and origin in one line."""
    parts = [f"shape={tensor.shape}", f"dtype={tensor.dtype}", f"device={tensor.device}"]
    if tensor.op is not None:
        parts.append(f"op={tensor.op}")
    elif tensor.requires_grad:
        parts.append("requires_grad=True")
    return ", ".join(parts)


def text(tensor: Tensor) -> str:
    """Return the values, then the facts."""
    prefix = f"{type(tensor).__name__}("
    values = np.array2string(tensor._on_host(), separator=", ", prefix=prefix, threshold=200)
    return f"{prefix}{values}, {facts(tensor)})"


def html(tensor: Tensor) -> str:
    """Return a card: facts, range, mean, and a picture of the last two axes (blue < 0 < red)."""
    array = tensor._on_host()
    rows = [f"<b>{type(tensor).__name__}</b> <code>{_html.escape(facts(tensor))}</code>"]
    if array.size and array.dtype.kind in "fiu":
        finite = array[np.isfinite(array)]
        if finite.size:
            low, mean, high = finite.min(), finite.mean(), finite.max()
            line = f"min {low:.4g} &middot; mean {mean:.4g} &middot; max {high:.4g}"
            if finite.size < array.size:
                line += f" &middot; <b>{array.size - finite.size} not finite</b>"
            rows.append(line)
    if array.size <= 8:
        rows.append(f"<code>{_html.escape(np.array2string(array, separator=', '))}</code>")
    elif array.ndim >= 2 and array.dtype.kind in "fiu":
        rows.append(_picture(array))
    return "<div>" + "<br>".join(rows) + "</div>"


def _picture(array: Any) -> str:
    plane = array[(0,) * (array.ndim - 2)][:_THUMBNAIL, :_THUMBNAIL].astype(float)
    if not plane.size:
        return ""
    scale = np.nanmax(np.abs(np.where(np.isfinite(plane), plane, 0.0))) or 1.0
    cell = max(3, 96 // max(plane.shape))
    squares = []
    for (row, column), value in np.ndenumerate(plane):
        if not np.isfinite(value):
            colour = "#000"
        else:
            fade = round(255 * (1 - min(1.0, abs(value) / scale)))
            colour = f"rgb(255,{fade},{fade})" if value > 0 else f"rgb({fade},{fade},255)"
        place = f'x="{column * cell}" y="{row * cell}" width="{cell}" height="{cell}"'
        squares.append(f'<rect {place} fill="{colour}"/>')
    height, width = plane.shape[0] * cell, plane.shape[1] * cell
    head = f'<svg width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">'
    return head + "".join(squares) + "</svg>"

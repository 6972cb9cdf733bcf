"""The two kernels of a separable convolution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigrad.visualization.canvas import (
    axes,
    frame_tiles,
    grid,
    mosaic,
    show_values,
    to_array,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_depthwise_kernels(
    layer_or_array: Any, ax: Axes | None = None, *, columns: int | None = None
) -> Axes:
    """Draw each filter of a depthwise kernel as a tile; red weights are positive, blue negative.

    Parameters
    ----------
    layer_or_array : Layer or array_like
        A built layer with a ``depthwise_kernel``, or an array of shape (height, width, channels,
        multiplier).
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.
    columns : int, optional
        Input channels in a row of tiles; the filters of a channel stand below each other.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError
        If there is no depthwise kernel.
    ValueError
        If the kernel does not have four axes, or has no elements.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import minigrad as mg
    >>> ax = mg.visualization.plot_depthwise_kernels(np.ones((3, 3, 8, 2)))
    >>> ax.get_title()
    'Depthwise kernels: 8 channels × 2 filters of 3×3'
    """
    kernel, name = _kernel(layer_or_array, "depthwise_kernel")
    height, width, inputs, multiplier = kernel.shape
    channels = inputs
    filters = f" × {multiplier} filters" if multiplier > 1 else ""
    if inputs == 1:  # nothing but filters: let them fill the rows
        kernel, channels, multiplier = np.moveaxis(kernel, 3, 2), multiplier, 1
    blocks, columns = grid(channels, columns, 1.6 * multiplier * height / width)
    # Tiles in reading order: for each block of channels, one row per filter.
    tiles = np.full((blocks * multiplier * columns, height, width), np.nan)
    for channel in range(channels):
        block, column = divmod(channel, columns)
        for m in range(multiplier):
            tiles[(block * multiplier + m) * columns + column] = kernel[:, :, channel, m]
    rows = blocks * multiplier
    laid = mosaic(tiles, rows, columns, (1, 1))
    shape = laid.image.shape
    ax = axes(ax, min(9.0, max(4.2, 1.8 + 0.14 * shape[1])), min(9.0, 0.6 + 0.14 * shape[0]))
    show_values(ax, laid.image, label="weight", signed=True)
    frame_tiles(ax, laid)
    ax.set_yticks([row * (height + 1) + (height - 1) / 2 for row in range(rows)])
    ax.set_yticklabels([_row_label(row, columns, channels, multiplier) for row in range(rows)])
    ax.tick_params(axis="y", length=0, labelsize="small")
    rows_are = "filter" if inputs == 1 else "channel" if multiplier == 1 else "channel · filter"
    ax.set_ylabel(rows_are, fontsize="small")
    ax.set_title(f"{name}: {inputs} channel{'s' * (inputs > 1)}{filters} of {height}×{width}")
    return ax


def plot_pointwise_kernel(layer_or_array: Any, ax: Axes | None = None) -> Axes:
    """Draw a pointwise kernel as a matrix: which channel goes into which filter, and how much.

    Parameters
    ----------
    layer_or_array : Layer or array_like
        A built layer with a ``pointwise_kernel``, or an array of shape (1, 1, channels, filters).
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError
        If there is no pointwise kernel.
    ValueError
        If the kernel does not have four axes, or has no elements.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import minigrad as mg
    >>> mg.visualization.plot_pointwise_kernel(np.ones((1, 1, 8, 4))).get_title()
    'Pointwise kernel: 8 channels → 4 filters'
    """
    kernel, name = _kernel(layer_or_array, "pointwise_kernel")
    channels, filters = kernel.shape[2:]
    matrix = kernel.reshape(channels, filters)
    side = 5.0 / max(channels, filters, 8)
    ax = axes(ax, 1.9 + side * filters, 1.1 + side * channels)
    show_values(ax, matrix, label="weight", signed=True)
    for spine in ax.spines.values():
        spine.set_visible(False)
    whole_numbers(ax.xaxis)
    whole_numbers(ax.yaxis)
    ax.set_xlabel("filter")
    ax.set_ylabel("depthwise channel")
    ax.set_title(f"{name}: {channels} channels → {filters} filters")
    return ax


def _kernel(layer_or_array: Any, attribute: str) -> tuple[NDArray[Any], str]:
    """Return a kernel as an array with four axes, and what to call it."""
    what = attribute.replace("_", " ").capitalize() + ("s" if attribute[0] == "d" else "")
    if hasattr(layer_or_array, "get_config"):  # a layer
        layer = layer_or_array
        if not getattr(layer, "built", True):
            raise ValueError(
                f"Layer {layer.name!r} has no weights yet. Call it on data or build it first."
            )
        found = getattr(layer, attribute, None)
        if found is None:
            raise TypeError(f"Layer {layer.name!r} has no {attribute}.")
        what = f"{what} of {layer.name}"
    else:
        found = layer_or_array
    kernel = to_array(found)
    if kernel.ndim != 4 or kernel.size == 0:
        raise ValueError(
            f"A {attribute.replace('_', ' ')} has four axes. Received: shape={kernel.shape}"
        )
    if attribute == "pointwise_kernel" and math.prod(kernel.shape[:2]) != 1:
        raise ValueError(f"A pointwise kernel is 1×1. Received: shape={kernel.shape}")
    return kernel, what


def _row_label(row: int, columns: int, channels: int, multiplier: int) -> str:
    block, m = divmod(row, multiplier)
    first = block * columns
    last = min(first + columns, channels) - 1
    span = f"{first}" if first == last else f"{first}–{last}"
    return span if multiplier == 1 else f"{span} · {m}"

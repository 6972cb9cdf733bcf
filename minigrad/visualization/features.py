"""What a layer makes of an image: one map per output channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigrad import config
from minigrad.autograd import no_grad
from minigrad.layers import Layer
from minigrad.visualization.canvas import axes, frame_tiles, grid, mosaic, show_values, to_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_feature_maps(
    model_or_layer: Any,
    x: Any,
    ax: Axes | None = None,
    *,
    layer: int | str | None = None,
    columns: int | None = None,
) -> Axes:
    """Draw what a layer, or a layer inside a model, computes for one image: a tile per channel.

    Parameters
    ----------
    model_or_layer : Layer or Sequential
        A layer is applied to ``x``; of a model, the layers up to ``layer`` are.
    x : array_like
        One image, with or without the batch axis.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.
    layer : int or str, optional
        Which layer of a model, by position or name. By default the first one.
    columns : int, optional
        Maps in a row.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If ``x`` is not one image, the model has no such layer, or the output has no maps.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.SeparableConv2D(6, 3, name="conv")
    >>> mg.visualization.plot_feature_maps(layer, np.ones((8, 8, 1))).get_title()
    'Output of conv: 6 maps of 6×6'
    """
    image = to_array(x)
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(
            f"x must be one image, of shape (height, width, channels) or with a batch axis of "
            f"size 1. Received: shape={to_array(x).shape}"
        )
    chain = _chain(model_or_layer, layer)
    with no_grad():
        output: Any = image
        for part in chain:
            output = part(output)
    maps = _maps(to_array(output), chain[-1])
    count, height, width = maps.shape
    rows, columns = grid(count, columns)
    gap = max(1, height // 8)
    laid = mosaic(maps, rows, columns, (gap, gap))
    ax = axes(ax, max(4.0, 1.6 + 0.75 * columns), 0.8 + 0.75 * rows * height / width)
    show_values(ax, laid.image, label="activation", signed=bool(maps.min() < 0))
    frame_tiles(ax, laid)
    ax.set_title(f"Output of {chain[-1].name}: {count} maps of {height}×{width}")
    return ax


def _chain(model_or_layer: Any, layer: int | str | None) -> list[Layer]:
    """Return the layers to apply, one after the other."""
    if not isinstance(model_or_layer, Layer):
        raise TypeError(
            "plot_feature_maps() needs a layer or a model. "
            f"Received: {type(model_or_layer).__name__}"
        )
    parts = getattr(model_or_layer, "layers", None)
    if not parts:
        if layer is not None:
            raise ValueError(f"There are no layers to choose from. Received: layer={layer!r}")
        return [model_or_layer]
    names = [part.name for part in parts]
    if layer is None:
        layer = 0
    if isinstance(layer, str):
        if layer not in names:
            raise ValueError(f"layer must be one of {names}. Received: layer={layer!r}")
        layer = names.index(layer)
    if not -len(parts) <= layer < len(parts):
        raise ValueError(f"The model has {len(parts)} layers. Received: layer={layer}")
    return list(parts[: range(len(parts))[layer] + 1])


def _maps(output: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Return the output for one image as (channels, height, width)."""
    if output.ndim != 4 or output.size == 0:
        raise ValueError(
            f"The output of layer {layer.name!r} is no set of maps. Received: shape={output.shape}"
        )
    if getattr(layer, "data_format", config.image_data_format()) == "channels_first":
        return np.asarray(output[0])
    return np.moveaxis(output[0], -1, 0)

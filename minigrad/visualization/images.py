"""Images with their labels and what a model made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigrad.visualization.canvas import (
    BLUE,
    INK,
    ORANGE,
    PAPER,
    axes,
    frame_tiles,
    grid,
    mosaic,
    to_array,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_images(
    images: Any,
    labels: Any = None,
    predictions: Any = None,
    ax: Axes | None = None,
    *,
    columns: int | None = None,
    title: str | None = None,
) -> Axes:
    """Draw images side by side, each with its label and a prediction above it.

    Right predictions are blue; wrong ones are orange and also tell the label: "8, not 3".

    Parameters
    ----------
    images : array_like
        Shape (N, height, width), (N, height, width, 1) or (N, height, width, 3). One channel is
        drawn as ink on paper, from the smallest to the largest value of all images; three channels
        are colours in 0 to 1, or 0 to 255 for integers.
    labels, predictions : sequence, optional
        N class numbers or names.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.
    columns : int, optional
        Images in a row.
    title : str, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the shape is none of the above, or the number of labels or predictions is not N.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import minigrad as mg
    >>> ax = mg.visualization.plot_images(np.eye(8)[None], labels=[3], predictions=[8])
    >>> [text.get_text() for text in ax.texts]
    ['8, not 3']
    """
    tiles = _tiles(images)
    count = len(tiles)
    texts = _captions(count, labels, predictions)
    rows, columns = grid(count, columns)
    height, width = tiles.shape[1:3]
    line = max(2, round(0.36 * height)) if texts else 0
    gap = (line + 1 if texts else max(1, height // 8), max(1, width // 6))
    laid = mosaic(tiles, rows, columns, gap)
    tall, wide = laid.image.shape[:2]
    inch = 0.78 / width  # of a pixel
    ax = axes(ax, max(2.0, 0.3 + inch * wide), 0.3 + inch * (tall + line) + 0.35 * bool(title))
    if tiles.ndim == 4:
        ax.imshow(laid.image, interpolation="nearest")
    else:
        low, high = float(tiles.min()), float(tiles.max())
        ax.imshow(laid.image, cmap=PAPER, vmin=low, vmax=high, interpolation="nearest")
    frame_tiles(ax, laid)
    ax.set_ylim(tall - 0.5, -0.5 - line)
    for (text, colour), (left, top) in zip(texts, laid.corners, strict=bool(texts)):
        ax.text(
            left + width / 2,
            top - 0.15 * line,
            text,
            color=colour,
            ha="center",
            va="bottom",
            fontsize="small",
        )
    if title:
        ax.set_title(title)
    return ax


def _tiles(images: Any) -> NDArray[Any]:
    """Return images as (N, H, W) or, in colour, (N, H, W, 3) with values in 0 to 1."""
    array = to_array(images)
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    colour = array.ndim == 4 and array.shape[-1] == 3
    if not (array.ndim == 3 or colour) or array.size == 0:
        raise ValueError(
            f"images must have shape (N, height, width), with 1 or 3 channels last if any, and "
            f"N >= 1. Received: shape={array.shape}"
        )
    if colour:
        array = array / 255.0 if array.dtype.kind in "iu" else array
        return np.asarray(np.clip(array, 0.0, 1.0), dtype=float)
    return np.asarray(array, dtype=float)


def _captions(count: int, labels: Any, predictions: Any) -> list[tuple[str, str]]:
    """Return (text, colour) for each image; nothing if there is nothing to say."""
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values is not None and np.shape(values) != (count,):
            raise ValueError(
                f"{name} must hold one entry per image. Expected shape ({count},). "
                f"Received: shape={np.shape(values)}"
            )
    if predictions is None:
        return [] if labels is None else [(str(label), INK) for label in to_array(labels)]
    guesses = to_array(predictions)
    if labels is None:
        return [(str(guess), BLUE) for guess in guesses]
    return [
        (str(guess), BLUE) if guess == label else (f"{guess}, not {label}", ORANGE)
        for guess, label in zip(guesses, to_array(labels), strict=True)
    ]

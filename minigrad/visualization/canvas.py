"""What the plots share: axes to draw into, mosaics of tiles, colours that all can tell apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.image import AxesImage

Array = NDArray[Any]

# From the palette of M. Okabe and K. Ito, "Color Universal Design" (2008).
BLUE, ORANGE, INK, GREY = "#0072B2", "#D55E00", "#222222", "#8a8a8a"
SIGNED, POSITIVE, PAPER = "RdBu_r", "viridis", "gray_r"


def axes(ax: Any, width: float, height: float) -> Axes:
    """Return ``ax`` if it is given, else the axes of a new figure (sizes in inches).

    Raises
    ------
    TypeError
        If ``ax`` is something else, a figure for instance.
    """
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(width, height), layout="compressed")
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be a matplotlib Axes or None. Received: {type(ax).__name__}")
    return ax


@dataclass(frozen=True)
class Mosaic:
    """Tiles of one size in rows and columns, with gaps between them.

    Attributes
    ----------
    image : array
        Shape (height, width) or (height, width, 3); NaN (or white) in the gaps.
    corners : list of (float, float)
        The upper left corner (x, y) of each tile, in pixels.
    tile : (int, int)
        Height and width of a tile.
    """

    image: Array
    corners: list[tuple[float, float]]
    tile: tuple[int, int]


def grid(count: int, columns: int | None, aspect: float = 1.6) -> tuple[int, int]:
    """Return (rows, columns) for ``count`` tiles: about ``aspect`` times as wide as high."""
    if columns is None and count <= 5:
        columns = count
    elif columns is None:
        columns = max(1, round(math.sqrt(count * aspect)))
        if count % columns and count % (even := _divisor(count, columns)) == 0:
            columns = even
    columns = max(1, min(columns, count))
    return math.ceil(count / columns), columns


def _divisor(count: int, near: int) -> int:
    """Return a divisor of ``count`` close to ``near``, else ``near``: full rows look best."""
    options = [n for n in range(1, count + 1) if count % n == 0 and abs(n - near) <= near / 3]
    return min(options, key=lambda n: abs(n - near), default=near)


def mosaic(tiles: Array, rows: int, columns: int, gap: tuple[int, int]) -> Mosaic:
    """Lay out tiles, (N, H, W) or (N, H, W, 3), row by row; ``gap`` is (vertical, horizontal)."""
    count, height, width = tiles.shape[:3]
    down, across = height + gap[0], width + gap[1]
    image = np.full((rows * down - gap[0], columns * across - gap[1], *tiles.shape[3:]), np.nan)
    if tiles.ndim == 4:
        image[:] = 1.0
    corners = []
    for position in range(count):
        row, column = divmod(position, columns)
        top, left = row * down, column * across
        image[top : top + height, left : left + width] = tiles[position]
        corners.append((left - 0.5, top - 0.5))
    return Mosaic(image, corners, (height, width))


def show_values(ax: Axes, image: Array, *, label: str, signed: bool) -> AxesImage:
    """Draw an array of numbers with a colour bar.

    Signed values are red above zero and blue below it, as far as the largest magnitude; others run
    from their smallest to their largest value.
    """
    finite = image[np.isfinite(image)]
    if signed:
        reach = float(np.abs(finite).max(initial=0.0)) or 1.0
        drawn = ax.imshow(image, cmap=SIGNED, vmin=-reach, vmax=reach, interpolation="nearest")
    else:
        drawn = ax.imshow(image, cmap=POSITIVE, interpolation="nearest")
    figure = ax.get_figure()
    assert figure is not None
    # Inside the axes' own frame of reference, so that the bar is as high as the picture.
    across = max(0.03, min(0.15, 0.03 * image.shape[0] / image.shape[1]))
    bar = figure.colorbar(drawn, cax=ax.inset_axes((1.0 + across, 0.0, across, 1.0)))
    bar.set_label(label)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    return drawn


def frame_tiles(ax: Axes, laid: Mosaic) -> None:
    """Put a thin frame around each tile in place of the frame and the ticks of the axes."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    height, width = laid.tile
    frames = [Rectangle(corner, width, height) for corner in laid.corners]
    ax.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor=GREY, linewidth=0.5, clip_on=False)
    )
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def whole_numbers(axis: Axis) -> None:
    """Put ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def to_array(values: Any) -> Array:
    """Return a tensor, list or array as a NumPy array."""
    return np.asarray(values.numpy() if hasattr(values, "numpy") else values)

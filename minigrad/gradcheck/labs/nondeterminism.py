"""The nondeterminism lab: the same gradient, added in another order each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minigrad._validate import positive_int
from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.labs.sums import naive, tidied, ulps
from minigrad.visualization.canvas import BLUE, ORANGE, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TAPS = 9  # elements of the kernel whose gradient is computed


@dataclass(frozen=True)
class NondeterminismLab:
    """What `nondeterminism_lab` measured.

    Attributes
    ----------
    spread : int array, shape (runs, 9)
        For each run and element of the kernel gradient, its distance from the ordered sum in ULPs
        (float32 numbers in between).
    integers : int array, shape (runs, 9)
        The same for integer-valued inputs: all zeros while sums stay below 2^24.
    repeated : bool
        Whether the ordered sum, computed twice, gave the same bits.
    """

    spread: Array
    integers: Array
    repeated: bool

    @property
    def largest(self) -> int:
        """The largest distance, in ULPs."""
        return int(np.abs(self.spread).max())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the histograms of the distances."""
        ax = axes(ax, 5.0, 3.2)
        reach = int(np.quantile(np.abs(self.spread), 0.98)) + 1
        width = max(1, round(2 * reach / 60))
        edges = np.arange(-reach - width / 2, reach + 1.5 * width, width).tolist()
        for values, colour, label in (
            (self.spread, ORANGE, "any order"),
            (self.integers, BLUE, "any order, integer inputs"),
        ):
            share = np.full(values.size, 100.0 / values.size)
            ax.hist(values.ravel(), edges, weights=share, color=colour, alpha=0.75, label=label)
        ax.set_yscale("log")
        title = f"One kernel gradient, {len(self.spread)} times"
        return tidied(ax, title, "distance from the ordered sum (ULPs)", "runs (%)")


def nondeterminism_lab(
    runs: int = 200,
    pixels: int = 1024,
    *,
    seed: int = 0,
    ax: Axes | None = None,
    draw: bool = True,
) -> NondeterminismLab:
    """Add up a kernel gradient in a random order, many times, and see where the bits go.

    The gradient of a depthwise kernel is a sum over all pixels. Threads that add to it as they come
    (atomic additions on a GPU) change the order from run to run; here seeded shuffles do.

    Parameters
    ----------
    runs : int
        How often to add.
    pixels : int
        How many products each element of the gradient is the sum of.
    seed : int
        For the numbers and the orders.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.
    draw : bool
        False returns the numbers alone, and never imports matplotlib.

    Returns
    -------
    NondeterminismLab

    Raises
    ------
    TypeError, ValueError
        If ``runs`` or ``pixels`` is not a positive integer.

    Examples
    --------
    >>> from minigrad.gradcheck import nondeterminism_lab
    >>> lab = nondeterminism_lab(50, 256, draw=False)
    >>> lab.largest > 0, lab.repeated, int(abs(lab.integers).max())
    (True, True, 0)
    """
    runs, pixels = positive_int(runs, "runs"), positive_int(pixels, "pixels")
    rng = np.random.default_rng(seed)
    windows, g = rng.standard_normal((_TAPS, pixels)), rng.standard_normal(pixels)
    orders = [rng.permutation(pixels) for _ in range(runs)]

    def spread(products: Array) -> Array:
        ordered = naive(products)
        return np.array([ulps(ordered, naive(products[:, order])) for order in orders])

    products = (windows * g).astype(np.float32)
    whole = (np.rint(4 * windows) * np.rint(4 * g)).astype(np.float32)
    repeated = naive(products).tobytes() == naive(products).tobytes()
    lab = NondeterminismLab(spread(products), spread(whole), repeated)
    if draw:
        lab.plot(ax)
    return lab

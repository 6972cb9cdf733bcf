"""The precision lab: how the error of a float32 gradient grows with the size of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.gradcheck.labs.sums import SUMS, naive, tidied, wide
from minigrad.visualization.canvas import BLUE, GREY, INK, ORANGE, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Along: TypeAlias = Literal["depth", "channels", "kernel_size"]
Add: TypeAlias = Callable[[Array], Array]
Gradient: TypeAlias = Callable[[Add, type[np.floating[Any]]], Array]

SIZES: dict[Along, tuple[int, ...]] = {
    "depth": (1, 2, 4, 8, 16, 32),
    "channels": (4, 16, 64, 256, 1024),
    "kernel_size": (1, 3, 5, 9, 17, 31),
}
_PIXELS, _OUTPUTS, _CHANNELS = 16, 16, 64
_LOOKS = {"naive": (ORANGE, "o"), "pairwise": (BLUE, "s"), "Kahan": (INK, "^"), "wide": (GREY, "v")}


@dataclass(frozen=True)
class PrecisionLab:
    """What `precision_lab` measured.

    Attributes
    ----------
    along : {"depth", "channels", "kernel_size"}
        What grows.
    sizes : tuple of int
    errors : dict of arrays
        For each way of adding, the relative error of the gradient at each size: the root mean
        square of the errors over that of the gradient, which was computed in float64.
    """

    along: Along
    sizes: tuple[int, ...]
    errors: dict[str, Array]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the errors against the sizes, both on logarithmic axes."""
        ax = axes(ax, 5.0, 3.4)
        for name, error in self.errors.items():
            colour, marker = _LOOKS[name]
            units = error / np.finfo(np.float32).eps
            ax.plot(self.sizes, units, marker, ls="-", color=colour, label=name, markersize=4)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xticks(self.sizes, [str(size) for size in self.sizes])
        ax.minorticks_off()
        across = self.along.replace("_", " ")
        return tidied(ax, "Error of a float32 gradient", across, "relative error / 1.2e-7")


def precision_lab(
    along: Along = "channels",
    sizes: Sequence[int] | None = None,
    *,
    seed: int = 0,
    ax: Axes | None = None,
    draw: bool = True,
) -> PrecisionLab:
    """Measure how the error of a gradient grows in float32, for four ways of adding.

    Weights and upstream gradients are normally distributed, the weights with variance 1 / n, so
    that gradients keep their size.

    Parameters
    ----------
    along : {"depth", "channels", "kernel_size"}
        What grows: the number of pointwise convolutions of 64 channels that the gradient passes,
        the channels of one of them (a sum of n products), or the kernel of a depthwise convolution
        (n^2 products).
    sizes : sequence of int, optional
        By default up to 32 layers, 1024 channels or a 31 x 31 kernel.
    seed : int
        For weights and gradients.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.
    draw : bool
        False returns the numbers alone, and never imports matplotlib.

    Returns
    -------
    PrecisionLab

    Raises
    ------
    ValueError
        If ``along`` is something else, or a size is not a positive integer.

    Notes
    -----
    With eps = 1.2e-7: one after the other, n random numbers gather a relative error of about
    eps sqrt(n) / 7; pairwise, of eps sqrt(log2 n) / 5. Kahan's sum is off by what the rounding of
    the products and of the result makes it, eps / 3; a wide one by the result's alone, eps / 5.
    Every layer adds its own, so errors grow with the square root of the depth.

    Examples
    --------
    >>> from minigrad.gradcheck import precision_lab
    >>> lab = precision_lab("channels", (4, 1024), draw=False)
    >>> bool(lab.errors["naive"][1] > 5 * lab.errors["wide"][1])
    True
    """
    if along not in get_args(Along):
        raise ValueError(f"along must be one of {get_args(Along)}. Received: along={along!r}")
    sizes = SIZES[along] if sizes is None else tuple(sizes)
    if not sizes or any(not isinstance(n, (int, np.integer)) or n < 1 for n in sizes):
        raise ValueError(f"sizes must be integers >= 1, one at least. Received: sizes={sizes!r}")
    errors = {name: np.zeros(len(sizes)) for name in SUMS}
    for k, size in enumerate(sizes):
        gradient = _EXPERIMENTS[along](int(size), np.random.default_rng([seed, int(size)]))
        exact = gradient(naive, np.float64)
        for name, add in SUMS.items():
            difference = gradient(add, np.float32) - exact
            errors[name][k] = np.linalg.norm(difference) / np.linalg.norm(exact)
    lab = PrecisionLab(along, sizes, errors)
    if draw:
        lab.plot(ax)
    return lab


def _channels(size: int, rng: np.random.Generator) -> Gradient:
    """Make dx[p, q] = Σ_f g[p, f] K[q, f]: the input gradient of a pointwise convolution."""
    g, kernel = _float32(rng, (_PIXELS, 1, size)), _float32(rng, (_OUTPUTS, size))
    return lambda add, dtype: _sum_of_products(g, kernel, add, dtype)


def _kernel_size(size: int, rng: np.random.Generator) -> Gradient:
    """Make dx[p, c] = Σ_ab g[p + (a, b), c] K[a, b, c]: that of a depthwise one, by windows."""
    shape = (_PIXELS * _OUTPUTS, size * size)
    windows, kernel = _float32(rng, shape), _float32(rng, shape)
    return lambda add, dtype: _sum_of_products(windows, kernel, add, dtype)


def _depth(size: int, rng: np.random.Generator) -> Gradient:
    """Make the gradient of the input of ``size`` pointwise convolutions, one after the other."""
    start = _float32(rng, (_PIXELS, _CHANNELS))
    kernels = [_float32(rng, (_CHANNELS, _CHANNELS)) for _ in range(size)]

    def gradient(add: Add, dtype: type[np.floating[Any]]) -> Array:
        g = start
        for kernel in kernels:
            g = _sum_of_products(g[:, np.newaxis], kernel, add, dtype)
        return g

    return gradient


_EXPERIMENTS: dict[Along, Callable[[int, np.random.Generator], Gradient]] = {
    "depth": _depth,
    "channels": _channels,
    "kernel_size": _kernel_size,
}


def _float32(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return random numbers whose sum over the last axis keeps the size of its terms' factors."""
    return np.asarray(rng.standard_normal(shape) / shape[-1] ** 0.25, np.float32)


def _sum_of_products(a: Array, b: Array, add: Add, dtype: type[np.floating[Any]]) -> Array:
    """Return Σ a b over the last axis in ``dtype``; a wide sum has wide products as well."""
    if add is wide:
        products = a.astype(np.float64) * b.astype(np.float64)
        return np.asarray(products.sum(axis=-1).astype(dtype))
    return np.asarray(add(a.astype(dtype) * b.astype(dtype)))

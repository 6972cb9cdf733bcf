"""What the labs share: four ways to add up float32 numbers, distances in ULPs, tidy axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.gradcheck.findings import Array
from minigrad.visualization.canvas import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def naive(terms: Array) -> Array:
    """Add along the last axis, one after the other: the error grows with the number of terms n."""
    return np.asarray(np.add.accumulate(terms, axis=-1)[..., -1])


def pairwise(terms: Array) -> Array:
    """Add neighbours, then neighbouring sums, and so on: the error grows with log n.

    N. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14, 1993.
    """
    while terms.shape[-1] > 1:
        if terms.shape[-1] % 2:
            terms = np.concatenate([terms, np.zeros_like(terms[..., :1])], axis=-1)
        terms = terms[..., ::2] + terms[..., 1::2]
    return terms[..., 0]


def kahan(terms: Array) -> Array:
    """Add one after the other, and carry what each addition lost over to the next.

    W. Kahan, "Further remarks on reducing truncation errors", Comm. ACM 8, 1965.
    """
    total = np.zeros_like(terms[..., 0])
    lost = np.zeros_like(total)
    for k in range(terms.shape[-1]):
        term = terms[..., k] - lost
        larger = total + term
        lost = (larger - total) - term
        total = larger
    return total


def wide(terms: Array) -> Array:
    """Add in float64, and round once at the end."""
    return np.asarray(terms.astype(np.float64).sum(axis=-1).astype(terms.dtype))


SUMS: dict[str, Callable[[Array], Array]] = {
    "naive": naive,
    "pairwise": pairwise,
    "Kahan": kahan,
    "wide": wide,
}


def ulps(a: Any, b: Any) -> Array:
    """Return how many float32 numbers lie between ``a`` and ``b``, as signed integers: b - a.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.gradcheck.labs import ulps
    >>> int(ulps(np.float32(1.0), np.nextafter(np.float32(1.0), np.float32(2.0))))
    1
    """
    bits = [np.asarray(x, np.float32).view(np.int32).astype(np.int64) for x in (a, b)]
    ranks = [np.where(n < 0, -(n & 0x7FFFFFFF), n) for n in bits]  # among all, 0 for both zeros
    return np.asarray(ranks[1] - ranks[0])


def tidied(ax: Axes, title: str, across: str, down: str) -> Axes:
    """Return the axes with labels, a faint grid and no frame."""
    ax.set_title(title)
    ax.set_xlabel(across)
    ax.set_ylabel(down)
    ax.grid(True, color=GREY, alpha=0.25, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax

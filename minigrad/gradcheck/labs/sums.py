"""Four ways to add up float32 numbers, and the distance between two results in ULPs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


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
    return _rank(b) - _rank(a)


def _rank(x: Any) -> Array:
    """Return the position of each float32 in the row of all of them; 0 for both zeros."""
    bits = np.asarray(x, np.float32).view(np.int32).astype(np.int64)
    return np.asarray(np.where(bits < 0, -(bits & 0x7FFFFFFF), bits))

"""Functions of single numbers that NumPy lacks."""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.cpu.jit import kernel
from minigrad.kernels.cpu.layout import Array, read_only

__all__ = ["erf"]


def erf(x: Array) -> Array:
    """Return the error function of each element, to the last bits of its dtype.

    Parameters
    ----------
    x : ndarray of float32 or float64

    Returns
    -------
    ndarray
        C-contiguous, in the shape and dtype of x.

    Examples
    --------
    >>> import numpy as np
    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    flat = np.ascontiguousarray(x).reshape(-1)
    y = np.empty_like(flat)
    _erf(read_only(flat), y)
    return y.reshape(x.shape)


@kernel
def _erf(x: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = math.erf(x[i])

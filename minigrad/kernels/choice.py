"""Whether a compiled kernel or NumPy computes, where NumPy can do it as well.

The element-wise kernels of `minigrad.kernels.cpu` pay for large arrays. For small ones NumPy is as
quick and needs no compilation; other arrays than NumPy's (CuPy's, on a GPU) have functions of their
own; and the reference backend is NumPy throughout. Nothing is compiled under NUMBA_DISABLE_JIT=1.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minigrad.kernels.backends import current_backend

__all__ = ["compiled"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
LARGE = 1 << 14
"""Elements from which a compiled kernel is quicker than NumPy, the way there included."""


def compiled(*arrays: Any, strided: bool = False) -> bool:
    """Whether a compiled kernel may and should take arrays of one size and dtype.

    Arrays that are not contiguous are for NumPy, unless they are to be copied: ``strided`` is for
    sums, which would have other last bits there.

    Examples
    --------
    >>> x = np.zeros(1 << 20, np.float32)
    >>> compiled(x), compiled(x[:10]), compiled(x[::2]), compiled(x.astype(int))
    (True, False, False, False)
    >>> compiled(x[::2], strided=True)
    True
    """
    first = arrays[0]
    if first.size < LARGE or first.dtype not in _FLOATS or current_backend() != "cpu":
        return False
    if _interpreted():
        return False
    for array in arrays:
        if type(array) is not np.ndarray or array.dtype != first.dtype:
            return False
        if not (array.flags.aligned if array.flags.c_contiguous else strided):
            return False
    return True


@functools.cache
def _interpreted() -> bool:
    from minigrad.kernels.cpu import DISABLE_JIT  # numba is imported when it is needed

    return DISABLE_JIT

"""Types of elements: converting them, and the rule for mixing them.

Python numbers take the type of the array they meet. Integer arrays that meet a float32 array become float32 (NumPy
alone would make the result float64). A float32 and a float64 array give float64, as everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Tensor, constant, primitive

@primitive(x=lambda g: g)  # the engine gives every gradient the dtype of its argument
def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def astype(x: Any, dtype: Any) -> Tensor:
    """Return ``x`` converted to another type of elements.

    Parameters
    ----------
    x : Tensor or array_like
    dtype : str or numpy dtype
        Gradients flow between floating point types; a tensor of integers or booleans has no gradient.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.astype(mg.tensor([1.5, 2.5]), "float64").dtype
    dtype('float64')
    """
    x = constant(x)
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    return _astype(x if dtype.kind in "fc" else x.detach(), dtype)

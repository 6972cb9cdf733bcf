"""Types of elements: converting them, and the rule for mixing them.

Python numbers take the type of the array they meet. Integer arrays that meet a float32 array become
float32 (NumPy alone would make the result float64), and become floatx where a result needs a
fraction. A float32 and a float64 array give float64, as everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Tensor, constant, primitive, wrap
from minigrad.autograd.convert import number_type
from minigrad.ops._common import Operand


@primitive(x=lambda g: g, plain=True)  # the engine gives every gradient the dtype of its argument
def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def astype(x: Operand, dtype: Any) -> Tensor:
    """Return ``x`` converted to another type of elements.

    Parameters
    ----------
    x : Tensor or array_like
    dtype : str or numpy dtype
        Gradients flow between floating point types; integers and booleans have none.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.astype(mg.tensor([1.5, 2.5]), "float64").dtype
    dtype('float64')
    """
    tensor, kind = constant(x), number_type(dtype)
    if tensor.dtype == kind:
        return tensor
    return _astype(tensor if kind.kind == "f" else tensor.detach(), kind)


def common_dtype(*tensors: Tensor) -> np.dtype[Any]:
    """Return the type that holds all tensors, by the rule at the head of this module.

    Examples
    --------
    >>> import minigrad as mg
    >>> common_dtype(mg.tensor([1.5]), mg.tensor([1, 2]))
    dtype('float32')
    """
    dtypes: list[np.dtype[Any]] = [x._data.dtype for x in tensors]
    if dtypes.count(dtypes[0]) == len(dtypes):
        return dtypes[0]
    return np.result_type(*([dtype for dtype in dtypes if dtype.kind in "fc"] or dtypes))


def zeros_like(x: Operand) -> Tensor:
    """Return zeros in the shape and dtype of x, without history.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.zeros_like(mg.tensor([1.5, 2.5])).numpy()
    array([0., 0.], dtype=float32)
    """
    return wrap(np.zeros_like(constant(x).data))


def ones_like(x: Operand) -> Tensor:
    """Return ones in the shape and dtype of x, without history.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.ones_like(mg.tensor([1.5, 2.5])).numpy()
    array([1., 1.], dtype=float32)
    """
    return wrap(np.ones_like(constant(x).data))


def stop_gradient(x: Operand) -> Tensor:
    """Return x as a constant: no gradient flows back through it.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> mg.grad(x * mg.ops.stop_gradient(x), x).item()
    3.0
    """
    return constant(x).detach()

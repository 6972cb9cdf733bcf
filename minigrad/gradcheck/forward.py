"""Forward mode against reverse mode: <u, J v> must equal <Jᵀ u, v>."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.autograd import Tensor
from minigrad.autograd.functional import jvp, vjp
from minigrad.gradcheck.compare import random_like

Array = NDArray[Any]

_CLOSE = 1e-9  # float64: both sides are exact but for rounding


def jvp_problem(fn: Callable[..., Any], arrays: Sequence[Array], seed: int) -> str | None:
    """Return what is wrong between both modes for a function of tensors, or None.

    Parameters
    ----------
    fn : callable
        Takes tensors, returns one.
    arrays : sequence of arrays
        The inputs, in float64.
    seed : int
        For the vectors u and v.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> print(jvp_problem(mg.ops.tanh, [np.ones(3)], 0))
    None
    """
    rng = np.random.default_rng([seed, 6])
    moving = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]

    def of_floats(*tensors: Tensor) -> Tensor:
        full = [Tensor(a) for a in arrays]
        for k, tensor in zip(moving, tensors, strict=True):
            full[k] = tensor
        out: Tensor = fn(*full)
        return out

    inputs = tuple(Tensor(arrays[k]) for k in moving)
    v = tuple(random_like(arrays[k], rng) for k in moving)
    output, forward = jvp(of_floats, inputs, v)
    u = random_like(output.data, rng)
    _, backward = vjp(of_floats, inputs, u)
    left = float(np.sum(u * forward.data))
    parts = [part.data * move for part, move in zip(backward, v, strict=True)]
    right = float(sum(np.sum(part) for part in parts))
    size = float(sum(np.sum(np.abs(part)) for part in parts))
    if abs(left - right) <= _CLOSE * max(size, abs(left)):
        return None
    return (
        f"forward and reverse mode disagree: <u, J v> is {left:.9g}, <J^T u, v> is {right:.9g} "
        "(is the gradient itself not differentiable?)"
    )

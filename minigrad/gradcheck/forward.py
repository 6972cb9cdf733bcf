"""Forward mode against reverse mode: <u, J v> must equal <Jᵀ u, v>."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd import Tensor
from minigrad.autograd.functional import jvp, vjp
from minigrad.gradcheck.compare import random_like
from minigrad.gradcheck.findings import Array

_CLOSE = 1e-9  # float64: both sides are exact but for rounding


def jvp_problem(fn: Callable[..., Any], arrays: Sequence[Array], seed: int) -> str | None:
    """Return what is wrong between both modes for a function of tensors (in float64), or None.

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
        full = {**dict(enumerate(map(Tensor, arrays))), **dict(zip(moving, tensors, strict=True))}
        out: Tensor = fn(*full.values())
        return out

    inputs = tuple(Tensor(arrays[k]) for k in moving)
    v = tuple(random_like(arrays[k], rng) for k in moving)
    output, forward = jvp(of_floats, inputs, v)
    u = random_like(output.data, rng)
    _, backward = vjp(of_floats, inputs, u)
    left = float(np.sum(u * forward.data))
    parts = np.concatenate([(g.data * w).ravel() for g, w in zip(backward, v, strict=True)])
    right, size = float(parts.sum()), float(np.abs(parts).sum())
    if abs(left - right) <= _CLOSE * max(size, abs(left)):
        return None
    return (
        f"forward and reverse mode disagree: <u, J v> is {left:.9g}, <J^T u, v> is {right:.9g} "
        "(is the gradient itself not differentiable?)"
    )

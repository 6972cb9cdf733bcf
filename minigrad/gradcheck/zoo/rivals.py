"""How others check gradients, each in a few lines: written anew from what they compute.

A checker takes ``(forward, backward, inputs)``, in NumPy, and returns whether it is satisfied.
Sources are named as of 2026; the steps and tolerances are the defaults.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from minigrad.gradcheck.check import gradcheck
from minigrad.gradcheck.findings import Array

Checker: TypeAlias = Callable[[Callable[..., Any], Callable[..., Any], Sequence[Array]], bool]


def ours_full(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Check every element with `mg.gradcheck`."""
    return bool(gradcheck(forward, tuple(inputs), gradient=backward))


def ours_fast(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Check random directions with `mg.gradcheck`."""
    return bool(gradcheck(forward, tuple(inputs), gradient=backward, mode="fast"))


def minitorch(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Check one random element of each input, of the sum of the output, to 1e-2.

    ``minitorch.grad_check``: central differences with a step of 1e-6.
    """
    rng, xs = np.random.default_rng(0), wide(inputs)
    gradients = backward(np.ones_like(forward(*copies(xs))), *copies(xs))
    for k in floating(xs):
        if np.shape(gradients[k]) != xs[k].shape:
            return False
        place = tuple(map(int, rng.integers(0, xs[k].shape)))
        slope = _slope(forward, xs, k, place, 1e-6)
        if not np.allclose(gradients[k][place], slope, rtol=1e-2, atol=1e-2):
            return False
    return True


def micrograd(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Check every element, of the sum of the output, to 1e-6.

    micrograd's tests compare ``backward()`` from an upstream gradient of 1 with a reference at one
    point, to 1e-6; here the reference is a central difference, as micrograd has no arrays.
    """
    xs = wide(inputs)
    gradients = backward(np.ones_like(forward(*copies(xs))), *copies(xs))
    return all(
        _close(gradients[k], [_slope(forward, xs, k, at, 1e-5) for at in np.ndindex(xs[k].shape)])
        for k in floating(xs)
    )


def hips_autograd(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Compare one random projection of the Jacobian, to 1e-6, absolute or relative.

    ``autograd.test_util.check_vjp``: <u, J v> along one random v through all inputs at once.
    """
    rng, xs = np.random.default_rng(0), wide(inputs)
    upstream = rng.standard_normal(np.shape(forward(*copies(xs))))
    gradients = backward(upstream.copy(), *copies(xs))
    vectors = {k: rng.standard_normal(xs[k].shape) for k in floating(xs)}
    if any(not _fits(gradients[k], xs[k]) for k in vectors):
        return False

    def moved(step: float) -> Array:
        return np.asarray(
            forward(*[x + step * vectors[k] if k in vectors else x for k, x in enumerate(xs)])
        )

    numeric = np.sum(upstream * (moved(0.5e-6) - moved(-0.5e-6))) / 1e-6
    analytic = sum(np.sum(gradients[k] * vector) for k, vector in vectors.items())
    error = abs(numeric - analytic)
    return bool(error < 1e-6 or error < 1e-6 * abs(numeric + analytic))


def needle(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Check every element along one random upstream gradient: the norms of the errors add to 1e-2.

    needle's ``gradient_check``: central differences with a step of 1e-3.
    """
    rng, xs = np.random.default_rng(0), wide(inputs)
    upstream = rng.standard_normal(np.shape(forward(*copies(xs))))
    gradients = backward(upstream.copy(), *copies(xs))
    error = 0.0
    for k in floating(xs):
        if np.shape(gradients[k]) != xs[k].shape:
            return False
        places = np.ndindex(xs[k].shape)
        slopes = np.array([_slope(forward, xs, k, at, 1e-3, upstream) for at in places])
        error += float(np.linalg.norm(np.ravel(gradients[k]) - slopes))
    return error < 1e-2


def pytorch(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Compare all of the Jacobian, row by row, to 1e-5 + 1e-3 |numeric|.

    ``torch.autograd.gradcheck`` with its defaults: float64, step 1e-6, one-hot upstream gradients,
    the same bits from a second backward pass, zero for an upstream gradient of zeros. Torch itself
    converts dtypes and sums over broadcast axes, so neither can be wrong there.
    """
    xs = wide(inputs)
    output = np.asarray(forward(*copies(xs)))

    def rows() -> list[Array] | None:
        found: list[list[Array]] = [[] for _ in xs]
        for where in range(output.size + 1):  # the last one is all zeros
            upstream = np.zeros(output.size)
            upstream[where : where + 1] = 1.0
            gradients = backward(upstream.reshape(output.shape), *copies(xs))
            for k in floating(xs):
                gradient = _summed(np.asarray(gradients[k], np.float64), xs[k].shape)
                if gradient.shape != xs[k].shape:
                    return None
                found[k].append(gradient.ravel())
        return [np.array(rows) for rows in found]

    analytic, again = rows(), rows()
    if analytic is None or again is None:
        return False
    for k in floating(xs):
        columns = []
        for where in range(xs[k].size):
            plus, minus = copies(xs), copies(xs)
            plus[k].ravel()[where] += 1e-6
            minus[k].ravel()[where] -= 1e-6
            columns.append((np.ravel(forward(*plus)) - np.ravel(forward(*minus))) / 2e-6)
        numeric = np.array(columns).T
        if not np.array_equal(analytic[k], again[k]) or analytic[k][-1].any():
            return False
        if not np.allclose(analytic[k][:-1], numeric, rtol=1e-3, atol=1e-5):
            return False
    return True


def real_pytorch(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any) -> bool:
    """Ask the real ``torch.autograd.gradcheck``, with its defaults; torch must be installed."""
    torch = importlib.import_module("torch")
    xs = wide(inputs)

    def apply(ctx: Any, *tensors: Any) -> Any:
        ctx.save_for_backward(*tensors)
        return torch.from_numpy(np.array(forward(*[t.detach().numpy().copy() for t in tensors])))

    def differentiate(ctx: Any, upstream: Any) -> Any:
        arrays = [tensor.detach().numpy() for tensor in ctx.saved_tensors]
        gradients = backward(upstream.numpy().copy(), *copies(arrays))
        return tuple(
            torch.from_numpy(np.array(gradient)) if k in floating(arrays) else None
            for k, gradient in enumerate(gradients)
        )

    methods = {"forward": staticmethod(apply), "backward": staticmethod(differentiate)}
    function: Any = type("Checked", (torch.autograd.Function,), methods)
    tensors = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in xs]
    try:
        return bool(torch.autograd.gradcheck(function.apply, tensors, raise_exception=False))
    except RuntimeError:  # a gradient whose shape does not fit
        return False


# ---------------------------------------------------------------------- what they share


def wide(inputs: Sequence[Array]) -> list[Array]:
    """Return copies of the inputs, floating point numbers in float64."""
    return [np.array(x, np.float64 if x.dtype.kind == "f" else x.dtype) for x in inputs]


def copies(arrays: Sequence[Array]) -> list[Array]:
    """Return copies: a wrong backward pass may spoil what it is given."""
    return [array.copy() for array in arrays]


def floating(arrays: Sequence[Array]) -> list[int]:
    """Return the positions of the inputs that have gradients."""
    return [k for k, array in enumerate(arrays) if array.dtype.kind == "f"]


def _slope(
    forward: Callable[..., Any],
    xs: Sequence[Array],
    k: int,
    place: tuple[int, ...],
    step: float,
    upstream: Any = 1.0,
) -> float:
    plus, minus = copies(xs), copies(xs)
    plus[k][place] += step
    minus[k][place] -= step
    return float(np.sum(upstream * (forward(*plus) - forward(*minus))) / (2.0 * step))


def _close(gradient: Any, slopes: Any) -> bool:
    fits = np.size(gradient) == len(slopes)
    return fits and bool(np.allclose(np.ravel(gradient), slopes, rtol=1e-6, atol=1e-6))


def _summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return a gradient summed over the axes along which ``shape`` would be broadcast."""
    extra = gradient.ndim - len(shape)
    if extra < 0 or any(
        n not in (1, m) for n, m in zip(shape, gradient.shape[extra:], strict=True)
    ):
        return gradient
    short = [k + extra for k, n in enumerate(shape) if n == 1]
    return np.asarray(gradient.sum(axis=(*range(extra), *short)).reshape(shape))


def _fits(gradient: Any, x: Array) -> bool:
    return np.shape(gradient) == x.shape and np.asarray(gradient).dtype == x.dtype

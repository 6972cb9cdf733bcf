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

Fn: TypeAlias = Callable[..., Any]
Checker: TypeAlias = Callable[[Fn, Fn, Sequence[Array]], bool]


def ours_full(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Check every element with `mg.gradcheck`."""
    return bool(gradcheck(forward, tuple(inputs), gradient=backward))


def ours_fast(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Check random directions with `mg.gradcheck`."""
    return bool(gradcheck(forward, tuple(inputs), gradient=backward, mode="fast"))


def minitorch(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Check one random element of each input, of the sum of the output, to 1e-2.

    ``minitorch.grad_check``: central differences with a step of 1e-6.
    """
    rng, xs = np.random.default_rng(0), wide(inputs)
    for k, gradient in _gradients(forward, backward, xs).items():
        place = tuple(map(int, rng.integers(0, xs[k].shape)))
        if gradient.shape != xs[k].shape:
            return False
        slope = _slope(forward, xs, k, place, 1e-6)
        if not np.allclose(gradient[place], slope, rtol=1e-2, atol=1e-2):
            return False
    return True


def micrograd(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Check every element, of the sum of the output, to 1e-6.

    micrograd's tests compare ``backward()`` from an upstream gradient of 1 with a reference at one
    point, to 1e-6; here the reference is a central difference, as micrograd has no arrays.
    """
    xs = wide(inputs)
    return all(
        gradient.size == xs[k].size
        and np.allclose(gradient.ravel(), _slopes(forward, xs, k, 1e-5), rtol=1e-6, atol=1e-6)
        for k, gradient in _gradients(forward, backward, xs).items()
    )


def hips_autograd(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Compare one random projection of the Jacobian, to 1e-6, absolute or relative.

    ``autograd.test_util.check_vjp``: <u, J v> along one random v through all inputs at once.
    """
    rng, xs = np.random.default_rng(0), wide(inputs)
    upstream = rng.standard_normal(np.shape(forward(*copies(xs))))
    gradients = _gradients(forward, backward, xs, upstream)
    vectors = {k: rng.standard_normal(xs[k].shape) for k in gradients}
    if any((g.shape, g.dtype) != (xs[k].shape, xs[k].dtype) for k, g in gradients.items()):
        return False
    ends = [
        forward(*[x + step * vectors[k] if k in vectors else x for k, x in enumerate(xs)])
        for step in (0.5e-6, -0.5e-6)
    ]
    numeric = np.sum(upstream * (ends[0] - ends[1])) / 1e-6
    analytic = sum(np.sum(gradients[k] * vector) for k, vector in vectors.items())
    error = abs(numeric - analytic)
    return bool(error < 1e-6 or error < 1e-6 * abs(numeric + analytic))


def needle(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Check every element along one random upstream gradient: the norms of the errors add to 1e-2.

    needle's ``gradient_check``: central differences with a step of 1e-3.
    """
    xs = wide(inputs)
    upstream = np.random.default_rng(0).standard_normal(np.shape(forward(*copies(xs))))
    gradients = _gradients(forward, backward, xs, upstream)
    if any(gradient.shape != xs[k].shape for k, gradient in gradients.items()):
        return False
    errors = [
        np.linalg.norm(gradient.ravel() - _slopes(forward, xs, k, 1e-3, upstream))
        for k, gradient in gradients.items()
    ]
    return float(sum(errors)) < 1e-2


def pytorch(forward: Fn, backward: Fn, inputs: Any) -> bool:
    """Compare all of the Jacobian, row by row, to 1e-5 + 1e-3 |numeric|.

    ``torch.autograd.gradcheck`` with its defaults: float64, step 1e-6, one-hot upstream gradients,
    the same bits from a second backward pass, zero for an upstream gradient of zeros. Torch itself
    converts dtypes and sums over broadcast axes, so neither can be wrong there.
    """
    xs = wide(inputs)
    output = np.asarray(forward(*copies(xs)))

    def rows() -> list[dict[int, Array]]:
        ups = np.eye(output.size + 1, output.size).reshape(-1, *output.shape)  # the last is zero
        found = [_gradients(forward, backward, xs, up) for up in ups]
        return [{k: _summed(g, xs[k].shape) for k, g in row.items()} for row in found]

    analytic, again = rows(), rows()
    for k in floating(xs):
        if any(row[k].shape != xs[k].shape for row in (*analytic, *again)):
            return False
        columns = []
        for place in np.ndindex(xs[k].shape):
            plus, minus = _moved(xs, k, place, 1e-6)
            columns.append((np.ravel(forward(*plus)) - np.ravel(forward(*minus))) / 2e-6)
        *mine, none = [row[k].ravel() for row in analytic]
        if none.any() or not np.array_equal([*mine, none], [row[k].ravel() for row in again]):
            return False
        if not np.allclose(mine, np.array(columns).T, rtol=1e-3, atol=1e-5):
            return False
    return True


def real_pytorch(forward: Fn, backward: Fn, inputs: Any) -> bool:
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


def _gradients(forward: Fn, backward: Fn, xs: list[Array], up: Any = 1.0) -> dict[int, Array]:
    """Return the gradients of the floating point inputs, by position; ``up`` is broadcast."""
    up = np.ones_like(forward(*copies(xs))) * up
    found = backward(up, *copies(xs))
    return {k: np.asarray(found[k]) for k in floating(xs)}


def _moved(xs: Sequence[Array], k: int, place: Any, step: float) -> tuple[list[Array], list[Array]]:
    plus, minus = copies(xs), copies(xs)
    plus[k][place] += step
    minus[k][place] -= step
    return plus, minus


def _slope(forward: Fn, xs: list[Array], k: int, place: Any, step: float, up: Any = 1.0) -> float:
    plus, minus = _moved(xs, k, place, step)
    return float(np.sum(up * (forward(*plus) - forward(*minus))) / (2.0 * step))


def _slopes(forward: Fn, xs: list[Array], k: int, step: float, up: Any = 1.0) -> Array:
    places = np.ndindex(xs[k].shape)
    return np.array([_slope(forward, xs, k, place, step, up) for place in places])


def _summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return a gradient summed over the axes along which ``shape`` would be broadcast."""
    extra = gradient.ndim - len(shape)
    if extra < 0 or any(
        n not in (1, m) for n, m in zip(shape, gradient.shape[extra:], strict=True)
    ):
        return gradient
    short = [k + extra for k, n in enumerate(shape) if n == 1]
    return np.asarray(gradient.sum(axis=(*range(extra), *short)).reshape(shape))

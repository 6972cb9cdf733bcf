"""Softmax and its relatives, computed so that nothing overflows.

The largest element is subtracted before exponentials are taken. Elements that are -inf (masked
out) get no probability. Where all of them are -inf there is nothing to share out: softmax is 0
there, log_softmax and logsumexp are -inf, and no gradient flows.
"""

# mypy: disable-error-code=has-type
# (derivatives refer to operations that are defined further down)
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad._validate import flag
from minigrad.autograd import Tensor, primitive
from minigrad.ops._common import Axis, Operand, constants, kept_shape, normalize_axes
from minigrad.ops.indexing import one_hot
from minigrad.ops.reduction import _floating, _sum
from minigrad.ops.shape import spread


def _powers(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any, bool]:
    """Return the largest element (0 where it is not finite), x without it, and exp of that.

    And whether all of them were finite: then no sum of these exponentials is less than 1.
    """
    if not x.size:
        return np.zeros(kept_shape(x.shape, axes), x.dtype, like=x), x, x, False
    top = x.max(axes, None, True)
    finite = np.isfinite(top)
    if np.count_nonzero(finite) == finite.size:
        shifted = x - top
        return top, shifted, np.exp(shifted), True
    top = np.where(finite, top, x.dtype.type(0))
    with np.errstate(over="ignore"):  # beside NaN or inf
        return top, x - top, np.exp(x - top), False


def _share(total: Any) -> Any:
    """Return what to divide by: a sum of exponentials of which one is 1, or 1 where it is 0."""
    return np.maximum(total, 1)


def _log(total: Any, sure: bool) -> Any:
    if sure:
        return np.log(total)
    with np.errstate(divide="ignore"):  # log(0) = -inf is meant
        return np.log(total)


@primitive(x=lambda g, x, axes: spread(g, x.shape, axes) * _softmax(x, axes))
def _logsumexp(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    top, _, powers, sure = _powers(x, axes)
    result = top + _log(powers.sum(axes, None, None, True), sure)
    return result if keepdims else result.squeeze(axes)


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the logarithm of the sum of exponentials over axes; -inf of nothing.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.logsumexp(mg.tensor([1000.0, 1000.0])).numpy()
    array(1000.6932, dtype=float32)
    """
    x = _floating(x)
    return _logsumexp(x, normalize_axes(axis, x.ndim), flag(keepdims, "keepdims"))


def _softmax_vjp(g: Any, out: Any, axes: tuple[int, ...]) -> Any:
    weighted = g * out
    return weighted - out * weighted.sum(axis=axes, keepdims=True)


@primitive(x=_softmax_vjp, plain=True)
def _softmax(x: Any, axes: tuple[int, ...]) -> Any:
    _, _, powers, sure = _powers(x, axes)
    total = powers.sum(axes, None, None, True)
    return powers / (total if sure else _share(total))


def softmax(x: Operand, axis: Axis = -1) -> Tensor:
    """Return exponentials scaled to sum 1 over an axis (or several).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.softmax(mg.tensor([1000.0, 1000.0])).numpy()
    array([0.5, 0.5], dtype=float32)
    """
    x = _floating(x)
    return _softmax(x, normalize_axes(axis, x.ndim))


def _log_softmax_vjp(g: Any, out: Any, axes: tuple[int, ...]) -> Any:
    return g - np.exp(out) * g.sum(axis=axes, keepdims=True)


@primitive(x=_log_softmax_vjp, plain=True)
def _log_softmax(x: Any, axes: tuple[int, ...]) -> Any:
    _, shifted, powers, sure = _powers(x, axes)
    total = powers.sum(axes, None, None, True)
    return shifted - np.log(total if sure else _share(total))


def log_softmax(x: Operand, axis: Axis = -1) -> Tensor:
    """Return the logarithm of softmax, precisely where softmax would round to 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.log_softmax(mg.tensor([0.0, 1000.0])).numpy()
    array([-1000.,     0.], dtype=float32)
    """
    x = _floating(x)
    return _log_softmax(x, normalize_axes(axis, x.ndim))


def _sparse_fused(g: Any, labels: Any, saved: Any) -> tuple[Any]:
    """Return the gradient of `_sparse_cross_entropy` on arrays."""
    powers, total, place = saved
    part = powers / _share(total)
    part[place] -= 1
    part *= g.reshape(-1, 1)
    return (part.reshape(*labels.shape, powers.shape[1]),)


@primitive(
    logits=lambda g, logits, labels: (
        g[..., None]
        * (_softmax(logits, (logits.ndim - 1,)) - one_hot(labels, logits.shape[-1], logits.dtype))
    ),
    fused=_sparse_fused,
    saves=True,
)
def _sparse_cross_entropy(logits: Any, labels: Any) -> Any:
    rows = logits.reshape(-1, logits.shape[-1])
    place = np.arange(len(rows), like=rows), labels.reshape(-1)
    _, shifted, powers, sure = _powers(rows, (1,))
    total = powers.sum(1, None, None, True)
    losses = _log(total[:, 0], sure) - shifted[place]
    return losses.reshape(labels.shape), (powers, total, place)


def _dense_logits(g: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    last = (logits.ndim - 1,)
    return g[..., None] * (_softmax(logits, last) * _sum(labels, last, True) - labels)


@primitive(
    logits=_dense_logits,
    labels=lambda g, logits: -g[..., None] * _log_softmax(logits, (logits.ndim - 1,)),
)
def _dense_cross_entropy(logits: Any, labels: Any) -> Any:
    logs = _log_softmax.primitive.forward(logits, (logits.ndim - 1,))  # type: ignore[attr-defined]
    logs = np.where(labels == 0, logits.dtype.type(0), logs)  # 0 log 0 is 0, not NaN
    return -(labels * logs).sum(-1)


def softmax_cross_entropy(logits: Operand, labels: Operand) -> Tensor:
    """Return -log(softmax(logits)) of the label, for each example.

    Parameters
    ----------
    logits : Tensor or array_like, (..., K)
        A score for each of K classes: any real numbers.
    labels : array_like
        Either integers of shape (...), the classes from 0 to K - 1; or probabilities of shape
        (..., K) (one-hot, smoothed or learned; a gradient flows to them, too).

    Returns
    -------
    Tensor, (...)

    Raises
    ------
    ValueError
        If the shapes do not match, or an integer label lies outside.
    TypeError
        If labels of shape (...) are not integers.

    Examples
    --------
    >>> import minigrad as mg
    >>> logits = mg.tensor([[0.0, 0.0], [0.0, 1000.0]])
    >>> mg.ops.softmax_cross_entropy(logits, [0, 1]).numpy()
    array([0.6931472, 0.       ], dtype=float32)
    """
    logits, labels = constants(logits, labels)
    logits = _floating(logits)
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(
            f"softmax_cross_entropy() needs logits with a last axis of classes. "
            f"Received: shape={logits.shape}"
        )
    if labels.shape == logits.shape:
        same = labels if labels.dtype == logits.dtype else labels.astype(logits.dtype)
        return _dense_cross_entropy(logits, same)
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"Labels must have shape {logits.shape[:-1]} (classes) or {logits.shape} "
            f"(probabilities) for logits of shape {logits.shape}. Received: shape={labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"Labels that name classes must be integers. Received: dtype={labels.dtype}"
        )
    classes = logits.shape[-1]
    # Without a sign, what is negative is large: one look at all labels instead of two.
    if labels.size and labels.data.astype(np.uint64).max() >= classes:
        raise ValueError(
            f"Labels must be from 0 to {classes - 1} for logits of shape {logits.shape}. "
            f"Received: labels from {int(labels.data.min())} to {int(labels.data.max())}"
        )
    return _sparse_cross_entropy(logits, labels)

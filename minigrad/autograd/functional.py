"""Derivatives of functions: gradients, products with Jacobians and Hessians, and these whole.

Functions take tensors and return a tensor. Names and argument orders are those of
``torch.autograd.functional``
(https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad.autograd import graph
from minigrad.autograd.tensor import Tensor, _upstream, constant, wrap

Tensors = Tensor | Sequence[Tensor]


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Any:
    """Return the gradients of ``outputs`` with respect to ``inputs``, and touch no ``.grad``.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        What is differentiated, and with respect to what (leaves or intermediate results).
    grad_outputs : array_like or sequence, optional
        One upstream gradient per output; 1 for single numbers when left out.
    create_graph : bool
        Record the computation of the gradients, so that they can be differentiated again.
    retain_graph : bool, optional
        Keep the graph for another walk; the same as ``create_graph`` when left out.

    Returns
    -------
    Tensor or tuple of Tensor
        One gradient per input, in its shape and dtype; zeros where an output does not depend on it.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> first = mg.grad(x ** 3, x, create_graph=True)
    >>> second = mg.grad(first, x)
    >>> first.item(), second.item()
    (12.0, 12.0)
    """
    outs = _tensors("outputs", outputs)
    targets = _tensors("inputs", inputs)
    if grad_outputs is None:
        ups: list[Any] = [None] * len(outs)
    else:
        ups = [grad_outputs] if isinstance(outputs, Tensor) else list(grad_outputs)
    if len(ups) != len(outs):
        raise ValueError(f"Expected {len(outs)} grad_outputs, one per output; received {len(ups)}.")
    for position, target in enumerate(targets):
        if target._node is None:
            raise RuntimeError(
                f"Input {position} does not require gradients; make it with requires_grad=True."
            )
    upstreams = [_upstream(out, up) for out, up in zip(outs, ups, strict=True)]
    found = graph.walk(
        outs,
        upstreams,
        targets,
        retain_graph=create_graph if retain_graph is None else retain_graph,
        create_graph=create_graph,
    )
    parts = []
    for target in targets:
        hit = None if target._node is None else found.get(target._node)
        parts.append(wrap(np.zeros_like(target._data)) if hit is None else hit)
    return parts[0] if isinstance(inputs, Tensor) else tuple(parts)


def _tensors(name: str, given: Any) -> list[Tensor]:
    parts = [given] if isinstance(given, Tensor) else given
    if isinstance(parts, Iterable):
        parts = list(parts)
        if not [part for part in parts if not isinstance(part, Tensor)]:
            return parts
    raise TypeError(
        f"grad() needs tensors: item() and numpy() leave the graph. Received: {name}={given!r}"
    )


def _leaves(inputs: Any) -> tuple[tuple[Tensor, ...], bool]:
    """Return fresh leaves with the values of ``inputs``, and whether there was only one."""
    single = not isinstance(inputs, (tuple, list))
    parts = (inputs,) if single else inputs
    return tuple(Tensor(part, requires_grad=True) for part in parts), single


def _vectors(v: Any, leaves: Sequence[Tensor], single: bool) -> list[Tensor]:
    """Return one vector per input, in its shape and dtype."""
    given = (v,) if single else tuple(v)
    if len(given) != len(leaves):
        raise ValueError(f"Expected {len(leaves)} vectors, one per input; received {len(given)}.")
    vectors = [constant(x, leaf).astype(leaf.dtype) for x, leaf in zip(given, leaves, strict=True)]
    for vector, leaf in zip(vectors, leaves, strict=True):
        if vector.shape != leaf.shape:
            raise ValueError(
                f"A vector must have the shape of its input. Expected {leaf.shape}, "
                f"received {vector.shape}."
            )
    return vectors


def _call(function: Callable[..., Any], leaves: Sequence[Tensor]) -> Tensor:
    if not callable(function):
        raise TypeError(f"Expected a function of tensors. Received: {brief(function)}")
    with graph.enable_grad():
        output = function(*leaves)
    if not isinstance(output, Tensor):
        raise TypeError(f"The function must return one tensor. Received: {type(output).__name__}.")
    return output


def _zero_where_independent(
    output: Tensor, leaves: Sequence[Tensor], upstream: Any, *, create_graph: bool, retain: bool
) -> tuple[Tensor, ...]:
    if not output.requires_grad:
        return tuple(wrap(np.zeros_like(leaf._data)) for leaf in leaves)
    parts: tuple[Tensor, ...] = grad(output, leaves, upstream, create_graph, retain)
    return parts


def vjp(function: Callable[..., Tensor], inputs: Any, v: Any = None) -> tuple[Tensor, Any]:
    """Return ``function(*inputs)`` and the vector-Jacobian product with ``v``.

    Parameters
    ----------
    function : callable
        Takes tensors, returns one tensor.
    inputs : tensor or tuple of tensors
        Where to differentiate.
    v : array_like, optional
        In the output's shape; may be left out for a single number.

    Examples
    --------
    >>> import minigrad as mg
    >>> output, product = mg.functional.vjp(lambda x: x * x, mg.tensor([1.0, 2.0]), [1.0, 1.0])
    >>> product.numpy()
    array([2., 4.], dtype=float32)
    """
    leaves, single = _leaves(inputs)
    output = _call(function, leaves)
    parts = _zero_where_independent(output, leaves, v, create_graph=False, retain=False)
    return output.detach(), parts[0] if single else parts


def jvp(function: Callable[..., Tensor], inputs: Any, v: Any) -> tuple[Tensor, Tensor]:
    """Return ``function(*inputs)`` and the Jacobian-vector product with ``v`` (one per input).

    The VJP is linear in its upstream gradient u, so its own VJP with respect to u is the JVP:
    forward mode without forward rules (J. Townsend, "A new trick for calculating Jacobian vector
    products", 2017).

    Examples
    --------
    >>> import minigrad as mg
    >>> output, product = mg.functional.jvp(lambda x: x * x, mg.tensor([1.0, 2.0]), [1.0, 0.5])
    >>> product.numpy()
    array([2., 2.], dtype=float32)
    """
    leaves, single = _leaves(inputs)
    vectors = _vectors(v, leaves, single)
    output = _call(function, leaves)
    u = Tensor(np.zeros_like(output._data), requires_grad=True)
    with graph.enable_grad():
        pulled = _zero_where_independent(output, leaves, u, create_graph=True, retain=True)
        roots = [
            (part, vector)
            for part, vector in zip(pulled, vectors, strict=True)
            if part.requires_grad
        ]
        if not roots:
            return output.detach(), wrap(np.zeros_like(output._data))
        product = grad([part for part, _ in roots], u, [vector for _, vector in roots])
    return output.detach(), product


def jacobian(function: Callable[..., Tensor], inputs: Any) -> Any:
    """Return the Jacobian: for each input an array of shape ``output.shape + input.shape``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.functional.jacobian(lambda x: x * x, mg.tensor([1.0, 2.0])).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    leaves, single = _leaves(inputs)
    output = _call(function, leaves)
    rows = []
    for position in range(output.size):
        one = np.zeros(output.size, output.dtype)
        one[position] = 1
        rows.append(
            _zero_where_independent(
                output, leaves, one.reshape(output.shape), create_graph=False, retain=True
            )
        )
    parts = tuple(
        _stacked([row[i] for row in rows], output.shape + leaf.shape, leaf)
        for i, leaf in enumerate(leaves)
    )
    return parts[0] if single else parts


def _stacked(rows: Sequence[Tensor], shape: tuple[int, ...], leaf: Tensor) -> Tensor:
    """Return the rows of a derivative in one tensor, of the dtype and on the device of a leaf."""
    if not rows:
        return wrap(np.zeros(shape, leaf.dtype, like=leaf._data))
    return wrap(np.stack([row._data for row in rows]).astype(leaf.dtype).reshape(shape))


def _scalar(output: Tensor) -> Tensor:
    if output.size != 1:
        raise ValueError(
            f"The function must return a single number. Received: shape={output.shape}."
        )
    return output


def hessian(function: Callable[..., Tensor], inputs: Any) -> Any:
    """Return the second derivatives of a function to a single number.

    One array of shape ``input.shape + input.shape``, or for several inputs a tuple of tuples with
    the block of inputs i and j at ``[i][j]``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.functional.hessian(lambda x: (x ** 3).sum(), mg.tensor([1.0, 2.0])).numpy()
    array([[ 6.,  0.],
           [ 0., 12.]], dtype=float32)
    """
    leaves, single = _leaves(inputs)
    output = _scalar(_call(function, leaves))
    with graph.enable_grad():
        first = _zero_where_independent(output, leaves, None, create_graph=True, retain=True)
    blocks = []
    for part, leaf in zip(first, leaves, strict=True):
        rows = []
        for position in range(part.size):
            one = np.zeros(part.size, part.dtype)
            one[position] = 1
            rows.append(
                _zero_where_independent(
                    part, leaves, one.reshape(part.shape), create_graph=False, retain=True
                )
            )
        blocks.append(
            tuple(
                _stacked([row[j] for row in rows], leaf.shape + other.shape, leaf)
                for j, other in enumerate(leaves)
            )
        )
    return blocks[0][0] if single else tuple(blocks)


def hvp(function: Callable[..., Tensor], inputs: Any, v: Any) -> tuple[Tensor, Any]:
    """Return ``function(*inputs)`` (a single number) and the product of its Hessian with ``v``.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0])
    >>> value, product = mg.functional.hvp(lambda x: (x ** 3).sum(), x, [1.0, 1.0])
    >>> product.numpy()
    array([ 6., 12.], dtype=float32)
    """
    leaves, single = _leaves(inputs)
    vectors = _vectors(v, leaves, single)
    output = _scalar(_call(function, leaves))
    with graph.enable_grad():
        first = _zero_where_independent(output, leaves, None, create_graph=True, retain=True)
    roots = [
        (part, vector) for part, vector in zip(first, vectors, strict=True) if part.requires_grad
    ]
    if not roots:
        parts = tuple(wrap(np.zeros_like(leaf._data)) for leaf in leaves)
    else:
        parts = grad([part for part, _ in roots], leaves, [vector for _, vector in roots])
    return output.detach(), parts[0] if single else parts

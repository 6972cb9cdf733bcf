"""Operations and their derivatives: a forward on arrays, and one line per argument.

An operation is a function on arrays decorated with its vector-Jacobian products (VJPs)::

    @primitive(a=lambda g, b: g * b, b=lambda g, a: g * a, broadcasts=True)
    def multiply(a, b):
        return np.multiply(a, b)

Each keyword names an argument of the function; its value maps the upstream gradient ``g`` to the
gradient of that argument. A VJP asks for what it needs by name, and only what some VJP asks for is
kept on the tape:

``g``
    the upstream gradient, in the result's shape
``out``
    the result
``in_shape``
    the shape of the argument that this VJP is for (free: no array is kept for it)
``index``
    which one of a variadic argument (``*xs``) this is
``saved``
    what the forward keeps for the derivatives beside its result (see ``saves``)
any name of an argument or option of the function
    its value: arrays come as tensors, options as they were given

VJPs are written with differentiable operations on tensors, so gradients of gradients need no
further rules. An operation may bring a ``fused`` backward as well: it gets arrays, returns the
gradients of all tensor arguments at once, and is used whenever no higher derivative is asked for.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

import numpy as np

from minigrad import config
from minigrad.autograd.graph import Leaf, Node, number, recording
from minigrad.autograd.tensor import Tensor, constant, wrap

P = ParamSpec("P")

_FLOAT64 = np.dtype("float64")
_ndarray = np.ndarray
_new = object.__new__


class _Vjp:
    """One derivative: a function, and the names of what it needs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.needs = tuple(inspect.signature(function).parameters)


class Primitive:
    """What the engine knows of an operation: its forward, its derivatives, and what they need."""

    def __init__(
        self,
        forward: Callable[..., Any],
        vjps: dict[str, Callable[..., Any]],
        *,
        broadcasts: bool,
        fused: Callable[..., Any] | None,
        saves: bool,
    ) -> None:
        self.name = forward.__name__.lstrip("_")
        self.forward = forward
        self.broadcasts = broadcasts
        self.saves = saves
        parameters = inspect.signature(forward).parameters
        self.names = tuple(parameters)
        self.defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
        kinds = [p.kind for p in parameters.values()]
        self.variadic = bool(kinds) and kinds[0] is inspect.Parameter.VAR_POSITIONAL
        if unknown := set(vjps) - set(self.names):
            raise TypeError(f"{self.name}: derivatives for unknown arguments {sorted(unknown)}.")
        self.vjps = {name: _Vjp(function) for name, function in vjps.items()}
        self.fused = None if fused is None else _Vjp(fused)
        self.positions = {name: i for i, name in enumerate(self.names)}
        self._kept: dict[int, tuple[tuple[bool, ...], bool]] = {}

    def kept(self, mask: int, count: int) -> tuple[tuple[bool, ...], bool]:
        """Return which arguments, and whether the result, are kept if those in ``mask`` are tracked."""
        if self.variadic:
            needs = self.vjps[self.names[0]].needs
            return (self.names[0] in needs,) * count, "out" in needs
        found = self._kept.get(mask)
        if found is None:
            wanted = set() if self.fused is None else set(self.fused.needs)
            for name, vjp in self.vjps.items():
                if mask >> self.positions[name] & 1:
                    wanted.update(vjp.needs)
            found = (
                tuple(name in wanted or name not in self.vjps for name in self.names),
                "out" in wanted,
            )
            self._kept[mask] = found
        return found

    def differentiable(self, position: int) -> bool:
        """Whether the argument at ``position`` has a derivative."""
        return self.variadic or (position < len(self.names) and self.names[position] in self.vjps)

    # ------------------------------------------------------------------ backward

    def pull_back(
        self, node: Node, gradient: Tensor, wants: tuple[bool, ...], create_graph: bool
    ) -> Iterator[Tensor | None]:
        """Yield the gradient of each argument of ``node`` (None where it is not wanted)."""
        if self.fused is not None and not create_graph:
            parts = self._pull_back_fused(node, gradient, wants)
        else:
            parts = [
                self._pull_back_one(node, gradient, position) if want else None
                for position, want in enumerate(wants)
            ]
        for position, (part, parent) in enumerate(zip(parts, node.parents, strict=True)):
            yield None if part is None or parent is None else self._fit(part, parent, position)

    def _pull_back_one(self, node: Node, gradient: Tensor, position: int) -> Tensor:
        vjp = self.vjps[self.names[0 if self.variadic else position]]
        result: Tensor = vjp.function(
            *[self._value(name, node, gradient, position) for name in vjp.needs]
        )
        return result

    def _pull_back_fused(
        self, node: Node, gradient: Tensor, wants: tuple[bool, ...]
    ) -> list[Tensor | None]:
        assert self.fused is not None
        values = []
        for name in self.fused.needs:
            value = wants if name == "wants" else self._value(name, node, gradient, 0)
            values.append(value._data if isinstance(value, Tensor) else value)
        parts = list(self.fused.function(*values))
        parts += [None] * (len(wants) - len(parts))
        return [
            wrap(part) if want and part is not None else None
            for part, want in zip(parts, wants, strict=True)
        ]

    def _value(self, name: str, node: Node, gradient: Tensor, position: int) -> Any:
        """Return what a VJP asked for by ``name``."""
        if name == "g":
            return gradient
        if name == "out":
            return wrap(node.out, node)
        if name == "in_shape":
            parent = node.parents[position]
            assert parent is not None
            return parent.shape
        if name == "index":
            return position
        if self.variadic and name == self.names[0]:
            return tuple(_restore(a, p) for a, p in zip(node.args, node.parents, strict=True))
        if name in node.params:
            return node.params[name]
        place = self.positions[name]
        if not self.variadic and place < len(node.args):
            return _restore(node.args[place], node.parents[place])
        return self.defaults[name]

    def _fit(self, part: Tensor, parent: Node | Leaf, position: int) -> Tensor:
        """Give a gradient the shape and dtype of its argument."""
        if part.shape != parent.shape:
            if not self.broadcasts:
                label = f"{self.names[0]}[{position}]" if self.variadic else self.names[position]
                raise RuntimeError(
                    f"The derivative of '{self.name}' for '{label}' has shape {part.shape}, but the "
                    f"argument has shape {parent.shape}. This is a bug in the operation."
                )
            part = part.sum_to(parent.shape)
        if part.dtype is not parent.dtype:
            part = part.astype(parent.dtype)
        return part

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.names)})>"


def _restore(value: Any, parent: Node | Leaf | None) -> Any:
    """Return a kept array as the tensor it was."""
    return wrap(value, parent) if hasattr(value, "dtype") else value


# ---------------------------------------------------------------------- forward


def _array(value: Any) -> Any:
    """Return what the forward gets for an argument that is not a tensor."""
    if isinstance(
        value, np.ndarray
    ):  # it belongs to the caller, who may change it: the tape gets a copy
        return constant(value)._data if recording.on and value.flags.writeable else value
    if isinstance(value, (float, np.floating)):
        return float(value)  # numbers are weak: they take the dtype of the array they meet
    if value is None or isinstance(value, (int, complex, np.generic)):
        return value
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        return constant(value)._data
    if hasattr(value, "__cuda_array_interface__"):
        return value
    raise TypeError(
        f"Expected a tensor, an array or a number. Received: {type(value).__name__} {value!r}"
    )


def _narrow(op: Primitive, arrays: Any, out: Any) -> Any:
    """Undo NumPy's widening of a result to float64 where no argument was float64.

    Integers that met float32 give float32; integers alone give floatx.
    """
    dtypes = [a.dtype for a in arrays if hasattr(a, "dtype")]
    if _FLOAT64 in dtypes:
        return out
    if np.float32 in dtypes:
        return op.forward(*[a.astype(np.float32) if hasattr(a, "dtype") else a for a in arrays])
    return out.astype(config.floatx())


def _unary(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of an operation on a single ``x``: `_general` without its loops."""
    forward = op.forward
    keep_x, keep_out = op.kept(1, 1)

    def call(x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            x = constant(x)
        data = x._data
        parent = x._node
        out = forward(data)
        if parent is None or not recording.on:
            if out.dtype is _FLOAT64 and data.dtype is not _FLOAT64:
                out = out.astype(config.floatx())  # from integers
            return wrap(out)
        if type(out) is not _ndarray:
            out = np.asarray(out)
        out.setflags(False)
        node = _new(Node)
        node.op = op
        node.parents = (parent,)
        node.args = (data if keep_x[0] else None,)
        node.out = out if keep_out else None
        node.params = _NO_PARAMS
        node.shape = out.shape
        node.dtype = out.dtype
        node.number = number()
        node.hooks = node.grad = None
        result = _new(Tensor)
        result._data = out
        result._node = node
        return result

    return call


def _binary(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of a broadcasting operation on ``a``, ``b``: `_general` without loops."""
    forward = op.forward
    keeps = [op.kept(mask, 2) for mask in range(4)]
    flat = [(kept[0], kept[1], out) for kept, out in keeps]

    def call(a: Any, b: Any) -> Tensor:
        if isinstance(a, Tensor):
            x = a._data
            parent_a = a._node
        else:
            x = _array(a)
            parent_a = None
        if isinstance(b, Tensor):
            y = b._data
            parent_b = b._node
        else:
            y = _array(b)
            parent_b = None
        out = forward(x, y)
        if type(out) is not _ndarray:
            out = np.asarray(out) if isinstance(out, np.generic) else out
        dtype = out.dtype
        if dtype is _FLOAT64:
            out = _narrow(op, (x, y), out)
            dtype = out.dtype
        out.setflags(False)
        result = _new(Tensor)
        result._data = out
        if parent_a is None:
            if parent_b is None or not recording.on:
                result._node = None
                return result
            keep_x, keep_y, keep_out = flat[2]
        elif recording.on:
            keep_x, keep_y, keep_out = flat[1] if parent_b is None else flat[3]
        else:
            result._node = None
            return result
        node = _new(Node)
        node.op = op
        node.parents = (parent_a, parent_b)
        node.args = (x if keep_x else None, y if keep_y else None)
        node.out = out if keep_out else None
        node.params = _NO_PARAMS
        node.shape = out.shape
        node.dtype = dtype
        node.number = number()
        node.hooks = node.grad = None
        result._node = node
        return result

    return call


_NO_PARAMS: dict[str, Any] = {}


def _general(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of any operation."""
    forward = op.forward
    tensor_names = op.vjps.keys()

    def call(*args: Any, **params: Any) -> Tensor:
        if params and not tensor_names.isdisjoint(params):
            args, params = _tensors_by_position(op, args, params)
        arrays = []
        parents: list[Node | Leaf | None] = []
        mask = 0
        for position, arg in enumerate(args):
            parent = None
            if isinstance(arg, Tensor):
                arrays.append(arg._data)
                if arg._node is not None and op.differentiable(position):
                    parent = arg._node
                    mask |= 1 << position
            else:
                arrays.append(_array(arg) if op.differentiable(position) else arg)
            parents.append(parent)
        out = forward(*arrays, **params)
        if op.saves:
            out, saved = out
            params = {**params, "saved": saved}
        if op.broadcasts and out.dtype is _FLOAT64:
            out = _narrow(op, arrays, out)
        result = wrap(out)
        if mask and recording.on:
            keep, keep_out = op.kept(mask, len(args))
            data = result._data
            node = Node()
            node.op = op
            node.parents = tuple(parents)
            node.args = tuple([a if k else None for a, k in zip(arrays, keep, strict=False)])
            node.out = data if keep_out else None
            node.params = params
            node.shape = data.shape
            node.dtype = data.dtype
            node.number = number()
            node.hooks = node.grad = None
            result._node = node
        return result

    return call


def _tensors_by_position(
    op: Primitive, args: tuple[Any, ...], params: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Move tensor arguments given by keyword to their positions."""
    params = dict(params)
    last = max(op.positions[name] for name in params if name in op.vjps)
    full = list(args)
    for name in op.names[len(args) : last + 1]:
        if name not in params and name not in op.defaults:
            raise TypeError(f"{op.name}() is missing the argument '{name}'.")
        full.append(params.pop(name) if name in params else op.defaults[name])
    return tuple(full), params


def primitive(
    *,
    broadcasts: bool = False,
    fused: Callable[..., Any] | None = None,
    saves: bool = False,
    **vjps: Callable[..., Any],
) -> Callable[[Callable[P, Any]], Callable[P, Tensor]]:
    """Turn a function on arrays into a differentiable operation on tensors.

    Parameters
    ----------
    broadcasts : bool
        The tensor arguments broadcast against each other; gradients are summed back to their
        shapes.
    fused : callable, optional
        ``fused(g, wants, ...)``: computes on arrays the gradients of all tensor arguments at once.
    saves : bool
        The forward returns ``(result, saved)``; VJPs get the second part under the name ``saved``.
    **vjps
        One vector-Jacobian product per differentiable argument; see the head of this module.

    Examples
    --------
    >>> import minigrad as mg
    >>> @mg.primitive(x=lambda g, x: g * 3 * x * x)
    ... def cube(x):
    ...     return x ** 3
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad.numpy()
    array([ 3., 12.], dtype=float32)
    """

    def decorate(forward: Callable[P, Any]) -> Callable[P, Tensor]:
        op = Primitive(forward, vjps, broadcasts=broadcasts, fused=fused, saves=saves)
        if op.names == ("x",) and vjps and fused is None and not saves:
            call = _unary(op)
        elif op.names == ("a", "b") and set(vjps) == {"a", "b"} and broadcasts and fused is None:
            call = _binary(op)
        else:
            call = _general(op)
        call = functools.wraps(forward)(call)
        call.primitive = op  # type: ignore[attr-defined]
        return call

    return decorate

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

The words above are taken: no argument may have one of them as its name. VJPs are written with
differentiable operations on tensors, so gradients of gradients need no further rules. An operation
may bring a ``fused`` backward as well: it gets arrays, returns the gradients of all tensor
arguments at once, and is used whenever no higher derivative is asked for. What it returns is handed
over: the walk may write to these arrays (so does a fused backward that asks for ``spare``, whether
it may overwrite ``g``). VJPs that are ``plain``, made of operators only, are evaluated on arrays in
the same case.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from minigrad.autograd import calls, graph
from minigrad.autograd.graph import Leaf, Node
from minigrad.autograd.tensor import Tensor, wrap

P = ParamSpec("P")
Getter = Callable[[Node, Any, Any], Any]

# How a VJP gets what it asks for by name: arrays and options. The last argument is the position of
# the argument that the VJP is for, or, for a fused backward, which arguments want a gradient.
_GETTERS: dict[str, Getter] = {
    "g": lambda node, g, position: g,
    "out": lambda node, g, position: node.out,
    "in_shape": lambda node, g, position: node.parents[position].shape,  # type: ignore[union-attr]
    "index": lambda node, g, position: position,
    "saved": lambda node, g, position: node.params["saved"],
    "wants": lambda node, g, wants: wants,
    "spare": lambda node, g, wants: graph.spare(g),
}


class _Vjp:
    """One derivative: a function, the names of what it needs, and how to get that."""

    def __init__(self, function: Callable[..., Any], op: Primitive) -> None:
        self.function = function
        self.needs = tuple(inspect.signature(function).parameters)
        self._arrays = [_GETTERS.get(name) or op.getter(name) for name in self.needs]
        self._tensors = [
            op.restored(name, get) for name, get in zip(self.needs, self._arrays, strict=True)
        ]

    def on_arrays(self, node: Node, gradient: Any, which: Any) -> Any:
        """Return what the function makes of arrays."""
        return self.function(*[get(node, gradient, which) for get in self._arrays])

    def on_tensors(self, node: Node, gradient: Tensor, position: int) -> Any:
        """Return what the function makes of tensors: the arrays with their history."""
        return self.function(*[get(node, gradient, position) for get in self._tensors])


class Primitive:
    """What the engine knows of an operation: its forward, its derivatives, and what they need."""

    def __init__(
        self,
        forward: Callable[..., Any],
        vjps: dict[str, Callable[..., Any]],
        *,
        broadcasts: bool,
        fused: Callable[..., Any] | None,
        plain: bool,
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
        self.positions = {name: i for i, name in enumerate(self.names)}
        if unknown := set(vjps) - set(self.names):
            raise TypeError(f"{self.name}: derivatives for unknown arguments {sorted(unknown)}.")
        if taken := set(self.names) & set(_GETTERS):
            raise TypeError(f"{self.name}: arguments may not be called {sorted(taken)}.")
        self._differentiable = set(vjps)
        self.vjps = {name: _Vjp(function, self) for name, function in vjps.items()}
        self.fused = None if fused is None else _Vjp(fused, self)
        self.plain = plain
        self._by_position: list[Any] = [self.vjps.get(name) for name in self.names]
        self._overwrites = self.fused is not None and "spare" in self.fused.needs
        self._kept: dict[int, tuple[tuple[bool, ...], bool]] = {}

    def getter(self, name: str) -> Getter:
        """Return how a VJP gets the array, or the option, that was given for ``name``."""
        if name not in self.positions:
            raise TypeError(
                f"{self.name}: a derivative asks for '{name}', which is neither an argument nor "
                f"one of {', '.join(_GETTERS)}."
            )
        place = self.positions[name]
        if self.variadic and place == 0:
            return lambda node, g, position: node.args
        if not self.defaults and set(self.names) == self._differentiable:  # all are always given
            return lambda node, g, position: node.args[place]
        in_order = not self.variadic

        def get(node: Node, g: Any, position: Any) -> Any:
            if in_order and place < len(node.args):
                return node.args[place]
            return node.params[name] if name in node.params else self.defaults[name]

        return get

    def restored(self, name: str, get: Getter) -> Getter:
        """Return how a VJP gets the tensor for ``name``, if its value is an array."""
        if name == "out":
            return lambda node, g, position: _restore(node.out, node)
        place = self.positions.get(name)
        if place is None:
            return get
        if self.variadic and place == 0:
            return lambda node, g, position: tuple(map(_restore, node.args, node.parents))
        if self.variadic:
            return get

        tracked = name in self._differentiable

        def restore(node: Node, g: Any, position: Any) -> Any:
            value = get(node, g, position)
            if place >= len(node.args):  # an option given by keyword
                return value
            return _restore(value, node.parents[place] if tracked else None)

        return restore

    def kept(self, mask: int, count: int) -> tuple[tuple[bool, ...], bool]:
        """Return what the tape keeps if the arguments in ``mask`` are tracked.

        Whether each of the ``count`` arguments is kept, and whether the result is.
        """
        key = count if self.variadic else mask
        found = self._kept.get(key)
        if found is None and self.variadic:
            needs = self.vjps[self.names[0]].needs
            found = self._kept[key] = (self.names[0] in needs,) * count, "out" in needs
        if found is None:
            wanted = set() if self.fused is None else set(self.fused.needs)
            for name, vjp in self.vjps.items():
                if mask >> self.positions[name] & 1:
                    wanted.update(vjp.needs)
            kept = tuple(name in wanted or name not in self.vjps for name in self.names)
            found = self._kept[key] = kept, "out" in wanted
        return found

    def differentiable(self, position: int) -> bool:
        """Whether the argument at ``position`` has a derivative."""
        return self.variadic or (position < len(self.names) and self.names[position] in self.vjps)

    def pull_back(
        self, node: Node, gradient: Tensor, wants: tuple[bool, ...], create_graph: bool
    ) -> list[Tensor | None]:
        """Return the gradient of each argument of ``node`` (None where it is not wanted)."""
        parts: list[Tensor | None] = [None] * len(wants)
        fused = None if create_graph else self.fused
        if fused is None or not self._overwrites:
            graph.seal(gradient)  # a derivative may return it as it is, for several arguments
        if fused is not None:
            arrays = fused.on_arrays(node, gradient._data, wants)
            alone = len({*map(id, arrays)}) == len(arrays)
        on_arrays = self.plain and not create_graph
        for position, want in enumerate(wants):
            if not want:
                continue
            if fused is not None:
                part = _handed_over(arrays[position])
                if not alone:  # one array for two arguments is nobody's own
                    graph.seal(part)
            else:
                vjp = self._by_position[0 if self.variadic else position]
                if on_arrays:
                    part = wrap(vjp.on_arrays(node, gradient._data, position))
                else:
                    part = vjp.on_tensors(node, gradient, position)
            parent: Any = node.parents[position]
            data = getattr(part, "_data", None)
            if data is None or data.shape != parent.shape or data.dtype is not parent.dtype:
                part = self._fit(part, parent, position)
            parts[position] = part
        return parts

    def _fit(self, part: Tensor, parent: Node | Leaf, position: int) -> Tensor:
        """Give a gradient the shape and dtype of its argument."""
        if not isinstance(part, Tensor):
            raise TypeError(
                f"The derivative of '{self.name}' for '{self._label(position)}' must return a "
                f"tensor: write it with operations on tensors. Received: {type(part).__name__}"
            )
        data = part._data
        if data.shape != parent.shape:
            if not self.broadcasts:
                raise RuntimeError(
                    f"The derivative of '{self.name}' for '{self._label(position)}' has shape "
                    f"{part.shape}, but the argument has shape {parent.shape}. This is a bug in "
                    f"the operation."
                )
            part = part.sum_to(parent.shape)
        if data.dtype is not parent.dtype:
            part = part.astype(parent.dtype)
        return part

    def _label(self, position: int) -> str:
        return f"{self.names[0]}[{position}]" if self.variadic else self.names[position]

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.names)})>"


def _handed_over(array: Any) -> Tensor:
    """Return a new array as a tensor that the walk may still write to, see `graph.spare`."""
    if type(array) is not np.ndarray:
        return wrap(array)
    tensor = object.__new__(Tensor)
    tensor._data = array
    tensor._node = None
    return tensor


def _restore(value: Any, parent: Node | Leaf | None) -> Any:
    """Return a kept array as the tensor it was: `wrap` without its checks."""
    if type(value) is not np.ndarray:
        return wrap(value, parent) if hasattr(value, "dtype") else value
    tensor = object.__new__(Tensor)
    tensor._data = value
    tensor._node = parent
    return tensor


def primitive(
    *,
    broadcasts: bool = False,
    fused: Callable[..., Any] | None = None,
    plain: bool = False,
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
        ``fused(g, wants, ...)``: computes on arrays the gradients of all tensor arguments at once,
        in new arrays.
    plain : bool
        The VJPs consist of operators and numbers, and mean the same for arrays.
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
        op = Primitive(forward, vjps, broadcasts=broadcasts, fused=fused, plain=plain, saves=saves)
        if not vjps:
            call = calls.untracked(op)
        elif op.names == ("x",) and not saves:
            call = calls.unary(op)
        elif op.names == ("a", "b") and set(vjps) == {"a", "b"} and broadcasts and fused is None:
            call = calls.binary(op)
        elif [*vjps] == [*op.names[:1]] and not op.variadic and not broadcasts:
            call = calls.single(op)
        else:
            call = calls.general(op)
        call = functools.wraps(forward)(call)
        call.primitive = op  # type: ignore[attr-defined]
        return call

    return decorate

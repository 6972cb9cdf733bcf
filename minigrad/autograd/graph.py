"""The tape: what is recorded, how it is walked backwards, and how recording is switched off.

Every recorded operation makes one `Node`. A node knows the operation, the nodes of its arguments
and what the derivatives asked to keep, nothing else: tensors are handles on nodes, so memory goes
as soon as nobody needs it. Nodes are numbered as they are made and an argument is always made
before the result, hence descending numbers are a topological order: the walk is a loop, not a
recursion, and visits each node once however often it is shared.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from minigrad.autograd.primitive import Primitive
    from minigrad.autograd.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
Hook = Callable[["Tensor"], "Tensor | None"]

number = itertools.count().__next__


class _Recording(threading.local):
    """Whether operations are recorded; each thread has its own switch."""

    on = True


recording = _Recording()


class _SetRecording:
    """A context manager and decorator that sets the switch and puts back what was there."""

    def __init__(self, on: bool) -> None:
        self._on = on
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(recording.on)
        recording.on = self._on

    def __exit__(self, *exception: object) -> None:
        recording.on = self._before.pop()

    def __call__(self, function: F) -> F:
        on = self._on

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _SetRecording(on):
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


class no_grad(_SetRecording):
    """Stop recording, as a context manager or as a decorator.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.no_grad():
    ...     y = x * 3
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_SetRecording):
    """Record again inside a `no_grad` block, as a context manager or as a decorator."""

    def __init__(self) -> None:
        super().__init__(True)


def is_grad_enabled() -> bool:
    """Return whether operations on tensors with ``requires_grad`` are recorded in this thread."""
    return recording.on


class HookHandle:
    """What `Tensor.register_hook` returns; call `remove` to take the hook away."""

    def __init__(self, hooks: list[Hook], hook: Hook) -> None:
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


class Node:
    """One recorded operation."""

    __slots__ = (
        "__weakref__",
        "args",  # the arrays and options it was called with; None where no derivative needs them
        "dtype",
        "grad",  # filled by backward if retain_grad() asked for it
        "hooks",
        "number",
        "op",
        "out",  # the result's array, if a derivative needs it
        "params",  # keyword options
        "parents",  # per argument: the Node or Leaf behind it, or None where no gradient goes
        "shape",
    )

    op: Primitive
    parents: tuple[Node | Leaf | None, ...]
    args: Any
    out: Any
    params: dict[str, Any]
    shape: tuple[int, ...]
    dtype: Any
    number: int
    hooks: list[Hook] | None
    grad: Tensor | None

    def free(self) -> None:
        """Let go of everything that was kept for the derivatives."""
        self.args = self.out = None
        self.parents = ()

    @property
    def freed(self) -> bool:
        """Whether a backward pass has used this node up."""
        return self.args is None

    def __repr__(self) -> str:
        return f"<Node {self.number}: {self.op.name} -> {self.dtype}{list(self.shape)}>"


class Leaf:
    """The end of the tape behind a tensor made with ``requires_grad=True``: gradients collect here."""

    __slots__ = ("__weakref__", "dtype", "grad", "hooks", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.grad: Tensor | None = None
        self.hooks: list[Hook] | None = None


def _reachable(roots: Sequence[Node | Leaf]) -> list[Node]:
    """Return all nodes that ``roots`` depend on, newest first."""
    nodes = {id(root): root for root in roots if isinstance(root, Node)}
    stack = list(nodes.values())
    while stack:
        node = stack.pop()
        if node.freed:
            raise RuntimeError(
                f"The graph of this result was already used by a backward pass (at operation "
                f"'{node.op.name}') and its saved values are freed. Call backward(retain_graph=True) "
                f"the first time to walk it twice, or compute the result again."
            )
        for parent in node.parents:
            if isinstance(parent, Node) and id(parent) not in nodes:
                nodes[id(parent)] = parent
                stack.append(parent)
    return sorted(nodes.values(), key=lambda node: node.number, reverse=True)


def _run_hooks(hooks: list[Hook] | None, gradient: Tensor) -> Tensor:
    for hook in tuple(hooks or ()):
        replacement = hook(gradient)
        if replacement is not None:
            if replacement.shape != gradient.shape:
                raise ValueError(
                    f"A gradient hook must keep the shape. Expected {gradient.shape}, "
                    f"received {replacement.shape}."
                )
            gradient = replacement
    return gradient


def walk(
    roots: Sequence[Tensor],
    gradients: Sequence[Tensor],
    targets: Sequence[Tensor] | None,
    *,
    retain_graph: bool,
    create_graph: bool,
) -> dict[int, tuple[Node | Leaf, Tensor]]:
    """Carry ``gradients`` from ``roots`` back through the graph.

    Parameters
    ----------
    roots, gradients : sequences of Tensor
        Where to start, and with which upstream gradients (of the same shapes).
    targets : sequence of Tensor or None
        Whose gradients are wanted; None means all leaves. Branches that lead to no target are not
        computed.
    retain_graph : bool
        Keep the saved values, so that the graph can be walked again.
    create_graph : bool
        Record the walk itself, so that its results can be differentiated.

    Returns
    -------
    dict
        ``id(source)`` -> (source, gradient), where the source is the Node or Leaf behind a target.
    """
    sources: list[Any] = [root._node for root in roots]
    order = _reachable(sources)
    wanted = None if targets is None else {id(target._node) for target in targets}

    useful: set[int] = set()  # nodes from which a target can be reached
    if wanted is not None:
        for node in reversed(order):
            if any(id(p) in wanted or id(p) in useful for p in node.parents if p is not None):
                useful.add(id(node))

    pending: dict[int, tuple[Node | Leaf, Tensor]] = {}

    def collect(where: Node | Leaf, gradient: Tensor) -> None:
        before = pending.get(id(where))
        pending[id(where)] = (where, gradient if before is None else before[1] + gradient)

    found: dict[int, tuple[Node | Leaf, Tensor]] = {}
    with _SetRecording(create_graph):
        for start, gradient in zip(sources, gradients, strict=True):
            collect(start, gradient)
        for node in order:
            if id(node) not in pending:
                continue
            gradient = _run_hooks(node.hooks, pending.pop(id(node))[1])
            if wanted is not None:
                if id(node) in wanted:
                    found[id(node)] = (node, gradient)
                if id(node) not in useful:
                    continue
            wants = tuple(
                p is not None and (wanted is None or id(p) in wanted or id(p) in useful)
                for p in node.parents
            )
            for parent, part in zip(
                node.parents, node.op.pull_back(node, gradient, wants, create_graph), strict=True
            ):
                if part is not None and parent is not None:
                    collect(parent, part)
            if not retain_graph:
                node.free()
        for key, (leaf, gradient) in pending.items():
            if not isinstance(leaf, Node) and (wanted is None or key in wanted):
                found[key] = (leaf, _run_hooks(leaf.hooks, gradient))
    return found

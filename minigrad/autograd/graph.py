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
import operator
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minigrad.kernels.choice import compiled

if TYPE_CHECKING:
    from minigrad.autograd.primitive import Primitive
    from minigrad.autograd.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
Hook = Callable[["Tensor"], "Tensor | None"]

number = itertools.count().__next__
_number = operator.attrgetter("number")


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


def RETAIN(gradient: Tensor) -> None:
    """Stand among the hooks of a node whose gradient is to be collected in its ``grad``."""


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
    """The end of the tape behind a tensor with ``requires_grad=True``; gradients collect here."""

    __slots__ = ("__weakref__", "dtype", "grad", "hooks", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.grad: Tensor | None = None
        self.hooks: list[Hook] | None = None


def _reachable(roots: Sequence[Node | Leaf]) -> list[Node]:
    """Return all nodes that ``roots`` depend on, newest first."""
    seen = {root for root in roots if isinstance(root, Node)}
    stack = list(seen)
    while stack:
        node = stack.pop()
        if node.args is None:
            raise RuntimeError(
                f"The graph of this result was already used by a backward pass (at operation "
                f"'{node.op.name}') and its saved values are freed. Call "
                f"backward(retain_graph=True) the first time to walk it twice, or compute the "
                f"result again."
            )
        for parent in node.parents:
            if type(parent) is Node and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=_number, reverse=True)


def _run_hooks(where: Node | Leaf, gradient: Tensor) -> Tensor:
    """Return the gradient as the hooks of a node or leaf leave it."""
    hooks = where.hooks or []
    for hook in tuple(hooks):
        replacement = None if hook is RETAIN else hook(gradient)
        if replacement is not None:
            if not hasattr(replacement, "requires_grad"):
                raise TypeError(
                    f"A gradient hook must return a tensor or None. "
                    f"Received: {type(replacement).__name__}"
                )
            if replacement.shape != gradient.shape:
                raise ValueError(
                    f"A gradient hook must keep the shape. Expected {gradient.shape}, "
                    f"received {replacement.shape}."
                )
            gradient = replacement.astype(gradient.dtype)
    if RETAIN in hooks:
        accumulate(where, gradient)
    return gradient


def spare(array: Any) -> bool:
    """Whether the array of a gradient is known to the walk alone, which may overwrite it then.

    A fused backward makes such arrays. They are writable until somebody else gets hold of them.
    """
    return type(array) is np.ndarray and array.flags.writeable


def seal(tensor: Tensor) -> Tensor:
    """Make the array of a tensor read-only: of a gradient, when somebody gets hold of it."""
    if type(tensor._data) is np.ndarray:
        tensor._data.setflags(write=False)
    return tensor


def _sum(before: Tensor, part: Tensor) -> Tensor:
    """Return the sum of two parts of a gradient, in place of one of them where that is possible."""
    for total, other in ((before, part), (part, before)):
        if spare(total._data) and total._data.dtype == other._data.dtype:
            _add_to(total._data, other._data)
            return total
    return before + part


def _add_to(total: Any, part: Any) -> None:
    """Add an array to another one, in its place."""
    if compiled(total, part):
        from minigrad.kernels.cpu import elementwise  # imported when it is needed

        elementwise.add_to(total, part)
    else:
        total += part


def accumulate(where: Node | Leaf, gradient: Tensor) -> None:
    """Add a gradient to what a node or leaf has collected; this is not recorded."""
    if where.grad is None:
        where.grad = gradient.detach()
        return
    with _SetRecording(False):
        where.grad = where.grad + gradient


def walk(
    roots: Sequence[Tensor],
    gradients: Sequence[Tensor],
    targets: Sequence[Tensor] | None,
    *,
    retain_graph: bool,
    create_graph: bool,
) -> dict[Node | Leaf, Tensor]:
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
        From the node or leaf behind each target that was reached to its gradient.
    """
    sources: list[Any] = [root._node for root in roots]
    order = _reachable(sources)
    wanted: set[Any] | None = None if targets is None else {target._node for target in targets}
    useful = set() if wanted is None else _leading_to(wanted, order)

    pending: dict[Any, Tensor] = {}  # gradients of which more parts may come
    found: dict[Node | Leaf, Tensor] = {}
    before_walk = recording.on
    recording.on = create_graph
    try:  # not `with`: Ctrl-C could come on the way into __exit__, and this is quicker
        for source, gradient in zip(sources, gradients, strict=True):
            before = pending.get(source)
            pending[source] = gradient if before is None else before + gradient
        for node in order:
            arrived = pending.pop(node, None)
            if arrived is None:
                continue
            if node.hooks:
                arrived = _run_hooks(node, seal(arrived))
            if wanted is None:
                wants = tuple([parent is not None for parent in node.parents])
            else:
                if node in wanted:
                    found[node] = seal(arrived)
                if node not in useful:
                    continue
                wants = tuple([parent in wanted or parent in useful for parent in node.parents])
            parts = node.op.pull_back(node, arrived, wants, create_graph)
            for parent, part in zip(node.parents, parts, strict=True):
                if part is not None:
                    before = pending.get(parent)
                    pending[parent] = part if before is None else _sum(before, part)
            if not retain_graph:
                node.free()
        for leaf, gradient in pending.items():
            if type(leaf) is Leaf and (wanted is None or leaf in wanted):
                seal(gradient)
                found[leaf] = _run_hooks(leaf, gradient) if leaf.hooks else gradient
    finally:
        recording.on = before_walk
    return found


def _leading_to(wanted: set[Any], order: list[Node]) -> set[Any]:
    """Return the nodes that depend on one of the wanted nodes and leaves."""
    reaching: set[Any] = set()
    for node in reversed(order):
        for parent in node.parents:
            if parent in wanted or parent in reaching:
                reaching.add(node)
                break
    return reaching

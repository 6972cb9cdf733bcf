"""The tensor: an array that remembers where it came from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import config
from minigrad.autograd import graph
from minigrad.autograd.convert import as_array, explained, plain
from minigrad.autograd.graph import Hook, HookHandle, Leaf, Node
from minigrad.autograd.operations import Operations
from minigrad.autograd.protocols import Protocols
from minigrad.kernels import devices

Array = Any  # numpy.ndarray on the CPU, cupy.ndarray on a GPU


class Tensor(Operations, Protocols):
    """An n-dimensional array of numbers that records the operations on it.

    A tensor's array is read-only: operations make new tensors, and `assign` (or ``t.data = value``)
    puts a new array in place of the old one. So a value that a derivative still needs cannot be
    changed behind its back.

    Parameters
    ----------
    data : array_like
        The values; they are copied. A NumPy array keeps its dtype, Python numbers become
        ``config.floatx()`` (integers and booleans stay what they are).
    dtype : str or numpy dtype, optional
        Convert to this dtype.
    requires_grad : bool
        Record operations on this tensor so that `backward` fills ``grad``. Needs float32 or
        float64.

    Raises
    ------
    TypeError
        If ``data`` does not form a rectangular array of numbers, or gradients are asked of
        integers.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    Tensor([2., 4., 6.], shape=(3,), dtype=float32, device=cpu)
    """

    __slots__ = ("__weakref__", "_data", "_node")
    __hash__ = object.__hash__

    _data: Array  # read-only
    _node: Node | Leaf | None  # where gradients go; None if this tensor requires none

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> None:
        array = as_array(data, dtype)
        if requires_grad:
            _check_differentiable(array.dtype)
        self._data = array
        self._node = Leaf(array.shape, array.dtype) if requires_grad else None
        graph.seal(self)

    # ------------------------------------------------------------------ facts

    @property
    def data(self) -> Array:
        """The array itself, read-only and not recorded; assigning replaces it (see `assign`)."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self.assign(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        """Where the array lives: ``'cpu'`` or ``'cuda'``."""
        return "cpu" if isinstance(self._data, np.ndarray) else "cuda"

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if bool(value) == self.requires_grad:
            return
        if isinstance(self._node, Node):
            raise RuntimeError(
                f"This tensor is the result of '{self.op}'; whether it requires gradients follows "
                f"from its arguments. Use detach() for a tensor without history."
            )
        _check_differentiable(self.dtype)
        self._node = Leaf(self.shape, self.dtype) if value else None

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, of this tensor's shape and dtype; None before `backward`."""
        return None if self._node is None else self._node.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            value = constant(value, self)
            if self._node is None:
                raise RuntimeError("Only a tensor that requires gradients can hold one.")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ValueError(
                    f"A gradient has the shape and dtype of its tensor. Expected "
                    f"{self.dtype}{list(self.shape)}, received {value.dtype}{list(value.shape)}."
                )
            value = value.detach()
        if self._node is not None:
            self._node.grad = value

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return not isinstance(self._node, Node)

    @property
    def op(self) -> str | None:
        """The name of the recorded operation that made this tensor, or None for a leaf."""
        return self._node.op.name if isinstance(self._node, Node) else None

    # ------------------------------------------------------------------ getting values out

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the values as a NumPy array that may be changed freely."""
        return np.array(self._on_host())

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises
        ------
        ValueError
            If there is not exactly one element.
        """
        if self._data.size != 1:
            raise ValueError(
                f"item() needs a tensor with exactly one element. Received: shape={self.shape}."
            )
        return self._data.item()

    def tolist(self) -> Any:
        """Return the values as (nested) Python lists."""
        return self._data.tolist()

    def detach(self) -> Tensor:
        """Return a tensor with the same values and no history (they share the read-only array)."""
        return wrap(self._data)

    # ------------------------------------------------------------------ changing values

    def assign(self, value: Any) -> Tensor:
        """Put new values in place of the old ones, atomically, and return self.

        Parameters
        ----------
        value : array_like
            Of this tensor's shape; converted to its dtype and moved to its device.

        Raises
        ------
        ValueError
            If the shape differs; nothing is changed then.
        RuntimeError
            If this tensor is the recorded result of an operation.
        """
        if isinstance(self._node, Node):
            raise RuntimeError(
                f"This tensor is the result of '{self.op}'; assigning to it would make its history "
                f"wrong. Use detach() first."
            )
        data = value._data if isinstance(value, Tensor) else value
        if isinstance(value, Tensor) and data.dtype == self.dtype and _fixed(data):
            array = data  # which two tensors can share
        else:
            array = as_array(data, self.dtype)
        if type(array) is not type(self._data):
            array = devices.to_device(array, self.device)
        if array.shape != self.shape:
            raise ValueError(
                f"assign() cannot change the shape. Expected {self.shape}, received {array.shape}."
            )
        self._data = array
        return graph.seal(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.requires_grad and graph.recording.on:
            raise TypeError(
                "Tensors that require gradients do not support item assignment: the derivative of "
                "what was overwritten would be lost. Build a new tensor instead, for example "
                "mg.ops.where(mask, value, x), or assign "
                "inside `with mg.no_grad():` if this is an update that gradients need not see."
            )
        array = self.numpy()
        try:
            array[plain(key)] = devices.to_host(as_array(value, self.dtype))
        except (IndexError, ValueError) as error:
            raise explained(error, key) from None
        self.assign(array)

    # ------------------------------------------------------------------ gradients

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor to ``grad`` of every leaf that it depends on.

        Parameters
        ----------
        gradient : array_like, optional
            The upstream gradient, of this tensor's shape. May be left out for a tensor with one
            element (then it is 1).
        retain_graph : bool
            Keep the saved values so that backward can be called again.

        Raises
        ------
        RuntimeError
            If the tensor requires no gradient, is not a single number and ``gradient`` is missing,
            or its graph was used up by an earlier call.

        Examples
        --------
        >>> import minigrad as mg
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).backward([1.0, 10.0])
        >>> x.grad.numpy()
        array([ 2., 40.], dtype=float32)
        """
        upstream = _upstream(self, gradient)
        found = graph.walk([self], [upstream], None, retain_graph=retain_graph, create_graph=False)
        for leaf, part in found.items():
            graph.accumulate(leaf, part)

    def zero_grad(self) -> None:
        """Forget the accumulated gradient."""
        self.grad = None

    def register_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(gradient)`` whenever this tensor's gradient is computed.

        The hook may return a tensor of the same shape to use in place of the gradient. Keep the
        handle to remove it.

        Examples
        --------
        >>> import minigrad as mg
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda gradient: gradient * 0.5)
        >>> (x * 4.0).sum().backward()
        >>> x.grad.numpy()
        array([2., 2.], dtype=float32)
        """
        if self._node is None:
            raise RuntimeError("register_hook() needs a tensor that requires gradients.")
        if self._node.hooks is None:
            self._node.hooks = []
        self._node.hooks.append(hook)
        return HookHandle(self._node.hooks, hook)

    def retain_grad(self) -> None:
        """Let `backward` fill ``grad`` of this result as well, as it does for leaves."""
        if isinstance(self._node, Node) and graph.RETAIN not in (self._node.hooks or ()):
            self.register_hook(graph.RETAIN)

    # ------------------------------------------------------------------ copies and looks

    def _on_host(self) -> np.ndarray[Any, Any]:
        return devices.to_host(self._data)

    def __reduce__(self) -> Any:  # copy and deepcopy use it, too
        return _rebuild, (type(self), self._on_host(), self.requires_grad, self.device)

    def __repr__(self) -> str:
        from minigrad.autograd.display import text

        return text(self)

    def _repr_html_(self) -> str:
        from minigrad.autograd.display import html

        return html(self)


def wrap(array: Any, node: Node | Leaf | None = None) -> Tensor:
    """Make a tensor around ``array`` without copying; the array becomes read-only."""
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    elif isinstance(array, np.generic):  # NumPy turns results without axes into scalars
        array = np.asarray(array)
        array.setflags(write=False)
    result = object.__new__(Tensor)
    result._data = array
    result._node = node
    return result


def constant(value: Any, like: Tensor | None = None) -> Tensor:
    """Return ``value`` as a tensor: itself if it is one, else a copy that requires no gradient.

    Numbers, lists and NumPy arrays live nowhere yet; the copy is made on the device of ``like``.
    """
    if isinstance(value, Tensor):
        return value
    array = as_array(value, None)
    return wrap(array if like is None else devices.to_device(array, like.device))


def move(tensors: Iterable[Tensor], device: str) -> str:
    """Move tensors and their gradients to a device, in place: all, or none if that fails.

    Raises
    ------
    ValueError, RuntimeError
        As ``Tensor.to``.
    """
    place = devices.parse(device)
    parts = [part for x in tensors for part in (x, x.grad) if part is not None]
    arrays = [devices.to_device(part._data, place) for part in parts]
    for part, array in zip(parts, arrays, strict=True):
        part._data = wrap(array)._data
    return place


def _fixed(array: Any) -> bool:
    """Whether nobody can write to a tensor's array, through what it is a view of either."""
    if not isinstance(array, np.ndarray):
        return True  # by convention: memory on a device has no write protection
    owner = array.base
    return owner is None or (isinstance(owner, np.ndarray) and not owner.flags.writeable)


def _check_differentiable(dtype: np.dtype[Any]) -> None:
    if dtype.name not in config.FLOAT_TYPES:
        raise TypeError(
            f"Only float32 and float64 tensors can require gradients. Received: dtype={dtype}. "
            f"Pass dtype='float32' or dtype='float64'."
        )


def _upstream(output: Tensor, gradient: Any) -> Tensor:
    """Return the checked upstream gradient for ``output``."""
    if not output.requires_grad:
        raise RuntimeError(
            "This tensor does not require gradients: none of the tensors it was computed from was "
            "made with requires_grad=True (or it was computed inside no_grad())."
        )
    if gradient is None:
        if output.size != 1:
            raise RuntimeError(
                f"backward() without a gradient needs a single number, such as a loss. This tensor "
                f"has shape {output.shape}: pass gradient=..., or reduce it first with .sum() or "
                f".mean()."
            )
        return wrap(output._data**0)  # 1, of NaN as well
    upstream = constant(gradient, output)
    devices.check_same("backward", output._data, upstream._data)
    if upstream.shape != output.shape:
        raise ValueError(
            f"The upstream gradient must have the shape of the tensor. Expected {output.shape}, "
            f"received {upstream.shape}."
        )
    return upstream if upstream.dtype == output.dtype else upstream.astype(output.dtype)


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool, device: str) -> Tensor:
    result = object.__new__(kind)
    place = devices.parse(device)
    Tensor.__init__(result, devices.to_device(array, place), requires_grad=requires_grad)
    return result

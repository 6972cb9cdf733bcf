"""What happens when an operation is called: compute on arrays, and record a node.

`general` serves every operation. `unary`, `binary` and `single` do the same for the most frequent
forms, without its loops: recording an operation is what a training step does most often.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import config
from minigrad._brief import brief
from minigrad.autograd.convert import as_array
from minigrad.autograd.graph import Leaf, Node, number, recording
from minigrad.autograd.tensor import Tensor, constant, wrap
from minigrad.autograd.watching import show, watchers
from minigrad.kernels import devices

if TYPE_CHECKING:
    from minigrad.autograd.primitive import Primitive

_FLOAT64 = np.dtype("float64")
_NO_PARAMS: dict[str, Any] = {}
_MISSING: Any = object()
_ndarray: Any = np.ndarray
_new = object.__new__
_PLAIN = {bool, int, float, np.ndarray}


def _array(value: Any, keeps: bool) -> Any:
    """Return what the forward gets for an argument that is not a tensor.

    An array that its owner may change is copied if the tape or the result may keep it.
    """
    if isinstance(value, np.ndarray):
        return constant(value)._data if keeps and _writeable(value) else value
    if isinstance(value, (float, np.floating)):
        return float(value)  # numbers are weak: they take the dtype of the array they meet
    if value is None or isinstance(value, (int, complex, np.generic)):
        return value
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        return constant(value)._data
    raise TypeError(
        f"Expected a tensor, an array or a number. Received: {type(value).__name__} {brief(value)}"
    )


def _writeable(array: Any) -> bool:
    """Whether anybody can change the array: itself, or what it is a read-only view of."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return array is not None


def _result(op: Primitive, out: Any) -> Any:
    """Return what a forward gave as an array: NumPy turns results without axes into scalars."""
    if isinstance(out, (np.generic, int, float)):
        out = np.asarray(out)
    if isinstance(out, _ndarray):
        out.setflags(False)
        return out
    if devices.is_array(out):
        return out
    raise TypeError(
        f"The forward function of an operation must return an array. "
        f"Received: {type(out).__name__} from '{op.name}'"
    )


def _narrow(op: Primitive, arrays: Any, params: dict[str, Any], out: Any) -> Any:
    """Undo NumPy's widening of a result to float64 where no argument was float64.

    Integers that met float32 give float32; integers alone give floatx.
    """
    dtypes = [a.dtype.type for a in arrays if hasattr(a, "dtype")]
    if np.float64 in dtypes:
        return out
    if np.float32 in dtypes:
        arrays = [a.astype(np.float32) if hasattr(a, "dtype") else a for a in arrays]
        return _result(op, op.forward(*arrays, **params))
    return _result(op, out.astype(config.floatx()))


def _together(op: Primitive, args: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """Return arrays on one device, after a forward has failed; raise what it raised if they were.

    NumPy arrays and lists go where the tensors are. Tensors are moved by who made them.
    """
    if len({devices.device_of(array) for array in arrays if devices.is_array(array)}) < 2:
        _explain(op, args)
        raise
    devices.check_same(op.name, *[arg.data for arg in args if isinstance(arg, Tensor)])
    home = next(arg.device for arg in args if isinstance(arg, Tensor))
    return [devices.to_device(x, home) if devices.is_array(x) else x for x in arrays]


def _explain(op: Primitive, args: Sequence[Any]) -> None:
    """Raise TypeError if a forward has failed for an argument that holds no numbers, or wrong ones.

    Nobody asks before: NumPy notices as well, if in words that are hard to understand.
    """
    failure, dtypes = sys.exception(), []
    for place, arg in enumerate(args):
        optional = arg is None and op.vjps and not op.broadcasts
        if optional or (op.vjps and not op.differentiable(place)):
            continue
        try:
            dtypes.append(constant(arg).dtype)
        except TypeError:
            raise TypeError(
                f"{op.name}() needs tensors, arrays or numbers. "
                f"Received: {op.names[0 if op.variadic else place]}={brief(arg)}"
            ) from None
    if isinstance(failure, TypeError) and any(dtype.kind in "bc" for dtype in dtypes):
        names = ", ".join(map(str, dtypes))
        raise TypeError(f"{op.name}() is not defined for this type. Received: {names}") from failure


def unary(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of an operation on a single ``x``: `general` without its loops."""
    forward = op.forward
    keep_x, keep_out = op.kept(1, 1)

    def call(x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            x = constant(x)
        data = x._data
        parent = x._node
        try:
            out = forward(data)
        except TypeError:
            _explain(op, (x,))
            raise
        if watchers:
            show(op.name, out)
        if type(out) is _ndarray:
            out.setflags(False)
        else:
            out = _result(op, out)
        if parent is None or not recording.on:
            # From integers; two dtypes that are equal need not be the same object.
            if out.dtype is _FLOAT64 and data.dtype != _FLOAT64:
                out = out.astype(config.floatx())
            return wrap(out)
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


def binary(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of a broadcasting operation on ``a``, ``b``: `general` without loops."""
    forward = op.forward
    keeps = [op.kept(mask, 2) for mask in range(4)]
    flat = [(kept[0], kept[1], out) for kept, out in keeps]

    def call(a: Any, b: Any) -> Tensor:
        if isinstance(a, Tensor):
            x = a._data
            parent_a = a._node
        else:
            x = _array(a, recording.on)
            parent_a = None
        if isinstance(b, Tensor):
            y = b._data
            parent_b = b._node
        else:
            y = _array(b, recording.on)
            parent_b = None
        try:
            out = forward(x, y)
        except Exception:
            x, y = _together(op, (a, b), (x, y))
            out = forward(x, y)
        if watchers:
            show(op.name, out)
        if type(out) is _ndarray:
            out.setflags(False)
        else:
            out = _result(op, out)
        dtype = out.dtype
        if dtype is _FLOAT64:
            out = _narrow(op, (x, y), _NO_PARAMS, out)
            dtype = out.dtype
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


def single(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of an operation whose first argument alone is differentiable."""
    forward = op.forward
    saves = op.saves
    (keep_x, *_), keep_out = op.kept(1, 1)

    def call(x: Any = _MISSING, /, *options: Any, **params: Any) -> Tensor:
        if x is _MISSING:
            (x, *options), params = _tensors_by_position(op, (), params)  # type: ignore[assignment]
        if not isinstance(x, Tensor):
            x = constant(x)
        data = x._data
        parent = x._node
        given = options
        for option in given:
            if isinstance(option, Tensor):
                options = tuple([o._data if isinstance(o, Tensor) else o for o in given])
                break
        try:
            out = forward(data, *options, **params)
        except Exception:
            data, *options = _together(op, (x, *given), (data, *options))  # type: ignore[assignment]
            out = forward(data, *options, **params)
        if saves:
            out, saved = out
            params["saved"] = saved
        if watchers:
            show(op.name, out)
        if type(out) is _ndarray:
            out.setflags(False)
        else:
            out = _result(op, out)
        result = _new(Tensor)
        result._data = out
        if parent is None or not recording.on:
            result._node = None
            return result
        node = _new(Node)
        node.op = op
        node.parents = (parent,)  # there is none behind the options
        node.args = (data if keep_x else None, *options)
        node.out = out if keep_out else None
        node.params = params
        node.shape = out.shape
        node.dtype = out.dtype
        node.number = number()
        node.hooks = node.grad = None
        result._node = node
        return result

    return call


def _beside(value: Any, args: tuple[Any, ...]) -> Any:
    """Return a list as an array, its numbers as exact as those of the tensors beside it."""
    array = constant(value)._data
    if isinstance(value, (list, tuple)) and array.dtype.kind == "f":
        dtypes = [arg.dtype for arg in args if isinstance(arg, Tensor) and arg.dtype.kind == "f"]
        return as_array(value, dtypes[0]) if dtypes else array
    return array


def untracked(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of an operation without derivatives, a comparison for instance."""
    forward = op.forward

    def call(*args: Any, **params: Any) -> Tensor:
        arrays = [
            arg._data
            if isinstance(arg, Tensor)
            else (arg if type(arg) in _PLAIN else _beside(arg, args))
            for arg in args
        ]
        try:
            out = forward(*arrays, **params)
        except Exception:
            out = forward(*_together(op, args, arrays), **params)
        if watchers:
            show(op.name, out)
        if type(out) is _ndarray:
            out.setflags(False)
        else:
            out = _result(op, out)
        result = _new(Tensor)
        result._data = out
        result._node = None
        return result

    return call


def general(op: Primitive) -> Callable[..., Tensor]:
    """Return the call of any operation."""
    forward, broadcasts = op.forward, op.broadcasts
    tensor_names = op.vjps.keys()
    # One more than there are names: with too many arguments, the forward complains.
    tracked = repeat(True) if op.variadic else [*[n in op.vjps for n in op.names], False]

    def call(*args: Any, **params: Any) -> Tensor:
        if params and not tensor_names.isdisjoint(params):
            args, params = _tensors_by_position(op, args, params)
        arrays = []
        parents: list[Node | Leaf | None] = []
        mask = 0
        for arg, differentiable in zip(args, tracked):  # noqa: B905
            parent = None
            if isinstance(arg, Tensor):
                arrays.append(arg._data)
                if differentiable and arg._node is not None:
                    parent = arg._node
                    mask |= 1 << len(parents)
            else:
                arrays.append(_array(arg, True) if differentiable else arg)
            parents.append(parent)
        try:
            out = forward(*arrays, **params)
        except Exception:
            arrays = _together(op, args, arrays)
            out = forward(*arrays, **params)
        if op.saves:
            out, saved = out
            params["saved"] = saved
        if watchers:
            show(op.name, out)
        if type(out) is _ndarray:
            out.setflags(False)
        else:
            out = _result(op, out)
        if broadcasts and out.dtype is _FLOAT64:
            out = _narrow(op, arrays, params, out)
        result = _new(Tensor)
        result._data = out
        if not mask or not recording.on:
            result._node = None
            return result
        keep, keep_out = op.kept(mask, len(args))
        node = _new(Node)
        node.op = op
        node.parents = tuple(parents)
        node.args = tuple([a if k else None for a, k in zip(arrays, keep)])  # noqa: B905
        node.out = out if keep_out else None
        node.params = params
        node.shape = out.shape
        node.dtype = out.dtype
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
    last = max([op.positions[name] for name in params if name in op.vjps], default=0)
    full = list(args)
    for name in op.names[len(args) : last + 1]:
        if name not in params and name not in op.defaults:
            raise TypeError(f"{op.name}() is missing the argument '{name}'.")
        full.append(params.pop(name) if name in params else op.defaults[name])
    return tuple(full), params

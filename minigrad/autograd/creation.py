"""Making tensors."""

from __future__ import annotations

from typing import Any

from minigrad.autograd.tensor import Tensor, wrap
from minigrad.kernels import devices


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None
) -> Tensor:
    """Make a tensor from numbers, lists, a NumPy array or another tensor; values are copied.

    Parameters
    ----------
    data : array_like
        A NumPy array keeps its dtype; Python floats become ``config.floatx()``, integers int64.
    dtype : str or numpy dtype, optional
        Convert to this dtype.
    requires_grad : bool
        Record operations on the tensor.
    device : str, optional
        ``'cpu'`` (the default) or ``'cuda'``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]], shape=(2, 2), dtype=float32, device=cpu)
    """
    result = Tensor(data, dtype=dtype, requires_grad=requires_grad)
    if device is not None and device != "cpu":
        moved: Tensor = result.detach().to(device)
        moved.requires_grad = requires_grad
        return moved
    return result


def from_dlpack(array: Any) -> Tensor:
    """Make a tensor in the memory of another library's array, without copying it.

    The array and the tensor are the same numbers, so the owner must not write to the array while
    the tensor, or a result that is still to be differentiated, is in use. minigrad itself never
    does. `tensor` copies, and asks nothing of the owner.

    Parameters
    ----------
    array : object with ``__dlpack__`` or ``__cuda_array_interface__``
        An array or tensor of NumPy, PyTorch, JAX, CuPy and others, on the CPU or on the current
        GPU.

    Raises
    ------
    TypeError
        If it offers neither.
    BufferError
        If it lives where minigrad does not compute.
    RuntimeError
        If it is on a GPU and CUDA does not work here.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> array = np.arange(3.0)
    >>> x = mg.from_dlpack(array)
    >>> np.shares_memory(x.data, array), array.flags.writeable
    (True, True)

    References
    ----------
    https://dmlc.github.io/dlpack/latest/python_spec.html
    """
    return wrap(devices.adopt(array)[...])

"""Making tensors."""

from __future__ import annotations

from typing import Any

from minigrad.autograd.tensor import Tensor


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

"""Moving tensors between the processor and a GPU."""

# mypy: disable-error-code=has-type
# (the derivative refers to the operation itself)
from __future__ import annotations

from typing import Any

from minigrad.autograd import Tensor, primitive
from minigrad.kernels import devices


@primitive(x=lambda g, target, source: _move(g, source, target))
def _move(x: Any, target: str, source: str) -> Any:
    return devices.to_device(x, target)


def to(x: Tensor, device: str) -> Tensor:
    """Return x on a device: itself if it is there, else a copy. Gradients flow back.

    Parameters
    ----------
    x : Tensor
    device : "cpu" or "cuda"
        A number as in ``"cuda:0"`` may only name the current GPU.

    Raises
    ------
    RuntimeError
        If there is no CUDA here; the text says why, and what to do.
    ValueError
        For other devices.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0])
    >>> x.to("cpu") is x
    True
    """
    place = devices.parse(device)
    return x if x.device == place else _move(x, place, x.device)

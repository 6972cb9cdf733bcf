"""Parameters: the tensors that a layer owns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.autograd import Tensor, move

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that belongs to a layer: it has a name and knows how it may be changed.

    Parameters
    ----------
    data : array_like
        The values; they are copied.
    name : str
        What the parameter is called within its layer, ``"bias"`` for instance.
    trainable : bool
        Whether gradients are recorded for it. `trainable` and `requires_grad` are the same switch.
    regularizer : callable, optional
        Maps the parameter to a single number; `Layer.losses` evaluates it.
    constraint : callable, optional
        Maps new values to allowed ones. Optimizers apply it after each of their updates, and
        nobody else does: neither initialization nor `assign` nor a forward pass.
    dtype : str or numpy dtype, optional
        Convert to this dtype.
    path : str, optional
        Name of the layer and name of the parameter, ``"separable_conv2d/bias"`` for instance.

    Raises
    ------
    TypeError
        If the values are not numbers, or integers are to be trained.

    Notes
    -----
    Follows the attributes of a Keras variable:
    https://www.tensorflow.org/versions/r2.4/api_docs/python/tf/keras/layers/Layer#add_weight

    Examples
    --------
    >>> from minigrad.layers import Parameter
    >>> bias = Parameter([0.0, 1.0], name="bias")
    >>> (bias * 3.0).sum().backward()
    >>> bias.name, bias.grad.numpy()
    ('bias', array([3., 3.], dtype=float32))
    """

    __slots__ = ("constraint", "name", "path", "regularizer")

    def __init__(
        self,
        data: Any,
        name: str = "parameter",
        *,
        trainable: bool = True,
        regularizer: Callable[..., Any] | None = None,
        constraint: Callable[..., Any] | None = None,
        dtype: Any = None,
        path: str | None = None,
    ) -> None:
        super().__init__(data, dtype=dtype, requires_grad=trainable)
        self.name = name
        self.path = name if path is None else path
        self.regularizer = regularizer
        self.constraint = constraint

    @property
    def trainable(self) -> bool:
        """Whether gradients are recorded for this parameter."""
        return self.requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.requires_grad = value

    def __reduce__(self) -> Any:
        own = self.name, self.trainable, self.regularizer, self.constraint, self.path
        return _rebuild, (self._on_host(), *own, self.device)


def _rebuild(
    data: Any, name: str, trainable: bool, regularizer: Any, constraint: Any, path: str, device: str
) -> Parameter:
    made = Parameter(
        data, name, trainable=trainable, regularizer=regularizer, constraint=constraint, path=path
    )
    move([made], device)
    return made

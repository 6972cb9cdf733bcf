"""Automatic differentiation in reverse mode: tensors, the tape, operations and derivatives."""

from minigrad.autograd.creation import from_dlpack, tensor
from minigrad.autograd.functional import grad
from minigrad.autograd.graph import enable_grad, is_grad_enabled, no_grad
from minigrad.autograd.primitive import Primitive, primitive
from minigrad.autograd.tensor import Tensor, constant, move, wrap

__all__ = [
    "Primitive",
    "Tensor",
    "constant",
    "enable_grad",
    "from_dlpack",
    "grad",
    "is_grad_enabled",
    "move",
    "no_grad",
    "primitive",
    "tensor",
    "wrap",
]

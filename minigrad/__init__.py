"""minigrad."""
__version__ = "0.1.0"
from minigrad import ops
from minigrad.autograd import Tensor, tensor, no_grad, grad, functional, primitive

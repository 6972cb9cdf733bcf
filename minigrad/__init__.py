"""minigrad: a small autograd framework compiled by numba, around Keras' SeparableConv2D.

Examples
--------
>>> import minigrad as mg
>>> x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad.numpy()
array([[2., 4.],
       [6., 8.]], dtype=float32)
"""

from typing import TYPE_CHECKING

from minigrad import (
    activations,
    applications,
    autograd,
    callbacks,
    config,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    visualization,
)
from minigrad._version import __version__ as __version__
from minigrad.autograd import (
    Tensor,
    enable_grad,
    from_dlpack,
    functional,
    grad,
    is_grad_enabled,
    no_grad,
    primitive,
    tensor,
)
from minigrad.environment import doctor, warmup
from minigrad.gradcheck import check_layer, gradgradcheck
from minigrad.kernels import use_backend
from minigrad.layers import Input
from minigrad.models import Model, Sequential
from minigrad.random import set_random_seed

if TYPE_CHECKING:  # type checkers do not know that the package can be called
    from minigrad.gradcheck.check import gradcheck
else:
    from minigrad import gradcheck

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "Tensor",
    "activations",
    "applications",
    "autograd",
    "callbacks",
    "check_layer",
    "config",
    "constraints",
    "datasets",
    "doctor",
    "enable_grad",
    "from_dlpack",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "initializers",
    "is_grad_enabled",
    "layers",
    "losses",
    "metrics",
    "models",
    "no_grad",
    "ops",
    "optimizers",
    "primitive",
    "random",
    "regularizers",
    "set_random_seed",
    "tensor",
    "use_backend",
    "visualization",
    "warmup",
]

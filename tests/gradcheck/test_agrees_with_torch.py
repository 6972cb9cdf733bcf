"""Verdicts of our checker and of PyTorch's, on functions that both can express."""

import numpy as np
import pytest

import minigrad as mg

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)
X, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))

SAME = {  # ours, theirs, inputs
    "tanh": (mg.ops.tanh, torch.tanh, (X,)),
    "sigmoid": (mg.ops.sigmoid, torch.sigmoid, (X,)),
    "softplus": (mg.ops.softplus, torch.nn.functional.softplus, (X,)),
    "matmul": (mg.ops.matmul, torch.matmul, (X, W)),
    "softmax": (
        lambda x: mg.ops.softmax(x, axis=-1),
        lambda x: torch.softmax(x, -1),
        (X,),
    ),
    "variance": (
        lambda x: mg.ops.var(x, axis=0),
        lambda x: torch.var(x, 0, correction=0),
        (X,),
    ),
    "relu": (mg.ops.relu, torch.relu, (X,)),
    "several outputs": (lambda x: (x * x, mg.ops.sin(x)), lambda x: (x * x, torch.sin(x)), (X,)),
}
FACTORS = {"right": 1.0, "half": 0.5, "wrong sign": -1.0, "zero": 0.0, "1 % off": 1.01}


@pytest.mark.parametrize("name", SAME)
def test_right_gradients(name):
    ours, theirs, inputs = SAME[name]
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    for mode in ("full", "fast"):
        assert torch.autograd.gradcheck(theirs, tensors, fast_mode=mode == "fast")
        assert mg.gradcheck(ours, inputs, mode=mode)
    assert torch.autograd.gradgradcheck(theirs, tensors)
    assert mg.gradgradcheck(ours, inputs)


@pytest.mark.parametrize("name", FACTORS)
def test_a_gradient_that_is_a_multiple_of_the_right_one(name):
    factor = FACTORS[name]

    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return factor * g * torch.cos(x)

    theirs = torch.autograd.gradcheck(
        Sine.apply, [torch.tensor(X, requires_grad=True)], raise_exception=False
    )
    ours = mg.gradcheck(np.sin, X, gradient=lambda g, x: factor * g * np.cos(x))
    assert bool(ours) == theirs == (factor == 1.0)

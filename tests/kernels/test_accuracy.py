"""Rounding errors of the separable convolution: no larger than PyTorch's on the same inputs.

The bounds are the errors of PyTorch 2.13 (oneDNN, AVX-512): the largest difference from float64,
relative to the largest value. Where PyTorch comes within 4 roundings, so may we: single entries
there depend on the order of additions by chance.
"""

import numpy as np
import pytest

from minigrad import kernels

NAMES = ("y", "dx", "depthwise", "pointwise", "bias")
FEW = 4 * np.finfo(np.float32).eps
PYTORCH = {  # N, H = W, C, F, k: errors in the order of NAMES
    (16, 28, 1, 8, 3): (1.2e-7, 1.3e-7, 1.3e-6, 3.3e-7, 7.2e-7),
    (16, 16, 32, 64, 3): (1.7e-7, 2.7e-7, 9.4e-7, 3.9e-7, 1.4e-6),
    (4, 28, 64, 96, 5): (3.2e-7, 3.3e-7, 3.7e-7, 8.0e-7, 1.2e-6),
    (1, 19, 728, 728, 3): (8.7e-7, 8.2e-7, 6.4e-7, 7.4e-7, 3.9e-7),
    (2, 14, 1024, 1024, 3): (1.5e-6, 1.2e-6, 7.6e-7, 1.9e-7, 6.9e-7),
}


def inputs(case):
    batch, side, channels, filters, size = case
    rng = np.random.default_rng(0)
    shapes = (
        (batch, side, side, channels),
        (size, size, channels, 1),
        (1, 1, channels, filters),
        (filters,),
        (batch, side, side, filters),
    )
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def ours(case, arrays):
    size = case[4]
    geometry = kernels.conv_geometry((case[1], case[1]), (size, size), (1, 1), "same")
    *forward, dy = arrays
    y = kernels.separable_forward(*forward, geometry)
    return [y, *kernels.separable_backward(*forward[:3], dy, geometry, True)]


def errors(results, exact):
    pairs = zip(results, exact, strict=True)
    return [float(np.abs(found - right).max() / np.abs(right).max()) for found, right in pairs]


def exactly(case, arrays):
    return ours(case, [array.astype(np.float64) for array in arrays])


@pytest.mark.parametrize("case", PYTORCH, ids=str)
def test_errors_are_no_larger_than_pytorchs(case):
    arrays = inputs(case)
    found = errors(ours(case, arrays), exactly(case, arrays))
    for name, error, bound in zip(NAMES, found, PYTORCH[case], strict=True):
        assert error <= max(bound, FEW), name


@pytest.mark.parametrize("case", PYTORCH, ids=str)
def test_the_installed_pytorch(case):
    """What the table rests on: the same inputs, the same meaning, errors of that size."""
    torch = pytest.importorskip("torch", reason="only to measure PyTorch's own errors again")
    arrays = inputs(case)
    x, depthwise, pointwise, bias, dy = map(torch.from_numpy, arrays)
    parts = (
        x.permute(0, 3, 1, 2),
        depthwise.permute(2, 3, 0, 1),
        pointwise.permute(3, 2, 0, 1),
        bias,
    )
    for part in parts:
        part.requires_grad_()
    conv = torch.nn.functional.conv2d
    middle = conv(parts[0], parts[1], padding="same", groups=case[2])
    y = conv(middle, parts[2], parts[3])
    dx, d_depthwise, d_pointwise, d_bias = torch.autograd.grad(y, parts, dy.permute(0, 3, 1, 2))
    theirs = [
        y.detach().permute(0, 2, 3, 1),
        dx.permute(0, 2, 3, 1),
        d_depthwise.permute(2, 3, 0, 1),
        d_pointwise.permute(2, 3, 1, 0),
        d_bias,
    ]
    exact = exactly(case, arrays)
    mine = errors(ours(case, arrays), exact)
    for name, error, peer in zip(
        NAMES, mine, errors([part.numpy() for part in theirs], exact), strict=True
    ):
        assert peer < 1e-4  # it computes the same
        assert error <= max(peer, FEW), name

"""What recording an operation costs, in additions of NumPy on the same tiny arrays.

Both sides are the best of several rounds in one process, taken in turns, so a slow or busy machine
slows both. The limits are about three times what was measured when they were written down.
"""

import time

import numpy as np
import pytest

import minigrad as mg

ROUNDS, CALLS = 12, 60

ROW = np.linspace(0.1, 0.9, 5, dtype=np.float32)
ARRAY = np.stack([ROW, ROW[::-1], ROW, ROW])


def leaf(array):
    return mg.tensor(array, requires_grad=True)


A, B, R = leaf(ARRAY), leaf(ARRAY[::-1]), leaf(ROW)
LABELS, ONES = mg.tensor([0, 1, 2, 4]), mg.tensor(np.ones_like(ARRAY))


def backward_of_a_product():
    A.grad = B.grad = None
    (A * B).backward(ONES)


LIMITS = {
    "add": (lambda: mg.ops.add(A, B), 15),
    "number": (lambda: A * 2.0, 20),
    "exp": (lambda: mg.ops.exp(A), 15),
    "compare": (lambda: mg.ops.less(A, B), 12),
    "reshape": (lambda: mg.ops.reshape(A, (5, 4)), 20),
    "item": (lambda: A[1, 2], 20),
    "sum": (lambda: mg.ops.sum(A, axis=1), 30),
    "dot": (lambda: mg.ops.dot(R, R), 35),
    "matmul": (lambda: A @ R, 30),
    "concatenate": (lambda: mg.ops.concatenate([A, B]), 50),
    "softmax": (lambda: mg.ops.softmax(A), 60),
    "cross entropy": (lambda: mg.ops.softmax_cross_entropy(A, LABELS), 110),
    "backward": (backward_of_a_product, 120),
}


def seconds(function):
    start = time.perf_counter()
    for _ in range(CALLS):
        function()
    return time.perf_counter() - start


@pytest.mark.parametrize("name", LIMITS)
def test_an_operation_costs_few_additions_of_numpy(name):
    function, limit = LIMITS[name]
    x, y = ARRAY.copy(), ARRAY.copy()
    times = [(seconds(function), seconds(lambda: np.add(x, y))) for _ in range(ROUNDS)]
    ours, unit = map(min, zip(*times, strict=True))
    assert ours < limit * unit, f"{ours / unit:.1f} additions"

"""The zoo of wrong gradients: exercises for students, and a test for gradient checkers.

`exercises` holds bugs that people write in the backward passes of neural networks, each beside the
right forward and backward pass in plain NumPy. `score` counts which checkers see which of them.
"""

from minigrad.gradcheck.zoo import (
    batch_norm,
    cross_entropy,
    dense,
    depthwise,
    elementwise,
    pointwise,
    pooling,
)
from minigrad.gradcheck.zoo.exercise import Exercise, Exercises, Operation
from minigrad.gradcheck.zoo.score import (
    CHECKERS,
    Diagnoses,
    Score,
    ScoreTable,
    diagnoses,
    score,
    with_pytorch,
)

OPERATIONS: tuple[Operation, ...] = tuple(
    found
    for module in (depthwise, pointwise, dense, batch_norm, cross_entropy, pooling, elementwise)
    for found in vars(module).values()
    if isinstance(found, Operation)
)

exercises = Exercises([one for operation in OPERATIONS for one in operation.exercises])

__all__ = [
    "CHECKERS",
    "OPERATIONS",
    "Diagnoses",
    "Exercise",
    "Exercises",
    "Operation",
    "Score",
    "ScoreTable",
    "diagnoses",
    "exercises",
    "score",
    "with_pytorch",
]

"""Gives `Tensor` its operators and methods, so that the engine need not know the operations.

``a + b``, ``x[1:]``, ``x.sum()`` and ``np.exp(x)`` all end in the functions of `minigrad.ops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Tensor
from minigrad.ops import arithmetic, casting

# TODO(ops): rest of the table
_BINARY = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
}


def _reflected(operation: Any) -> Any:
    def method(self: Tensor, other: Any) -> Tensor:
        result: Tensor = operation(other, self)
        return result

    return method


for _name, _operation in _BINARY.items():
    setattr(Tensor, f"__{_name}__", _operation)
    setattr(Tensor, f"__r{_name}__", _reflected(_operation))
Tensor.__neg__ = arithmetic.negative  # type: ignore[method-assign]
Tensor.astype = casting.astype  # type: ignore[method-assign]

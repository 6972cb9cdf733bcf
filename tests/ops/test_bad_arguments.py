"""Every operation, with every argument replaced by what it is not made for.

Either the result is a tensor of numbers, or one sentence says what was expected and what was
received. An operation that is not in the table fails the tests, so none can be forgotten.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = mg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
IMAGES, KERNEL, POINT = (
    mg.tensor(np.ones(shape, "float32")) for shape in [(1, 4, 4, 2), (3, 3, 2, 1), (1, 1, 2, 3)]
)
WINDOW = {"strides": 1, "padding": "valid", "dilation_rate": 1, "data_format": "channels_last"}
POOLED = (2, 2, "valid", "channels_last")

UNARY = """abs arccos arccosh arcsin arcsinh arctan arctanh cos cosh erf exp expm1 isfinite isnan
log log1p logical_not negative ones_like reciprocal relu sigmoid sign sin sinh softplus sqrt square
stop_gradient tan tanh zeros_like"""
BINARY = """add divide equal greater greater_equal less less_equal logical_and logical_or
logical_xor maximum minimum multiply not_equal power subtract"""
OVER_AN_AXIS = """argmax argmin cumsum expand_dims flip getitem log_softmax logsumexp max mean min
prod softmax sum"""
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **{name: ((X,), {}) for name in UNARY.split()},
    **{name: ((X, X), {}) for name in BINARY.split()},
    **{name: ((X, 0), {}) for name in OVER_AN_AXIS.split()},
    **{name: ((X, 0), {"ddof": 0}) for name in ("var", "std")},
    "softmax_cross_entropy": ((X, [0, 1]), {}),
    "astype": ((X, "float64"), {}),
    **{name: ((X, X.T), {}) for name in ("matmul", "dot")},
    "tensordot": ((X, X, 2), {}),
    "einsum": (("ij,ij->i", X, X), {}),
    "broadcast_to": ((X, (2, 2, 3)), {}),
    "sum_to": ((X, (3,)), {}),
    "reshape": ((X, (3, 2)), {}),
    "transpose": ((X, (1, 0)), {}),
    **{name: ((X, 0, 1), {}) for name in ("moveaxis", "swapaxes")},
    "squeeze": ((X[:1], 0), {}),
    **{name: (([X, X], 0), {}) for name in ("concatenate", "stack")},
    **{name: ((X, 2, 0), {}) for name in ("repeat", "split")},
    "pad": ((X, ((1, 1), (0, 0))), {}),
    "tile": ((X, (2, 1)), {}),
    "put_add": ((X, slice(None), (2, 3)), {}),
    "take": ((X, [0, 1], 0), {}),
    "take_along_axis": ((X, [[0], [1]], 1), {}),
    "one_hot": (([0, 1], 3, "float32"), {}),
    "clip": ((X, 0.0, 1.0), {}),
    "where": ((X > 2, X, X), {}),
    "batch_normalization": ((X, [1.0] * 3, [0.0] * 3, 0, 1e-3, "relu"), {}),
    **{name: ((IMAGES, *POOLED), {}) for name in ("max_pool2d", "average_pool2d")},
    "global_average_pool2d": ((IMAGES,), {"data_format": "channels_last"}),
    "upsample2d": ((IMAGES, 2, "nearest", "channels_last"), {}),
    "depthwise_conv2d": ((IMAGES, KERNEL), WINDOW),
    "pointwise_conv2d": ((IMAGES, POINT, [0.0] * 3), {"data_format": "channels_last"}),
    "separable_conv2d": ((IMAGES, KERNEL, POINT, [0.0] * 3), WINDOW),
    "conv2d": ((IMAGES, KERNEL, [0.0]), WINDOW | {"groups": 1}),
}


class Other:
    """Something else."""


BAD = {
    "none": None,
    "text": "no",
    "texts": ["a", "b"],
    "object": Other(),
    "dictionary": {"a": 1},
    "type": int,
    "fraction": 2.9,
    "nan": float("nan"),
    "complex": 1j,
    "bool": True,
    "negative": -5,
    "large": 10**30,
    "fractions": (2.9, 3),
    "negatives": (-5, 3),
    "ragged": [[1, 2], [3]],
    "text array": np.array(["a"]),
}
# What NumPy says well enough: it names both shapes, or the index and the size.
CLEAR = (
    "Received",
    "could not be broadcast together with shapes",
    "cannot reshape array of size",
    "does not broadcast to shape",
    "is out of bounds for axis",
    "too many indices for array",
    "is smaller than the",
)


def test_every_operation_is_in_the_table() -> None:
    assert set(CALLS) == set(ops.__all__)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_does_not_fit_is_told_in_one_sentence(name: str) -> None:
    operation = getattr(ops, name)
    args, options = CALLS[name]
    operation(*args, **options)
    raw = []
    for place in [*range(len(args)), *options]:
        for kind, value in BAD.items():
            given, named = list(args), dict(options)
            if isinstance(place, int):
                given[place] = value
            else:
                named[place] = value
            try:
                result = operation(*given, **named)
            except (TypeError, ValueError, IndexError) as error:
                if not any(part in str(error) for part in CLEAR):
                    raw.append((place, kind, repr(error)))
            except Exception as error:
                raw.append((place, kind, repr(error)))
            else:
                results = result if isinstance(result, (list, tuple)) else [result]
                if any(part.dtype.kind not in "fiubc" for part in results):
                    raw.append((place, kind, f"result of {results[0].dtype}"))
    assert raw == []

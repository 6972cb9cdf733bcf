"""ONNX Runtime: two nodes, Conv and Conv; forward only."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from minigrad.benchmarks.cases import Array, Convolution, Job

OPSET = 17
IR_VERSION = 9
"""Versions of the file format: older ones than the library's newest, so that any release reads."""


class Peer:
    """ONNX Runtime, channels first (the only layout it has)."""

    def __init__(self) -> None:
        self._options = onnxruntime.SessionOptions()

    def set_threads(self, threads: int) -> None:
        """Compute on this many threads."""
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1

    def forward(self, case: Convolution) -> Job:
        """Return a session with the convolution; all optimizations are on by default."""
        x = np.ascontiguousarray(case.arrays()["x"].transpose(0, 3, 1, 2))
        session = onnxruntime.InferenceSession(
            _model(case, x.shape).SerializeToString(),
            self._options,
            providers=["CPUExecutionProvider"],
        )

        def step() -> Any:
            return session.run(None, {"x": x})

        return Job(step, lambda: [step()[0].transpose(0, 2, 3, 1)])


def channels_first() -> Peer:
    """Return ONNX Runtime."""
    return Peer()


def _model(case: Convolution, shape: tuple[int, ...]) -> Any:
    arrays = case.arrays()
    depthwise = arrays["depthwise"].transpose(2, 3, 0, 1).reshape(-1, 1, case.kernel, case.kernel)
    pointwise = arrays["pointwise"].transpose(3, 2, 0, 1)
    (top, bottom), (left, right) = case.pads
    nodes = [
        helper.make_node(
            "Conv",
            ["x", "depthwise"],
            ["hidden"],
            group=case.channels,
            strides=[case.stride, case.stride],
            dilations=[case.dilation, case.dilation],
            pads=[top, left, bottom, right],
        ),
        helper.make_node("Conv", ["hidden", "pointwise", "bias"], ["y"]),
    ]
    weights = {"depthwise": depthwise, "pointwise": pointwise, "bias": arrays["bias"]}
    result = [case.batch, case.filters, *case.output_size]
    graph = helper.make_graph(
        nodes,
        "separable",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [_constant(name, array) for name, array in weights.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )


def _constant(name: str, array: Array) -> Any:
    return numpy_helper.from_array(np.ascontiguousarray(array), name)

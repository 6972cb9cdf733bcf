"""TensorFlow: compiled functions for the convolutions, Keras for training."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import tensorflow as tf

from minigrad.benchmarks.cases import CLASSES, Convolution, Job, Network


class Peer:
    """TensorFlow, channels last."""

    def set_threads(self, threads: int) -> None:
        """Compute on this many threads."""
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)

    def forward(self, case: Convolution) -> Job:
        """Return the convolution as a compiled function."""
        inputs = _inputs(case)

        def compute() -> Any:
            return _convolve(case, *inputs)

        convolve = tf.function(compute)
        return Job(convolve, lambda: [convolve().numpy()])

    def backward(self, case: Convolution) -> Job:
        """Return the convolution and the gradients of all four inputs, as a compiled function."""
        inputs = [tf.Variable(tensor) for tensor in _inputs(case)]
        dy = tf.constant(case.arrays()["dy"])

        def compute() -> Any:
            with tf.GradientTape() as tape:
                y = _convolve(case, *inputs)
            return [y, *tape.gradient(y, inputs, dy)]

        convolve = tf.function(compute)
        return Job(convolve, lambda: [tensor.numpy() for tensor in convolve()])

    def training(self, network: Network) -> Job:
        """Return a training step: ``train_on_batch``, as in minigrad."""
        x, labels, weights = network.arrays()
        layers: list[Any] = [keras.Input(x.shape[1:])]
        for filters in network.filters:
            layers += [keras.layers.SeparableConv2D(filters, 3, padding="same")]
            layers += [keras.layers.ReLU()]
        layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]
        model = keras.Sequential(layers)
        model.set_weights(weights)
        model.compile(
            keras.optimizers.Adam(network.learning_rate, epsilon=network.epsilon),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

        def step() -> float:
            return float(model.train_on_batch(x, labels))

        return Job(step, lambda: [np.array([step() for _ in range(3)])])


def channels_last() -> Peer:
    """Return TensorFlow; on the CPU it knows channels last only."""
    return Peer()


def _inputs(case: Convolution) -> list[Any]:
    arrays = case.arrays()
    return [tf.constant(arrays[name]) for name in ("x", "depthwise", "pointwise", "bias")]


def _convolve(case: Convolution, x: Any, depthwise: Any, pointwise: Any, bias: Any) -> Any:
    strides = (1, case.stride, case.stride, 1)
    dilations = (case.dilation, case.dilation)
    hidden = tf.nn.depthwise_conv2d(x, depthwise, strides, "SAME", dilations=dilations)
    return tf.nn.bias_add(tf.nn.conv2d(hidden, pointwise, 1, "VALID"), bias)

"""TensorFlow: compiled functions for the convolutions, Keras for training."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import tensorflow as tf

from minigrad.benchmarks.applications import EPSILON, MOMENTUM, Application, Step
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

    def training(self, network: Network | Application) -> Job:
        """Return a training step: ``train_on_batch``, as in minigrad."""
        x, labels, model = _model(network)
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


def _model(network: Network | Application) -> tuple[Any, Any, Any]:
    """Return images, labels, and the model with its weights."""
    if isinstance(network, Application):
        x, labels, named = network.arrays()
        found = {"images": keras.Input(x.shape[1:])}
        for step in network.steps():
            inputs = [found[name] for name in step.inputs]
            found[step.name] = _layer(step)(inputs if step.kind == "add" else inputs[0])
        model = keras.Model(found["images"], found["vote"])
        for name, values in named.items():
            model.get_layer(name).set_weights(values)
        return x, labels, model
    x, labels, weights = network.arrays()
    layers: list[Any] = [keras.Input(x.shape[1:])]
    for filters in network.filters:
        layers += [keras.layers.SeparableConv2D(filters, 3, padding="same")]
        layers += [keras.layers.ReLU()]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]
    model = keras.Sequential(layers)
    model.set_weights(weights)
    return x, labels, model


def _layer(step: Step) -> Any:
    words = {"strides": step.stride, "padding": "same", "name": step.name}
    options = {**words, "use_bias": False}
    make: dict[str, Callable[[], Any]] = {
        "stem": lambda: keras.layers.Conv2D(step.after, 3, **options),
        "shortcut": lambda: keras.layers.Conv2D(step.after, 1, **options),
        "separable": lambda: keras.layers.SeparableConv2D(step.after, 3, **options),
        "normalize": lambda: keras.layers.BatchNormalization(
            momentum=MOMENTUM, epsilon=EPSILON, name=step.name
        ),
        "relu": lambda: keras.layers.ReLU(name=step.name),
        "pool": lambda: keras.layers.MaxPooling2D(3, **words),
        "add": lambda: keras.layers.Add(name=step.name),
        "average": lambda: keras.layers.GlobalAveragePooling2D(name=step.name),
        "vote": lambda: keras.layers.Dense(step.after, name=step.name),
    }
    return make[step.kind]()


def _inputs(case: Convolution) -> list[Any]:
    arrays = case.arrays()
    return [tf.constant(arrays[name]) for name in ("x", "depthwise", "pointwise", "bias")]


def _convolve(case: Convolution, x: Any, depthwise: Any, pointwise: Any, bias: Any) -> Any:
    strides = (1, case.stride, case.stride, 1)
    dilations = (case.dilation, case.dilation)
    hidden = tf.nn.depthwise_conv2d(x, depthwise, strides, "SAME", dilations=dilations)
    return tf.nn.bias_add(tf.nn.conv2d(hidden, pointwise, 1, "VALID"), bias)

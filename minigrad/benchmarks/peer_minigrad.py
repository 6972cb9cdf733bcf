"""minigrad itself, by its public functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import minigrad as mg
from minigrad.benchmarks.applications import Application
from minigrad.benchmarks.cases import CLASSES, Array, Convolution, Job, Network, wall_time


class Peer:
    """minigrad, channels last."""

    _device = "cpu"
    _clock: Callable[[Callable[[], object]], float] = staticmethod(wall_time)

    def use_gpu(self) -> str:
        """Compute on the GPU from now on; return its name."""
        from minigrad.kernels.cuda import runtime

        runtime.require()
        self._device, self._clock = "cuda", runtime.seconds
        return runtime.device_name()

    def set_threads(self, threads: int) -> None:
        """Compute on this many threads."""
        mg.config.set_num_threads(threads)

    def forward(self, case: Convolution) -> Job:
        """Return the convolution without a tape."""
        inputs = self._inputs(case, requires_grad=False)

        def step() -> mg.Tensor:
            with mg.no_grad():
                return _convolve(case, inputs)

        return Job(step, lambda: [step().numpy()], self._clock)

    def backward(self, case: Convolution) -> Job:
        """Return the convolution and the gradients of all four inputs."""
        inputs = self._inputs(case, requires_grad=True)
        dy = mg.tensor(case.arrays()["dy"], device=self._device)

        def step() -> list[mg.Tensor]:
            y = _convolve(case, inputs)
            return [y, *mg.grad(y, inputs, dy)]

        return Job(step, lambda: [tensor.numpy() for tensor in step()], self._clock)

    def training(self, network: Network | Application) -> Job:
        """Return a training step."""
        x, labels, model = _model(network)
        model.to(self._device)
        model.compile(
            mg.optimizers.Adam(network.learning_rate, epsilon=network.epsilon),
            loss=mg.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

        def step() -> float:
            loss = model.train_on_batch(x, labels)
            assert isinstance(loss, float)
            return loss

        return Job(step, lambda: [np.array([step() for _ in range(3)])], self._clock)

    def _inputs(self, case: Convolution, *, requires_grad: bool) -> list[mg.Tensor]:
        arrays = case.arrays()
        return [
            mg.tensor(arrays[name], requires_grad=requires_grad, device=self._device)
            for name in ("x", "depthwise", "pointwise", "bias")
        ]


def _model(network: Network | Application) -> tuple[Array, NDArray[np.int64], mg.Model]:
    """Return images, labels, and the model with its weights."""
    if isinstance(network, Application):
        x, labels, named = network.arrays()
        make = getattr(mg.applications, network.name)
        model: mg.Model = make(x.shape[1:], classifier_activation=None, classes=network.classes)
        for name, values in named.items():
            model.get_layer(name).set_weights(values)
        return x, labels, model
    x, labels, weights = network.arrays()
    layers: list[mg.layers.Layer] = []
    for filters in network.filters:
        layers += [mg.layers.SeparableConv2D(filters, 3, padding="same", activation="relu")]
    layers += [mg.layers.GlobalAveragePooling2D(), mg.layers.Dense(CLASSES)]
    model = mg.Sequential(layers)
    model.build((None, *x.shape[1:]))
    model.set_weights(weights)
    return x, labels, model


def _convolve(case: Convolution, inputs: list[mg.Tensor]) -> mg.Tensor:
    return mg.ops.separable_conv2d(
        *inputs,
        strides=case.stride,
        padding="same",
        dilation_rate=case.dilation,
        data_format="channels_last",
    )


def channels_last() -> Peer:
    """Return minigrad."""
    return Peer()

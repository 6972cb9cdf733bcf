"""PyTorch, eager, with channels last or first in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from minigrad.benchmarks import peer_torch_models
from minigrad.benchmarks.applications import Application
from minigrad.benchmarks.cases import Array, Convolution, Job, Network, wall_time


class Peer:
    """PyTorch with images and kernels in one memory format."""

    def __init__(self, memory_format: Any) -> None:
        self._memory_format = memory_format
        self._device = "cpu"
        self._clock: Callable[[Callable[[], object]], float] = wall_time

    def use_gpu(self) -> str:
        """Compute on the GPU from now on, in full float32; return its name."""
        if not torch.cuda.is_available():
            raise RuntimeError("this PyTorch finds no GPU; see https://pytorch.org/get-started")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True  # the fastest of cuDNN's ways
        self._device, self._clock = "cuda", _between_events
        return str(torch.cuda.get_device_name())

    def set_threads(self, threads: int) -> None:
        """Compute on this many threads."""
        torch.set_num_threads(threads)

    def forward(self, case: Convolution) -> Job:
        """Return the convolution in inference mode."""
        inputs = self._inputs(case)

        def step(exact: bool = False) -> Any:
            with torch.inference_mode():
                return _convolve(case, inputs, exact)

        return Job(step, lambda: [_image(step(exact=True))], self._clock)

    def backward(self, case: Convolution) -> Job:
        """Return the convolution and the gradients of all four inputs."""
        inputs = [tensor.requires_grad_() for tensor in self._inputs(case)]
        dy = self._images(case.arrays()["dy"])

        def step(exact: bool = False) -> list[Any]:
            y = _convolve(case, inputs, exact)
            return [y, *torch.autograd.grad(y, inputs, dy)]

        def results() -> list[Array]:
            y, dx, depthwise, pointwise, bias = step(exact=True)
            window = (case.channels, case.multiplier, case.kernel, case.kernel)
            return [
                _image(y),
                _image(dx),
                depthwise.cpu().numpy().reshape(window).transpose(2, 3, 0, 1),
                pointwise.cpu().numpy().transpose(2, 3, 1, 0),
                bias.cpu().numpy(),
            ]

        return Job(step, results, self._clock)

    def training(self, network: Network | Application) -> Job:
        """Return a training step: a loop's body as PyTorch's tutorials write it."""
        images, classes, model = peer_torch_models.build(network)
        x, labels = self._images(images), torch.from_numpy(classes).to(self._device)
        model = model.to(device=self._device, memory_format=self._memory_format)
        loss_of = nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), network.learning_rate, eps=network.epsilon)

        def step() -> float:
            optimizer.zero_grad()
            loss = loss_of(model(x), labels)
            loss.backward()
            optimizer.step()
            return float(loss.item())

        def results() -> list[Any]:
            with peer_torch_models.exactly(model):
                return [np.array([step() for _ in range(3)])]

        return Job(step, results, self._clock)

    def _inputs(self, case: Convolution) -> list[Any]:
        arrays = case.arrays()
        return [
            self._images(arrays["x"]),
            self._kernel(arrays["depthwise"].transpose(2, 3, 0, 1), 1),
            self._kernel(arrays["pointwise"].transpose(3, 2, 0, 1), arrays["pointwise"].shape[2]),
            torch.from_numpy(arrays["bias"]).to(self._device),
        ]

    def _images(self, array: Array) -> Any:
        return self._tensor(array.transpose(0, 3, 1, 2))

    def _kernel(self, array: Array, inputs: int) -> Any:
        return self._tensor(array.reshape(-1, inputs, *array.shape[2:]))

    def _tensor(self, array: Array) -> Any:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.to(self._device).contiguous(memory_format=self._memory_format)


def channels_last() -> Peer:
    """Return PyTorch with channels last in memory."""
    return Peer(torch.channels_last)


def channels_first() -> Peer:
    """Return PyTorch with channels first in memory, its default."""
    return Peer(torch.contiguous_format)


def _convolve(case: Convolution, inputs: Sequence[Any], exact: bool) -> Any:
    """Convolve; only `exact` pads as Keras does where that takes an extra copy in PyTorch.

    Where 'same' adds one zero more behind the image than before it, as with stride 2, PyTorch pads
    both sides alike if that gives as many pixels: the same amount of work, and how it is used.
    """
    x, depthwise, pointwise, bias = inputs
    (top, bottom), (left, right) = case.pads
    padding = (top, left)
    if (top, left) != (bottom, right):
        wide = (bottom, right)
        reach = case.dilation * (case.kernel - 1)
        sizes = zip((case.height, case.width), wide, strict=True)
        pixels = tuple((n + 2 * p - reach - 1) // case.stride + 1 for n, p in sizes)
        if exact or pixels != case.output_size:
            x, padding = nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
        else:
            padding = wide
    hidden = nn.functional.conv2d(
        x, depthwise, None, case.stride, padding, case.dilation, groups=case.channels
    )
    return nn.functional.conv2d(hidden, pointwise, bias)


def _image(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy().transpose(0, 2, 3, 1)


def _between_events(step: Callable[[], object]) -> float:
    """Return how long the device is busy with a step, in seconds."""
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    step()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) / 1e3

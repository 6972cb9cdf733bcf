"""The networks whose training steps are measured, in PyTorch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from minigrad.benchmarks.applications import EPSILON, MOMENTUM, Application, Step
from minigrad.benchmarks.cases import CLASSES, Array, Network


def build(network: Network | Application) -> tuple[Any, Any, Any]:
    """Return images, labels, and the model with its weights."""
    if isinstance(network, Application):
        images, labels, named = network.arrays()
        model: Any = Graph(network.steps())
        for name, values in named.items():
            _set(model.parts[name], values)
        return images, labels, model
    images, labels, weights = network.arrays()
    layers: list[Any] = []
    channels = network.channels
    for filters in network.filters:
        layers += [
            nn.Conv2d(channels, channels, 3, padding="same", groups=channels, bias=False),
            nn.Conv2d(channels, filters, 1),
            nn.ReLU(),
        ]
        channels = filters
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    model = nn.Sequential(*layers)
    _set(model, weights)
    return images, labels, model


class Graph(nn.Module):  # type: ignore[misc]
    """The steps of an application, one after the other."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.steps = steps
        self.parts = nn.ModuleDict({step.name: _part(step) for step in steps})

    def forward(self, images: Any) -> Any:
        """Return logits."""
        found = {"images": images}
        for step in self.steps:
            inputs = [found[name] for name in step.inputs]
            if step.kind == "add":
                found[step.name] = inputs[0] + inputs[1]
            else:
                found[step.name] = self.parts[step.name](*inputs)
        return found[self.steps[-1].name]


class Padded(nn.Module):  # type: ignore[misc]
    """A layer with stride 2, padded as Keras pads it while `exact`, otherwise as PyTorch does.

    Keras puts the only zeros that it needs behind the image, which takes an extra copy in PyTorch;
    PyTorch's way, one more in front, has as many results: the same work, and how it is used.
    """

    def __init__(self, layer: Any, fill: float) -> None:
        super().__init__()
        self.layer, self.fill, self.exact = layer, fill, False

    def forward(self, x: Any) -> Any:
        """Return what the layer makes of x."""
        if self.exact:
            x = nn.functional.pad(x, (0, 1, 0, 1), value=self.fill)
        return self.layer(x)

    def be_exact(self, exact: bool) -> None:
        """Pad as Keras does, or stop doing so."""
        self.exact = exact
        self.layer.padding = (0, 0) if exact else (1, 1)


@contextlib.contextmanager
def exactly(model: Any) -> Iterator[None]:
    """Let the layers of a model pad as Keras' do."""
    padded = [part for part in model.modules() if isinstance(part, Padded)]
    for part in padded:
        part.be_exact(True)
    try:
        yield
    finally:
        for part in padded:
            part.be_exact(False)


def _part(step: Step) -> Any:
    """Return the module of a step."""
    before, after, stride = step.before, step.after, step.stride
    if step.kind == "stem":
        return nn.Conv2d(before, after, 3, padding=1, bias=False)
    if step.kind == "shortcut":
        return nn.Conv2d(before, after, 1, stride, bias=False)
    if step.kind == "separable":
        first: Any = nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False)
        first = first if stride == 1 else Padded(first, 0.0)
        return nn.Sequential(first, nn.Conv2d(before, after, 1, bias=False))
    if step.kind == "normalize":
        return nn.BatchNorm2d(after, EPSILON, 1 - MOMENTUM)
    if step.kind == "pool":
        return Padded(nn.MaxPool2d(3, stride, 1), -torch.inf)
    if step.kind == "average":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if step.kind == "vote":
        return nn.Linear(before, after)
    return nn.ReLU() if step.kind == "relu" else nn.Identity()


def _set(module: Any, weights: list[Array]) -> None:
    """Set the parameters to weights of Keras (moving averages, which come last, stay)."""
    with torch.no_grad():
        for parameter, weight in zip(module.parameters(), weights, strict=False):
            parameter.copy_(torch.from_numpy(_weight(weight)))


def _weight(array: Array) -> Array:
    """Return a weight of Keras in PyTorch's shape."""
    if array.ndim < 4:
        return np.ascontiguousarray(array.T)
    if array.shape[3] == 1:  # depthwise: (k, k, C, 1)
        return np.ascontiguousarray(array.transpose(2, 3, 0, 1))
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1))

"""The small networks of `minigrad.applications`, as lists of steps that any library can follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["APPLICATIONS", "EPSILON", "MOMENTUM", "Application", "Name", "Step"]

Array: TypeAlias = NDArray[np.float32]
Name: TypeAlias = Literal["MobileNetTiny", "XceptionTiny"]
EPSILON, MOMENTUM = 1e-3, 0.9
"""Of the batch normalizations."""


class Step(NamedTuple):
    """A layer: its name and kind, the steps that it reads ("images" first), channels and stride.

    Kinds are stem (a 3x3 convolution), shortcut (1x1), separable (3x3), normalize, relu, pool
    (3x3), add, average (over the image) and vote.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    before: int
    after: int
    stride: int


@dataclass(frozen=True)
class Application:
    """`MobileNetTiny` or `XceptionTiny` for 8, 16 or 32 pixels a side; cross-entropy and Adam.

    Examples
    --------
    >>> [step.name for step in Application("MobileNetTiny", 8, 1, 32).steps()[:4]]
    ['stem', 'normalize_1', 'relu_1', 'separable_1']
    """

    name: Name
    size: int
    channels: int
    batch: int
    learning_rate: float = 1e-3
    epsilon: float = 1e-7
    classes: int = 10

    @property
    def key(self) -> str:
        """What `minigrad.benchmarks.cases.case_of` reads."""
        return f"{self.name} {self.size}x{self.channels} {self.batch}"

    def __str__(self) -> str:
        return f"{self.name} {self.size}x{self.size} batch {self.batch}"

    def steps(self) -> list[Step]:
        """Return the layers, with the names that they have in `minigrad.applications`."""
        plan = _Plan(self.size, self.channels)
        x = (_mobilenet if self.name == "MobileNetTiny" else _xception)(plan)
        plan.add("vote", plan.add("average", x), filters=self.classes)
        return plan.steps

    def arrays(self) -> tuple[Array, NDArray[np.int64], dict[str, list[Array]]]:
        """Return images, labels, and the weights of layers by name, in Keras' order and shapes."""
        rng = np.random.default_rng(0)
        shape = self.batch, self.size, self.size, self.channels
        images = rng.standard_normal(shape, dtype=np.float32)
        labels = rng.integers(0, self.classes, self.batch)
        weights = {step.name: _weights(step, rng) for step in self.steps()}
        return images, labels, {name: found for name, found in weights.items() if found}


APPLICATIONS = (Application("MobileNetTiny", 32, 3, 64), Application("XceptionTiny", 32, 3, 64))


class _Plan:
    """A network under construction."""

    def __init__(self, size: int, channels: int) -> None:
        self.steps: list[Step] = []
        self.size = size
        self._channels = {"images": channels}

    def add(self, kind: str, *inputs: str, filters: int | None = None, stride: int = 1) -> str:
        """Add a step, return its name."""
        number = 1 + sum(step.kind == kind for step in self.steps)
        name = kind if kind in ("stem", "average", "vote") else f"{kind}_{number}"
        before = self._channels[inputs[0]]
        after = self._channels[name] = filters or before
        self.steps.append(Step(name, kind, inputs, before, after, stride))
        return name

    def stem(self) -> str:
        """Add the first convolution."""
        return self.add("relu", self.add("normalize", self.add("stem", "images", filters=32)))

    def separable(self, x: str, filters: int, stride: int = 1) -> str:
        """Add a normalized separable convolution."""
        return self.add("normalize", self.add("separable", x, filters=filters, stride=stride))

    def pair(self, x: str, filters: int) -> str:
        """Add two of them."""
        return self.separable(self.add("relu", self.separable(x, filters)), filters)

    def halve(self) -> int:
        """Return the stride of a block that halves images of more than four pixels."""
        stride = 2 if self.size > 4 else 1
        self.size //= stride
        return stride


def _mobilenet(plan: _Plan) -> str:
    x = plan.stem()
    for filters in (64, 128):
        x = plan.add("relu", plan.separable(x, filters, plan.halve()))
        x = plan.add("add", x, plan.add("relu", plan.separable(x, filters)))
    return x


def _xception(plan: _Plan) -> str:
    x = plan.stem()
    for filters in (64, 128):
        y = plan.pair(x, filters)
        stride = plan.halve()
        if stride == 2:
            y = plan.add("pool", y, stride=2)
        x = plan.add("normalize", plan.add("shortcut", x, filters=filters, stride=stride))
        x = plan.add("add", x, y)
    x = plan.add("add", x, plan.pair(plan.add("relu", x), 128))
    return plan.add("relu", x)


def _weights(step: Step, rng: np.random.Generator) -> list[Array]:
    """Return the weights of a layer."""
    wide, deep = step.after, step.before

    def normal(scale: float, *shape: int) -> Array:
        return (scale * rng.standard_normal(shape, dtype=np.float32)).astype(np.float32)

    if step.kind == "stem":
        return [normal((9 * deep) ** -0.5, 3, 3, deep, wide)]
    if step.kind == "shortcut":
        return [normal(deep**-0.5, 1, 1, deep, wide)]
    if step.kind == "separable":
        return [normal(1 / 3, 3, 3, deep, 1), normal(deep**-0.5, 1, 1, deep, wide)]
    if step.kind == "vote":
        return [normal(deep**-0.5, deep, wide), np.zeros(wide, np.float32)]
    if step.kind == "normalize":
        one, zero = np.ones(wide, np.float32), np.zeros(wide, np.float32)
        return [one, zero, zero, one]  # gamma, beta, moving mean and variance
    return []

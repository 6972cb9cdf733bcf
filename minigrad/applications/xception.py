"""`XceptionTiny`: residual blocks of separable convolutions."""

from __future__ import annotations

from typing import Any

from minigrad.applications.parts import Network, width
from minigrad.layers import Symbol
from minigrad.models import Model

__all__ = ["XceptionTiny"]

ENTRY = (64, 128)
MIDDLE = 1  # blocks that keep the shape


def XceptionTiny(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    alpha: float = 1.0,
    dropout: float = 0.0,
    classes: int = 10,
    classifier_activation: Any = "softmax",
    name: str = "xception_tiny",
) -> Model:
    """Return a small Xception: pairs of separable convolutions with a way around them.

    Two blocks make more channels of fewer pixels (images are halved while they have more than 4
    pixels along a side), with a 1x1 convolution around them; one keeps the shape, and its input is
    added to its output. The weights are random; `minigrad.set_random_seed` repeats them.

    Source: F. Chollet, Xception, 2017, https://arxiv.org/abs/1610.02357

    Parameters
    ----------
    input_shape, alpha, dropout, classes, classifier_activation, name
        See `MobileNetTiny`.

    Returns
    -------
    Model
        Images (N, height, width, channels) to probabilities (N, classes).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.applications.XceptionTiny((8, 8, 1), alpha=0.25, classes=3)
    >>> model.output_shape, model.count_params()
    ((None, 3), 6867)
    """
    net = Network(input_shape, name)
    x = net.stem(width(ENTRY[0] // 2, alpha))
    for filters in ENTRY:
        x = _entry(net, x, width(filters, alpha))
    for _ in range(MIDDLE):
        x = net.add(x, _pair(net, net.relu(x), width(ENTRY[-1], alpha)))
    return net.finish(net.relu(x), classes, dropout, classifier_activation)


def _entry(net: Network, x: Symbol, filters: int) -> Symbol:
    """Return a block that makes `filters` channels and halves the image if it is large enough."""
    strides = net.halving(x)
    y = _pair(net, x, filters)
    if strides == 2:
        y = net.pool(y)
    return net.add(net.shortcut(x, filters, strides), y)


def _pair(net: Network, x: Symbol, filters: int) -> Symbol:
    y = net.relu(net.normalized(net.separable(x, filters)))
    return net.normalized(net.separable(y, filters))

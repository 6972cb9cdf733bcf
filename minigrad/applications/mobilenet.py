"""`MobileNetTiny`: one separable convolution after the other."""

from __future__ import annotations

from typing import Any

from minigrad.applications.parts import Network, width
from minigrad.models import Model

__all__ = ["MobileNetTiny"]

FILTERS = (64, 64, 128, 128)


def MobileNetTiny(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    alpha: float = 1.0,
    dropout: float = 0.0,
    classes: int = 10,
    classifier_activation: Any = "softmax",
    name: str = "mobilenet_tiny",
) -> Model:
    """Return a small MobileNet: separable convolutions, normalized, with a sum where shapes allow.

    The first of each pair of blocks has more filters and halves the image while it has more than 4
    pixels along a side; the second keeps the shape, and its input is added to its output. The
    weights are random; `minigrad.set_random_seed` repeats them.

    Sources: A. Howard et al., MobileNets, 2017, https://arxiv.org/abs/1704.04861; the sums
    are those of M. Sandler et al., MobileNetV2, 2018, https://arxiv.org/abs/1801.04381; words of
    https://keras.io/api/applications/mobilenet/

    Parameters
    ----------
    input_shape : tuple of int
        (height, width, channels), in the default data format; 8 to 64 pixels along a side.
    alpha : float
        Makes the network wider or narrower: filters are multiplied by it.
    dropout : float
        The part of the features that is dropped before the vote in training, from 0 to below 1.
    classes : int
        How many there are.
    classifier_activation : str or callable, optional
        None gives logits, for a loss with ``from_logits=True``.
    name : str
        Of the model.

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
    >>> model = mg.applications.MobileNetTiny((8, 8, 1), alpha=0.25, classes=3)
    >>> model.output_shape, model.count_params()
    ((None, 3), 3155)
    """
    net = Network(input_shape, name)
    x = net.stem(width(FILTERS[0] // 2, alpha))
    for number, filters in enumerate(FILTERS):
        wide = width(filters, alpha)
        strides = net.halving(x) if number % 2 == 0 else 1
        y = net.relu(net.normalized(net.separable(x, wide, strides)))
        x = net.add(x, y) if number % 2 else y
    return net.finish(x, classes, dropout, classifier_activation)

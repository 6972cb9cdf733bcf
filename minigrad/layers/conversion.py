"""A separable convolution as a full one, exactly, and a full one as a separable one, nearly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigrad import _validate

if TYPE_CHECKING:
    from minigrad.layers.conv2d import Conv2D
    from minigrad.layers.separable_conv2d import SeparableConv2D

__all__ = ["Separation", "full", "separated"]

# The arguments of the constructor that mean the same in both layers.
_SHARED = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "use_bias",
    "activation",
    "activity_regularizer",
    "bias_initializer",
    "bias_regularizer",
    "bias_constraint",
    "trainable",
    "dtype",
)


class Separation(NamedTuple):
    """What `Conv2D.to_separable` returns."""

    layer: SeparableConv2D
    error: float
    """Norm of what is lost, relative to the norm of the kernel."""


def full(layer: SeparableConv2D) -> Conv2D:
    """Return a `Conv2D` that computes the same; see `SeparableConv2D.to_conv2d`.

    Its kernel is the product of the two: K[a, b, c, f] = Σ_m D[a, b, c, m] P[c M + m, f].

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> layer = mg.layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same")
    >>> x = np.random.default_rng(0).normal(size=(1, 6, 6, 3)).astype("float32")
    >>> np.allclose(layer(x).numpy(), full(layer)(x).numpy(), atol=1e-5)
    True
    """
    from minigrad.layers.conv2d import Conv2D

    _expect_built(layer)
    depthwise, pointwise = layer.depthwise_kernel.numpy(), layer.pointwise_kernel.numpy()
    _, _, channels, multiplier = depthwise.shape
    kernel = np.einsum(
        "abcm,cmf->abcf", depthwise, pointwise.reshape(channels, multiplier, layer.filters)
    )
    result: Conv2D = _copy_of(layer, Conv2D, [kernel])
    return result


def separated(layer: Conv2D, rank: int) -> Separation:
    """Return the nearest `SeparableConv2D` with a multiplier; see `Conv2D.to_separable`."""
    from minigrad.layers.separable_conv2d import SeparableConv2D

    _expect_built(layer)
    kh, kw, channels, filters = layer.kernel.shape
    multiplier = _validate.positive_int(rank, "rank")
    if multiplier > min(kh * kw, filters) or layer.groups > 1:
        raise ValueError(
            f"Layer {layer.name!r} becomes separable with a rank of at most "
            f"min(kh kw, filters) = {min(kh * kw, filters)}, and without groups. "
            f"Received: rank={rank}, groups={layer.groups}"
        )
    taps = layer.kernel.numpy().astype(np.float64).reshape(kh * kw, channels, filters)
    left, values, right = np.linalg.svd(taps.transpose(1, 0, 2), full_matrices=False)
    lost, whole = np.square(values[:, multiplier:]).sum(), np.square(values).sum()
    root = np.sqrt(values[:, :multiplier])  # half of each singular value for each kernel
    depthwise = (left[:, :, :multiplier] * root[:, np.newaxis]).transpose(1, 0, 2)
    pointwise = right[:, :multiplier] * root[:, :, np.newaxis]
    kernels = [
        depthwise.reshape(kh, kw, channels, multiplier),
        pointwise.reshape(1, 1, channels * multiplier, filters),
    ]
    result = _copy_of(layer, SeparableConv2D, kernels, depth_multiplier=multiplier)
    return Separation(result, float(np.sqrt(lost / whole)) if whole else 0.0)


def _expect_built(layer: Any) -> None:
    if not layer.built:
        raise ValueError(
            f"Layer {layer.name!r} has no weights yet. Call it on data or call build(input_shape) "
            f"first."
        )


def _copy_of(layer: Any, cls: Any, kernels: list[Any], **more: Any) -> Any:
    """Return a built layer of another class with the same window, activation and bias."""
    result = cls(**{name: getattr(layer, name) for name in _SHARED}, **more)
    result.build(layer.get_build_config()["input_shape"])
    result.set_weights(kernels + ([] if layer.bias is None else [layer.bias.numpy()]))
    return result

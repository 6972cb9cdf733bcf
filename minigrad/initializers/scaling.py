"""Initializers that scale with the number of inputs and outputs: Glorot, He, LeCun."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad._brief import brief
from minigrad._validate import number
from minigrad.initializers.base import Array, RandomInitializer, register
from minigrad.initializers.draws import truncated_normal

# The standard deviation of a standard normal variable truncated to [-2, 2].
TRUNCATED_STDDEV = 0.87962566103423978

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class VarianceScaling(RandomInitializer):
    """Random numbers of variance ``scale / n``, where n counts inputs or outputs.

    Identifiers: ``"variance_scaling"``, ``"VarianceScaling"``.

    Parameters
    ----------
    scale : float
        Positive.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Whether n is the number of inputs, of outputs, or their mean.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        ``"truncated_normal"`` (also spelt ``"normal"``) cuts at two standard deviations and widens
        the distribution so that the variance is right after the cut.
    seed : int, optional
        See `RandomInitializer`.
    fan : {"keras", "per_filter"}
        How inputs and outputs are counted; see Notes.

    Raises
    ------
    ValueError
        For any other value.

    Notes
    -----
    With ``fan="keras"``, a kernel of shape (kh, kw, C, F) has kh*kw*C inputs and kh*kw*F outputs,
    whatever the kernel is for. That is right for an ordinary convolution. A depthwise kernel
    (kh, kw, C, M) has the same layout, but each of its filters reads one channel only: Keras'
    count is C times too large, and the outputs of a depthwise layer on 64 channels start with a
    64th of the variance that was asked for (https://github.com/keras-team/keras/issues/11773).
    ``fan="per_filter"`` counts kh*kw inputs and kh*kw*M outputs instead. Use it for depthwise
    kernels only.

    References
    ----------
    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks"; He et al. 2015, https://arxiv.org/abs/1502.01852; Keras' page,
    https://keras.io/api/layers/initializers/

    Examples
    --------
    >>> import minigrad as mg
    >>> depthwise = mg.initializers.VarianceScaling(2.0, seed=1, fan="per_filter")
    >>> w = depthwise((3, 3, 512, 1))
    >>> f"{w.std():.2f}", f"{np.sqrt(2 / 9):.2f}"
    ('0.47', '0.47')
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        *,
        fan: str = "keras",
    ) -> None:
        super().__init__(seed)
        self.scale = number(scale, "scale", above=0)
        self.mode = _one_of(mode, "mode", MODES)
        if isinstance(distribution, str):
            distribution = distribution.lower()
            if distribution == "normal":
                distribution = "truncated_normal"
        self.distribution = _one_of(distribution, "distribution", DISTRIBUTIONS)
        self.fan = _one_of(fan, "fan", ("keras", "per_filter"))

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = compute_fans(shape, per_filter=self.fan == "per_filter")
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, n))
        match self.distribution:
            case "uniform":
                limit = math.sqrt(3.0) * stddev
                return np.asarray(rng.uniform(-limit, limit, shape))
            case "truncated_normal":
                return stddev / TRUNCATED_STDDEV * truncated_normal(rng, shape)
            case _:
                return np.asarray(rng.normal(0.0, stddev, shape))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; ``fan`` only where it is not Keras' way."""
        config = super().get_config()
        return {name: config[name] for name in config if name != "fan" or self.fan != "keras"}


class _Named(VarianceScaling):
    """A `VarianceScaling` with fixed arguments: only the seed and the fan are free."""

    _fixed: tuple[float, str, str]

    def __init__(self, seed: int | None = None, *, fan: str = "keras") -> None:
        super().__init__(*self._fixed, seed=seed, fan=fan)


class GlorotUniform(_Named):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)): ``VarianceScaling(1, "fan_avg", "uniform")``.

    Keras' default for kernels. Identifiers: ``"glorot_uniform"``, ``"GlorotUniform"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.initializers.GlorotUniform(seed=1)((3, 3, 64, 1))
    >>> bool(abs(w).max() < np.sqrt(6 / (576 + 9)))
    True
    """

    _fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """``VarianceScaling(1, "fan_avg", "truncated_normal")``.

    Identifiers: ``"glorot_normal"``, ``"GlorotNormal"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> print(f"{mg.initializers.GlorotNormal(seed=1)((64, 64)).var() * 64:.1f}")
    1.0
    """

    _fixed = (1.0, "fan_avg", "truncated_normal")


class LecunUniform(_Named):
    """Uniform in ±sqrt(3 / fan_in): ``VarianceScaling(1, "fan_in", "uniform")``.

    Identifiers: ``"lecun_uniform"``, ``"LecunUniform"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> print(f"{mg.initializers.LecunUniform(seed=1)((64, 64)).var() * 64:.1f}")
    1.0
    """

    _fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """``VarianceScaling(1, "fan_in", "truncated_normal")``.

    Identifiers: ``"lecun_normal"``, ``"LecunNormal"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> print(f"{mg.initializers.LecunNormal(seed=1)((64, 64)).var() * 64:.1f}")
    1.0
    """

    _fixed = (1.0, "fan_in", "truncated_normal")


class HeUniform(_Named):
    """Uniform in ±sqrt(6 / fan_in): ``VarianceScaling(2, "fan_in", "uniform")``.

    Identifiers: ``"he_uniform"``, ``"HeUniform"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> print(f"{mg.initializers.HeUniform(seed=1)((64, 64)).var() * 64:.1f}")
    2.0
    """

    _fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """``VarianceScaling(2, "fan_in", "truncated_normal")``: truncated too, as in Keras.

    Identifiers: ``"he_normal"``, ``"HeNormal"``.

    Examples
    --------
    >>> import minigrad as mg
    >>> print(f"{mg.initializers.HeNormal(seed=1)((64, 64)).var() * 64:.1f}")
    2.0
    """

    _fixed = (2.0, "fan_in", "truncated_normal")


def compute_fans(shape: tuple[int, ...], *, per_filter: bool = False) -> tuple[int, int]:
    """Return the numbers of inputs and outputs that a weight of `shape` connects.

    Examples
    --------
    >>> compute_fans((3, 3, 16, 2)), compute_fans((3, 3, 16, 2), per_filter=True)
    ((144, 18), (9, 18))
    >>> compute_fans((32,)), compute_fans(())
    ((32, 32), (1, 1))
    """
    if per_filter:
        if len(shape) < 3:
            raise ValueError(
                "fan='per_filter' is for depthwise kernels: the shape must have at least 3 axes. "
                f"Received: shape={shape}"
            )
        window = math.prod(shape[:-2])
        return window, window * shape[-1]
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _one_of(value: Any, name: str, allowed: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(
        f"The `{name}` argument must be one of {allowed}. Received: {name}={brief(value)}"
    )


register(VarianceScaling, "VarianceScalingV2")
for _class in (GlorotUniform, GlorotNormal, LecunUniform, LecunNormal, HeUniform, HeNormal):
    _name = _class.__name__
    register(_class, f"{_name}V2", f"{_name.replace('N', '_n').replace('U', '_u').lower()}V2")

"""Activations, losses, regularizers and a network go through the checker.

Operations and layers do so in tests of their own: `tests/ops/test_every_operation.py` and the
harness in `tests/layers`.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import activations, layers, losses, ops, regularizers
from minigrad.gradcheck import check_layer, gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def test_nothing_is_left_out():
    functions = {n for n in activations.__all__ if len(n) > 1} - HELPERS
    assert functions == set(ACTIVATIONS)
    classes = {n for n in losses.__all__ if inspect.isclass(getattr(losses, n))}
    assert classes - {"Loss", "FunctionLoss"} == set(LOSSES)
    assert set(regularizers.__all__) - HELPERS - {"Regularizer"} == set(REGULARIZERS)


HELPERS = {"get", "serialize", "deserialize", "register"}


ACTIVATIONS = {
    name: getattr(activations, name)
    for name in (
        *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax"),
        *("mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign"),
        *("swish", "tanh"),
    )
}
HALVES = np.arange(-16, 16).reshape(4, 8) / 2.0  # holds the kinks of all of them: 0, ±2.5, 6


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, mode):
    for x in (2.0 * rng.standard_normal((4, 5)), HALVES, HALVES.astype(np.float32)):
        report = gradcheck(ACTIVATIONS[name], x, mode=mode)
        assert report, report
    smooth = 2.0 * rng.standard_normal((4, 5))
    twice = gradgradcheck(ACTIVATIONS[name], smooth, mode=mode)
    assert twice, twice


SHARES = rng.dirichlet(np.ones(4), 3)
LOSSES = {
    "BinaryCrossentropy": (rng.integers(0, 2, (3, 4)).astype(float), 0.1 + 0.8 * SHARES),
    "CategoricalCrossentropy": (SHARES[::-1].copy(), SHARES),
    "Huber": (SHARES[::-1] * 4.0, SHARES),  # errors on both sides of delta
    "KLDivergence": (SHARES[::-1].copy(), SHARES),
    "MeanAbsoluteError": (SHARES[::-1].copy(), SHARES),
    "MeanSquaredError": (SHARES[::-1].copy(), SHARES),
    "SparseCategoricalCrossentropy": (np.array([3, 0, 3]), SHARES),
}


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, reduction):
    targets, predictions = LOSSES[name]
    loss = getattr(losses, name)(reduction=reduction)
    weights = np.array([0.5, 2.0, 1.0])
    for mode in ("full", "fast"):
        report = gradcheck(lambda p: loss(targets, p), predictions, mode=mode)
        assert report, report
        weighted = gradcheck(lambda p: loss(targets, p, weights), predictions, mode=mode)
        assert weighted, weighted


REGULARIZERS = {
    "L1": (0.1,),
    "L2": (0.1,),
    "L1L2": (0.1, 0.2),
    "l1_l2": (0.1, 0.2),
    "OrthogonalRegularizer": (0.1,),
}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_regularizer(name):
    function = getattr(regularizers, name)(*REGULARIZERS[name])
    x = rng.standard_normal((4, 3))
    for mode in ("full", "fast"):
        report = gradcheck(function, x, mode=mode)
        assert report, report


def test_a_whole_network():
    """What a user trains: all weights at once, by every element."""
    mg.set_random_seed(0)
    model = mg.Sequential(
        [
            layers.SeparableConv2D(4, 3, activation="relu", padding="same", depth_multiplier=2),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(3, 2, strides=2, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    x = np.random.default_rng(1).standard_normal((3, 8, 8, 2))
    for training in (False, True):
        report = check_layer(model, x, training=training)
        assert report, report
    assert ops is mg.ops

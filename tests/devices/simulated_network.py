"""Run with NUMBA_ENABLE_CUDASIM=1 by `test_network.py`: networks train on "cuda" as on the CPU."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels, layers
from minigrad.kernels.cuda import runtime

TIGHT = 2e-5  # float32, two steps of Adam, weights around 1
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 4, 4, 2)).astype(np.float32), np.array([0, 2])


def test_this_is_the_simulator() -> None:
    assert runtime.simulated()
    assert runtime.available()
    assert (runtime.device_name(), runtime.current_device()) == ("simulator", 0)


def network() -> mg.Sequential:
    """Return a network without parameters whose gradient is rounding only, which Adam blows up."""
    mg.set_random_seed(1)
    model = mg.Sequential(
        [
            layers.SeparableConv2D(
                2, 3, padding="same", use_bias=False, depthwise_regularizer="l2"
            ),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.2, seed=3),
            layers.Flatten(),
            layers.Dense(3, kernel_constraint="max_norm"),
        ]
    )
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(mg.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    model.build((None, 4, 4, 2))
    return model


def trained(device: str) -> tuple[list[Any], mg.Sequential]:
    model = network().to(device)
    history = model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history
    results = [*model.get_weights(), *history.values(), model.predict(X, verbose=0)]
    results += model.optimizer.state_dict().values()
    return results, model


def test_a_network_trains_as_on_the_cpu(tmp_path: Path) -> None:
    expected, _ = trained("cpu")
    found, model = trained("cuda")
    assert {w.device for w in model.weights} == {"cuda"} == {model.device}
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TIGHT)

    model.save_weights(tmp_path / "w.npz")
    other = network()
    other.load_weights(tmp_path / "w.npz")
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    # And on: the optimizer's state follows the parameters.
    model.to("cpu")
    assert {w.device for w in model.weights} == {"cpu"} == {model.device}
    model.train_on_batch(X, Y)


def test_models_take_numpy_arrays_on_their_device() -> None:
    """Before they are built, and after; so does a layer of their own."""
    x = X[..., :1]
    for inner in (layers.SeparableConv2D(2, 3), layers.Dense(2)):
        model = mg.Sequential([inner]).to("cuda")
        model.build((None, 4, 4, 1))
        assert model(x).device == model(x.tolist()).device == "cuda"
        np.testing.assert_allclose(model(x).numpy(), model.to("cpu")(x).numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Nadam", "RMSprop"])
def test_every_optimizer_steps_as_on_the_cpu(name: str) -> None:
    def stepped(device: str) -> list[float]:
        weight = mg.tensor([1.0, -2.0], requires_grad=True, device=device)
        optimizer = getattr(mg.optimizers, name)(0.1)
        for _ in range(2):
            optimizer.apply_gradients([(mg.tensor([0.5, -3.0], device=device), weight)])
        assert weight.device == device
        return weight.tolist()

    np.testing.assert_allclose(stepped("cuda"), stepped("cpu"), rtol=1e-6)


def integers(*shape: int) -> np.ndarray:
    return RNG.integers(-3, 4, shape).astype(np.float32)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_integers_are_exact(backend: str) -> None:
    """Convolution and pooling of small integers lose nothing: equal bits on every device."""
    arrays = [integers(1, 4, 4, 2), integers(3, 3, 2, 1), integers(1, 1, 2, 2), integers(2)]

    def gradients(device: str) -> list[np.ndarray]:
        inputs = [mg.tensor(array, requires_grad=True, device=device) for array in arrays]
        y = mg.ops.max_pool2d(mg.ops.separable_conv2d(*inputs, padding="same"))
        parts = mg.grad(y, inputs, np.arange(y.size, dtype=np.float32).reshape(y.shape))
        assert {part.device for part in parts} == {device}
        return [part.numpy() for part in (y, *parts)]

    with mg.use_backend(backend):
        expected = gradients("cpu")
    for ours, theirs in zip(gradients("cuda"), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_backends_and_devices() -> None:
    """A backend says who computes; results are where the arguments are."""
    x, kernel = integers(1, 3, 3, 1), integers(2, 2, 1, 1)
    geometry = kernels.conv_geometry((3, 3), (2, 2))
    expected = kernels.depthwise_forward(x, kernel, geometry)
    with mg.use_backend("cuda"):
        np.testing.assert_array_equal(kernels.depthwise_forward(x, kernel, geometry), expected)
    there = [runtime.upload(array) for array in (x, kernel)]
    for backend in ("reference", "loops", "cpu", "cuda"):
        with mg.use_backend(backend):
            found = kernels.depthwise_forward(*there, geometry)
        np.testing.assert_array_equal(found.get(), expected)
    whole = kernels.depthwise_forward(*[a.astype(np.int64) for a in there], geometry)
    np.testing.assert_array_equal(whole.get(), expected)
    with pytest.raises(TypeError, match=r"on one device: .* Received: cpu, cuda$"):
        kernels.depthwise_forward(x, there[1], geometry)


def test_copies_stay_on_their_device() -> None:
    layer = layers.Dense(2).to("cuda")
    layer(X[0, 0])  # weights that are made later are made there
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert {w.device for w in other.weights} == {"cuda"}
        np.testing.assert_array_equal(other(X[0, 0]).numpy(), layer(X[0, 0]).numpy())


def test_a_launch_writes_in_place_and_shows_what_was_not_written() -> None:
    y = runtime.empty((2, 3), np.float32)
    assert np.isnan(y.get()).all()
    assert (runtime.zeros(4, np.int32).get() == 0).all()
    assert runtime.seconds(lambda: None) >= 0.0

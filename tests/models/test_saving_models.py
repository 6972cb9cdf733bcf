"""Whole models in files: training goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.models import clone_model, load_model

GOLDEN = Path(__file__).parent.parent / "golden" / "weights_v1.npz"
SUFFIXES = ["model.npz", "model", "model.safetensors"]


class Wavy(layers.Layer):
    """An own layer with a constructor argument."""

    _arguments = ("factor",)

    def __init__(self, factor=1.0, **kwargs):
        self.factor = factor
        super().__init__(**kwargs)

    def call(self, inputs):
        return mg.ops.sin(inputs * self.factor)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


@pytest.fixture(autouse=True)
def _registered():
    layers.register(Wavy)


def data():
    rng = np.random.default_rng(3)
    return rng.standard_normal((24, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, 24)


def sequential():
    parts = [
        mg.Input((6, 6, 2)),
        layers.SeparableConv2D(4, 3, activation="relu", depthwise_regularizer="l2"),
        layers.BatchNormalization(),
        Wavy(0.5),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, kernel_constraint="max_norm"),
    ]
    return mg.Sequential(parts, name="stack")


def functional():
    image = mg.Input((6, 6, 2))
    h = layers.SeparableConv2D(4, 3, padding="same", activation="tanh")(image)
    pool = layers.GlobalAveragePooling2D()
    inner = mg.Sequential([layers.Dense(5, activation="relu"), layers.Dense(3)])
    return mg.Model(image, inner(pool(Wavy()(h))))


def compiled(make, optimizer="adam"):
    model = make()
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def equal(a, b):
    return len(a) == len(b) and all(map(np.array_equal, a, b))


@pytest.mark.parametrize("name", SUFFIXES)
@pytest.mark.parametrize("make", [sequential, functional])
def test_training_goes_on_bit_by_bit(tmp_path, make, name):
    x, y = data()
    whole = compiled(make)
    whole.fit(x, y, epochs=2, seed=5, verbose=0, batch_size=8)
    whole.save(tmp_path / name)
    read = mg.Model.load(tmp_path / name)
    assert type(read) is type(whole) and read.get_config() == whole.get_config()
    assert equal(read.get_weights(), whole.get_weights())
    assert read.optimizer.iterations == 6
    results = [
        model.fit(x, y, epochs=4, initial_epoch=2, seed=5, verbose=0, batch_size=8).history
        for model in (whole, read)
    ]
    assert results[0] == results[1]
    assert equal(read.get_weights(), whole.get_weights())


@pytest.mark.parametrize(
    "optimizer", ["sgd", "rmsprop", "adam", mg.optimizers.SGD(0.1, momentum=0.9, nesterov=True)]
)
def test_every_optimizer_keeps_its_state(tmp_path, optimizer):
    x, y = data()
    model = compiled(sequential, optimizer)
    model.train_on_batch(x, y)
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.optimizer.get_config() == model.optimizer.get_config()
    first, second = model.optimizer.state_dict(), read.optimizer.state_dict()
    assert first.keys() == second.keys() and equal(list(first.values()), list(second.values()))


def test_what_was_not_compiled_or_is_not_wanted(tmp_path):
    model = compiled(sequential)
    model.save(tmp_path / "bare", include_optimizer=False)
    with pytest.raises(RuntimeError, match="must be compiled"):
        load_model(tmp_path / "bare").evaluate(*data(), verbose=0)
    model.save(tmp_path / "full")
    assert load_model(tmp_path / "full", compile=False).optimizer is None
    sequential().save(tmp_path / "never")
    assert load_model(tmp_path / "never").optimizer is None


def test_frozen_layers_stay_frozen(tmp_path):
    model = sequential()
    model.layers[0].trainable = False
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert [w.trainable for w in read.weights] == [w.trainable for w in model.weights]
    assert len(read.trainable_weights) == len(model.trainable_weights)


def test_weights_can_be_read_from_a_model_file(tmp_path):
    x, y = data()
    model = compiled(sequential)
    model.train_on_batch(x, y)
    model.save(tmp_path / "m")
    other = sequential()
    other.load_weights(tmp_path / "m")
    assert equal(other.get_weights(), model.get_weights())
    other.save_weights(tmp_path / "w.safetensors")
    again = sequential()
    again.load_weights(tmp_path / "w.safetensors")
    assert equal(again.get_weights(), model.get_weights())


def test_files_of_version_1_load():
    """The golden file was written by the first version of the format."""
    with zipfile.ZipFile(GOLDEN) as archive:
        assert json.loads(archive.read("minigrad.json"))["format_version"] == 1
    model = mg.Sequential(
        [
            layers.SeparableConv2D(2, 2),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    model.build((None, 3, 3, 1))
    model.load_weights(GOLDEN)
    flat = np.concatenate([w.ravel() for w in model.get_weights()])
    assert np.array_equal(flat, np.arange(flat.size) / 8)
    with pytest.raises(ValueError, match="holds the weights of a model, but not the model"):
        load_model(GOLDEN)


def test_equal_models_make_equal_files(tmp_path):
    model = compiled(functional)
    model.save(tmp_path / "a")
    load_model(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_clone():
    model = sequential()
    copy = clone_model(model)
    assert copy.get_config() == model.get_config() and copy.built
    assert not equal(copy.get_weights()[:1], model.get_weights()[:1])
    assert not clone_model(mg.Sequential([layers.Dense(1)])).built
    graph = clone_model(functional())
    assert graph(np.zeros((1, 6, 6, 2))).shape == (1, 3)


def test_errors(tmp_path):
    path = tmp_path / "m"
    with pytest.raises(ValueError, match="is not built, so it has no weights to be saved"):
        mg.Sequential([layers.Dense(1)]).save(path)
    model = sequential()
    model.compile("sgd", "mse", metrics=[lambda y, p: mg.ops.mean(p, axis=-1)])
    with pytest.raises(ValueError, match="cannot be written to a configuration"):
        model.save(path)
    odd = mg.Sequential([mg.Input((2,)), Wavy(factor=np.float32(2))])
    with pytest.raises(ValueError, match="something that JSON cannot hold, nothing was written"):
        odd.save(path)
    assert not path.exists()
    model.save(path, include_optimizer=False)
    with pytest.raises(TypeError, match=r"holds a Sequential\. Received: Functional\.load"):
        mg.models.Functional.load(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON cannot hold"):
        odd.save(path)
    assert path.read_bytes() == before
    text = before.replace(b'"Wavy"', b'"Wxyz"')
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"damaged|Unknown layer"):
        load_model(path)
    with pytest.raises(FileNotFoundError, match="no weight file"):
        load_model(tmp_path / "nothing")


def test_an_unknown_class_is_named(tmp_path):
    class Unregistered(layers.Layer):
        def call(self, inputs):
            return inputs

        def compute_output_shape(self, input_shape):
            return tuple(input_shape)

    layers.register(Unregistered)
    mg.Sequential([mg.Input((2,)), Unregistered()]).save(tmp_path / "m")
    code = "import sys, minigrad as mg\nmg.models.load_model(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "m"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "must be registered before" in done.stderr and "'Unregistered'" in done.stderr


def test_every_flipped_byte_of_a_safetensors_file_is_found(tmp_path):
    path = tmp_path / "w.safetensors"
    model = mg.Sequential([mg.Input((2,)), layers.Dense(2)])
    model.save_weights(path)
    intact, original = path.read_bytes(), model.get_weights()
    for place in range(0, len(intact), 3):
        content = bytearray(intact)
        content[place] ^= 0x01
        path.write_bytes(content)
        with contextlib.suppress(ValueError):
            model.load_weights(path)
        assert equal(model.get_weights(), original), place


def test_every_flipped_byte_of_a_whole_model_in_safetensors_is_found(tmp_path):
    path = tmp_path / "m.safetensors"
    mg.Sequential([mg.Input((2,)), layers.Dense(2)]).save(path)
    intact = path.read_bytes()
    for place in range(0, len(intact), 3):
        content = bytearray(intact)
        content[place] ^= 0x02
        path.write_bytes(content)
        with pytest.raises(ValueError):
            load_model(path)


def test_safetensors_without_a_checksum_of_the_header_load(tmp_path):
    numpy_format = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "m.safetensors"
    model = mg.Sequential([mg.Input((2,)), layers.Dense(2)])
    model.save(path)
    content = path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    del head["minigrad.sha256"]
    path.write_bytes(numpy_format.save(numpy_format.load(content), metadata=head))
    assert equal(load_model(path).get_weights(), model.get_weights())


def test_a_layer_of_two_nested_models_stays_one_layer(tmp_path):
    x = mg.Input((3,))
    shared = layers.Dense(3, name="shared", activation="tanh")
    first, second = mg.Model(x, shared(x)), mg.Model(x, shared(shared(x)))
    stack = mg.Sequential([shared, layers.Dense(3)])
    model = mg.Model(x, [layers.Add()([first(x), second(x)]), stack(x)])
    model.save(tmp_path / "m.npz")
    data = np.ones((2, 3), np.float32)
    for copy in (load_model(tmp_path / "m.npz"), clone_model(model)):
        copy.set_weights(model.get_weights())
        assert len(copy.weights) == len(model.weights) == 4
        for ours, theirs in zip(copy(data), model(data), strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert copy.get_config() == model.get_config()
    # Nothing is kept between two readings: equal configurations make different layers.
    assert clone_model(model).weights[0] is not clone_model(model).weights[0]


def test_freezing_a_model_and_thawing_a_part_is_kept(tmp_path):
    x = mg.Input((3,))
    model = mg.Model(x, layers.Dense(2, name="b")(layers.Dense(2, name="a")(x)))
    model.trainable = False
    model.get_layer("a").trainable = True
    model.save(tmp_path / "m.npz")
    copy = load_model(tmp_path / "m.npz")
    assert [layer.trainable for layer in copy.layers] == [False, True, False]
    assert not copy.trainable and not copy.trainable_weights
    assert copy.get_config() == model.get_config()


def test_without_the_package_of_safetensors(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'minigrad\[safetensors\]'"):
        sequential().save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_killed_while_saving(tmp_path):
    """Whatever the moment of the kill, a whole file stands there."""
    path = tmp_path / "m.npz"
    code = (
        "import sys, minigrad as mg\n"
        "model = mg.Sequential([mg.Input((400,)), mg.layers.Dense(900)])\n"
        "model.save(sys.argv[1])\n"
        "print('saved', flush=True)\n"
        "while True: model.save(sys.argv[1])\n"
    )
    for delay in (0.0, 0.005, 0.02, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "saved\n"
        time.sleep(delay)
        process.kill()
        process.wait()
        process.stdout.close()
        assert load_model(path).count_params() == 400 * 900 + 900


class Forgetful(mg.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.head = layers.Dense(units)

    def call(self, inputs):
        return self.head(inputs)


class Closed(mg.layers.Layer):
    def __init__(self):
        super().__init__()

    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "model, text",
    [
        (Forgetful(3), r"Forgetful could not be made again.*'units'.*get_config\(\) return all"),
        (mg.Sequential([Closed(), layers.Dense(2)]), r"Closed could not .*'name'.*\*\*kwargs"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, model, text):
    model.build((None, 3))
    path = tmp_path / "model.npz"
    path.write_bytes(b"older")
    with pytest.raises(ValueError, match=text):
        model.save(path)
    assert path.read_bytes() == b"older"
    model.save_weights(path)
    model.load_weights(path)

"""The functional API: graphs of calls on symbols, against the same computations by hand."""

from __future__ import annotations

import json
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.models import Functional


class Sum(layers.Layer):
    """The sum of any number of inputs; says nothing about shapes."""

    def call(self, inputs):
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Halves(layers.Layer):
    """Two outputs."""

    def call(self, inputs):
        cut = inputs.shape[-1] // 2
        return [inputs[..., :cut], inputs[..., cut:]]

    def compute_output_shape(self, input_shape):
        *rest, last = input_shape
        return [(*rest, last // 2), (*rest, last - last // 2)]


@pytest.fixture(scope="module", autouse=True)
def _registered():
    layers.register(Sum)
    layers.register(Halves)


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((5, 6, 6, 3)).astype(np.float32)


def residual():
    """A stem, one layer used twice, two residual sums, a head."""
    image = mg.Input((6, 6, 3), name="image")
    stem = layers.SeparableConv2D(4, 3, padding="same", activation="tanh", name="stem")
    shared = layers.SeparableConv2D(4, 3, padding="same", name="shared")
    pool, head = layers.GlobalAveragePooling2D(), layers.Dense(2, name="head")
    h = stem(image)
    h = Sum()([shared(h), h])
    h = Sum()([shared(h), h])
    return mg.Model(image, head(pool(h)), name="residual"), (stem, shared, pool, head)


def by_hand(parts, x):
    stem, shared, pool, head = parts
    h = stem(x)
    h = shared(h) + h
    h = shared(h) + h
    return head(pool(h))


def test_outputs_and_gradients_are_those_of_the_calls(x):
    model, parts = residual()
    assert type(model) is Functional and isinstance(model, mg.Model)
    upstream = mg.tensor(np.random.default_rng(1).standard_normal((5, 2)).astype(np.float32))
    results = [model(x), by_hand(parts, x)]
    gradients = [mg.grad(y, model.trainable_weights, upstream) for y in results]
    assert np.array_equal(results[0].numpy(), results[1].numpy())
    for ours, theirs in zip(*gradients, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_facts():
    model, (stem, shared, *_) = residual()
    assert model.built
    assert model.input_shape == (None, 6, 6, 3) and model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers if layer in (stem, shared)] == ["stem", "shared"]
    assert model.count_params() == stem.count_params() + shared.count_params() + 10
    once = shared.macs((None, 6, 6, 4))
    assert model.macs((None, 6, 6, 3)) == stem.macs((None, 6, 6, 3)) + 2 * once + 4 * 2
    assert model.compute_output_shape((7, 6, 6, 3)) == (7, 2)
    assert model.get_layer("stem") is stem and model.get_layer(index=1) is stem
    assert "shared" in str(mg.models.summarize(model))


def test_the_configuration_makes_an_equal_model(x):
    model, _ = residual()
    config = json.loads(json.dumps(model.get_config()))
    copy = Functional.from_config(config)
    assert copy.get_config() == model.get_config()
    copy.set_weights(model.get_weights())
    assert np.array_equal(copy.predict(x), model.predict(x))
    read = layers.deserialize(layers.serialize(model))
    assert isinstance(read, Functional) and read.get_config() == model.get_config()


def test_the_shared_layer_stays_shared_in_the_copy():
    model, _ = residual()
    copy = Functional.from_config(model.get_config())
    assert len(copy.weights) == len(model.weights)
    assert copy.macs((None, 6, 6, 3)) == model.macs((None, 6, 6, 3))


def test_several_inputs_and_outputs(x):
    a, b = mg.Input((6, 6, 3)), mg.Input((6, 6, 3))
    left, right = Halves()(Sum()([a, b]))
    model = mg.Model([a, b], [right, left])
    assert model.output_shape == [(None, 6, 6, 2), (None, 6, 6, 1)]
    first, second = model([x, 2 * x])
    assert np.array_equal(first.numpy(), (x + 2 * x)[..., 1:])
    assert np.array_equal(second.numpy(), (x + 2 * x)[..., :1])
    copy = Functional.from_config(json.loads(json.dumps(model.get_config())))
    assert np.array_equal(copy([x, x])[1].numpy(), (x + x)[..., :1])
    with pytest.raises(ValueError, match="takes a list of 2 tensors"):
        model(x)
    with pytest.raises(ValueError, match="takes a list of 2 tensors"):
        model([x, x, x])
    with pytest.raises(ValueError, match="must have size 6 on axis 1"):
        model([x, x[:, :5]])


def test_models_inside_models(x):
    inner, _ = residual()
    image = mg.Input((6, 6, 3))
    outer = mg.Model(image, layers.Dense(3)(inner(image)))
    assert np.array_equal(outer.layers[-1](inner(x)).numpy(), outer(x).numpy())
    assert "layers.1.layers.1.depthwise_kernel" in mg.models.named_weights(outer)
    stack = mg.Sequential([inner, layers.Dense(2)])
    assert stack(x).shape == (5, 2)
    copy = Functional.from_config(json.loads(json.dumps(outer.get_config())))
    copy.set_weights(outer.get_weights())
    assert np.array_equal(copy.predict(x), outer.predict(x))


def test_an_input_may_be_an_output(x):
    image = mg.Input((6, 6, 3))
    model = mg.Model(image, [image, layers.Flatten()(image)])
    same, flat = model(x)
    assert np.array_equal(same.numpy(), x) and flat.shape == (5, 108)


def test_unknown_sizes(x):
    image = mg.Input((None, None, 3))
    model = mg.Model(image, layers.SeparableConv2D(2, 3)(image))
    assert model.output_shape == (None, None, None, 2)
    assert model(x).shape == (5, 4, 4, 2)
    assert model.compute_output_shape((None, 9, 6, 3)) == (None, 7, 4, 2)


def test_training_mode_reaches_the_layers(x):
    image = mg.Input((6, 6, 3))
    follows = layers.Dropout(0.5, seed=0)(image)
    always = layers.Dropout(0.5, seed=0)(image, training=True)
    model = mg.Model(image, [follows, always])
    quiet, noisy = model(x)
    assert np.array_equal(quiet.numpy(), x) and not np.array_equal(noisy.numpy(), x)
    assert not np.array_equal(model(x, training=True)[0].numpy(), x)
    copy = Functional.from_config(json.loads(json.dumps(model.get_config())))
    assert not np.array_equal(copy(x)[1].numpy(), x)


def test_freezing(x):
    model, (stem, *_) = residual()
    stem.trainable = False
    model.compile("sgd", "mse")
    before = stem.get_weights()
    model.fit(x, np.zeros((5, 2)), epochs=2, verbose=0, seed=0)
    assert all(map(np.array_equal, before, stem.get_weights()))
    image = mg.Input((6, 6, 3))
    assert not mg.Model(image, layers.Dense(1)(image), trainable=False).trainable_weights


def test_a_long_chain_needs_no_recursion():
    h = image = mg.Input((1,))
    for number in range(3000):
        h = layers.Activation("linear", name=f"l{number}")(h)
    assert mg.Model(image, h)(np.ones((1, 1))).item() == 1.0


def test_inference_drops_what_is_not_needed_any_more():
    alive = []

    class Watch(layers.Layer):
        seen = ()

        def call(self, inputs):
            alive.append(sum(ref() is not None for ref in self.seen))
            output = inputs * 1.0
            Watch.seen += (weakref.ref(output),)
            return output

        def compute_output_shape(self, input_shape):
            return input_shape

    h = image = mg.Input((4,))
    for _ in range(5):
        h = Watch()(h)
    with mg.no_grad():
        mg.Model(image, h)(np.ones((1, 4)))
    assert max(alive) <= 1


def test_sequential_begins_with_an_input():
    model = mg.Sequential([mg.Input((6, 6, 3)), layers.Flatten(), layers.Dense(2)])
    assert model.built and model.input_shape == (None, 6, 6, 3) and len(model.layers) == 2
    again = mg.Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert again.built and again.output_shape == (None, 2)
    with pytest.raises(TypeError, match="begins with layers or with mg"):
        mg.Sequential([layers.Dense(1)(mg.Input((3,)))])


def test_errors():
    model, _ = residual()
    image = mg.Input((6, 6, 3), name="picture")
    other = mg.Input((6, 6, 3), name="other")
    hidden = layers.Flatten()(image)
    array = np.zeros((1, 6, 6, 3), np.float32)
    table = [
        (lambda: mg.Model(hidden, hidden), ValueError, "inputs of a model must come from mg.Input"),
        (lambda: mg.Model(other, hidden), ValueError, "depend on the input 'picture'"),
        (lambda: mg.Model(image, 3), TypeError, "outputs of a model must be a symbol"),
        (lambda: mg.Model(array, hidden), TypeError, "inputs of a model must be a symbol"),
        (lambda: mg.Model([image, image], hidden), ValueError, "An input was given twice"),
        (lambda: mg.Model(image, []), TypeError, "must be a symbol, or a list or dict of symbols"),
        (lambda: layers.Dense(2)([image, image]), ValueError, "takes one tensor"),
        (lambda: Sum()([image, array]), TypeError, "symbols and something else at once"),
        (lambda: layers.Dense(2)(image, 3), TypeError, "must be given by name"),
        (lambda: layers.Dense(2)(image, strength=3), TypeError, "no keyword argument 'strength'"),
        (lambda: layers.MaxPooling2D(7)(image), ValueError, "output"),
        (lambda: mg.ops.exp(image), TypeError, "has a shape but no numbers"),
        (lambda: mg.tensor(image), TypeError, "has a shape but no numbers"),
        (lambda: image + 1, TypeError, r"layers.Add\(\)"),
        (lambda: bool(image), TypeError, "has a shape but no numbers"),
        (lambda: mg.Input(3), TypeError, r"tuple without the batch axis, \(3,\)"),
        (lambda: mg.Input(), ValueError, "needs the shape of one example"),
        (lambda: model(array[:, :5]), ValueError, "must have size 6 on axis 1"),
        (lambda: model.get_layer("nobody"), ValueError, "No layer is named 'nobody'"),
        (lambda: model.get_layer(index=99), ValueError, "index=99"),
        (lambda: model.get_layer(index="1"), ValueError, "index='1'"),
        (lambda: model.get_layer(), ValueError, "Give a name or an index"),
    ]
    for call, kind, text in table:
        with pytest.raises(kind, match=text):
            call()
    twice = layers.Dense(1, name="twin")(layers.Dense(1, name="twin")(image))
    with pytest.raises(ValueError, match="2 layers named 'twin'"):
        mg.Model(image, twice)


def test_an_error_inside_names_the_layer_and_the_shapes():
    image = mg.Input((None, None, 3))
    model = mg.Model(image, layers.SeparableConv2D(1, 5, name="wide")(image), name="net")
    with pytest.raises(ValueError, match=r"'wide' \(SeparableConv2D\) of the model 'net'.*4, 4, 3"):
        model(np.zeros((2, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"'wide' \(SeparableConv2D\) of the model 'net'"):
        model.compute_output_shape((None, 4, 4, 3))


class Named(mg.Model):
    """A model that returns a dict."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(2, name="inner")

    def call(self, inputs):
        return {"out": self.inner(inputs), "in": inputs}


def test_models_that_return_dicts_are_built_and_are_parts_of_graphs():
    model = Named()
    model.build((None, 3))
    assert model.compute_output_shape((None, 3)) == {"out": (None, 2), "in": (None, 3)}
    x = mg.Input((3,))
    found = model(x)
    assert {name: symbol.shape for name, symbol in found.items()} == {
        "out": (None, 2),
        "in": (None, 3),
    }
    joined = mg.Model(x, layers.Concatenate()([found["in"], found["out"]]))
    given = np.ones((2, 3), "float32")
    parts = model(given)
    np.testing.assert_array_equal(joined(given)[:, :3].numpy(), given)
    np.testing.assert_array_equal(joined(given)[:, 3:].numpy(), parts["out"].numpy())


@pytest.mark.parametrize("model", [Named(), mg.Sequential([layers.Dense(2, name="inner")])])
def test_all_models_know_their_layers_by_name(model):
    model.build((None, 3))
    assert model.get_layer("inner") is model.get_layer(index=0) is model.layers[0]


RELUS = {
    "layer": layers.ReLU,
    "activation": lambda: layers.Activation("relu"),
}
OTHERS = {
    "bounded": lambda: layers.ReLU(max_value=6),
    "never": lambda: layers.ReLU(max_value=0),
    "leaky": lambda: layers.ReLU(negative_slope=0.1),
    "tanh": lambda: layers.Activation("tanh"),
    "lossy": lambda: layers.ReLU(activity_regularizer="l2"),
}


@pytest.mark.parametrize("which", [*RELUS, *OTHERS])
@pytest.mark.parametrize("kind", ["sequential", "functional", "seen", "shared"])
def test_normalization_and_relu_in_one_pass_change_nothing(which, kind, x, monkeypatch):
    """Where they go together, ReLU is not called; where something else reads between, it is."""
    passes = []
    normalize = mg.ops.batch_normalization

    def count(*arguments):
        passes.append(arguments[5:] == ("relu",))
        return normalize(*arguments)

    def make():
        mg.set_random_seed(3)
        first, norm = layers.Conv2D(4, 3), layers.BatchNormalization()
        second = {**RELUS, **OTHERS}[which]()
        last = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
        if kind == "sequential":
            return mg.Sequential([first, norm, second, *last])
        image = mg.Input((6, 6, 3))
        middle = norm(first(image))
        y = second(middle)
        if kind == "seen":
            y = layers.Add()([y, middle])
        if kind == "shared":
            y = second(norm(y))
        return mg.Model(image, last[1](last[0](y)))

    def train(model):
        model.compile("adam", "mse")
        losses = [model.train_on_batch(x, np.ones((5, 2), "f")) for _ in range(3)]
        return [*losses, model.predict(x), *model.get_weights()]

    monkeypatch.setattr(mg.ops, "batch_normalization", count)
    fused = train(make())
    assert passes == [which in RELUS and kind != "seen"] * len(passes)
    monkeypatch.setattr("minigrad.models.sequential.takes_along", lambda *_: False)
    monkeypatch.setattr("minigrad.models.functional.takes_along", lambda *_: False)
    passes.clear()
    plain = train(make())
    assert passes and not any(passes)
    for a, b in zip(fused, plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_lies_between_normalization_and_relu_can_be_an_output(x):
    image = mg.Input((6, 6, 3))
    middle = layers.BatchNormalization()(image)
    model = mg.Model(image, [middle, layers.ReLU()(middle)])
    below, above = model(x, training=True)
    assert (below.numpy() < 0).any()
    np.testing.assert_array_equal(np.maximum(below.numpy(), 0), above.numpy())


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_layers_can_be_changed_after_normalization_took_them_along(x, kind):
    norm, relu = layers.BatchNormalization(), layers.ReLU()
    image = mg.Input((6, 6, 3))
    if kind == "functional":
        model = mg.Model(image, relu(norm(image)))
    else:
        model = mg.Sequential([image, norm, relu])
    assert model(x).numpy().min() == 0
    relu.negative_slope = 0.5
    assert model(x).numpy().min() < 0
    relu.negative_slope = 0.0
    seen, call = [], norm.call
    norm.call = lambda inputs, training=None: seen.append(1) or call(inputs, training=training)
    assert model(x).numpy().min() == 0 and seen == [1]
    del norm.call
    relu.call = lambda inputs: inputs
    assert model(x).numpy().min() < 0

"""Bad input: refused early, in words, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.models import Model, Sequential

X = np.random.default_rng(0).standard_normal((12, 6, 6, 1)).astype(np.float32)
Y = np.arange(12) % 3
NAN = np.where(Y == 1, np.nan, Y)
WEIGHTS = np.ones(12)


def make() -> Sequential:
    """A model that has been trained a little, so that everything has a state."""
    mg.set_random_seed(0)
    model = Sequential(
        [
            layers.SeparableConv2D(2, 3, name="conv"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3, name="head"),
        ],
        name="net",
        input_shape=(6, 6, 1),
    )
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(mg.optimizers.Adam(0.01), loss, ["accuracy"])
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def state(model: Sequential) -> dict[str, Any]:
    """Everything that an error must leave alone."""
    history = model.history
    assert history is not None
    return {
        "weights": [w.tobytes() for w in model.get_weights()],
        "optimizer": {k: v.tobytes() for k, v in model.optimizer.state_dict().items()},
        "compiled": (model.optimizer, model.loss, model._metrics, model.metrics_names),
        "history": (history, dict(history.history), list(history.epoch)),
        "layers": model.layers,
    }


def fit(x: Any = X, y: Any = Y, **options: Any) -> Callable[[Sequential], Any]:
    return lambda model: model.fit(x, y, **{"verbose": 0, **options})


def uncompiled() -> Sequential:
    return Sequential([layers.Dense(1)], name="raw")


class Several(Model):
    """Returns two tensors."""

    def call(self, inputs: Any) -> Any:
        return inputs, inputs


def several() -> Model:
    model = Several(name="several")
    model.compile("sgd", "mse")
    return model


def without_loss() -> Sequential:
    model = uncompiled()
    model.compile("sgd")
    return model


# Name, attempt, message, and the error if it is no ValueError.
ROWS: list[tuple[Any, ...]] = [
    # not compiled
    ("fit", lambda m: uncompiled().fit(X, Y), r"'raw' must be compiled before fit", RuntimeError),
    ("evaluate", lambda m: uncompiled().evaluate(X, Y), r"before evaluate: call", RuntimeError),
    ("train", lambda m: uncompiled().train_on_batch(X, Y), r"before train_on_batch", RuntimeError),
    ("test", lambda m: uncompiled().test_on_batch(X, Y), r"before test_on_batch", RuntimeError),
    ("names", lambda m: uncompiled().metrics_names, r"before metrics_names", RuntimeError),
    ("no loss", lambda m: without_loss().fit(X, Y), r"'raw' was compiled without a l"),
    # compile
    (
        "unknown optimizer",
        lambda m: m.compile("adma", "mse"),
        r"Unknown optimizer\. Did you mean .*[Aa]dam.*\? Received: 'adma'",
    ),
    ("unknown loss", lambda m: m.compile("sgd", "msee"), r"Unknown loss\. Did you .*mse"),
    (
        "unknown metric",
        lambda m: m.compile("sgd", "mse", ["accurracy"]),
        r"Unknown metric\. Did you mean .*accuracy.* Received: 'accurracy'",
    ),
    ("optimizer None", lambda m: m.compile(None, "mse"), r"needs an optimizer"),
    ("optimizer 3", lambda m: m.compile(3, "mse"), r"optimizer must be .* 3"),
    ("optimizer function", lambda m: m.compile(len, "mse"), r"name, a configuration or"),
    ("loss 3", lambda m: m.compile("sgd", 3), r"loss must be given as .* 3"),
    (
        "unreduced loss",
        lambda m: m.compile("sgd", mg.losses.MeanSquaredError("none")),
        r"a loss that is one number",
    ),
    (
        "metrics text",
        lambda m: m.compile("sgd", "mse", "acc"),
        r"metrics must be a list",
        TypeError,
    ),
    ("metric None", lambda m: m.compile("sgd", "mse", [None]), r"Received: None in"),
    ("metric Mean", lambda m: m.compile("sgd", "mse", ["mean"]), r"compare targets and"),
    ("twice", lambda m: m.compile("sgd", "mse", ["mse", "mse"]), r"a name of its own"),
    (
        "unknown word",
        lambda m: m.compile("sgd", los="mse"),
        r"unexpected keyword .*'los'",
        TypeError,
    ),
    # x and y
    (
        "lengths",
        fit(y=Y[:10]),
        r"must have the same length\. Received: 12 examples in x and 10 in y",
    ),
    ("no examples", fit(X[:0], Y[:0]), r"no examples\. Received: x\.shape=\(0, 6, 6, 1"),
    ("x None", fit(None), r"x must be one array .* Received: NoneType", TypeError),
    ("y None", fit(y=None), r"y is missing"),
    ("y missing", lambda m: m.fit(X), r"y is missing"),
    ("x dict", fit({"a": X}), r"x must be one array .* Received: dict", TypeError),
    ("x arrays", fit([X, X], Y[:2]), r"Join a list of arrays with np\.stack\. Rec", TypeError),
    ("x generator", fit(iter(X)), r"x must be one array", TypeError),
    ("x text", fit("digits"), r"x must be one array .* Received: str", TypeError),
    ("x objects", fit(np.array([object()] * 12)), r"array of numbers .* dtype object", TypeError),
    ("x ragged", fit([[1.0], [1.0, 2.0]], [0, 1]), r"x must be an array of numbers", TypeError),
    ("x complex", fit(X.astype(complex)), r"array of numbers .* dtype complex", TypeError),
    ("y text", fit(y=np.array(["a"] * 12)), r"y must be an array of numbers .* <U1", TypeError),
    ("x number", fit(3.0), r"x must have an axis for the examples"),
    ("x bytes", fit((X * 9).astype(np.uint8)), r"'conv' .*floating point.*dtype=uint8", TypeError),
    ("x NaN", fit(np.where(X > 1, np.nan, X)), r"x must be finite\. Received: \d+ value"),
    (
        "y NaN",
        fit(y=NAN),
        r"y must be finite\. Received: 4 values that are NaN or infinite, the first at y\[1\]",
    ),
    ("y inf", fit(y=np.where(Y == 2, np.inf, Y)), r"the first at y\[2\]"),
    # shapes and labels
    ("rank", fit(X[..., 0]), r"'conv' .* shape \(1, 6, 6\) .*4 axes"),
    ("channels", fit(np.repeat(X, 2, -1)), r"'conv' .*\(1, 6, 6, 2\) .*size 1 on"),
    ("too small", fit(X[:, :2, :2]), r"'conv' .*\(1, 2, 2, 1\) .*smaller than the kernel"),
    ("other size", fit(np.zeros((12, 7, 7, 1))), r"'head' .*\(1, 50\) .*32"),
    (
        "label too large",
        fit(y=np.where(np.arange(12) == 11, 3, Y)),
        r"targets do not suit the model 'net', whose outputs have shape \(None, 3\)\. "
        r".*from 0 to 2.* Received: 3 at \(11,\)",
    ),
    ("label negative", fit(y=Y - 1), r"from 0 to 2.* Received: -1 at \(0,\)"),
    ("label fraction", fit(y=Y + 0.5), r"Received: 0\.5"),
    ("one-hot", fit(y=np.eye(3)[Y]), r"For one-hot labels use categorical_cross"),
    (
        "validation label",
        fit(validation_data=(X, Y + 1)),
        r"The validation targets do not suit the model 'net'.*Received: 3",
    ),
    (
        "two outputs",
        lambda m: several().fit(X, Y),
        r"'several' returns a tuple of outputs: its loss must be",
        TypeError,
    ),
    # options
    ("batch 0", fit(batch_size=0), r"batch_size must be an integer >= 1.*batch_size=0"),
    ("batch -1", fit(batch_size=-1), r"batch_size=-1"),
    ("batch True", fit(batch_size=True), r"batch_size=True"),
    ("batch 2.5", fit(batch_size=2.5), r"batch_size=2\.5"),
    ("batch text", fit(batch_size="32"), r"batch_size='32'"),
    ("epochs -1", fit(epochs=-1), r"epochs must be an integer >= 0.*epochs=-1"),
    ("epochs True", fit(epochs=True), r"epochs=True"),
    ("epochs 1.5", fit(epochs=1.5), r"epochs=1\.5"),
    ("initial", fit(initial_epoch=-1), r"initial_epoch=-1"),
    ("verbose 3", fit(verbose=3), r"verbose must be 'auto', 0 .* Received: verbose=3"),
    ("verbose text", fit(verbose="yes"), r"verbose='yes'"),
    ("seed -1", fit(seed=-1), r"seed must be None or an integer >= 0.*seed=-1"),
    ("callbacks", fit(callbacks=[print]), r"callbacks must be a list of Callback", TypeError),
    ("callback class", fit(callbacks=mg.callbacks.History), r"a list of Callback\. Rec", TypeError),
    ("unknown word", fit(workers=2), r"unexpected keyword .*'workers'", TypeError),
    # validation
    ("split 1", fit(validation_split=1.0), r"from 0 to below 1\..*validation_split=1"),
    ("split -1", fit(validation_split=-0.1), r"validation_split=-0\.1"),
    ("split True", fit(validation_split=True), r"validation_split=True"),
    ("split text", fit(validation_split="0.1"), r"validation_split='0\.1'"),
    ("split small", fit(X[:1], Y[:1], validation_split=0.5), r"0\.5 of 1 ex"),
    ("validation x", fit(validation_data=X), r"a tuple \(x, y\) or .* ndarray"),
    ("validation 1", fit(validation_data=(X,)), r"Received: tuple of length 1"),
    ("validation 4", fit(validation_data=(X, Y, Y, Y)), r"tuple of length 4"),
    (
        "validation lengths",
        fit(validation_data=(X, Y[:3])),
        r"validation x and validation y .* 12 examples in validation x and 3 in validation y",
    ),
    ("validation NaN", fit(validation_data=(X, NAN)), r"validation y must be finite"),
    ("validation rank", fit(validation_data=(X[0], Y[:6])), r"'conv'"),
    # sample weights
    ("weights short", fit(sample_weight=[1, 2]), r"shape \(12,\).*shape=\(2,\)"),
    ("weights rank", fit(sample_weight=np.ones((12, 1))), r"shape=\(12, 1\)"),
    ("weights NaN", fit(sample_weight=WEIGHTS * np.nan), r"sample_weight must be finite"),
    ("weights negative", fit(sample_weight=-WEIGHTS), r"not be negative.* -1\.0"),
    # the other methods
    ("evaluate lengths", lambda m: m.evaluate(X, Y[:2]), r"12 examples in x and 2 in y"),
    ("evaluate labels", lambda m: m.evaluate(X, Y + 9), r"from 0 to 2"),
    ("evaluate none", lambda m: m.evaluate(X[:0], Y[:0]), r"There are no examples"),
    ("evaluate batch", lambda m: m.evaluate(X, Y, 0), r"batch_size=0"),
    ("predict rank", lambda m: m.predict(X[0]), r"'conv'"),
    ("predict None", lambda m: m.predict(None), r"x must be one array", TypeError),
    ("predict batch", lambda m: m.predict(X, batch_size=0), r"batch_size=0"),
    ("train lengths", lambda m: m.train_on_batch(X, Y[:2]), r"12 examples in x and 2"),
    ("train NaN", lambda m: m.train_on_batch(X, NAN), r"y must be finite"),
    ("train label", lambda m: m.train_on_batch(X, Y + 9), r"from 0 to 2"),
    ("train rank", lambda m: m.train_on_batch(X[0], Y[:6]), r"'conv'"),
    ("test lengths", lambda m: m.test_on_batch(X, Y[:2]), r"12 examples in x and 2"),
]


@pytest.fixture(scope="module")
def model() -> Sequential:
    """One for all: errors must not change it."""
    return make()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_error(model: Sequential, row: Any) -> None:
    _, attempt, text, error = (*row, ValueError)[:4]
    before = state(model)
    with pytest.raises(error, match=text):
        attempt(model)
    assert state(model) == before


def test_a_good_call_does_change_something(model: Sequential) -> None:
    """So the comparison above can fail."""
    twin = make()
    before = state(twin)
    twin.fit(X, Y, verbose=0)
    after = state(twin)
    assert all(before[key] != after[key] for key in ("weights", "optimizer", "history"))


def test_nothing_to_train() -> None:
    model = make()
    model.trainable = False
    before = state(model)
    with pytest.raises(ValueError, match="'net' has no trainable weights"):
        model.fit(X, Y, verbose=0)
    assert state(model) == before


def test_early_means_before_the_first_step() -> None:
    """The bad label is in the last batch; no batch before it may train."""
    model = make()
    y = Y.copy()
    y[-1] = 7
    steps = model.optimizer.iterations
    with pytest.raises(ValueError, match=r"Received: 7 at \(11,\)"):
        model.fit(X, y, batch_size=1, shuffle=False, verbose=0)
    assert model.optimizer.iterations == steps

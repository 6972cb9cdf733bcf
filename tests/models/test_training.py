"""fit, evaluate, predict: what they compute, report and keep."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.callbacks import Callback, History
from minigrad.models import Sequential
from minigrad.models.data import Data

RNG = np.random.default_rng(5)
X = RNG.standard_normal((50, 6, 6, 1)).astype(np.float32)
Y = RNG.integers(0, 3, 50)


def make(seed: int = 0, **first: Any) -> Sequential:
    mg.set_random_seed(seed)
    return Sequential(
        [
            layers.SeparableConv2D(4, 3, activation="relu", **first),
            layers.BatchNormalization(),
            layers.Dropout(0.2, seed=1),
            layers.Flatten(),
            layers.Dense(3),
        ],
        input_shape=(6, 6, 1),
    )


def compiled(seed: int = 0, optimizer: Any = "adam", metrics: Any = None, **first: Any) -> Any:
    model = make(seed, **first)
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, ["accuracy"] if metrics is None else metrics)
    return model


def line(reduction: str = "sum_over_batch_size", weight: float = 0.0) -> Any:
    """One weight w, outputs w x, learning rate 0: losses can be computed by hand."""
    model = Sequential([layers.Dense(1, use_bias=False)], input_shape=(1,))
    model.set_weights([[[weight]]])
    model.compile(mg.optimizers.SGD(0.0), mg.losses.MeanSquaredError(reduction))
    return model


def equal(first: Any, second: Any) -> bool:
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# ------------------------------------------------------------------------- numbers


def test_loss_is_the_mean_over_the_examples_and_not_over_the_batches() -> None:
    """Batches of 2, 2 and 1: the mean of their means would be 5.83."""
    model = line()
    x, y = np.ones((5, 1), np.float32), np.array([[0.0], [0.0], [0.0], [0.0], [5.0]], np.float32)
    history = model.fit(x, y, batch_size=2, epochs=1, verbose=0)
    assert history.history["loss"] == [5.0]
    assert model.evaluate(x, y, batch_size=2, verbose=0) == 5.0
    history = model.fit(x, y, batch_size=4, verbose=0, validation_data=(x[3:], y[3:]))
    assert history.history == {"loss": [5.0], "val_loss": [12.5]}


def test_summed_losses_are_weighted_by_the_size_of_the_batch() -> None:
    """As Keras does it: (2 * 0 + 2 * 0 + 1 * 25) / 5."""
    x, y = np.ones((5, 1), np.float32), np.array([[0.0], [0.0], [0.0], [0.0], [5.0]], np.float32)
    assert line("sum").evaluate(x, y, batch_size=2, verbose=0) == 5.0


def test_sample_weights_scale_losses() -> None:
    model = line()
    x, y = np.ones((4, 1), np.float32), np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
    w = np.array([0.0, 1.0, 2.0, 0.5])
    expected = (0 * 1 + 1 * 4 + 2 * 9 + 0.5 * 16) / 4
    for size in (1, 2, 4):  # thirds are not exact
        assert model.evaluate(x, y, batch_size=size, sample_weight=w, verbose=0) == expected
        history = model.fit(x, y, batch_size=size, sample_weight=w, verbose=0)
        assert history.history["loss"] == [expected]
    assert model.train_on_batch(x, y, sample_weight=w) == expected
    assert model.test_on_batch(x, y, sample_weight=w) == expected
    split = model.fit(x, y, sample_weight=w, validation_split=0.5, verbose=0).history
    assert split == {"loss": [4 / 2], "val_loss": [(18 + 8) / 2]}
    given = model.fit(x, y, verbose=0, validation_data=(x, y, w)).history
    assert given["val_loss"] == [expected]


def test_weight_zero_leaves_an_example_out() -> None:
    weights = np.ones(50)
    weights[10:] = 0.0
    found = []
    for n, w in ((50, weights), (10, None)):
        model = line(weight=0.5)
        model.compile(mg.optimizers.SGD(0.1), mg.losses.MeanSquaredError("sum"))
        model.train_on_batch(X[:n, 0, 0], X[:n, 1, 1], sample_weight=w)
        found.append(model.get_weights()[0])
    assert found[0] != 0.5 and np.allclose(found[0], found[1], rtol=1e-5)


def test_regularization_losses_are_part_of_the_loss() -> None:
    plain, with_losses = (
        compiled(),
        compiled(
            depthwise_regularizer=mg.regularizers.L2(0.5),
            bias_regularizer=mg.regularizers.L1(0.25),
            activity_regularizer=mg.regularizers.L2(0.01),
        ),
    )
    assert equal(plain, with_losses)
    with_losses.layers[0].bias.assign([1.0, -2.0, 0.0, 0.0])
    plain.layers[0].bias.assign([1.0, -2.0, 0.0, 0.0])
    activity = float(np.square(plain.layers[0](X[:8]).data).sum()) * 0.01 / 8
    extra = 0.5 * float(np.square(plain.layers[0].depthwise_kernel.data).sum()) + 0.75 + activity
    without = plain.test_on_batch(X[:8], Y[:8])[0]
    found = with_losses.test_on_batch(X[:8], Y[:8])[0]
    assert found == pytest.approx(without + extra, rel=1e-5)
    before = with_losses.evaluate(X[:8], Y[:8], verbose=0)[0]
    assert before == pytest.approx(found, rel=1e-6)
    history = with_losses.fit(X[:8], Y[:8], verbose=0, validation_data=(X[:8], Y[:8]))
    assert history.history["loss"][0] > extra and history.history["val_loss"][0] > 1.0


def test_regularizers_shrink_weights() -> None:
    model = Sequential(
        [layers.Dense(1, use_bias=False, kernel_regularizer=mg.regularizers.L2(0.5))],
        input_shape=(1,),
    )
    model.set_weights([[[2.0]]])
    model.compile(mg.optimizers.SGD(0.25), "mse")
    assert model.train_on_batch(np.zeros((3, 1)), np.zeros((3, 1))) == 2.0  # 0.5 * 2²
    assert model.get_weights()[0] == 1.5  # 2 - 0.25 * (2 * 0.5 * 2)


def test_constraints_hold_after_each_update() -> None:
    model = compiled(
        optimizer=mg.optimizers.SGD(5.0),
        depthwise_constraint=mg.constraints.MaxNorm(0.5, axis=(0, 1)),
        pointwise_constraint="non_neg",
        bias_constraint=mg.constraints.UnitNorm(),
    )
    conv = model.layers[0]
    assert np.sqrt((conv.depthwise_kernel.data**2).sum(axis=(0, 1))).max() > 0.5  # not at the start

    class Watch(Callback):
        batches = 0

        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            self.batches += 1
            assert np.sqrt((conv.depthwise_kernel.data**2).sum(axis=(0, 1))).max() <= 0.5 + 1e-6
            assert conv.pointwise_kernel.data.min() >= 0.0
            assert np.sqrt((conv.bias.data**2).sum()) == pytest.approx(1.0, abs=1e-5)

    watch = Watch()
    model.fit(X, Y, batch_size=10, epochs=2, verbose=0, callbacks=[watch])
    assert watch.batches == 10


def test_frozen_weights_stay() -> None:
    model = compiled(pointwise_constraint="non_neg")
    model.layers[0].trainable = False
    before = [w.numpy() for w in model.layers[0].weights]
    head = model.layers[-1].weights[0].numpy()
    model.fit(X, Y, epochs=2, verbose=0)
    for a, b in zip(before, model.layers[0].weights, strict=True):
        assert np.array_equal(a, b.data)
    assert not np.array_equal(head, model.layers[-1].weights[0].data)


def test_what_is_thawed_inside_a_frozen_part_is_all_that_moves() -> None:
    head = layers.Dense(4)
    body = Sequential([layers.Flatten(), layers.Dense(5), head])
    model = Sequential([body, layers.Dense(3)])
    model.build(X.shape)
    body.trainable = False
    head.trainable = True
    model.compile("sgd", mg.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [any(w is t for t in model.trainable_weights) for w in model.weights]
    assert sum(moved) == 2


def test_a_failed_step_also_restores_what_other_threads_and_steps_have_moved() -> None:
    class Busy(layers.Layer):
        """Normalizes in a thread of its own; trains its head and fails when it is told to."""

        fails = False

        def __init__(self) -> None:
            super().__init__()
            self.normalize, self.head = layers.BatchNormalization(), Sequential([layers.Dense(3)])
            self.head.compile("sgd", "mse")

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            results: list[Any] = []
            work = lambda: results.append(self.normalize(inputs, training=True))  # noqa: E731
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            if self.fails:
                self.head.train_on_batch(results[0].numpy(), np.ones((len(inputs), 3)))
                raise RuntimeError("enough")
            return self.head(results[0])

    model = Sequential([layers.Flatten(), Busy()])
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.zeros((50, 3)))
    before = model.get_weights()
    model.layers[1].fails = True
    with pytest.raises(RuntimeError, match="enough"):
        model.train_on_batch(X, np.zeros((50, 3)))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_learns_the_digits() -> None:
    (x_train, y_train), (x_test, y_test) = mg.datasets.digits()
    mg.set_random_seed(1)
    model = Sequential(
        [
            layers.SeparableConv2D(16, 3, activation="relu", padding="same"),
            layers.SeparableConv2D(24, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(mg.optimizers.Adam(0.01), loss, ["accuracy"])
    model.fit(x_train, y_train, epochs=5, verbose=0, seed=0)
    assert model.evaluate(x_test, y_test, verbose=0)[1] > 0.93


# ------------------------------------------------------------------------- determinism


def test_equal_seeds_give_equal_bits() -> None:
    runs = []
    for _ in range(2):
        model = compiled(seed=3)
        history = model.fit(X, Y, epochs=3, batch_size=16, verbose=0, seed=7)
        runs.append((model, history.history))
    assert equal(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    other = compiled(seed=3)
    assert other.fit(X, Y, epochs=3, batch_size=16, verbose=0, seed=8).history != runs[0][1]


def test_without_a_seed_the_common_source_decides() -> None:
    runs = []
    for seed in (3, 3, 4):
        model = compiled(seed=3)
        mg.set_random_seed(seed)
        runs.append(model.fit(X, Y, epochs=2, batch_size=16, verbose=0).history)
    assert runs[0] == runs[1] != runs[2]


class Order(layers.Layer):
    """Passes its input on and writes down what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            self.seen.append(inputs.numpy()[:, 0].astype(int).tolist())
        return inputs


def orders(epochs: int = 3, initial_epoch: int = 0, **options: Any) -> list[list[int]]:
    """The order of 10 examples in each epoch."""
    watch = Order()
    model = Sequential([watch, layers.Dense(1)], input_shape=(1,))
    model.compile("sgd", "mse")
    x = np.arange(10.0)[:, None]
    model.fit(x, x, 4, epochs, verbose=0, initial_epoch=initial_epoch, **options)
    per_epoch = [watch.seen[i : i + 3] for i in range(0, len(watch.seen), 3)]
    return [[*first, *second, *third] for first, second, third in per_epoch]


def test_every_epoch_has_its_own_order() -> None:
    first = orders(seed=1)
    assert first == orders(seed=1) != orders(seed=2)
    assert len({tuple(order) for order in first}) == 3
    assert all(sorted(order) == list(range(10)) for order in first)
    assert orders(seed=np.int64(1)) == first


def test_resuming_continues_the_orders() -> None:
    assert orders(seed=1, initial_epoch=2) == orders(seed=1)[2:]
    assert orders(epochs=2, initial_epoch=2) == []


def test_without_shuffling_the_order_is_kept() -> None:
    assert orders(shuffle=False) == [list(range(10))] * 3


def test_the_last_batch_is_what_is_left() -> None:
    watch = Order()
    model = Sequential([watch, layers.Dense(1)], input_shape=(1,))
    model.compile("sgd", "mse")
    x = np.arange(10.0)[:, None]
    model.fit(x, x, 4, shuffle=False, verbose=0)
    assert watch.seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


# ------------------------------------------------------------------------- validation


def test_validation_split_takes_the_end() -> None:
    x = np.arange(10.0, dtype=np.float32)[:, None]
    found = line().fit(x, np.zeros_like(x), verbose=0, validation_split=0.3).history
    assert found == {"loss": [0.0], "val_loss": [0.0]}
    found = line(weight=1.0).fit(x, np.zeros_like(x), verbose=0, validation_split=0.3).history
    assert found["loss"] == [pytest.approx((x[:7] ** 2).mean())]
    assert found["val_loss"] == [pytest.approx((x[7:] ** 2).mean())]


@pytest.mark.parametrize("fraction, kept", [(0.1, 9), (0.25, 7), (0.5, 5), (0.9, 1)])
def test_size_of_the_split(fraction: float, kept: int) -> None:
    head, tail = Data.of(np.zeros(10), np.zeros(10)).split(fraction)
    assert (len(head), len(tail)) == (kept, 10 - kept)


def test_validation_is_inference_and_changes_nothing() -> None:
    plain, validated = compiled(), compiled()
    one = plain.fit(X, Y, epochs=2, verbose=0, seed=0).history
    two = validated.fit(X, Y, epochs=2, verbose=0, seed=0, validation_data=(X[:20], Y[:20])).history
    assert equal(plain, validated)
    assert one == {name: two[name] for name in ("loss", "accuracy")}
    assert list(two) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    final = validated.evaluate(X[:20], Y[:20], verbose=0)
    assert [two["val_loss"][-1], two["val_accuracy"][-1]] == final


def test_evaluate_and_predict_change_nothing() -> None:
    model = compiled()
    model.fit(X, Y, verbose=0)
    before = model.get_weights(), model.optimizer.iterations, model.history
    results = {tuple(model.evaluate(X, Y, batch_size=b, verbose=0)) for b in (50, 50)}
    assert len(results) == 1
    model.predict(X)
    assert all(np.array_equal(a, b) for a, b in zip(before[0], model.get_weights(), strict=True))
    assert (model.optimizer.iterations, model.history) == before[1:]


# ------------------------------------------------------------------------- predict


def test_predictions_do_not_depend_on_the_batches() -> None:
    model = compiled()
    whole = model.predict(X, batch_size=50)
    assert whole.shape == (50, 3) and whole.dtype == np.float32 and whole.flags.writeable
    for size in (1, 7, 49, 64, None):
        assert np.allclose(model.predict(X, batch_size=size), whole, rtol=1e-5, atol=1e-6)
    assert np.array_equal(model.predict_on_batch(X), whole)
    assert np.array_equal(model.predict(mg.tensor(X), batch_size=50), whole)
    assert np.array_equal(model.predict(X.astype(np.float64), batch_size=50), whole)


def test_predicting_nothing() -> None:
    assert compiled().predict(np.zeros((0, 6, 6, 1), np.float32)).shape == (0, 3)


def test_predict_needs_no_compile_and_builds() -> None:
    model = Sequential([layers.Dense(2)])
    assert model.predict([[1, 2, 3]]).shape == (1, 2)  # plain numbers are fine
    assert model.built


def test_arrays_of_the_caller_stay_as_they_are() -> None:
    x, y, model = X.copy(), Y.copy(), compiled()
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    model.predict(x)
    model.train_on_batch(x, y)
    assert x.flags.writeable and np.array_equal(x, X) and np.array_equal(y, Y)


# ------------------------------------------------------------------------- single batches


def test_results_of_single_batches() -> None:
    model = compiled(metrics=[])
    assert isinstance(model.train_on_batch(X, Y), float)
    model = compiled()
    assert model.metrics_names == ["loss", "accuracy"]
    loss, accuracy = model.test_on_batch(X, Y)
    assert model.evaluate(X, Y, batch_size=50, verbose=0) == [loss, accuracy]
    found = model.test_on_batch(X, Y, return_dict=True)
    assert found == {"loss": loss, "accuracy": accuracy}
    assert model.evaluate(X, Y, 50, verbose=0, return_dict=True) == found
    trained = model.train_on_batch(X, Y, return_dict=True)
    assert list(trained) == ["loss", "accuracy"] and trained != found


def test_the_first_step_of_an_unbuilt_model() -> None:
    model = Sequential([layers.Dense(1, kernel_initializer="ones")])
    model.compile(mg.optimizers.SGD(0.5), "mse")
    assert model.train_on_batch([[1.0]], [[0.0]]) == 1.0
    assert model.get_weights()[0] == 0.0  # 1 - 0.5 * 2


def test_metrics_go_on_counting_if_told_so() -> None:
    model = line()
    ones = np.ones((1, 1), np.float32)
    assert model.test_on_batch(ones, 2 * ones) == 4.0
    assert model.test_on_batch(ones, 4 * ones, reset_metrics=False) == 10.0
    assert model.test_on_batch(ones, 4 * ones) == 16.0
    model.reset_metrics()
    assert model.test_on_batch(ones, ones, reset_metrics=False) == 1.0


def test_checking_the_data_leaves_no_trace_in_the_metrics() -> None:
    model = compiled()
    model.fit(X, Y, epochs=0, verbose=0)
    found = model.test_on_batch(X, Y, reset_metrics=False)
    assert found == model.test_on_batch(X, Y)


def test_gradients_are_not_left_on_the_weights() -> None:
    model = compiled()
    model.train_on_batch(X, Y)
    assert all(w.grad is None for w in model.trainable_weights)


def test_metrics_of_all_kinds() -> None:
    def off(y_true: Any, y_pred: Any) -> Any:
        return np.argmax(y_pred, axis=-1) != y_true

    model = compiled(metrics=["acc", mg.metrics.SparseCategoricalAccuracy(name="same"), off])
    found = model.fit(X, Y, verbose=0).history
    assert list(found) == ["loss", "acc", "same", "off"]
    assert found["acc"] == found["same"]
    assert found["off"][0] == pytest.approx(1 - found["acc"][0])


# ------------------------------------------------------------------------- callbacks, history


class Log(Callback):
    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.events: list[Any] = []
        self.stop_at = stop_at

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        def note(*args: Any) -> None:
            self.events.append((name, *args[:-1], sorted(args[-1])))
            if (name, *args[:-1]) == self.stop_at:
                self.model.stop_training = True

        return note


def test_order_of_events() -> None:
    model, log = compiled(metrics=[]), Log()
    model.fit(X, Y, 25, 2, verbose=0, callbacks=[log], validation_data=(X, Y), initial_epoch=1)
    assert log.events == [
        ("on_train_begin", []),
        ("on_epoch_begin", 1, []),
        ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, ["loss"]),
        ("on_train_batch_begin", 1, []),
        ("on_train_batch_end", 1, ["loss"]),
        ("on_epoch_end", 1, ["loss", "val_loss"]),
        ("on_train_end", ["loss", "val_loss"]),
    ]
    known = {"epochs": 2, "steps": 2, "verbose": 0, "initial_epoch": 1}
    assert log.model is model and log.params == {**known, "seed": log.params["seed"]}


def test_history() -> None:
    model = compiled()
    assert model.history is None
    history = model.fit(X, Y, epochs=5, initial_epoch=2, verbose=0, batch_size=20)
    assert isinstance(history, History) and model.history is history
    assert history.epoch == [2, 3, 4]
    assert {name: len(values) for name, values in history.history.items()} == {
        "loss": 3,
        "accuracy": 3,
    }
    assert all(type(value) is float for values in history.history.values() for value in values)
    known = {"epochs": 5, "steps": 3, "verbose": 0, "initial_epoch": 2}
    assert history.params == {**known, "seed": history.params["seed"]}
    assert model.fit(X, Y, epochs=0, verbose=0).history == {}


@pytest.mark.parametrize(
    "stop_at, epochs, steps",
    [(("on_epoch_end", 1), 2, 4), (("on_train_batch_end", 0), 1, 1)],
)
def test_callbacks_stop_the_training(stop_at: Any, epochs: int, steps: int) -> None:
    model = compiled()
    history = model.fit(X, Y, 25, 9, verbose=0, callbacks=[Log(stop_at)])
    assert len(history.epoch) == epochs and model.optimizer.iterations == steps
    assert len(model.fit(X, Y, 25, 2, verbose=0).epoch) == 2  # the next one is not stopped


def test_interrupting_keeps_what_is_complete() -> None:
    class Interrupt(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any) -> None:
            if self.model.optimizer.iterations == 5:
                raise KeyboardInterrupt

    model, twin = compiled(seed=2), compiled(seed=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 25, 9, verbose=0, seed=4, callbacks=[Interrupt()])
    assert model.history.epoch == [0, 1] and len(model.history.history["loss"]) == 2
    twin.fit(X, Y, 25, 2, verbose=0, seed=4)
    assert model.history.history == twin.history.history
    assert len(model.fit(X, Y, 25, 1, verbose=0).epoch) == 1


@pytest.mark.parametrize("where", ["outputs", "loss", "metric", "optimizer"])
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_step_happens_whole_or_not_at_all(
    where: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moving averages are written in the forward pass: a later failure takes them back."""
    model = compiled()
    model.fit(X, Y, verbose=0)
    before = model.get_weights(), model.optimizer.state_dict()

    def fail(*args: Any, **kwargs: Any) -> None:
        raise kind("in the middle")

    target = {
        "outputs": (type(model.layers[-1]), "call"),
        "loss": (type(model.loss), "call"),
        "metric": (mg.metrics.AutoAccuracy, "update_state"),
        "optimizer": (type(model.optimizer), "update"),
    }[where]
    with monkeypatch.context() as patch:
        patch.setattr(*target, fail)
        with pytest.raises(kind):
            model.train_on_batch(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(before[0], model.get_weights(), strict=True))
    after = model.optimizer.state_dict()
    assert all(np.array_equal(value, after[name]) for name, value in before[1].items())
    model.train_on_batch(X, Y)
    assert not np.array_equal(before[0][-1], model.get_weights()[-1])


# ------------------------------------------------------------------------- what is printed


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    model = compiled()
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [2, "auto"])
def test_one_line_per_epoch(capsys: pytest.CaptureFixture[str], verbose: Any) -> None:
    compiled().fit(X, Y, epochs=2, verbose=verbose, validation_data=(X, Y))
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert err == ""
    number = r"[\d.]+(e-\d+)?"
    pattern = rf"Epoch 1/2 - {number}s - loss: {number} - accuracy: {number} - val_loss: {number}"
    assert re.match(pattern, first) and second.startswith("Epoch 2/2 - ")


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    model = compiled()
    model.fit(X, Y, batch_size=10, epochs=2, verbose=1, validation_data=(X, Y))
    out, err = capsys.readouterr()
    assert out == ""
    for part in ("Epoch 1/2", "Epoch 2/2", "5/5", "loss: ", "accuracy: ", "val_loss: "):
        assert part in err
    model.evaluate(X, Y, verbose=1)
    assert "Evaluation" in capsys.readouterr().err
    model.predict(X, verbose=1)
    assert "Prediction" in capsys.readouterr().err


def test_at_most_five_updates_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from minigrad.models import progress

    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    asked = []

    def logs() -> dict[str, float]:
        asked.append(now[0])
        return {"loss": now[0]}

    with progress.Progress("Epoch", 1000, 1) as bar:
        for _ in range(1000):
            now[0] += 0.01
            bar.step(logs)
        bar.finish({"loss": 0.0})
    assert 45 <= len(asked) <= 50  # ten seconds
    assert "1000/1000" in capsys.readouterr().err


def test_no_thread_stays_behind() -> None:
    code = (
        "import threading, numpy as np, minigrad as mg\n"
        "model = mg.Sequential([mg.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit(np.zeros((4, 1)), np.zeros((4, 1)), verbose=1)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

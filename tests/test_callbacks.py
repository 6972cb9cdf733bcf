"""Callbacks: what Keras' do, and trainings that survive being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import callbacks, layers

X = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32)


class Fake(callbacks.Callback):
    """Puts a value of one's own into the logs; stands before the one that is tested."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name = values, name

    def on_epoch_end(self, epoch, logs):
        logs[self.name] = self.values[epoch]


def model(rate=0.01, optimizer="SGD"):
    mg.set_random_seed(3)
    made = mg.Sequential([mg.Input((4,)), layers.Dense(3), layers.Dense(1)])
    made.compile(getattr(mg.optimizers, optimizer)(rate), "mse")
    return made


def fit(made, *followers, epochs=10, **options):
    return made.fit(X, Y, epochs=epochs, callbacks=list(followers), verbose=0, seed=1, **options)


def equal(a, b):
    return len(a) == len(b) and all(map(np.array_equal, a, b))


# --------------------------------------------------------------------------- early stopping

STOPS = [
    # values, options, epochs made
    ([5, 4, 3, 3, 3, 3, 3], {"patience": 2}, 5),
    ([5, 4, 3, 3, 2, 2, 2, 2], {"patience": 2}, 7),
    ([5, 5, 5], {}, 2),
    ([5, 4.9, 4.8, 4.7], {"min_delta": 0.5, "patience": 2}, 3),
    ([1, 2, 3, 2, 2], {"mode": "max", "patience": 2}, 5),
    ([9, 9, 9, 9, 9, 1], {"start_from_epoch": 3, "patience": 1}, 5),
    ([5, 4, 3, 2], {"baseline": 1.0, "patience": 3}, 4),
    ([5, float("nan"), 4, 4], {"patience": 1}, 2),
    ([3, 2, 1], {"patience": 1}, 3),
]


@pytest.mark.parametrize("values, options, made", STOPS)
def test_early_stopping(values, options, made):
    stop = callbacks.EarlyStopping(**options)
    history = fit(model(), Fake(values), stop, epochs=len(values))
    assert len(history.epoch) == made
    assert stop.stopped_epoch == (made - 1 if made < len(values) or stop.stopped_epoch else 0)


def test_early_stopping_is_that_of_keras():
    """As many epochs as tf_keras 2.21 and Keras 3.15 make with the same values."""
    values = [5, 4, 4.05, 3.9, 4, 4.1, 3.95, 3.89, 4, 4, 4, 4]
    for patience, expected in ((0, 3), (1, 3), (2, 6), (3, 7), (5, 9)):
        stop = callbacks.EarlyStopping(patience=patience, min_delta=0.02)
        assert len(fit(model(), Fake(values), stop, epochs=12).epoch) == expected


def test_the_best_weights_come_back():
    kept = []

    class Keep(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            kept.append(self.model.get_weights())

    made = model()
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    fit(made, Fake([3, 1, 2, 2, 2]), Keep(), stop)
    assert stop.best_epoch == 1 and stop.best == 1 and len(kept) == 4
    assert equal(made.get_weights(), kept[1])


@pytest.mark.parametrize("name", ["val_accuracy", "auc", "val_precision", "sparse_acc"])
def test_what_should_be_large_is_known(name):
    assert callbacks.EarlyStopping(monitor=name).is_better(2.0, 1.0)
    assert not callbacks.EarlyStopping(monitor="val_loss").is_better(2.0, 1.0)


# --------------------------------------------------------------------------- learning rates


def test_scheduler():
    history = fit(model(1.0e-3), callbacks.LearningRateScheduler(lambda e: 0.1 / (e + 1)), epochs=3)
    assert history.history["learning_rate"] == [0.1, 0.05, 0.1 / 3]
    with pytest.raises(ValueError, match=r"schedule\(epoch\).*-1"):
        fit(model(), callbacks.LearningRateScheduler(lambda epoch, rate: -1))


def test_plateau():
    made = model(0.01)
    plateau = callbacks.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.003)
    values = [5, 5, 5, 5, 5, 5, 4, 5, 5, 5]
    history = fit(made, Fake(values), plateau, epochs=10)
    expected = [0.01] * 3 + [0.005] * 2 + [0.003] * 5
    assert history.history["learning_rate"] == expected


# --------------------------------------------------------------------------- files


def test_checkpoints(tmp_path):
    made = model()
    whole = callbacks.ModelCheckpoint(tmp_path / "m-{epoch:02d}-{val_loss:.1f}.npz")
    best = callbacks.ModelCheckpoint(tmp_path / "best.npz", save_best_only=True)
    bare = callbacks.ModelCheckpoint(tmp_path / "w", save_weights_only=True)
    fit(made, Fake([3, 1, 2]), whole, best, bare, epochs=3)
    names = ["best.npz", "m-01-3.0.npz", "m-02-1.0.npz", "m-03-2.0.npz", "w"]
    assert sorted(os.listdir(tmp_path)) == names
    second = mg.Model.load(tmp_path / "m-02-1.0.npz")
    assert equal(mg.Model.load(tmp_path / "best.npz").get_weights(), second.get_weights())
    other = model()
    other.load_weights(tmp_path / "w")
    assert equal(other.get_weights(), made.get_weights())


def test_checkpoints_within_an_epoch(tmp_path):
    keep = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.9f}", save_freq=2)
    fit(model(), keep, epochs=2, batch_size=4)  # ten batches
    assert sorted(name[0] for name in os.listdir(tmp_path)) == ["1", "1", "2", "2", "2"]


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    history = fit(model(), callbacks.CSVLogger(path), epochs=2).history
    lines = path.read_text().splitlines()
    assert lines == ["epoch,loss", *(f"{i},{history['loss'][i]}" for i in (0, 1))]
    fit(model(), callbacks.CSVLogger(path, append=True), epochs=3, initial_epoch=2)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", *"012"]
    fit(model(), callbacks.CSVLogger(path, separator=";"), epochs=1)
    assert path.read_text().splitlines()[0] == "epoch;loss"


# --------------------------------------------------------------------------- numbers that are none


class Log(layers.Layer):
    def call(self, inputs):
        return mg.ops.log(inputs)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class Root(layers.Layer):
    """The root of the absolute value: finite at 0, with an infinite slope."""

    def call(self, inputs):
        return mg.ops.sqrt(mg.ops.abs(inputs))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_names_operation_and_layer_and_makes_no_step(capsys):
    inner = mg.Sequential([layers.Dense(2, kernel_initializer="ones"), Log(name="logarithm")])
    made = mg.Sequential([layers.BatchNormalization(), inner, layers.Dense(1)])
    made.compile("sgd", "mse")
    made.build((None, 4))
    before = made.get_weights()
    guard = callbacks.TerminateOnNaN()
    history = fit(made, guard)
    assert guard.cause == "NaN from log in layer 'logarithm'"
    assert (
        "Batch 0 of epoch 1: NaN from log in layer 'logarithm'; no step" in capsys.readouterr().out
    )
    assert history.epoch == [0] and equal(made.get_weights(), before)
    assert made.optimizer.iterations == 0 and made.on_nonfinite is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_infinity_in_the_loss_and_nan_in_weights():
    made = model()
    made.compile("sgd", lambda y, p: mg.ops.exp(p * 1e9 + 1e9).mean(axis=-1))
    guard = callbacks.TerminateOnNaN()
    fit(made, guard)
    assert guard.cause.endswith("from exp in the loss")
    made = model()
    made.set_weights([np.full(w.shape, np.nan) for w in made.weights])
    fit(made, guard)
    assert guard.cause.startswith("NaN in the weight dense") and "before the batch" in guard.cause


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_infinite_gradients():
    made = mg.Sequential([layers.Dense(1, kernel_initializer="zeros", name="zero"), Root()])
    made.compile("sgd", "mse")
    guard = callbacks.TerminateOnNaN()
    fit(made, guard)
    assert "in the gradient of zero/" in guard.cause and "while the loss is" in guard.cause


def test_nobody_looks_for_nan_after_a_training_that_failed():
    made = model()
    with pytest.raises(RuntimeError, match="lights out"):
        fit(made, callbacks.TerminateOnNaN(), PowerCut())
    assert made.on_nonfinite is None


def test_nothing_happens_while_all_is_well():
    first, second = model(), model()
    guard = callbacks.TerminateOnNaN()
    fit(first, guard)
    fit(second)
    assert guard.cause is None and equal(first.get_weights(), second.get_weights())


# --------------------------------------------------------------------------- backups

SCRIPT = """
import os, sys, time
import numpy as np
import minigrad as mg
from minigrad import callbacks, layers

folder, out, slow = sys.argv[1], sys.argv[2], float(sys.argv[3])
rng = np.random.default_rng(0)
x, y = rng.standard_normal((24, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, 24)

class Slow(callbacks.Callback):
    def on_train_batch_end(self, batch, logs):
        time.sleep(slow)

mg.set_random_seed(7)
model = mg.Sequential([
    layers.SeparableConv2D(4, 3, activation="relu", padding="same"),
    layers.BatchNormalization(),
    layers.Dropout(0.3),
    layers.Dropout(0.3, seed=5),
    layers.GlobalAveragePooling2D(),
    layers.Dense(3),
])
loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(mg.optimizers.Adam(0.05), loss, ["accuracy"])
crew = [
    Slow(),
    callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
    callbacks.EarlyStopping("loss", patience=50, restore_best_weights=True),
    callbacks.CSVLogger(os.path.join(folder, "log.csv")),
    callbacks.BackupAndRestore(folder),
]
print("begins", flush=True)
model.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=crew)
model.save_weights(out)
open(out + ".history", "w").write(repr((model.history.epoch, model.history.history)))
print("done", flush=True)
"""


def run(folder: Path, out: Path, slow: float) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    arguments = [sys.executable, "-c", SCRIPT, str(folder), str(out), str(slow)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_killed_at_any_moment_training_ends_with_the_same_bits(tmp_path):
    whole = tmp_path / "whole.npz"
    assert run(tmp_path / "a", whole, 0.0).communicate(timeout=120)[0].endswith("done\n")
    interrupted, folder = tmp_path / "interrupted.npz", tmp_path / "b"
    rng, kills = np.random.default_rng(), 0
    for _ in range(5):
        process = run(folder, interrupted, 0.02)
        assert process.stdout is not None and process.stdout.readline() == "begins\n"
        time.sleep(rng.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert kills
    if not interrupted.exists():
        assert run(folder, interrupted, 0.0).communicate(timeout=120)[0].endswith("done\n")
    assert interrupted.read_bytes() == whole.read_bytes()
    history = [(tmp_path / f"{name}.npz.history").read_text() for name in ("whole", "interrupted")]
    assert history[0] == history[1]
    assert (folder / "log.csv").read_text() == (tmp_path / "a" / "log.csv").read_text()
    assert sorted(os.listdir(folder)) == ["log.csv"]  # no backup is left, nor half a file


def test_backups_of_something_else_are_refused(tmp_path):
    keep = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(model(), keep, epochs=2)
    assert keep.path.exists()
    other = mg.Sequential([mg.Input((4,)), layers.Dense(2), layers.Dense(1)])
    other.compile("sgd", "mse")
    before = other.get_weights()
    with pytest.raises(ValueError, match="do not fit this model, nothing was loaded"):
        fit(other, keep)
    assert equal(other.get_weights(), before)
    with pytest.raises(ValueError, match=r"training.npz' is of another opt.* this Adam"):
        fit(model(optimizer="Adam"), keep)
    with pytest.raises(
        ValueError,
        match=r"had the callbacks \['History'\], nothing was loaded. Received: .*CSVLogger",
    ):
        fit(model(), callbacks.CSVLogger(tmp_path / "x.csv"), keep)
    model().save_weights(keep.path)
    with pytest.raises(ValueError, match="is not the backup of a training"):
        fit(model(), keep)
    keep.path.write_bytes(b"PK garbage")
    with pytest.raises(ValueError, match="is damaged, nothing was loaded"):
        fit(model(), keep)


def test_a_finished_training_is_not_made_again(tmp_path):
    keep = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    first, second = model(), model()
    fit(first, keep, epochs=3)
    history = fit(second, keep, epochs=3)
    assert equal(first.get_weights(), second.get_weights()) and history.epoch == [0, 1, 2]
    third = model()
    fit(third, epochs=5)
    fit(second, keep, epochs=5)
    assert equal(third.get_weights(), second.get_weights())


class PowerCut(callbacks.Callback):
    """Fails after the backup of the last epoch, before the training is brought to its end."""

    def on_train_end(self, logs):
        raise RuntimeError("lights out")


def test_a_training_that_was_stopped_early_stays_stopped(tmp_path):
    def train(*more):
        made = model()
        stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
        values = Fake([3.0, 1.0, 2.0, 2.0, 0.5, 0.1, 0.1])
        history = fit(made, values, stop, callbacks.BackupAndRestore(tmp_path), *more, epochs=7)
        return made.get_weights(), history.epoch

    whole, epochs = train()
    with pytest.raises(RuntimeError, match="lights out"):
        train(PowerCut())
    resumed, again = train()
    assert epochs == again == [0, 1, 2, 3] and equal(whole, resumed)


@pytest.mark.parametrize(
    "callback",
    [callbacks.LearningRateScheduler(lambda epoch: 0.1), callbacks.ReduceLROnPlateau("loss")],
)
def test_schedules_are_not_replaced_silently(callback):
    made = model()
    schedule = mg.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    made.compile(mg.optimizers.SGD(schedule), "mse")
    before = made.get_weights()
    with pytest.raises(TypeError, match=r"sets the learning rate, .* no schedule.*Exponential"):
        fit(made, callback)
    assert equal(made.get_weights(), before) and made.optimizer.get_rate() is schedule


def test_the_best_weights_are_those_that_were_evaluated_and_no_averages():
    made = model()
    made.compile(mg.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5), "mse")
    stop = callbacks.EarlyStopping("val_loss", restore_best_weights=True, patience=9)
    history = fit(made, stop, epochs=4, validation_data=(X, Y)).history
    assert made.evaluate(X, Y, verbose=0) == pytest.approx(min(history["val_loss"]), rel=1e-6)
    assert equal(made.get_weights(), stop.best_weights)


# --------------------------------------------------------------------------- errors

ERRORS = [
    (lambda: callbacks.EarlyStopping(mode="up"), "mode must be one of"),
    (lambda: callbacks.EarlyStopping(patience=-1), "`patience`"),
    (lambda: callbacks.ReduceLROnPlateau(factor=1.0), "`factor`"),
    (lambda: callbacks.ModelCheckpoint("m", save_freq=0), "save_freq must be"),
    (lambda: callbacks.EarlyStopping(patience=1.5), "`patience` argument must be an integer"),
    (lambda: callbacks.EarlyStopping(baseline="x"), "`baseline`"),
    (lambda: callbacks.ModelCheckpoint("m-{}"), "must hold names, such as {epoch}"),
    (lambda: callbacks.ModelCheckpoint("m-{epoch"), "expected '}'"),
    (lambda: callbacks.CSVLogger("log", separator=";;"), "separator must be one character"),
    (lambda: fit(model(), callbacks.EarlyStopping()), "'val_loss', which is not reported"),
    (
        lambda: fit(model(), callbacks.ModelCheckpoint("m-{accuracy}")),
        "filepath asks for 'accuracy', which is not reported",
    ),
]


@pytest.mark.parametrize("wrong, text", ERRORS, ids=[text for _, text in ERRORS])
def test_errors(wrong, text):
    with pytest.raises(ValueError, match=text):
        wrong()


def test_arguments_of_a_wrong_type():
    with pytest.raises(TypeError, match="monitor must be the name of a log"):
        callbacks.EarlyStopping(monitor=None)
    with pytest.raises(TypeError, match="must be a function of the epoch"):
        callbacks.LearningRateScheduler(0.1)


@pytest.mark.parametrize("make", [callbacks.ModelCheckpoint, callbacks.CSVLogger])
def test_a_folder_that_is_missing_is_found_before_the_training(make, tmp_path):
    made = model()
    before = made.get_weights()
    with pytest.raises(FileNotFoundError, match="nowhere' does not exist"):
        fit(made, make(tmp_path / "nowhere" / "file"))
    assert equal(made.get_weights(), before)


def test_weights_that_a_callback_remembers_are_arrays_in_the_backup(tmp_path):
    made = model()
    stop = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    keep = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(made, stop, keep, epochs=2)
    with np.load(keep.path) as file:
        kept = [file[name] for name in sorted(file.files) if name.startswith("callbacks/")]
    assert equal(kept, stop.best_weights)

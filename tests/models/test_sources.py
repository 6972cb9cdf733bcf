"""fit, evaluate and predict on everything that gives batches, and models with several inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers
from minigrad.datasets import Batches

RNG = np.random.default_rng(8)
X = RNG.standard_normal((20, 3)).astype(np.float32)
Y = RNG.integers(0, 2, 20)
W = RNG.uniform(0.5, 2.0, 20)
SIZE = 6


def make(model: Any = None) -> Any:
    mg.set_random_seed(0)
    model = model or mg.Sequential([layers.Dense(4, "tanh"), layers.Dense(2)], input_shape=(3,))
    model.compile("adam", mg.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


def two_inputs() -> Any:
    mg.set_random_seed(0)
    a, b = mg.Input((3,)), mg.Input((2,))
    joined = layers.Concatenate()([layers.Dense(4, "tanh")(a), b])
    return make(mg.Model([a, b], layers.Dense(2)(joined)))


class Sequence:
    """Batches by number, as Keras' Sequence gives them."""

    def __init__(self, x: Any = X, *others: Any) -> None:
        self.arrays = (x, *others) if others else (x, Y)
        self.asked: list[int] = []
        self.events: list[Any] = []

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // SIZE)

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        part = slice(number * SIZE, (number + 1) * SIZE)
        return tuple(array[part] for array in self.arrays)

    def set_epoch(self, number: int) -> None:
        self.events.append(number)

    def on_epoch_end(self) -> None:
        self.events.append("end")


class Loader:
    """Batches that can be iterated over again and again, as PyTorch's DataLoader gives them."""

    def __iter__(self) -> Iterator[Any]:
        return (list(batch) for batch in map(Sequence().__getitem__, range(4)))


def stream(times: int = 1) -> Iterator[Any]:
    for _ in range(times):
        yield from Loader()


def equal(first: Any, second: Any) -> bool:
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# ------------------------------------------------------------------------- the same numbers

SOURCES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "sequence": (Sequence, {}),
    "iterable": (Loader, {}),
    "generator": (lambda: stream(3), {"steps_per_epoch": 4}),
    "examples": (lambda: Batches(list(zip(X, Y, strict=True)), SIZE), {}),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_batches_train_as_the_arrays_do(kind: str) -> None:
    give, words = SOURCES[kind]
    arrays, batches = make(), make()
    expected = arrays.fit(X, Y, SIZE, 3, verbose=0, shuffle=False, validation_data=(X, Y))
    validation = give()
    more = {"validation_steps": 4} if kind == "generator" else {}
    if kind == "generator":
        validation = stream(3)
    found = batches.fit(
        give(), epochs=3, verbose=0, shuffle=False, validation_data=validation, **words, **more
    )
    assert equal(arrays, batches)
    assert found.history["loss"] == expected.history["loss"]
    assert found.history["val_loss"] == pytest.approx(expected.history["val_loss"], rel=1e-6)
    assert batches.evaluate(give(), verbose=0, steps=4) == arrays.evaluate(X, Y, SIZE, verbose=0)
    assert np.array_equal(batches.predict(give(), steps=4), arrays.predict(X, SIZE))


def test_without_steps_everything_is_used_once() -> None:
    model = make()
    assert model.evaluate(stream(), verbose=0) == model.evaluate(X, Y, SIZE, verbose=0)
    assert np.array_equal(model.predict(stream()), model.predict(X, SIZE))
    assert np.array_equal(model.predict(x for x, _ in stream()), model.predict(X, SIZE))


def test_sample_weights_come_with_the_batches() -> None:
    arrays, batches = make(), make()
    one = arrays.fit(X, Y, SIZE, sample_weight=W, verbose=0, shuffle=False).history
    two = batches.fit(Sequence(X, Y, W), verbose=0, shuffle=False).history
    assert equal(arrays, batches) and one == two
    assert batches.evaluate(Sequence(X, Y, W), verbose=0) == batches.evaluate(
        X, Y, SIZE, sample_weight=W, verbose=0
    )
    assert batches.evaluate(Sequence(X, Y, W), verbose=0) != batches.evaluate(X, Y, verbose=0)


def test_steps_take_the_first_batches() -> None:
    model = make()
    assert np.array_equal(model.predict(Sequence(), steps=2), model.predict(X[:12], SIZE))
    assert np.array_equal(model.predict(X, SIZE, steps=2), model.predict(X[:12], SIZE))
    part = model.evaluate(X[:12], Y[:12], SIZE, verbose=0)
    assert model.evaluate(X, Y, SIZE, verbose=0, steps=2) == part
    assert model.evaluate(Sequence(), verbose=0, steps=2) == part
    found = model.fit(
        X, Y, SIZE, steps_per_epoch=1, shuffle=False, verbose=0,
        validation_data=(X, Y), validation_steps=2,
    )  # fmt: skip
    assert model.optimizer.iterations == 1
    expected = model.evaluate(X[:12], Y[:12], SIZE, verbose=0)
    assert [found.history["val_loss"][0], found.history["val_accuracy"][0]] == expected


# ------------------------------------------------------------------------- order


def test_batches_with_numbers_are_shuffled_anew_and_the_same_with_a_seed() -> None:
    orders = []
    for seed in (1, 1, 2):
        given = Sequence()
        make().fit(given, epochs=3, verbose=0, seed=seed)
        orders.append(given.asked[1:])  # the first one is looked at before
        assert given.asked[0] == 0
        assert given.events == [0, "end", 1, "end", 2, "end"]
    assert orders[0] == orders[1] != orders[2]
    epochs = [tuple(orders[0][i : i + 4]) for i in (0, 4, 8)]
    assert all(sorted(epoch) == [0, 1, 2, 3] for epoch in epochs) and len(set(epochs)) > 1
    resumed = Sequence()
    make().fit(resumed, epochs=3, initial_epoch=2, verbose=0, seed=1)
    assert tuple(resumed.asked[1:]) == epochs[2]


def test_a_generator_goes_on_and_loses_nothing() -> None:
    given = stream(2)
    make().fit(given, epochs=3, steps_per_epoch=2, verbose=0)
    assert len(list(given)) == 2


def test_mixed_examples_differ_between_epochs_and_not_between_runs() -> None:
    def labels(epoch: int, seed: int = 3) -> list[int]:
        batches = Batches([(np.zeros(1), i) for i in range(20)], SIZE, shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        return [int(y) for i in range(len(batches)) for y in batches[i][1]]

    assert labels(0) == labels(0) and labels(0) != labels(1) and labels(0) != labels(0, 4)
    assert sorted(labels(5)) == list(range(20))
    one, two = make(), make()
    pairs = list(zip(X, Y, strict=True))
    one.fit(Batches(pairs, SIZE, shuffle=True), epochs=2, verbose=0, shuffle=False)
    two.fit(Batches(pairs, SIZE, shuffle=True), epochs=1, verbose=0, shuffle=False)
    two.fit(Batches(pairs, SIZE, True), epochs=2, initial_epoch=1, verbose=0, shuffle=False)
    assert equal(one, two)


# ------------------------------------------------------------------------- several inputs


def test_models_with_several_inputs_take_lists_of_arrays() -> None:
    a, b = X, RNG.standard_normal((20, 2)).astype(np.float32)
    model, other = two_inputs(), two_inputs()
    before = model.evaluate([a, b], Y, verbose=0)[0]
    split = {"validation_split": 0.25, "verbose": 0, "seed": 1, "epochs": 8}
    history = model.fit([a, b], Y, SIZE, **split).history
    assert other.fit((a.tolist(), b), Y, SIZE, **split).history == history
    assert equal(model, other)
    assert model.evaluate([a, b], Y, verbose=0)[0] < before
    whole = model([a, b]).numpy()
    assert np.allclose(model.predict([a, b], SIZE), whole, atol=1e-6)
    assert np.array_equal(model.predict_on_batch([a, b]), whole)
    assert a.flags.writeable and b.flags.writeable
    batches = [([a[i : i + 5], b[i : i + 5]], Y[i : i + 5]) for i in range(0, 20, 5)]
    assert model.evaluate(iter(batches), verbose=0) == model.evaluate([a, b], Y, 5, verbose=0)
    assert np.array_equal(model.predict(iter(batches)), model.predict([a, b], 5))
    examples = [([u, v], y) for u, v, y in zip(a, b, Y, strict=True)]
    assert model.evaluate(Batches(examples, 5), verbose=0) == model.evaluate(
        [a, b], Y, 5, verbose=0
    )
    model.fit(iter(batches), steps_per_epoch=4, verbose=0, validation_data=([a, b], Y))
    model.train_on_batch([a, b], Y)
    model.test_on_batch([a, b], Y)


def test_the_examples_of_several_inputs_stay_together() -> None:
    a, b = mg.Input((1,)), mg.Input((1,))
    difference = layers.Concatenate()([a, b])
    model = mg.Model([a, b], layers.Dense(1, use_bias=False)(difference))
    model.set_weights([[[1.0], [-1.0]]])
    model.compile(mg.optimizers.SGD(0.0), "mse")
    x = np.arange(10.0, dtype=np.float32)[:, None]
    assert model.fit([x, x], 0 * x, 3, verbose=0).history["loss"] == [0.0]


# ------------------------------------------------------------------------- errors


def broken(*items: Any) -> Callable[[Any], Any]:
    return lambda model: model.fit(iter(items), steps_per_epoch=len(items), verbose=0)


BATCH = (X[:4], Y[:4])
# Name, attempt, message, and the error if it is no ValueError.
CASES: list[tuple[Any, ...]] = [
    ("no steps", lambda m: m.fit(stream()), r"steps_per_epoch is missing.* generator"),
    (
        "no validation steps",
        lambda m: m.fit(X, Y, validation_data=stream()),
        r"validation_steps is missing",
    ),
    (
        "validation steps alone",
        lambda m: m.fit(X, Y, validation_steps=2),
        r"validation_steps needs validation_data. Received: validation_steps=2",
    ),
    (
        "too many steps",
        lambda m: m.fit(Sequence(), steps_per_epoch=5),
        r"steps_per_epoch must not exceed.* steps_per_epoch=5 and 4 batches",
    ),
    (
        "too many steps of arrays",
        lambda m: m.fit(X, Y, SIZE, steps_per_epoch=5),
        r"steps_per_epoch=5 and 4 batches",
    ),
    (
        "steps 0",
        lambda m: m.fit(X, Y, steps_per_epoch=0),
        r"steps_per_epoch must be an integer >= 1",
    ),
    ("empty", lambda m: m.fit(Sequence(X[:0])), r"There are no batches"),
    ("empty iterator", lambda m: m.evaluate(iter(())), r"There are no batches"),
    ("predict nothing", lambda m: m.predict(iter(())), r"There are no batches"),
    ("split", lambda m: m.fit(Sequence(), validation_split=0.5), r"validation_split needs arrays"),
    ("weights", lambda m: m.fit(Sequence(), sample_weight=W), r"batches bring theirs"),
    ("no pair", broken(X[:4]), r"batches \(x, y\) or .* ndarray as batch 0", TypeError),
    ("four", broken((X, Y, W, W)), r"tuple of length 4 as batch 0", TypeError),
    ("single examples", broken((X[0], Y[0])), r"minigrad\.datasets\.Batches"),
    ("lengths", broken((X[:4], Y[:3])), r"batch 0 of x: x and batch 0 of x: y must"),
    ("labels", broken((X[:4], Y[:4] + 2)), r"targets do not suit"),
    ("shape", broken((X[:4, :2], Y[:4])), r"size"),
    ("list", lambda m: m.fit([BATCH, BATCH]), r"y is missing"),
    ("predict steps", lambda m: m.predict(X, steps=-1), r"steps must be an integer >= 1"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_errors_before_anything_is_changed(case: Any) -> None:
    _, do, text, error = (*case, ValueError)[:4]
    model = make()
    before = model.get_weights()
    with pytest.raises(error, match=text):
        do(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.optimizer.iterations == 0 and model.history is None


def test_errors_in_the_middle_keep_the_last_step() -> None:
    model, other = make(), make()
    with pytest.raises(ValueError, match=r"batch 1 of x: y must be finite"):
        broken(BATCH, (X[:4], np.full(4, np.nan)))(model)
    other.fit(*BATCH, verbose=0, shuffle=False)
    assert equal(model, other) and model.optimizer.iterations == 1
    with pytest.raises(ValueError, match=r"x ran out of batches.* 2 batches in epoch 2, and st"):
        model.fit(iter([*stream(2)][:6]), epochs=2, steps_per_epoch=4, verbose=0)


@pytest.mark.parametrize(
    "x, error, text",
    [
        (X, TypeError, r"x must be a list of 2 arrays.* Received: ndarray"),
        ([X], TypeError, r"list of 2 arrays.* Received: list of length 1"),
        ([X, X[:5, :2]], ValueError, r"same length. Received: lengths 20, 5"),
        ([X, None], TypeError, r"x\[1\] must be one array"),
        ([X, np.full((20, 2), np.nan)], ValueError, r"x\[1\] must be finite"),
        ([X, X], ValueError, r"size 2 on axis 1.*\(1, 3\)"),
    ],
)
def test_errors_of_several_inputs(x: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        two_inputs().fit(x, Y, verbose=0)


@pytest.mark.parametrize(
    "make_it, error, text",
    [
        (lambda: Batches(iter(())), TypeError, r"needs len\(\) and \[\]"),
        (lambda: Batches([], 0), ValueError, r"batch_size=0"),
        (lambda: Batches([], seed=None), ValueError, r"integer >= 0"),
        (lambda: Batches([])[0], IndexError, r"There are 0 batches"),
        (lambda: Batches([X])[0], TypeError, r"ndarray as element 0"),
        (lambda: Batches([(X, 1), (X[0], 1)])[0], ValueError, r"one shape"),
        (lambda: Batches([(X, 1), (X, 1, 1.0)])[0], ValueError, r"a sample_weight or none"),
    ],
)
def test_errors_of_batches(make_it: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make_it()

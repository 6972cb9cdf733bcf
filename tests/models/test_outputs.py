"""Models with several inputs and outputs, by place and by name, as Keras trains them.

The numbers come from Keras 3.15 (TensorFlow 2.21) on the model, the data and the calls below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers

N = 8
LEFT = (np.arange(N * 3).reshape(N, 3) % 7 / 7).astype("float32")
RIGHT = (np.arange(N * 2).reshape(N, 2) % 5 / 5).astype("float32")
SIZE = (np.arange(N) % 3 / 2).astype("float32")[:, None]
KIND = np.arange(N) % 3
WEIGHT = (np.arange(N) % 4 / 2).astype("float32")
X, Y = {"right": RIGHT, "left": LEFT}, {"kind": KIND, "size": SIZE}
BOTH = {"size": "mse", "kind": "sparse_categorical_crossentropy"}


def network() -> Any:
    a, b = mg.Input((3,), name="left"), mg.Input((2,), name="right")
    joined = layers.Concatenate()([a, b])
    start = mg.initializers.get({"class_name": "Constant", "config": {"value": 0.0}})
    size = layers.Dense(1, name="size", kernel_initializer="ones")(joined)
    kind = layers.Dense(3, "softmax", name="kind", kernel_initializer=start)(joined)
    model = mg.Model([a, b], [size, kind])
    model.get_layer("kind").kernel.assign(np.arange(15).reshape(5, 3) / 20)
    return model


class Own(mg.Model):
    """The same as a class, which gives a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = network()

    def call(self, inputs: Any) -> Any:
        size, kind = self.inside(inputs)
        return {"kind": kind, "size": size}


def compiled(model: Any = None, **words: Any) -> Any:
    model = network() if model is None else model
    model.compile(mg.optimizers.SGD(0.1), **{"loss": BOTH, **words})
    return model


LISTS = {"loss": list(BOTH.values()), "metrics": [["mae"], ["accuracy"]]}
WEIGHTED = {
    "loss": {"kind": BOTH["kind"], "size": "mse"},
    "loss_weights": {"kind": 0.5, "size": 2.0},
    "metrics": {"kind": "accuracy", "size": ["mae", "mse"]},
}
PLAIN = {
    "loss": [3.5544586181640625, 1.9002721309661865],
    "size_loss": [2.4351541996002197, 0.7963354587554932],
    "kind_loss": [1.1193044185638428, 1.1039366722106934],
}
KERAS: list[tuple[Any, Any, Any, dict[str, list[float]], list[float]]] = [
    (
        LISTS,
        ([LEFT, RIGHT], [SIZE, KIND]),
        None,
        {
            **PLAIN,
            "size_mae": [1.3216841220855713, 0.7219362258911133],
            "kind_accuracy": [0.25, 0.25],
        },
        [1.621429681777954, 0.5310657620429993, 1.0903639793395996, 0.6483013033866882, 0.375],
    ),
    (
        WEIGHTED,
        (X, Y),
        None,
        {
            "loss": [4.348854064941406, 1.5094472169876099],
            "size_loss": [1.8945386409759521, 0.47685378789901733],
            "kind_loss": [1.1195530891418457, 1.1114792823791504],
            "size_mae": [1.1895304918289185, 0.6184770464897156],
            "size_mse": [1.8945386409759521, 0.47685378789901733],
            "kind_accuracy": [0.25, 0.25],
        },
        [
            *[1.3866602182388306, 0.41731661558151245, 1.1040539741516113],
            *[0.5522427558898926, 0.41731661558151245, 0.125],
        ],
    ),
    (
        {"loss": "mse"},
        ([LEFT, RIGHT], [SIZE, np.eye(3)[KIND]]),
        None,
        {
            "loss": [2.6622331142425537, 1.022517204284668],
            "size_loss": [2.4351541996002197, 0.7963354587554932],
            "kind_loss": [0.22707897424697876, 0.226181760430336],
        },
        [0.7564122080802917, 0.5310657620429993, 0.2253464311361313],
    ),
    (
        {"loss": {"size": "mse", "kind": None}},
        (X, Y),
        None,
        {"loss": PLAIN["size_loss"], "size_loss": PLAIN["size_loss"]},
        [0.5310657620429993] * 2,
    ),
    (
        {},
        (X, Y),
        WEIGHT,
        {
            "loss": [2.771540641784668, 1.6508519649505615],
            "size_loss": [1.9229960441589355, 0.8161503672599792],
            "kind_loss": [0.8485445976257324, 0.834701657295227],
        },
        [1.348646640777588, 0.5262852311134338, 0.8223614692687988],
    ),
    (
        {},
        (X, Y),
        {"size": WEIGHT, "kind": None},
        {
            "loss": [3.0423004627227783, 1.9200870990753174],
            "size_loss": [1.9229960441589355, 0.8161503672599792],
            "kind_loss": [1.1193044185638428, 1.1039366722106934],
        },
        [1.6166491508483887, 0.5262852311134338, 1.0903639793395996],
    ),
]


@pytest.mark.filterwarnings("ignore:No gradient:UserWarning")
@pytest.mark.parametrize("words, data, weight, logs, evaluated", KERAS)
def test_as_keras(words: Any, data: Any, weight: Any, logs: Any, evaluated: list[float]) -> None:
    model = compiled(**words)
    history = model.fit(
        *data, batch_size=4, epochs=2, shuffle=False, verbose=0, sample_weight=weight
    ).history
    assert list(history) == model.metrics_names == list(logs)
    for name, values in logs.items():
        np.testing.assert_allclose(history[name], values, rtol=2e-5, err_msg=name)
    found = model.evaluate(*data, verbose=0, sample_weight=weight)
    np.testing.assert_allclose(found, evaluated, rtol=2e-5)
    one = model.test_on_batch(*data, sample_weight=weight, return_dict=True)
    assert list(one) == list(logs) and one == pytest.approx(dict(zip(logs, found, strict=True)))


def test_a_class_that_returns_a_dict_is_trained_alike() -> None:
    own, model = compiled(Own(), **WEIGHTED), compiled(**WEIGHTED)
    batch = [LEFT, RIGHT]
    assert own.metrics_names[0] == "loss" and set(own.metrics_names) == set(model.metrics_names)
    for _ in range(2):
        found, wanted = (m.train_on_batch(batch, Y, return_dict=True) for m in (own, model))
        assert found == pytest.approx(wanted)
    outputs = own.predict(batch, batch_size=3)
    for name, array in zip(["size", "kind"], model.predict(X, batch_size=5), strict=True):
        np.testing.assert_array_equal(outputs[name], array)
    assert list(own.predict_on_batch(batch)) == ["kind", "size"]


def test_sources_and_validation_take_names_too() -> None:
    model, other = compiled(**WEIGHTED), compiled(**WEIGHTED)
    half = slice(None, 4), slice(4, None)
    batches = [({k: v[h] for k, v in X.items()}, {k: v[h] for k, v in Y.items()}) for h in half]

    class Numbered:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, number: int) -> Any:
            return batches[number]

    options: dict[str, Any] = {"shuffle": False, "verbose": 0, "epochs": 2}
    found = model.fit(Numbered(), validation_data=(X, Y), **options).history
    wanted = other.fit(X, Y, batch_size=4, validation_data=Numbered(), **options).history
    assert {k: v for k, v in found.items() if "val_" not in k} == {
        k: v for k, v in wanted.items() if "val_" not in k
    }
    assert found["val_kind_accuracy"] == wanted["val_kind_accuracy"]
    assert found["val_size_loss"] == pytest.approx(wanted["val_size_loss"])
    np.testing.assert_array_equal(model.predict(Numbered())[1], model.predict(X)[1])
    history = model.fit(X, Y, validation_split=0.25, verbose=0).history
    assert "val_size_mae" in history


def test_training_goes_on_from_a_file(tmp_path: Path) -> None:
    model = compiled(**WEIGHTED)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "two.npz")
    copy = mg.models.load_model(tmp_path / "two.npz")
    assert copy.metrics_names == model.metrics_names
    for each in (model, copy):
        each.fit(X, Y, epochs=2, verbose=0, seed=1)
    assert copy.history.history == model.history.history
    for a, b in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_input_and_one_output_may_have_names_and_lists() -> None:
    x = mg.Input((3,), name="left")
    model = mg.Model([x], [layers.Dense(1, name="size")(x)])
    assert (model.input_names, model.output_names) == (("left",), ("size",))
    model.compile("sgd", {"size": "mse"}, {"size": ["mae"]})
    history = model.fit({"left": LEFT}, {"size": SIZE}, verbose=0).history
    assert list(history) == ["loss", "mae"]
    assert model.predict({"left": LEFT}).shape == (N, 1) and model(LEFT).shape == (N, 1)
    model.fit([LEFT], [SIZE], verbose=0)
    for given in ([LEFT], {"left": LEFT}):
        np.testing.assert_array_equal(model(given).numpy(), model.predict(LEFT))
    assert model([x]).shape == (None, 1) and model(LEFT[:1].tolist()).shape == (1, 1)
    again = layers.Dense(3, name="size")
    shared = mg.Model(x, [again(x), again(again(x)), x])
    assert shared.output_names == ("size", "size_1", "left")


def fit(x: Any = X, y: Any = Y, **words: Any) -> Any:
    return lambda: compiled().fit(x, y, verbose=0, **words)


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda: compiled(loss=["mse"]), TypeError, r"loss must be a list of 2 losses.*length 1"),
        (
            lambda: compiled(loss={"size": "mse"}),
            ValueError,
            r"loss must .* one for each of \['size', 'kind'\]. Received: dict with \['size'\]",
        ),
        (lambda: compiled(loss=[None, None]), ValueError, r"One output must have a loss"),
        (lambda: compiled(loss_weights=[1.0]), TypeError, r"loss_weights must be a list of 2"),
        (lambda: compiled(loss_weights=[1.0, -1]), ValueError, r"loss_weights.*-1"),
        (lambda: compiled(metrics=["mae"]), TypeError, r"metrics must be a list of 2 lists"),
        (lambda: compiled(metrics={"sise": "mae"}), ValueError, r"'size', 'kind'.*'sise'"),
        (
            fit({"left": LEFT}),
            ValueError,
            r"x must .*'left', 'right'\]. Received: dict with \['left'\]",
        ),
        (fit(y=SIZE), TypeError, r"y must be a list of 2 arrays.*'size', 'kind'.*ndarray"),
        (fit(y=[SIZE, KIND[:5]]), ValueError, r"same length. Received: lengths 8, 5"),
        (fit(y=[SIZE, KIND + 1]), ValueError, r"Output 'kind': .*3"),
        (fit(y=[np.zeros((N, 2)), KIND]), ValueError, r"Output 'size': .*\(8, 2\).*\(8, 1\)"),
        (fit(class_weight={0: 2.0}), ValueError, r"class_weight is for models with one output"),
        (
            fit(sample_weight={"size": WEIGHT}),
            ValueError,
            r"sample_weight must .*dict with \['size'\]",
        ),
        (fit(sample_weight=[WEIGHT, WEIGHT[:3]]), ValueError, r"\['kind'\].* shape \(8,\)"),
        (
            lambda: compiled(Own(), loss="mse").fit([LEFT, RIGHT], SIZE, verbose=0),
            TypeError,
            r"returns a dict of outputs.*loss must be a dict or a list",
        ),
        (
            lambda: compiled(mg.Sequential([layers.Dense(1)]), loss=["mse", "mae"]).fit(
                LEFT, [SIZE, SIZE], verbose=0
            ),
            TypeError,
            r"output of the model .* list of 2 outputs.*'output_1', 'output_2'.*Tensor",
        ),
    ],
)
def test_errors(wrong: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        wrong()

"""Models whose inputs and outputs come in dicts and nested lists, as Keras takes and gives them.

They compute what the same network with plain lists does, whose numbers are held against Keras' in
`test_outputs`; names and forms are those of Keras 3.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import layers

N = 8
A = (np.arange(N * 3).reshape(N, 3) % 7 / 7).astype("float32")
B = (np.arange(N * 2).reshape(N, 2) % 5 / 5).astype("float32")
U = (np.arange(N) % 3 / 2).astype("float32")[:, None]
V = (np.arange(N * 2).reshape(N, 2) % 3 / 3).astype("float32")
Y = {"u": U, "v": V}

# form -> inputs, outputs, and the names that Keras gives to the outputs
FORMS: dict[str, tuple[Any, Any, list[str]]] = {
    "lists": (lambda a, b: [a, b], lambda u, v: [u, v], ["du", "dv"]),
    "dicts": (lambda a, b: {"a": a, "b": b}, lambda u, v: {"u": u, "v": v}, ["u", "v"]),
    "nested": (
        lambda a, b: {"p": {"a": a}, "b": b},
        lambda u, v: {"o": {"u": u, "v": [v]}},
        ["o/u", "o/v/0"],
    ),
    "list of dicts": (
        lambda a, b: [{"a": a}, b],
        lambda u, v: [[u, v], u],
        ["0/0", "0/1", "1"],
    ),
}
by_form = pytest.mark.parametrize("form", FORMS)
by_name = pytest.mark.parametrize("form", ["dicts", "nested"])


def network(form: str) -> Any:
    inputs, outputs, _ = FORMS[form]
    a, b = mg.Input((3,), name="in_a"), mg.Input((2,), name="in_b")
    joined = layers.Concatenate()([a, b])
    u = layers.Dense(1, name="du", kernel_initializer="ones")(joined)
    v = layers.Dense(2, name="dv", kernel_initializer="ones")(joined)
    return mg.Model(inputs(a, b), outputs(u, v), name="net")


def flat(found: Any) -> list[Any]:
    return layers.symbolic.leaves(found)


def fitted(form: str, **words: Any) -> tuple[Any, dict[str, list[float]]]:
    inputs, outputs, _ = FORMS[form]
    model = network(form)
    model.compile(mg.optimizers.Adam(0.1), **{"loss": outputs("mse", "mae"), **words})
    history = model.fit(inputs(A, B), outputs(U, V), 3, epochs=3, verbose=0, seed=1)
    return model, history.history


@by_form
def test_what_comes_out_has_the_form_of_the_outputs(form: str) -> None:
    inputs, outputs, names = FORMS[form]
    model, plain = network(form), network("lists")
    u, v = (part.numpy() for part in plain([A, B]))
    expected = flat(outputs(u, v))
    for found in (model(inputs(A, B)), model.predict(inputs(A, B), batch_size=3)):
        assert layers.symbolic.map_structure(lambda x: x.shape, found) == outputs(u.shape, v.shape)
        for one, other in zip(flat(found), expected, strict=True):
            np.testing.assert_array_equal(np.asarray(one), other)
    assert model.output_names == tuple(names)
    assert model.output_shape == outputs((None, 1), (None, 2))
    assert model.input_shape == inputs((None, 3), (None, 2))
    assert model.compute_output_shape(inputs((4, 3), (4, 2))) == outputs((4, 1), (4, 2))


@by_name
def test_training_is_that_of_the_lists(form: str) -> None:
    words = {"loss_weights": FORMS[form][1](0.5, 2.0), "metrics": FORMS[form][1](["mae"], ["mse"])}
    model, history = fitted(form, **words)
    plain, expected = fitted("lists", loss_weights=[0.5, 2.0], metrics=[["mae"], ["mse"]])
    for short, name in zip(["du", "dv"], FORMS[form][2], strict=True):
        expected = {key.replace(short, name): value for key, value in expected.items()}
    assert history == expected
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    inputs, outputs, _ = FORMS[form]
    assert model.evaluate(inputs(A, B), outputs(U, V), verbose=0) == plain.evaluate(
        [A, B], [U, V], verbose=0
    )
    batches = [(inputs(A[:4], B[:4]), outputs(U[:4], V[:4]), np.ones(4, "float32"))] * 2
    model.fit(iter(batches), steps_per_epoch=2, verbose=0, validation_data=batches[0])


@by_form
def test_saving_and_copying_keep_the_form(form: str, tmp_path: Any, capsys: Any) -> None:
    inputs, outputs, _ = FORMS[form]
    model = network(form)
    model.compile("adam", outputs("mse", "mae") if form != "list of dicts" else "mse")
    model.fit(inputs(A, B), outputs(U, V), verbose=0)
    model.save(tmp_path / "model.npz")
    copies = [
        mg.models.load_model(tmp_path / "model.npz"),
        mg.models.clone_model(model),
    ]
    copies[1].set_weights(model.get_weights())
    for copy in copies:
        assert copy.output_names == model.output_names
        assert copy.get_config() == model.get_config()
        for one, other in zip(
            flat(copy.predict(inputs(A, B))), flat(model.predict(inputs(A, B))), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    copies[0].fit(inputs(A, B), outputs(U, V), verbose=0)
    model.summary()
    assert "du" in capsys.readouterr().out


def test_models_with_dicts_are_parts_of_models() -> None:
    inner = network("nested")
    x, y = mg.Input((3,)), mg.Input((2,))
    found = inner({"p": {"a": x}, "b": y})
    outer = mg.Model({"x": x, "y": y}, layers.Concatenate()([found["o"]["u"], *found["o"]["v"]]))
    u, v = (part.numpy() for part in flat(inner({"p": {"a": A}, "b": B})))
    np.testing.assert_array_equal(outer({"y": B, "x": A}).numpy(), np.concatenate([u, v], 1))
    copy = mg.models.clone_model(outer)
    copy.set_weights(outer.get_weights())
    np.testing.assert_array_equal(copy([A, B]).numpy(), outer([A, B]).numpy())


def test_one_input_and_one_output_in_dicts() -> None:
    x = mg.Input((3,), name="image")
    model = mg.Model({"a": x}, {"u": layers.Dense(1, name="du", kernel_initializer="ones")(x)})
    model.compile("sgd", {"u": "mse"}, metrics={"u": ["mae"]}, loss_weights={"u": 2.0})
    history = model.fit({"a": A}, {"u": U}, verbose=0)
    assert sorted(history.history) == ["loss", "mae"]
    assert list(model.predict({"a": A})) == list(model(A.tolist())) == ["u"]
    model.compile("sgd", "mse")
    model.fit(A, U, verbose=0)


@pytest.mark.parametrize("weight", [2.0, 2, [2.0], {"out": 2.0}])
def test_the_loss_of_one_output_has_a_weight(weight: Any, tmp_path: Any) -> None:
    found = []
    for factor in (None, weight):
        x = mg.Input((3,))
        model = mg.Model(x, layers.Dense(1, name="out", kernel_initializer="ones")(x))
        model.compile(mg.optimizers.SGD(0.1), "mse", metrics=["mae"], loss_weights=factor)
        found.append(model.evaluate(A, U, verbose=0))
    assert found[1] == [2 * found[0][0], found[0][1]]
    model.save(tmp_path / "model.npz")
    loaded = mg.models.load_model(tmp_path / "model.npz")
    assert loaded.evaluate(A, U, verbose=0) == found[1]
    before = model.get_weights()[1]
    residual = (A.sum(1, keepdims=True) - U).mean()
    model.fit(A, U, batch_size=N, verbose=0)
    np.testing.assert_allclose(model.get_weights()[1], before - 0.1 * 2 * 2 * residual, rtol=1e-5)


ONE = mg.Sequential([mg.Input((3,)), layers.Dense(1)])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.fit({}, Y), r"x must be .*\['a', 'b'\]. Received: dict with \[\]"),
        (lambda m: m.fit({"a": A}, Y), r"Received: dict with \['a'\]"),
        (lambda m: m.fit({"a": A, "c": B}, Y), r"Received: dict with \['a', 'c'\]"),
        (lambda m: m.fit({"a": A, "b": B}, {}), r"y must be .*\['u', 'v'\]. .*dict with \[\]"),
        (
            lambda m: m.fit({"a": A, "b": B * np.nan}, Y),
            r"x\['b'\] must be finite. Received: 16 .* first at x\['b'\]\[0, 0\]",
        ),
        (lambda m: m({"a": A}), r"The input of the model 'net' must be .*dict with \['a'\]"),
        (lambda m: m.predict({}), r"Received: dict with \[\]"),
        (lambda m: m.compile("sgd", {"du": "mse"}), r"loss must be .*'u', 'v'.*dict with \['du'\]"),
        (lambda m: ONE.compile("sgd", "mse", loss_weights=[1.0, 2.0]), r"loss_weights must be"),
        (lambda m: ONE.compile("sgd", "mse", loss_weights="a"), r"`loss_weights` .*number"),
        (lambda m: ONE.fit({}, U), r"x must be one array.* Received: dict"),
        (lambda m: mg.Model({"x": mg.Input((2,))}, {}), r"outputs of a model .*: outputs={}"),
        (lambda m: mg.Model({"x": 3}, m.outputs), r"inputs of a model .*Received: inputs="),
    ],
)  # fmt: skip
def test_errors_say_what_is_missing(call: Any, text: str) -> None:
    model = network("dicts")
    model.compile("sgd", "mse")
    ONE.compile("sgd", "mse")
    with pytest.raises((ValueError, TypeError), match=text):
        call(model)


@pytest.mark.parametrize(
    "metrics, names",
    [
        ({"o": {"v": [["mae"]]}}, ["o/v/0_mae"]),
        ({"o": {"u": "mae"}}, ["o/u_mae"]),
        ({"o/v/0": ["mae", "mse"]}, ["o/v/0_mae", "o/v/0_mse"]),
        ({"o": {}}, []),
        ({}, []),
    ],
)
def test_metrics_of_nested_outputs_can_be_left_out(metrics: Any, names: list[str]) -> None:
    _, history = fitted("nested", metrics=metrics)
    assert [name for name in history if not name.endswith("loss")] == names


@pytest.mark.parametrize("key", [0, "a/b", "", None])
def test_keys_that_could_collide_are_refused(key: Any) -> None:
    x = mg.Input((3,))
    with pytest.raises(ValueError, match=r"strings without '/'.* Received: the key"):
        mg.Model({key: x, "other": mg.Input((3,))}, layers.Dense(1)(x))
    with pytest.raises(ValueError, match=r"Received: the key"):
        mg.Model(x, {"o": {key: layers.Dense(1)(x)}})


class Wrapped(mg.Model):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.dense, self.wrap = layers.Dense(1), wrap

    def call(self, inputs: Any) -> Any:
        return self.wrap(self.dense(inputs))


@pytest.mark.parametrize("kind", ["sequential", "tensor", "dict"])
def test_a_single_output_may_be_named(kind: str, tmp_path: Any) -> None:
    """As Keras takes it for a class that returns a dict; it refuses the others with raw errors."""

    def model() -> Any:
        mg.set_random_seed(0)
        if kind == "sequential":
            return mg.Sequential([mg.Input((3,)), layers.Dense(1, name="o")])
        made = Wrapped((lambda y: {"o": y}) if kind == "dict" else (lambda y: y))
        made.build((None, 3))
        return made

    weight = np.arange(N) / 4.0
    named, plain = model(), model()
    named.compile("adam", {"o": "mse"}, metrics={"o": "mae"}, loss_weights={"o": 2.0})
    plain.compile("adam", "mse", metrics=["mae"], loss_weights=2.0)
    for _ in range(2):
        found = named.fit(A, {"o": U}, sample_weight={"o": weight}, verbose=0, seed=0).history
        wanted = plain.fit(A, U, sample_weight=weight, verbose=0, seed=0).history
        assert found == wanted and list(found) == ["loss", "mae"]
        assert named.evaluate(A, U, verbose=0) == plain.evaluate(A, U, verbose=0)
        if kind != "sequential":
            break
        named.save(tmp_path / "model.npz")
        named = mg.models.load_model(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"y must be .* one for each of \['o'\].*\['p'\]"):
        named.fit(A, {"p": U}, verbose=0)
    with pytest.raises(ValueError, match=r"sample_weight must be .*\['o'\].*\['p'\]"):
        named.fit(A, U, sample_weight={"p": weight}, verbose=0)


def test_the_name_of_a_single_output_must_be_right() -> None:
    model = Wrapped(lambda y: {"o": y})
    model.compile("sgd", {"p": "mse"})
    with pytest.raises(ValueError, match=r"The output of the model .*\['p'\].*dict with \['o'\]"):
        model.fit(A, U, verbose=0)


def test_an_empty_dict_names_no_metrics() -> None:
    model = mg.Sequential([mg.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics={})
    assert list(model.fit(A, U, verbose=0).history) == ["loss"]


def test_an_optimizer_belongs_to_one_model(tmp_path: Any) -> None:
    optimizer = mg.optimizers.Adam()
    models = [mg.Sequential([mg.Input((3,)), layers.Dense(1)], name=f"m{i}") for i in range(2)]
    for model in models:
        model.compile(optimizer, "mse")
    models[0].fit(A, U, verbose=0)
    weights = models[1].get_weights()
    for train in (models[1].fit, models[1].train_on_batch):
        with pytest.raises(
            ValueError, match="optimizer of the model 'm1' has updated weights of som"
        ):
            train(A, U)
    np.testing.assert_array_equal(models[1].get_weights()[0], weights[0])
    models[0].fit(A, U, verbose=0)
    models[0].save(tmp_path / "model.npz")
    models[1].compile(mg.models.load_model(tmp_path / "model.npz").optimizer, "mse")
    with pytest.raises(ValueError, match="optimizer of the model 'm1' has updated weights of som"):
        models[1].fit(A, U)


def gan() -> list[Any]:
    """A generator with its frozen judge behind it, and the judge."""
    judge = mg.Sequential([mg.Input((3,)), layers.Dense(1)])
    judge.trainable = False
    both = mg.Sequential([mg.Input((3,)), layers.Dense(3), judge])
    return [both, judge]


def heads() -> list[Any]:
    x = mg.Input((3,))
    body = layers.Dense(4, trainable=False)(x)
    return [mg.Model(x, layers.Dense(1)(body)) for _ in range(2)]


@pytest.mark.parametrize("make", [gan, heads])
@pytest.mark.parametrize("turned", [False, True])
def test_models_that_share_weights_may_share_an_optimizer(
    make: Any, turned: bool, tmp_path: Any
) -> None:
    """Frozen weights count, so the order does not matter; a file holds the state of its model."""
    optimizer = mg.optimizers.Adam()
    models = make()
    for model in models[::-1] if turned else models:
        if make is gan and model is models[1]:
            model.trainable = True
        model.compile(optimizer, "mse")
        model.fit(A, U, verbose=0)
        if make is gan:
            models[1].trainable = False
    assert len(optimizer.parameters) == 4
    models[1].trainable = True
    models[1].save(tmp_path / "model.npz")
    copy = mg.models.load_model(tmp_path / "model.npz")
    assert len(copy.optimizer.parameters) == 2 and copy.optimizer.iterations == 2
    for each in (models[1], copy):
        each.fit(A, U, verbose=0, seed=1)
    for one, other in zip(copy.get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_use_by_hand_does_not_bind_an_optimizer_and_build_makes_weights_known() -> None:
    optimizer, w = mg.optimizers.Adam(), mg.tensor([1.0], requires_grad=True)
    models = [mg.Sequential([mg.Input((3,)), layers.Dense(1)]) for _ in range(3)]
    optimizer.apply_gradients([(mg.tensor([1.0]), w)])
    for model in models:
        model.compile(optimizer, "mse")
    models[0].fit(A, U, verbose=0)
    optimizer.build(models[1].trainable_weights)
    models[1].fit(A, U, verbose=0)
    with pytest.raises(ValueError, match=r"say optimizer\.build\(model\.trainable_weights\)"):
        models[2].fit(A, U, verbose=0)


def test_a_part_of_the_output_that_is_no_tensor() -> None:
    model = Wrapped(lambda y: {"u": y, "n": {"v": y}})
    model.compile("sgd", {"u": "mse", "n": "mse"})
    with pytest.raises(TypeError, match=r"must be a tensor at 'n'\. Received: \{'v'"):
        model.fit(A, {"u": U, "n": U}, verbose=0)


def test_a_dict_of_one_output() -> None:
    model = Wrapped(lambda y: {"u": y})
    model.compile("sgd", "mse")
    model.fit(A, U, verbose=0)


def test_an_optimizer_that_keeps_nothing_trains_any_model() -> None:
    optimizer = mg.optimizers.SGD(0.1)
    for _ in range(2):
        model = mg.Sequential([mg.Input((3,)), layers.Dense(1)])
        model.compile(optimizer, "mse")
        model.fit(A, U, verbose=0)


def test_a_model_that_is_built_by_its_first_step_needs_its_own_optimizer() -> None:
    optimizer = mg.optimizers.Adam()
    first, second = (mg.Sequential([layers.Dense(1)]) for _ in range(2))
    for model in (first, second):
        model.compile(optimizer, "mse")
    first.train_on_batch(A, U)
    with pytest.raises(ValueError, match="has updated weights of something else"):
        second.train_on_batch(A, U)

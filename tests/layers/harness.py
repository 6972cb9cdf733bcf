"""One harness for all layers: what must hold for every row of the table."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from table import Array, Row, each

from minigrad import layers
from minigrad.autograd import tensor
from minigrad.gradcheck import check_layer


def parts(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def watched(values: Any) -> Any:
    """The inputs as tensors that gradients are recorded for."""
    return each(lambda value: tensor(value, requires_grad=True), values)


# ---------------------------------------------------------------------- what must hold


def shapes(row: Row) -> None:
    layer = row.make()
    batchless = row.batchless
    assert layer.compute_output_shape(batchless) == (None, *row.output_shape[1:])
    assert not layer.built, "compute_output_shape must not build"
    assert layer.macs(batchless) == row.macs
    unknown = layer.compute_output_shape(each(lambda s: (None,) * len(s), row.input_shape))
    assert len(unknown) == len(row.output_shape)
    assert all(a in (None, b) for a, b in zip(unknown, row.output_shape, strict=True))
    assert layer(row.input()).shape == row.output_shape
    assert layer.compute_output_shape(batchless) == (None, *row.output_shape[1:])
    shape = layer.compute_output_shape(each(list, row.input_shape))
    assert shape == row.output_shape and all(type(size) is int for size in shape)


def weights(row: Row) -> None:
    layer = row.make()
    if row.weights:
        assert layer.weights == []
    with pytest.raises(ValueError, match=r"has no weights yet.*build\(input_shape\)"):
        layer.count_params()
    layer.build(row.batchless)
    assert layer.built
    assert {p.name: p.shape for p in layer.weights} == row.weights
    assert [p.name for p in layer.weights] == list(row.weights)
    assert [p.path for p in layer.weights] == [f"{layer.name}/{name}" for name in row.weights]
    for name in row.weights:
        assert getattr(layer, name) is next(p for p in layer.weights if p.name == name)
    trained = len(row.weights) - row.moving
    assert [p.name for p in layer.trainable_weights] == list(row.weights)[:trained]
    assert [p.name for p in layer.non_trainable_weights] == list(row.weights)[trained:]
    assert all(p.requires_grad for p in layer.trainable_weights)
    assert not any(p.requires_grad for p in layer.non_trainable_weights)
    assert layer.count_params() == sum(int(np.prod(s)) for s in row.weights.values())


def dtypes(row: Row) -> None:
    for dtype in ("float32", "float64"):
        layer = row.make(dtype)
        assert layer.dtype == dtype
        assert layer(row.input("float16")).dtype == dtype
        for given in ("float32", "float64"):
            for training in (False, True):
                x = watched(row.input(given))
                y = layer(x, training=training)
                assert y.dtype == dtype
                y.backward(np.ones(y.shape))
                for part in parts(x):
                    assert part.grad is not None and part.grad.dtype == given
        assert all(p.dtype == dtype for p in layer.weights)
        for p in layer.trainable_weights:
            assert p.grad is not None and p.grad.dtype == dtype and p.grad.shape == p.shape


def float32_is_close_to_float64(row: Row) -> None:
    x = row.input()
    for training in (False, True):
        results = []
        for dtype in ("float32", "float64"):
            layer = row.make(dtype)
            layer.build(row.input_shape)
            layer.set_weights(row.values())
            results.append(layer(x, training=training).numpy())
        scale = np.abs(results[1]).max()
        np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-6 * scale)


def config(row: Row) -> None:
    layer = row.make("float32", name="mine", trainable=False)
    found = layer.get_config()
    assert list(found)[:3] == ["name", "trainable", "dtype"]
    assert (found["name"], found["trainable"], found["dtype"]) == ("mine", False, "float32")
    text = json.dumps(found)
    before = copy.deepcopy(found)
    twin = row.cls.from_config(found)
    assert found == before, "from_config must not change its argument"
    assert twin.get_config() == found
    again = row.cls.from_config(json.loads(text))
    assert again.get_config() == found, "tuples must come back from JSON as tuples"
    assert (again.name, again.trainable, again.dtype) == ("mine", False, "float32")
    whole = layers.serialize(layer)
    assert whole == {"class_name": row.cls.__name__, "config": found}
    assert layers.deserialize(json.loads(json.dumps(whole))).get_config() == found
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        row.cls.from_config({**found, "nonsense": 1})


def twins_behave_alike(row: Row) -> None:
    layer = row.make()
    twin = row.cls.from_config(json.loads(json.dumps(layer.get_config())))
    layer.build(row.input_shape)
    assert twin.get_build_config() is None
    built = layer.get_build_config()
    assert built == {"input_shape": row.input_shape}
    twin.build_from_config(json.loads(json.dumps(built)))
    assert twin.built
    layer.set_weights(row.values())
    twin.set_weights(layer.get_weights())
    for training in (True, False):
        y, z = layer(row.input(), training=training), twin(row.input(), training=training)
        np.testing.assert_array_equal(y.numpy(), z.numpy())
    for a, b in zip(layer.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def copies(row: Row) -> None:
    layer = row.make()
    y = layer(row.input())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert [(p.name, p.path, p.trainable) for p in twin.weights] == [
            (p.name, p.path, p.trainable) for p in layer.weights
        ]
        assert not {id(p) for p in twin.weights} & {id(p) for p in layer.weights}
        np.testing.assert_array_equal(twin(row.input()).numpy(), y.numpy())


def weights_round_trip(row: Row) -> None:
    layer = row.make("float32")
    layer.build(row.input_shape)
    layer.set_weights(row.values("float64"))
    for array, value in zip(layer.get_weights(), row.values("float32"), strict=True):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, value)
    for array in layer.get_weights():
        array[...] = -1.0
    for array, value in zip(layer.get_weights(), row.values("float32"), strict=True):
        np.testing.assert_array_equal(array, value, err_msg="get_weights must return copies")


def set_weights_is_atomic(row: Row) -> None:
    layer = row.make()
    count = len(row.weights)
    with pytest.raises(ValueError, match=rf"has 0 weights.*Received: {count + 1} arrays"):
        layer.set_weights([*row.values(), np.zeros(1)])
    layer.set_weights([])
    layer.build(row.input_shape)
    layer.set_weights(row.values())
    before = layer.get_weights()
    new = [value + 1.0 for value in before]

    def refused(error: type[Exception], text: str, arrays: Any) -> None:
        with pytest.raises(error, match=text):
            layer.set_weights(arrays)
        for a, b in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)

    name = f"Layer '{layer.name}' has {count} weights"
    refused(ValueError, rf"{name}. Received: {count + 1} arrays", [*new, np.zeros(1)])
    refused(TypeError, r"needs a list of arrays. Received: ndarray", np.zeros(count))
    if count:
        last = list(row.weights)[-1]
        shape = row.weights[last]
        refused(ValueError, rf"{name}. Received: {count - 1} arrays", new[:-1])
        wrong = np.zeros((*shape, 1))
        text = f"{layer.name}/{last} has shape {shape}. Received: shape={wrong.shape}"
        refused(ValueError, text.replace("(", r"\(").replace(")", r"\)"), [*new[:-1], wrong])
        refused(TypeError, "needs an array of real numbers", [*new[:-1], np.full(shape, "a")])
        refused(TypeError, "needs an array of real numbers", [*new[:-1], np.full(shape, 1j)])
        refused(TypeError, "needs an array of real numbers", [*new[:-1], [[1.0], [1.0, 2.0]]])


def gradients(row: Row) -> None:
    """Every element of the inputs and of each weight, in both modes; directions in float32."""
    layer = row.make()
    layer.build(row.input_shape)
    layer.set_weights(row.values())
    for training in (False, True):
        report = check_layer(layer, row.input(), training=training)
        assert report, report
    fast = check_layer(row.make("float32"), row.input("float32"), mode="fast")
    assert fast, fast


def training_and_inference(row: Row) -> None:
    layer = row.make()
    x = row.input()
    inferred = layer(x).numpy()
    np.testing.assert_array_equal(layer(x, training=False).numpy(), inferred)
    np.testing.assert_array_equal(layer(x, training=None).numpy(), inferred)
    trained = layer(x, training=True).numpy()
    assert (not np.array_equal(trained, inferred)) == row.random


def empty_batch(row: Row) -> None:
    for training in (False, True):
        layer = row.make()
        layer.build(row.input_shape)
        moving = [p.numpy() for p in layer.non_trainable_weights]
        x = watched(each(lambda value: value[:0], row.input()))
        y = layer(x, training=training)
        assert y.shape == (0, *row.output_shape[1:])
        assert layer.compute_output_shape(each(lambda value: value.shape, x)) == y.shape
        y.backward(np.zeros(y.shape))
        for part in parts(x):
            assert part.grad is not None and part.grad.shape == part.shape
        for p in layer.trainable_weights:
            assert p.grad is not None
            np.testing.assert_array_equal(p.grad.numpy(), np.zeros(p.shape))
        for p, before in zip(layer.non_trainable_weights, moving, strict=True):
            np.testing.assert_array_equal(p.numpy(), before)


def frozen(row: Row) -> None:
    layer = row.make(trainable=False)
    x = watched(row.input())
    layer(x)
    names = list(row.weights)
    assert layer.trainable_weights == [] and not any(p.requires_grad for p in layer.weights)
    assert [p.name for p in layer.non_trainable_weights] == names
    before = layer.get_weights()
    y = layer(x, training=True)
    y.backward(np.ones(y.shape))
    assert all(part.grad is not None for part in parts(x))
    assert all(p.grad is None for p in layer.weights)
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    layer.trainable = True
    trained = len(names) - row.moving
    assert [p.name for p in layer.trainable_weights] == names[:trained]
    assert [p.requires_grad for p in layer.weights] == [True] * trained + [False] * row.moving
    layer.trainable = False
    assert layer.trainable_weights == [] and [p.name for p in layer.weights] == names


def inputs_of_all_kinds(row: Row) -> None:
    layer = row.make()
    x = row.input()
    before = copy.deepcopy(x)
    y = layer(x).numpy()
    kinds: list[Callable[[Array], Any]] = [
        tensor, np.asfortranarray, lambda value: value[::-1][::-1], lambda value: value.tolist(),
    ]  # fmt: skip
    for kind in kinds:
        # Of several inputs one must be an array, or the list of them would look like one input.
        same = [*map(kind, x[:-1]), x[-1]] if isinstance(x, list) else kind(x)
        np.testing.assert_allclose(layer(same).numpy(), y, rtol=1e-6)  # lists become floatx
    for part, old in zip(parts(x), parts(before), strict=True):
        np.testing.assert_array_equal(part, old, err_msg="a layer must not change its input")


def bad_inputs(row: Row) -> None:
    layer = row.make()
    layer(row.input())
    before = layer.get_weights()
    if row.wrong_shape is not None:
        wrong = each(np.zeros, row.wrong_shape)
        with pytest.raises(ValueError, match=r"Received|would be empty"):
            layer(wrong)
        with pytest.raises(ValueError, match=r"Received|would be empty"):
            layer.compute_output_shape(row.wrong_shape)
        with pytest.raises(ValueError):
            layer.build(row.wrong_shape)
    for dtype in ("uint8", "int64", "bool", "complex64"):
        zeros = each(lambda shape, dtype=dtype: np.zeros(shape, dtype), row.input_shape)
        if layer.accepts_integers and dtype != "complex64":
            assert layer(zeros).dtype == (layer.dtype if row.converts else dtype)
            continue
        text = rf"computes in float64.*astype\('float64'\) / 255. Received: dtype={dtype}"
        with pytest.raises(TypeError, match=text):
            layer(zeros)
    with pytest.raises(TypeError, match="takes no keyword argument 'mask'"):
        layer(row.input(), mask=None)
    if isinstance(row.input_shape, list):
        with pytest.raises(ValueError, match=r"on a list of at least 2 tensors. Received: one"):
            layer(row.input()[0])
    else:
        with pytest.raises(ValueError, match=r"takes one tensor. Received: a list of 2; np.stack"):
            layer([row.input(), row.input()])
    with pytest.raises(TypeError, match="A shape must be a tuple"):
        row.make().build(None)
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def names(row: Row) -> None:
    layers.reset_names()
    first, second = row.make(), row.make()
    assert second.name == f"{first.name}_1" and row.make(name="my/own name").name == "my/own name"
    assert row.make().name == f"{first.name}_2"
    with pytest.raises(TypeError):
        row.make(nonsense=1)
    assert row.make().name == f"{first.name}_3", "a constructor that fails uses up no name"


CHECKS: list[Callable[[Row], None]] = [
    shapes,
    weights,
    dtypes,
    float32_is_close_to_float64,
    config,
    twins_behave_alike,
    copies,
    weights_round_trip,
    set_weights_is_atomic,
    gradients,
    training_and_inference,
    empty_batch,
    frozen,
    inputs_of_all_kinds,
    bad_inputs,
    names,
]

"""What `Layer` promises to whoever writes a layer, and to whoever uses one."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from minigrad import layers, no_grad
from minigrad.autograd import Tensor, tensor


class Scale(layers.Layer):
    """One weight, no shape inference."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight("factor", (input_shape[-1],), "ones", regularizer="l2")

    def call(self, inputs: Tensor) -> Any:
        return inputs * self.factor


class Block(layers.Layer):
    """Layers as attributes, in a list and in a dict."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = layers.Dense(3, activity_regularizer="l2", kernel_regularizer="l1")
        self.rest = [layers.Dropout(0.5), layers.Dense(2)]
        self.named = {"norm": layers.BatchNormalization()}

    def build(self, input_shape: Any) -> None:
        self.own = self.add_weight("own", (2,), "ones")

    def call(self, inputs: Tensor) -> Any:
        outputs = self.first(inputs)
        for layer in self.rest:
            outputs = layer(outputs)
        return self.named["norm"](outputs) * self.own


NAMES = [
    "block/own",
    "dense/kernel",
    "dense/bias",
    "dense_1/kernel",
    "dense_1/bias",
    "batch_normalization/gamma",
    "batch_normalization/beta",
    "batch_normalization/moving_mean",
    "batch_normalization/moving_variance",
]
X = np.arange(12.0).reshape(3, 4)


def paths(weights: list[layers.Parameter]) -> list[str]:
    return [p.path for p in weights]


# ---------------------------------------------------------------------- parts


def test_weights_of_inner_layers_count_in_the_order_of_the_attributes() -> None:
    block = Block()
    block(X)
    assert paths(block.weights) == NAMES
    assert paths(block.trainable_weights) == NAMES[:7]
    assert paths(block.non_trainable_weights) == NAMES[7:]
    values = [np.full(p.shape, float(i)) for i, p in enumerate(block.weights)]
    block.set_weights(values)
    for array, value in zip(block.get_weights(), values, strict=True):
        np.testing.assert_array_equal(array, value)
    assert block.count_params() == sum(value.size for value in values)


def test_freezing_reaches_inner_layers_and_thawing_brings_back_what_was() -> None:
    block = Block()
    block(X)
    block.first.kernel.trainable = False
    block.trainable = False
    assert block.trainable_weights == [] and paths(block.non_trainable_weights) == NAMES
    assert not block.rest[1].trainable
    before = block.get_weights()
    block(X, training=True)
    for a, b in zip(block.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b, err_msg="frozen batch normalization infers")
    block.trainable = True
    assert paths(block.trainable_weights) == [n for n in NAMES[:7] if n != "dense/kernel"]


def test_a_frozen_inner_layer_alone() -> None:
    block = Block()
    block.rest[1].trainable = False
    block(X)
    assert paths(block.trainable_weights) == [n for n in NAMES[:7] if "dense_1" not in n]
    assert paths(block.weights) == NAMES


def test_a_frozen_outer_layer_hides_layers_that_came_later() -> None:
    block = Block(trainable=False)
    block(X)
    assert block.trainable_weights == []
    assert paths(block.non_trainable_weights) == NAMES


def test_shared_parts_and_circles_count_once() -> None:
    outer = layers.Layer()
    outer.a = outer.b = layers.Dense(2)
    outer.a.owner = outer
    outer.a.build((None, 3))
    assert paths(outer.weights) == ["dense/kernel", "dense/bias"]
    outer.weight = outer.a.kernel
    assert len(outer.weights) == 2


def test_parameters_may_be_attributes_too() -> None:
    layer = layers.Layer()
    layer.table = {"a": [layers.Parameter(np.ones(3), "a")]}
    assert [p.name for p in layer.weights] == ["a"]


# ---------------------------------------------------------------------- calling


def test_inner_layers_take_training_from_the_outer_call() -> None:
    block = Block()
    block(X)
    before = block.named["norm"].moving_mean.numpy()
    block(X)
    np.testing.assert_array_equal(block.named["norm"].moving_mean.numpy(), before)
    block(X, training=True)
    assert not np.array_equal(block.named["norm"].moving_mean.numpy(), before)


def test_training_does_not_leak_out_of_a_call() -> None:
    class Failing(layers.Layer):
        def call(self, inputs: Any) -> Any:
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        Failing()(X, training=True)
    dropout = layers.Dropout(0.9, seed=0)
    np.testing.assert_array_equal(dropout(X).numpy(), X.astype("float32"))


def test_a_call_in_another_thread_is_no_part_of_this_one() -> None:
    inner = layers.Dropout(0.9, seed=0)
    outputs = []

    class Outer(layers.Layer):
        def call(self, inputs: Any) -> Any:
            outputs.append(inner(inputs))
            thread = threading.Thread(target=lambda: outputs.append(inner(inputs)))
            thread.start()
            thread.join()
            return inputs

    Outer()(np.ones((20, 20)), training=True)
    here, there = outputs
    assert (here.numpy() == 0).any() and (there.numpy() == 1).all()


def test_call_may_ask_for_training_or_not() -> None:
    class Asks(layers.Layer):
        def call(self, inputs: Any, training: bool = False) -> Any:
            return [training]

    class TakesAnything(layers.Layer):
        def call(self, inputs: Any, **kwargs: Any) -> Any:
            return kwargs

    assert Asks()(X)[0] is False and Asks()(X, training=True)[0] is True
    assert Asks()(X, training=np.bool_(True))[0] is True
    assert TakesAnything()(X, scale=2) == {"scale": 2, "training": False}
    assert Scale()(X, training=True).shape == X.shape


def test_call_may_have_further_arguments() -> None:
    class Affine(layers.Layer):
        def call(self, inputs: Any, factor: float, offset: float = 0.0) -> Any:
            return inputs * factor + offset

    assert Affine()(np.ones(1), 2.0, offset=3.0).item() == 5.0
    with pytest.raises(TypeError, match="Calling Affine takes no keyword argument 'ofset'"):
        Affine()(np.ones(1), 2.0, ofset=3.0)


def test_several_inputs() -> None:
    class Add(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.shapes = input_shape

        def call(self, inputs: Any) -> Any:
            return inputs[0] + inputs[1]

    layer = Add()
    y = layer([np.ones((2, 3)), tensor(np.ones((1, 3)))])
    assert y.shape == (2, 3) and y.dtype == "float32"
    assert layer.shapes == [(2, 3), (1, 3)]


@pytest.mark.parametrize("result", [None, np.ones(2), 1.0], ids=["None", "ndarray", "float"])
def test_call_must_return_a_tensor(result: Any) -> None:
    class Forgetful(layers.Layer):
        def call(self, inputs: Tensor) -> Any:
            return result

    name = type(result).__name__
    with pytest.raises(TypeError, match=rf"call\(\) of layer 'f' must return a tensor.*{name}"):
        Forgetful(name="f")(X)


def test_a_constructor_that_does_not_call_super() -> None:
    class Careless(layers.Layer):
        def __init__(self) -> None:
            self.size = 3

    for use in (lambda x: x(X), lambda x: x.name, lambda x: x.build((None, 3))):
        with pytest.raises(AttributeError, match=r"must call super\(\).__init__\(\)"):
            use(Careless())
    with pytest.raises(AttributeError, match=r"^'Scale' has no attribute 'units'$"):
        Scale().units  # noqa: B018


def test_a_layer_that_does_not_override_anything() -> None:
    with pytest.raises(NotImplementedError, match=r"Layer does not define call\(\)"):
        layers.Layer()(X)
    with pytest.raises(NotImplementedError, match=r"Scale does not define compute_output_shape"):
        Scale().compute_output_shape((1,))


# ---------------------------------------------------------------------- building


def test_building_twice_changes_nothing() -> None:
    layer = Scale()
    layer.build((None, 3))
    kept = layer.factor
    layer.build((None, 3))
    layer(np.ones((2, 3)))
    assert layer.factor is kept and len(layer.weights) == 1


def test_a_build_that_fails_leaves_nothing_behind() -> None:
    class Fragile(layers.Layer):
        broken = True

        def build(self, input_shape: Any) -> None:
            self.a = self.add_weight("a", (1,), "zeros")
            if self.broken:
                raise RuntimeError("on purpose")

        def call(self, inputs: Any) -> Any:
            return inputs

    layer = Fragile()
    with pytest.raises(RuntimeError, match="on purpose"):
        layer(X)
    assert not layer.built and layer.weights == [] and not hasattr(layer, "a")
    layer.broken = False
    layer(X)
    assert len(layer.weights) == 1


def test_build_may_call_super_and_weights_may_be_made_before() -> None:
    class Child(Scale):
        def __init__(self) -> None:
            super().__init__()
            self.early = self.add_weight("early", (), "zeros")

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.more = self.add_weight("more", (1,), "zeros")

    layer = Child()
    layer(X)
    assert [p.name for p in layer.weights] == ["early", "factor", "more"]


def test_an_initializer_that_returns_another_shape() -> None:
    layer = layers.Dense(3, kernel_initializer=lambda shape, dtype: np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"dense/kernel must return an array of shape \(4, 3\)"):
        layer(X)


# ---------------------------------------------------------------------- losses


def test_losses_of_all_parts_in_order() -> None:
    block = Block()
    assert block.losses == []
    block(X)
    assert len(block.losses) == 2
    first, second = block.losses
    outputs = block.first(X).numpy()
    assert first.item() == pytest.approx(0.01 * (outputs**2).sum() / 3, rel=1e-5)
    assert second.item() == pytest.approx(0.01 * np.abs(block.first.kernel.numpy()).sum(), rel=1e-5)


def test_a_layer_used_twice_in_one_call_has_two_activity_losses() -> None:
    class Twice(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Activation("relu", activity_regularizer="l1")

        def call(self, inputs: Any) -> Any:
            return self.inner(self.inner(inputs))

    layer = Twice()
    for _ in range(2):
        layer(X)
        assert [loss.item() for loss in layer.losses] == pytest.approx([0.22, 0.22])


def test_losses_of_inner_layers_that_the_last_call_left_out_are_gone() -> None:
    class Sometimes(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Activation("relu", activity_regularizer="l1")
            self.use = True

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs) if self.use else inputs

    layer = Sometimes()
    layer(X)
    assert len(layer.losses) == 1
    layer.use = False
    layer(X)
    assert layer.losses == []
    layer.inner(X)
    assert len(layer.losses) == 1


def test_one_regularizer_on_two_weights_counts_twice() -> None:
    shared = lambda w: (w * w).sum()  # noqa: E731
    layer = layers.Dense(
        2,
        kernel_regularizer=shared,
        bias_regularizer=shared,
        kernel_initializer="ones",
        bias_initializer="ones",
    )
    layer(X)
    assert [loss.item() for loss in layer.losses] == [8.0, 2.0]


def test_add_loss_inside_call() -> None:
    class Sparse(layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(inputs.sum())
            self.add_loss(2)
            return inputs

    layer = Sparse(activity_regularizer="l2")
    for _ in range(2):
        layer(np.ones((2, 2)))
        assert [loss.item() for loss in layer.losses] == pytest.approx([4.0, 2.0, 0.02])
    with pytest.raises(ValueError, match=r"must be a single number. Received: shape=\(2,\)"):
        layer.add_loss(np.ones(2))


def test_losses_are_recorded_where_they_are_read() -> None:
    layer = Scale()
    layer(X)
    with no_grad():
        assert not layer.losses[0].requires_grad
    layer.losses[0].backward()
    assert layer.factor.grad is not None
    np.testing.assert_allclose(layer.factor.grad.numpy(), np.full(4, 0.02), rtol=1e-6)

"""The registry: what may be registered, found, written and read."""

from __future__ import annotations

from typing import Any

import pytest

from minigrad._configurable import Configurable
from minigrad._registry import Registry, snake_case


class Thing(Configurable):
    def __init__(self, size: int = 1) -> None:
        self.size = size

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size}


def default_thing() -> Thing:
    return Thing(7)


@pytest.fixture
def things() -> Registry:
    registry = Registry("thing", base=Thing)
    registry.register(Thing, "widget")
    registry.register(default_thing)
    return registry


@pytest.mark.parametrize("name", ["Thing", "thing", "widget"])
def test_all_names_lead_to_the_class(things: Registry, name: str) -> None:
    assert name in things
    assert things.get(name).size == 1
    assert things.get(name) is not things.get(name)


def test_a_factory_is_called(things: Registry) -> None:
    assert things.get("default_thing").size == 7


def test_instances_that_are_not_callable(things: Registry) -> None:
    thing = Thing()
    assert things.get(thing) is thing
    assert things.get(None) is None
    assert things.get(Thing).size == 1


FORMS: list[Any] = [
    {"class_name": "Thing", "config": {"size": 3}},
    {"class_name": "widget", "config": {"size": 3}},
    {"module": "keras", "class_name": "Thing", "config": {"size": 3}, "registered_name": None},
    {
        "module": "builtins",
        "class_name": "Custom>Thing",
        "config": {"size": 3},
        "registered_name": "Custom>Thing",
    },
]


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_are_read(things: Registry, form: dict[str, Any]) -> None:
    assert things.deserialize(form).size == 3
    assert things.get(form).size == 3


def test_round_trip(things: Registry) -> None:
    written = things.serialize(Thing(4))
    assert written == {"class_name": "Thing", "config": {"size": 4}}
    assert things.deserialize(written).size == 4
    assert things.serialize(None) is None
    assert things.deserialize("widget").size == 1
    assert things.deserialize({"class_name": "Thing"}).size == 1


def test_functions_as_objects() -> None:
    def double(x: float) -> float:
        return 2 * x

    registry = Registry("function", functions=True)
    registry.register(double, "twice")
    assert registry.get("twice") is double
    assert registry.serialize(double) == "double"
    keras3 = {"module": "builtins", "class_name": "function", "config": "double"}
    assert registry.deserialize({**keras3, "registered_name": "function"}) is double


def test_a_taken_name_is_an_error_and_registers_nothing(things: Registry) -> None:
    class Widget:
        pass

    before = things.names
    with pytest.raises(ValueError, match="'widget' belongs to another thing"):
        things.register(Widget, "new_name")
    assert things.names == before


def test_the_same_class_defined_again_replaces_the_old_one() -> None:
    registry = Registry("thing")
    made = []
    for _ in range(2):

        class Cell:
            def get_config(self) -> dict[str, Any]:
                return {}

        registry.register(Cell)
        made.append(Cell)
    assert type(registry.get("cell")) is made[1]
    assert registry.serialize(made[1]())["class_name"] == "Cell"
    with pytest.raises(ValueError, match="shares the name 'Cell'"):
        registry.serialize(made[0]())


class Lost(Configurable):
    def __init__(self, kept: int = 1, lost: int = 2, update: float = 3.0) -> None:
        self.kept = kept

    def update(self) -> None:
        """A method with the name of an argument."""


def test_arguments_that_are_not_kept_are_named() -> None:
    with pytest.raises(TypeError, match=r"Lost does not tell what its arguments \['lost', 'upd"):
        Lost().get_config()
    assert repr(Lost()) == "Lost(...)"


@pytest.mark.parametrize("wrong", [lambda: None, 3, "thing", None])
def test_only_named_things_can_be_registered(things: Registry, wrong: Any) -> None:
    with pytest.raises(TypeError, match="Only a class or a named function can be registered as a"):
        things.register(wrong)


@pytest.mark.parametrize("wrong", ["thing", Thing, lambda: None, 3, object()])
def test_what_cannot_be_written(things: Registry, wrong: Any) -> None:
    with pytest.raises(ValueError, match="This thing cannot be written to a configuration"):
        things.serialize(wrong)


@pytest.mark.parametrize("wrong", [3, 0.1, [], object(), b"thing"])
def test_what_stands_for_nothing(things: Registry, wrong: Any) -> None:
    with pytest.raises(ValueError, match="A thing must be given as None, a name"):
        things.get(wrong)


@pytest.mark.parametrize("wrong", [3, {}, {"class_name": 3}, [], {"config": {}}])
def test_damaged_configurations(things: Registry, wrong: Any) -> None:
    with pytest.raises(ValueError, match="The configuration of a thing must be a name or a dict"):
        things.deserialize(wrong)


def test_unknown_names_get_suggestions(things: Registry) -> None:
    with pytest.raises(
        ValueError, match=r"Unknown thing\. Did you mean 'widget'\? Received: 'wigdet'"
    ):
        things.get("wigdet")
    with pytest.raises(ValueError, match=r"Known names: thing, widget, default_thing\. Rec"):
        things.get("zzz")


SNAKES = {
    "SeparableConv2D": "separable_conv2d",
    "BatchNormalization": "batch_normalization",
    "GlobalAveragePooling2D": "global_average_pooling2d",
    "Conv2DTranspose": "conv2d_transpose",
    "HeNormal": "he_normal",
    "SGD": "sgd",
    "Dense": "dense",
    "my_layer": "my_layer",
}


@pytest.mark.parametrize(("name", "snake"), SNAKES.items())
def test_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake

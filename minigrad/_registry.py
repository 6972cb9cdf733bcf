"""String identifiers: a name in, an object out, and objects to and from plain configurations.

Every family of exchangeable parts (initializers, losses, layers, ...) owns one `Registry`. Its
`get` accepts all the spellings that Keras accepts: a name, a class, an instance, any callable, or a
configuration. Configurations are written in the format of Keras 2.4, ``{"class_name": ...,
"config": {...}}``, and read in that of Keras 3 as well.

Members derive from `minigrad._configurable.Configurable`.

Only the standard library is used here, so any part of the package may import it.
"""

from __future__ import annotations

import difflib
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from minigrad._brief import brief

__all__ = ["Registry", "snake_case", "unknown_name"]

Entry = TypeVar("Entry", bound=Callable[..., Any])


class _Sharing(threading.local):
    """What has been written or read, while that goes on in this thread."""

    written: dict[int, tuple[Any, dict[str, Any]]] | None = None  # by id; the object stays alive
    read: dict[Any, tuple[Any, Any]] | None = None  # by number: the configuration and the object


_sharing = _Sharing()


@contextmanager
def sharing() -> Iterator[None]:
    """Keep together what is written or read in the block: a shared layer stays one layer.

    A layer that several models contain is written as often, with the same ``shared_object_id``
    (the key that Keras 2 uses), and made once when that is read.
    """
    if _sharing.written is not None:  # a part of something larger
        yield
        return
    _sharing.written, _sharing.read = {}, {}
    try:
        yield
    finally:
        _sharing.written = _sharing.read = None


class Registry:
    """Names for one kind of object.

    Parameters
    ----------
    kind : str
        What the objects are, in the singular, for error messages: ``"initializer"``.
    base : type, optional
        Instances of it are accepted by `get` although they may not be callable (layers,
        optimizers).
    functions : bool
        Whether registered functions are the objects themselves (activations). Otherwise they are
        factories that are called to make one (the regularizer ``l1_l2``), like classes.
    default : callable, optional
        What ``None`` stands for; without it `get` returns None for None.

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> @shapes.register
    ... class Square:
    ...     def __init__(self, side=1):
    ...         self.side = side
    ...     def get_config(self):
    ...         return {"side": self.side}
    >>> shapes.get("square").side
    1
    >>> shapes.serialize(Square(3))
    {'class_name': 'Square', 'config': {'side': 3}}
    >>> shapes.deserialize({"class_name": "Square", "config": {"side": 3}}).side
    3
    >>> shapes.get("sqare")
    Traceback (most recent call last):
    ValueError: Unknown shape. Did you mean 'Square' or 'square'? Received: 'sqare'
    """

    def __init__(
        self,
        kind: str,
        *,
        base: type | None = None,
        functions: bool = False,
        default: Callable[..., Any] | None = None,
    ) -> None:
        self.kind = kind
        self._base = base
        self._functions = functions
        self._default = default
        self._entries: dict[str, Callable[..., Any]] = {}
        self._names: dict[Callable[..., Any], str] = {}  # the first name of each entry

    @property
    def names(self) -> tuple[str, ...]:
        """All names, aliases included, in the order of registration."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def register(self, entry: Entry, *aliases: str) -> Entry:
        """Give a class or function its names; may be used as a decorator.

        Parameters
        ----------
        entry : class or function
            A class is known by its name and by its name in snake case (unless a function has
            that: ``ELU`` is not ``"elu"``), a function by its name.
        *aliases : str
            Further names.

        Returns
        -------
        The same class or function.

        Raises
        ------
        ValueError
            If a name belongs to something else already; nothing is registered then. Defining the
            same class anew, as running a notebook cell again does, replaces the old one.
        TypeError
            If `entry` is neither a class nor a named function.
        """
        name = getattr(entry, "__name__", None)
        if not callable(entry) or not isinstance(name, str) or not name.isidentifier():
            raise TypeError(
                f"Only a class or a named function can be registered as {_an(self.kind)}. "
                f"Received: {brief(entry)}"
            )
        names = [name, *aliases]
        if isinstance(entry, type) and not inspect.isfunction(self._entries.get(snake_case(name))):
            names.insert(1, snake_case(name))
        for taken in names:
            owner = self._entries.get(taken, entry)
            if owner is not entry and _origin(owner) != _origin(entry):
                raise ValueError(
                    f"The name {taken!r} belongs to another {self.kind}, {owner!r}. Received: "
                    f"{entry!r}"
                )
        for each in names:
            self._names.pop(self._entries.get(each, entry), None)
            self._entries[each] = entry
        self._names[entry] = name
        return entry

    def get(self, identifier: Any) -> Any:
        """Return the object that `identifier` stands for.

        Parameters
        ----------
        identifier : None, str, dict, class, callable or instance
            A name gives a fresh instance with default arguments, a dict is deserialized, a class is
            instantiated, anything callable is returned as it is.

        Raises
        ------
        ValueError
            For an unknown name (the message suggests similar ones), a damaged configuration or
            another type.
        """
        if identifier is None:
            return self._default
        if isinstance(identifier, str):
            return self._make(self._find(identifier))
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier)
        if isinstance(identifier, type):
            return identifier()
        if callable(identifier) or (self._base is not None and isinstance(identifier, self._base)):
            return identifier
        raise ValueError(
            f"{_an(self.kind).capitalize()} must be given as None, a name, a configuration (a "
            "dict), a class or an object that can be called. "
            f"Received: {brief(identifier)} (type {type(identifier).__name__})"
        )

    def serialize(self, obj: Any) -> Any:
        """Return `obj` as plain data that `deserialize` (and a JSON file) understands.

        Parameters
        ----------
        obj : object
            None, a function with a name, or an object with ``get_config()``.

        Returns
        -------
        None, str or dict
            A function's name, or ``{"class_name": ..., "config": ...}``.

        Raises
        ------
        ValueError
            If the object could not be read back: a lambda, an object without ``get_config``, or
            something that only shares its name with a registered one.
        """
        if obj is None:
            return None
        if not isinstance(obj, (str, type)):
            if hasattr(obj, "get_config"):
                return self._described(obj)
            if callable(obj) and getattr(obj, "__name__", "").isidentifier():
                return self._name_of(obj)
        raise ValueError(
            f"This {self.kind} cannot be written to a configuration: it has neither a name nor a "
            "get_config() method. Define it as a named function or a class and register it. "
            f"Received: {brief(obj)}"
        )

    def _described(self, obj: Any) -> dict[str, Any]:
        with sharing():
            assert _sharing.written is not None
            _, found = _sharing.written.get(id(obj), (None, None))
            if found is not None:
                found.setdefault("shared_object_id", list(_sharing.written).index(id(obj)))
                return found
            name = self._name_of(type(obj))
            config = obj.get_config()
            self._check_arguments(type(obj), config)
            found = {"class_name": name, "config": config}
            if getattr(obj, "is_shared", False):
                _sharing.written[id(obj)] = obj, found
            return found

    def _check_arguments(self, cls: Any, config: Mapping[str, Any]) -> None:
        """Raise ValueError if the constructor does not take what is in the configuration."""
        usual: Any = getattr(self._base, "from_config", None)
        if usual is None or cls.from_config.__func__ is not usual.__func__:
            return  # it reads configurations in a way of its own
        try:
            inspect.signature(cls.__init__).bind(None, **config)
        except TypeError as error:
            raise ValueError(
                f"{cls.__name__} could not be made again from its configuration: {error}. Its "
                "__init__() must take what get_config() returns, for instance with **kwargs, and "
                f"get_config() return all that it needs. Received: {brief(sorted(config))}"
            ) from None

    def deserialize(self, config: Any) -> Any:
        """Return the object that `serialize` was given; `config` is not changed.

        Parameters
        ----------
        config : None, str or dict
            A name, ``{"class_name", "config"}`` (Keras 2.4), or
            ``{"module", "class_name", "config", "registered_name"}`` (Keras 2.21 and 3).

        Raises
        ------
        ValueError
            For unknown names and damaged configurations.
        """
        if config is None:
            return self._default
        if isinstance(config, str):
            return self.get(config)
        if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
            raise ValueError(
                f"The configuration of {_an(self.kind)} must be a name or a dict with the keys "
                f"'class_name' and 'config'. Received: {brief(config)}"
            )
        name, arguments = config["class_name"], config.get("config")
        if name == "function" and isinstance(arguments, str):  # Keras 3's way to write a function
            return self.get(arguments)
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, Mapping):
            raise ValueError(
                f"The 'config' of {_an(self.kind)} must be a dict. "
                f"Received: config={brief(arguments)}"
            )
        entry = self._find(name.rpartition(">")[2])  # Keras writes custom objects as "Package>Name"
        with sharing():
            assert _sharing.read is not None
            number = config.get("shared_object_id")
            known, found = _sharing.read.get(number, (None, None))
            if known == config and getattr(entry, "is_shared", False):
                return found
            read = getattr(entry, "from_config", None)
            found = entry(**arguments) if read is None else read(dict(arguments))
            if number is not None:
                _sharing.read[number] = config, found
            return found

    def _find(self, name: str) -> Callable[..., Any]:
        if name in self._entries:
            return self._entries[name]
        raise ValueError(unknown_name(self.kind, name, self._entries))

    def _make(self, entry: Callable[..., Any]) -> Any:
        return entry if self._functions and not isinstance(entry, type) else entry()

    def _name_of(self, entry: Callable[..., Any]) -> str:
        name: str = self._names.get(entry, entry.__name__)
        if self._entries.get(name, entry) is not entry:
            raise ValueError(
                f"This {self.kind} shares the name {name!r} with a registered one and would be "
                f"read back as that. Give it another name. Received: {brief(entry)}"
            )
        return name


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Return the message for a name that is not among `known`; it suggests similar ones.

    Where none is similar, it lists all.

    Examples
    --------
    >>> unknown_name("loss", "MSEE", ["mse", "mae"])
    "Unknown loss. Did you mean 'mse'? Received: 'MSEE'"
    """
    known = list(known)
    folded = [_fold(each) for each in known]
    close = difflib.get_close_matches(_fold(str(name)), folded, n=2, cutoff=0.6)
    similar = [each for each in known if _fold(each) in close][:3]
    if similar:
        *most, last = map(repr, similar)
        hint = f"Did you mean {', '.join(most) + ' or ' if most else ''}{last}?"
    else:
        once = {_fold(each): each for each in known}  # dense, and not Dense as well
        hint = f"Known names: {', '.join(once.values())}."
    return f"Unknown {kind}. {hint} Received: {brief(name)}"


def snake_case(name: str) -> str:
    """Return a class name in snake case.

    Examples
    --------
    >>> snake_case("SeparableConv2D"), snake_case("ReLU"), snake_case("RandomNormal")
    ('separable_conv2d', 're_lu', 'random_normal')
    """
    words = ""
    for before, letter, after in zip(" " + name, name, name[1:] + " ", strict=False):
        starts = letter.isupper() and (before.islower() or (before.isalpha() and after.islower()))
        words += ("_" if starts else "") + letter.lower()
    return words


def _fold(name: str) -> str:
    return name.lower().replace("_", "")


def _an(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _origin(entry: Any) -> tuple[str, str]:
    return entry.__module__, entry.__qualname__

"""Objects that know the arguments of their constructor: losses, initializers, optimizers and so on.

Only the standard library is used here, so any part of the package may import it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

__all__ = ["Configurable"]


class Configurable:
    """An object that is described by the arguments of its constructor.

    Examples
    --------
    >>> class Square(Configurable):
    ...     def __init__(self, side=1):
    ...         self.side = side
    >>> Square.from_config({"side": 3})
    Square(side=3)
    """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal object, as values that JSON can hold.

        They are looked up in the attributes of the same names.

        Raises
        ------
        TypeError
            If an argument is in none: such a class needs a `get_config` of its own.
        """
        names: list[str] = []
        for cls in type(self).__mro__:
            if "__init__" in vars(cls):
                known = inspect.getfullargspec(vars(cls)["__init__"])
                names += [*known.args[1:], *known.kwonlyargs]
                if known.varkw is None:  # else the base class has more
                    break
        config = {name: getattr(self, name, self) for name in names}
        # A method that happens to have the name does not hold the argument, either.
        lost = [name for name in names if getattr(config[name], "__self__", config[name]) is self]
        if lost:
            raise TypeError(
                f"{type(self).__name__} does not tell what its arguments {lost} were: keep them in "
                "attributes of these names, or write a get_config()."
            )
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an object from what `get_config` returned; `config` is not changed."""
        return cls(**config)

    def __repr__(self) -> str:
        try:
            config = self.get_config()
        except TypeError:  # not everything is kept
            return f"{type(self).__name__}(...)"
        arguments = ", ".join(f"{name}={value!r}" for name, value in config.items())
        return f"{type(self).__name__}({arguments})"

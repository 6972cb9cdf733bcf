"""The promises that every `build` method keeps, whoever wrote it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from minigrad.layers.shapes import shape_of
from minigrad.layers.weights import Weights

if TYPE_CHECKING:
    from minigrad.layers.base import Layer

__all__ = ["guarded"]


def guarded(build: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Wrap a `build` method: its argument is checked, it runs once, and wholly or not at all."""

    @functools.wraps(build)
    def wrapper(self: Layer, input_shape: Any) -> None:
        if self._building:  # called as super().build(...)
            build(self, input_shape)
            return
        shape = shape_of(input_shape)
        self._check_input_shape(shape)
        if self.built:
            if type(self)._infers_shapes:
                self.compute_output_shape(shape)  # raises for sizes that cannot work
            return
        before = dict(vars(self))
        # New lists: those in `before` keep what they held.
        self._own, self._paused, self._building = list(self._own), list(self._paused), True
        try:
            build(self, shape)
            if type(self)._infers_shapes:
                with suppress(NotImplementedError):  # some models must be built to know
                    self.compute_output_shape(shape)  # raises for sizes that cannot work
            inner = vars(self).get("activation")
            if isinstance(inner, Weights) and not inner.built:  # a layer, maybe with weights
                cast("Layer", inner).build(self.compute_output_shape(shape))
            self.built = True
            if self._initial_weights is not None:
                self.set_weights(self._initial_weights)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        self._initial_weights = None
        self._building = False
        self._build_shape = shape

    return wrapper

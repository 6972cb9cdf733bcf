"""Every layer of the table against every check of the harness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import CHECKS
from table import TABLE, Row

from minigrad import layers


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
def test_layer(row: Row, check: Callable[[Row], Any]) -> None:
    check(row)


def test_the_table_has_every_layer() -> None:
    public = {getattr(layers, name) for name in layers.__all__}
    made = {cls for cls in public if isinstance(cls, type) and issubclass(cls, layers.Layer)}
    # An InputLayer is built from the start and has no numbers: tests/models have it.
    assert {row.cls for row in TABLE} == made - {layers.Layer, layers.InputLayer}

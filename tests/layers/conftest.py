"""Make `harness` and `table` importable by the tests beside it, with readable assertion errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("harness")


@pytest.fixture(autouse=True)
def _fresh_names_and_numbers() -> Iterator[None]:
    """Each test names its layers and draws its random numbers as if it were the only one."""
    from minigrad import layers, random

    layers.reset_names()
    random.set_random_seed(0)
    yield

"""From bytes to examples: what the loaders of real images share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from minigrad import config
from minigrad._brief import brief

__all__ = ["Examples", "examples", "layout_and_dtype"]

Array: TypeAlias = np.ndarray[Any, Any]
Examples: TypeAlias = tuple[Array, Array]
CLASSES = 10


def layout_and_dtype(data_format: str | None, dtype: str) -> tuple[str, str]:
    """Check both arguments, before anything is read."""
    if dtype not in ("float32", "uint8"):
        raise ValueError(f"dtype must be 'float32' or 'uint8'. Received: dtype={brief(dtype)}")
    return config.resolve_data_format(data_format), dtype


def examples(pixels: Array, labels: Array, how: tuple[str, str], source: Path) -> Examples:
    """Return images (n, height, width, channels) of bytes and their labels as the caller wants.

    Raises
    ------
    ValueError
        If there are not as many images as labels, or a label is not from 0 to 9.
    """
    if len(pixels) != len(labels):
        raise ValueError(
            f"{source} must have one label per image. "
            f"Received: {len(pixels)} images and {len(labels)} labels"
        )
    if labels.size and labels.max() >= CLASSES:
        raise ValueError(
            f"The labels of {source} must be from 0 to {CLASSES - 1}. Received: {labels.max()} as "
            f"label {int(labels.argmax())}"
        )
    data_format, dtype = how
    x = np.moveaxis(pixels, -1, 1) if data_format == "channels_first" else pixels
    if dtype == "uint8":
        x = np.array(x, order="C")
    else:
        x = np.divide(x, np.float32(255), dtype=np.float32, order="C")
    return x, labels.astype(np.int64)

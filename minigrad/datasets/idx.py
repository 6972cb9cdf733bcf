"""The idx format of MNIST: a header with the sizes, and then the bytes of an array."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_idx"]

Array = np.ndarray[Any, Any]
UNSIGNED_BYTES = 0x08


def read_idx(path: str | Path) -> Array:
    """Return the array of unsigned bytes in an idx file, compressed by gzip or not.

    Format, from http://yann.lecun.com/exdb/mnist/: two bytes of 0, one for the type (8: unsigned
    bytes), one for the number of axes; the sizes, 4 bytes each, big-endian; then the data.

    Parameters
    ----------
    path : str or Path
        Whether it is compressed is seen from the content.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or of another format or type.
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path} is damaged: its compression cannot be undone ({error})"
            ) from error
    if len(content) < 4 or content[:2] != b"\0\0" or not content[3]:
        raise ValueError(
            f"{path} is no idx file: it must begin with two bytes of 0, a type and the number of "
            f"axes. Received: {content[:4].hex(' ') or 'an empty file'}"
        )
    if content[2] != UNSIGNED_BYTES:
        raise ValueError(
            f"{path} must hold unsigned bytes, type 08. Received: type {content[2]:02x}"
        )
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ValueError(f"{path} is damaged: it ends within its header of {start} bytes")
    shape = tuple(np.frombuffer(content, ">u4", axes, 4).tolist())
    expected = math.prod(shape)
    if len(content) - start != expected:
        raise ValueError(
            f"{path} is damaged: an array of shape {shape} takes {expected} bytes. "
            f"Received: {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

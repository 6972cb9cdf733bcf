"""Arrays of any shape as flat pictures: kernels as a grid of tiles, images side by side."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from minigrad.gradcheck.findings import Array, Maps

KINK = (240, 200, 60)
_GOOD = np.array([(236, 243, 249), (0, 114, 178)])  # error far below, and at the tolerance
_BAD = np.array([(240, 150, 90), (170, 20, 20)])  # right above, and far above
_DECADES = 4.0


def lay_out(values: Array, name: str = "") -> tuple[Array, str]:
    """Return a matrix with NaN in the gaps between tiles, and what is what in it.

    A name with "kernel" in it tells (height, width, channels, filters) from images.

    Examples
    --------
    >>> lay_out(np.ones((3, 3, 4, 2)), "depthwise_kernel")[0].shape
    (7, 15)
    >>> lay_out(np.ones((2, 5, 6, 3)), "x")[0].shape
    (11, 20)
    """
    a = np.asarray(values, np.float64)
    if a.ndim < 2:
        return _wrapped(a.ravel()), "the elements in order"
    if a.ndim == 2:
        return a, "axis 0 down, axis 1 across"
    if a.ndim == 3:
        return _grid(a.transpose(2, 0, 1)[np.newaxis]), "a tile for each index of the last axis"
    if a.ndim == 4 and _is_kernel(a.shape, name):
        if a.shape[:2] == (1, 1):
            return a[0, 0], "channels down, filters across"
        return _grid(a.transpose(3, 2, 0, 1)), "a tile for each filter (down) and channel (across)"
    flat = a.reshape(-1, *a.shape[-3:])
    return _grid(flat.transpose(0, 3, 1, 2)), "a tile for each example (down) and channel (across)"


def colours(maps: Maps, name: str) -> tuple[Array, str]:
    """Return a picture, (height, width, 3) bytes: how large each error is for its tolerance."""
    with np.errstate(all="ignore"):
        ratio = np.abs(maps.analytic - maps.numeric) / maps.tolerance
        level = np.nan_to_num(np.log10(ratio), nan=-_DECADES, posinf=_DECADES, neginf=-_DECADES)
    broken = ~np.isfinite(maps.analytic - maps.numeric)
    level = np.where(broken | ((maps.verdict == 2) & (level <= 0.0)), _DECADES, level)
    level = np.clip(np.where(maps.verdict == 1, 99.0, level), -_DECADES, 99.0)
    laid, text = lay_out(level, name)
    share = np.clip(np.abs(laid) / _DECADES, 0.0, 1.0)[..., np.newaxis]
    good = _GOOD[1] + (_GOOD[0] - _GOOD[1]) * share
    bad = _BAD[0] + (_BAD[1] - _BAD[0]) * share
    picture = np.where((laid > 0.0)[..., np.newaxis], bad, good)
    picture[laid == 99.0] = KINK
    picture[np.isnan(laid)] = 255
    return picture.astype(np.uint8), text


def png(picture: Array) -> str:
    """Return a picture, (height, width, 3) bytes, as a data address for HTML.

    Examples
    --------
    >>> png(np.zeros((2, 2, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(picture))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def _is_kernel(shape: tuple[int, ...], name: str) -> bool:
    square = shape[0] == shape[1] <= 7 and shape[1] != shape[2]
    return "kernel" in name or shape[:2] == (1, 1) or square


def _wrapped(a: Array) -> Array:
    """Return a vector as a row, or as several where it is long."""
    width = max(1, a.size if a.size <= 40 else max(40, int(np.ceil(np.sqrt(4 * a.size)))))
    full = np.full((max(1, -(-a.size // width)), width), np.nan)
    full.flat[: a.size] = a
    return full


def _grid(a: Array) -> Array:
    """Lay (rows, columns, height, width) out as a matrix with gaps of one."""
    rows, columns, height, width = a.shape
    full = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, j in np.ndindex(rows, columns):
        top, left = i * (height + 1), j * (width + 1)
        full[top : top + height, left : left + width] = a[i, j]
    return full

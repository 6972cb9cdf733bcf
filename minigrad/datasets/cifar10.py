"""CIFAR-10, from the official binary version: no pickle is opened."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np

from minigrad.datasets.files import Folder, folder_of, obtain
from minigrad.datasets.images import Array, Examples, examples, layout_and_dtype

__all__ = ["cifar10"]

# The page publishes the MD5 sum c32a1d4ab5d03f1284b67883e8d87530 of the same file; the SHA-256 is
# the one that MLDatasets.jl and others pin.
URL = "https://www.cs.toronto.edu/~kriz/"
ARCHIVE = "cifar-10-binary.tar.gz"
SHA256 = {ARCHIVE: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}
INSIDE = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
RECORD = 1 + 3 * 32 * 32


def cifar10(
    folder: Folder = None,
    *,
    download: bool = False,
    data_format: str | None = None,
    dtype: str = "float32",
) -> tuple[Examples, Examples]:
    """Return CIFAR-10: 60,000 colour photographs of 32x32 pixels in ten classes.

    Parameters
    ----------
    folder : path, optional
        Where ``cifar-10-binary.tar.gz`` is, or the files ``data_batch_1.bin`` to
        ``data_batch_5.bin`` and ``test_batch.bin`` from it; ``~/.cache/minigrad/cifar10`` when left
        out.
    download, data_format, dtype
        As for `mnist`; float32 takes 737 MB in all.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images: (n, 32, 32, 3) or (n, 3, 32, 32). Labels: int64, (n,): 0 airplane, 1 automobile,
        2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck. 50,000 to train on, 10,000
        to test.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        As for `mnist`.

    Notes
    -----
    A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    how = layout_and_dtype(data_format, dtype)
    place = folder_of("cifar10", folder)
    for loose in (place, place / INSIDE):
        if all((loose / name).is_file() for name in TRAIN + TEST):
            contents = {name: (loose / name).read_bytes() for name in TRAIN + TEST}
            return _examples(contents, how, loose)
    path = obtain(place, ARCHIVE, URL, SHA256, download)
    return _examples(_unpack(path), how, path)


def _unpack(path: Path) -> dict[str, bytes]:
    """Return the six files in the archive; nothing is written."""
    contents = {}
    try:
        with tarfile.open(path) as archive:
            for name in TRAIN + TEST:
                file = archive.extractfile(f"{INSIDE}/{name}")
                contents[name] = b"" if file is None else file.read()
    except KeyError as error:
        raise ValueError(f"{path} is not the binary version of CIFAR-10: {error.args[0]}") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: it cannot be unpacked ({error})") from error
    return contents


def _examples(
    contents: dict[str, bytes], how: tuple[str, str], source: Path
) -> tuple[Examples, Examples]:
    found = []
    for names in (TRAIN, TEST):
        records = np.concatenate([_records(contents[name], name, source) for name in names])
        pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        found.append(examples(pixels, records[:, 0], how, source))
    return found[0], found[1]


def _records(content: bytes, name: str, source: Path) -> Array:
    """Return (n, 3073): the label, then the pixels, one colour after the other."""
    if not content or len(content) % RECORD:
        raise ValueError(
            f"{name} of {source} is damaged: its length must be a multiple of {RECORD} bytes, a "
            f"label and 32x32 pixels in three colours. Received: {len(content)} bytes"
        )
    return np.frombuffer(content, np.uint8).reshape(-1, RECORD)

"""Weight files: a zip archive with one ``.npy`` file per weight and a header in JSON.

The archive is what ``numpy.savez`` writes, so ``numpy.load`` opens it anywhere; nothing in it is
ever pickled. The header says which format and version it is, and holds the shape, dtype and SHA-256
checksum of every weight. A file is read and checked as a whole before any weight is touched, and
written beside its destination and then moved there, so that neither a damaged file nor a full disk
leaves anything half done.

Zip and npy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from minigrad._version import __version__
from minigrad.autograd import Tensor

__all__ = ["read_arrays", "read_weights", "write_arrays", "write_weights"]

Array: TypeAlias = np.ndarray[Any, Any]
FilePath: TypeAlias = "str | os.PathLike[str]"

FORMAT = "minigrad weights"
FORMAT_VERSION = 1
HEADER = "minigrad.json"  # no weight can have this name: theirs end in .npy
SHOWN = 6  # differences listed in an error


def write_weights(path: FilePath, weights: Mapping[str, Tensor]) -> None:
    """Write named weights to a file, all or nothing; see `write_arrays`."""
    write_arrays(path, {name: weight.numpy() for name, weight in weights.items()})


def read_weights(path: FilePath, weights: Mapping[str, Tensor]) -> None:
    """Put the weights in a file in place of `weights`, all or nothing.

    Parameters
    ----------
    path : str or path-like
        A file made by `write_weights`.
    weights : mapping of str to Tensor
        Must have the names and shapes of those in the file. The values are converted to their
        dtypes.

    Raises
    ------
    FileNotFoundError, ValueError
        See `read_arrays`; and if names or shapes differ. No weight has changed then.
    """
    arrays = read_arrays(path)
    differences = []
    for name, weight in weights.items():
        if name not in arrays:
            differences.append(f"{name} {weight.shape} is not in the file")
        elif arrays[name].shape != weight.shape:
            differences.append(
                f"{name} has shape {weight.shape} in the model and {arrays[name].shape} in the file"
            )
    for name, array in arrays.items():
        if name not in weights:
            differences.append(f"{name} {array.shape} is not in the model")
    if differences:
        more = len(differences) - SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise ValueError(
            f"The weights in {os.fspath(path)!r} do not fit this model, nothing was loaded: "
            f"{'; '.join(differences[:SHOWN])}{tail}."
        )
    for name, weight in weights.items():
        weight.assign(arrays[name])


def write_arrays(path: FilePath, arrays: Mapping[str, Array]) -> None:
    """Write named arrays to a file, all or nothing: an error leaves an older file as it was.

    The file is exactly `path` (no ``.npz`` is appended), and equal arrays give equal bytes.

    Parameters
    ----------
    path : str or path-like
        Where to write. An existing file is replaced; the folder must exist.
    arrays : mapping of str to ndarray
        Numbers of any kind and shape.

    Raises
    ------
    OSError
        If the file cannot be written: no such folder, no permission, disk full.
    """
    target = Path(os.path.realpath(path))  # write through a symbolic link, do not replace it
    if target.is_dir():
        raise IsADirectoryError(f"Weights are saved in a file. Received a folder: {str(path)!r}")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {str(target.parent)!r} does not exist. Received: path={str(path)!r}"
        )
    partial = target.with_name(f".{target.name[:64]}.{secrets.token_hex(8)}.partial")
    try:
        with open(partial, "xb") as file:
            _write_archive(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, partial)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_arrays(path: FilePath) -> dict[str, Array]:
    """Read a file made by `write_arrays` and check all of it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else, comes from a newer version, or is damaged in any way. The message
        says what is wrong with it.
    """
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"There is no weight file {str(path)!r}.")
    if source.is_dir():
        raise IsADirectoryError(f"Weights are loaded from a file. Received a folder: {str(path)!r}")
    content = source.read_bytes()
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(content)) as archive:
            warnings.simplefilter("error")  # what makes zipfile or NumPy wonder is damage here
            return _read_archive(archive)
    except _NotOurs as error:
        raise ValueError(f"{str(path)!r} {error}") from None
    except Exception as error:
        # zipfile and NumPy raise a dozen kinds of errors for damaged bytes.
        kind = "is not a weight file" if not content.startswith(b"PK") else "is damaged"
        raise ValueError(
            f"{str(path)!r} {kind}, nothing was loaded: {type(error).__name__}: {error}"
        ) from error


class _NotOurs(ValueError):
    """Something that only our own checks find; the message continues the file's name."""


def _write_archive(file: Any, arrays: Mapping[str, Array]) -> None:
    entries = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            content = buffer.getvalue()
            entries[name] = {
                "shape": list(array.shape),
                "dtype": array.dtype.name,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            archive.writestr(_member(f"{name}.npy"), content)
        header = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "minigrad_version": __version__,
            "weights": entries,
        }
        archive.writestr(_member(HEADER), json.dumps(header, indent=1))


def _member(name: str) -> zipfile.ZipInfo:
    """Return an entry with a fixed date: equal weights give equal files."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    return info


def _read_archive(archive: zipfile.ZipFile) -> dict[str, Array]:
    names = archive.namelist()
    if HEADER not in names:
        raise _NotOurs(
            f"is an archive, but not one of minigrad's weights: it has no {HEADER}. "
            f"It holds: {', '.join(names[:SHOWN]) or 'nothing'}."
        )
    header = json.loads(archive.read(HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _NotOurs(f"is not a file of minigrad's weights: its {HEADER} does not say so.")
    version = header.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int):
        raise _NotOurs(f"does not tell its format version. Received: {version!r}")
    if version > FORMAT_VERSION:
        raise _NotOurs(
            f"was written by a newer minigrad ({header.get('minigrad_version')}): its format is "
            f"version {version}, and this minigrad ({__version__}) reads versions up to "
            f"{FORMAT_VERSION}."
        )
    entries: dict[str, dict[str, Any]] = header["weights"]
    present = {name.removesuffix(".npy") for name in names if name != HEADER}
    if len(names) != len(present) + 1 or present != set(entries):
        odd = sorted(present ^ set(entries)) or names
        raise _NotOurs(f"is damaged: its header and its content differ in {', '.join(odd)}.")
    return {name: _read_array(archive, name, entry) for name, entry in entries.items()}


def _read_array(archive: zipfile.ZipFile, name: str, entry: Mapping[str, Any]) -> Array:
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise _NotOurs(f"is damaged: {name} is compressed, which minigrad never does.")
    content = archive.read(info)
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise _NotOurs(f"is damaged: the checksum of {name} is wrong.")
    array: Array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.dtype.kind not in "biuf":
        raise _NotOurs(f"is damaged: {name} is not an array of numbers but of {array.dtype}.")
    if list(array.shape) != entry["shape"] or array.dtype.name != entry["dtype"]:
        raise _NotOurs(
            f"is damaged: {name} is {array.dtype.name}{list(array.shape)}, but its header says "
            f"{entry['dtype']}{entry['shape']}."
        )
    return array

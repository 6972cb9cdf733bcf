"""Files of named arrays: a zip archive with one ``.npy`` file per array and a header in JSON.

The archive is what ``numpy.savez`` writes, so ``numpy.load`` opens it anywhere; nothing in it is
ever pickled. The header says which format and version it is, holds the shape, dtype and SHA-256
checksum of every array, and whatever else belongs to the file, as plain data. A file is read and
checked as a whole before it is used, and written beside its destination and then moved there, so
that neither a damaged file nor a full disk leaves anything half done.

A file whose name ends in ``.safetensors`` has that format instead, with the same header inside.

Version 1 held weights only; version 2 has the key "info" (see `minigrad.models.saving`).

Zip and npy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
safetensors: https://huggingface.co/docs/safetensors
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

__all__ = ["FilePath", "read_arrays", "write_arrays"]

Array: TypeAlias = np.ndarray[Any, Any]
FilePath: TypeAlias = "str | os.PathLike[str]"

FORMAT = "minigrad weights"
FORMAT_VERSION = 2
HEADER = "minigrad.json"  # no array can have this name: theirs end in .npy
HEADER_SUM = "minigrad.sha256"  # in safetensors
SAFETENSORS = ".safetensors"
SHOWN = 6  # names listed in an error


def write_arrays(
    path: FilePath, arrays: Mapping[str, Array], info: Mapping[str, Any] | None = None
) -> None:
    """Write named arrays to a file, all or nothing: an error leaves an older file as it was.

    The file is exactly `path` (no ``.npz`` is appended), and equal arrays give equal bytes.

    Parameters
    ----------
    path : str or path-like
        Where to write. An existing file is replaced; the folder must exist.
    arrays : mapping of str to ndarray
        Numbers of any kind and shape.
    info : mapping, optional
        What else belongs to the file, as data that JSON can hold.

    Raises
    ------
    TypeError
        If JSON cannot hold `info`.
    ImportError
        For a ``.safetensors`` file without the package of that name.
    OSError
        If the file cannot be written: no such folder, no permission, disk full.
    """
    encode = _safetensors if os.fspath(path).endswith(SAFETENSORS) else _archive
    content = encode(arrays, info or {})
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
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, partial)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_arrays(path: FilePath) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a file made by `write_arrays` and check all of it.

    Returns
    -------
    arrays : dict of str to ndarray
    info : dict
        Empty for files of version 1.

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
        if os.fspath(path).endswith(SAFETENSORS):
            return _from_safetensors(content)
        with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(content)) as archive:
            warnings.simplefilter("error")  # what makes zipfile or NumPy wonder is damage here
            return _from_archive(archive)
    except ImportError:
        raise
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


def _header(entries: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "minigrad_version": __version__,
        "info": dict(info),
        "weights": entries,
    }
    return json.dumps(header, indent=1)


def _entry(array: Array, content: bytes) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": _sum(content),
    }


def _archive(arrays: Mapping[str, Array], info: Mapping[str, Any]) -> bytes:
    entries = {}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            entries[name] = _entry(array, buffer.getvalue())
            archive.writestr(_member(f"{name}.npy"), buffer.getvalue())
        archive.writestr(_member(HEADER), _header(entries, info))
    return whole.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    """Return an entry with a fixed date: equal weights give equal files."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    return info


def _from_archive(archive: zipfile.ZipFile) -> tuple[dict[str, Array], dict[str, Any]]:
    names = archive.namelist()
    if HEADER not in names:
        raise _NotOurs(
            f"is an archive, but not one of minigrad's weights: it has no {HEADER}. "
            f"It holds: {', '.join(names[:SHOWN]) or 'nothing'}."
        )
    entries, info = _checked(archive.read(HEADER))
    present = {name.removesuffix(".npy") for name in names if name != HEADER}
    if len(names) != len(present) + 1 or present != set(entries):
        odd = sorted(present ^ set(entries)) or names
        raise _NotOurs(f"is damaged: its header and its content differ in {', '.join(odd)}.")
    return {name: _read_array(archive, name, entry) for name, entry in entries.items()}, info


def _checked(text: bytes | str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return what a header says about the arrays, and the rest."""
    header = json.loads(text)
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
    return header["weights"], header["info"] if version > 1 else {}


def _read_array(archive: zipfile.ZipFile, name: str, entry: Mapping[str, Any]) -> Array:
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise _NotOurs(f"is damaged: {name} is compressed, which minigrad never does.")
    content = archive.read(info)
    _check_sum(name, content, entry)
    array: Array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return _as_described(name, array, entry)


def _safetensors(arrays: Mapping[str, Array], info: Mapping[str, Any]) -> bytes:
    plain = {
        name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()
    }
    entries = {name: _entry(array, array.tobytes()) for name, array in plain.items()}
    header = _header(entries, info)
    metadata = {HEADER: header, HEADER_SUM: _sum(header.encode())}
    encoded: bytes = _package().save(plain, metadata=metadata)
    return encoded


def _from_safetensors(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays: dict[str, Array] = _package().load(content)
    length = int.from_bytes(content[:8], "little")  # of the JSON that follows
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if HEADER not in metadata:
        raise _NotOurs(f"is a safetensors file, but not one of minigrad's: it has no {HEADER}.")
    # Older files have no checksum of the header; a zip archive has its own.
    if len(metadata) > 1 and metadata.get(HEADER_SUM) != _sum(metadata[HEADER].encode()):
        raise _NotOurs("is damaged: the checksum of its header is wrong.")
    entries, info = _checked(metadata[HEADER])
    if set(arrays) != set(entries):
        odd = ", ".join(sorted(set(arrays) ^ set(entries)))
        raise _NotOurs(f"is damaged: its header and its content differ in {odd}.")
    for name, entry in entries.items():
        _check_sum(name, arrays[name].tobytes(), entry)
        _as_described(name, arrays[name], entry)
    return {name: arrays[name] for name in entries}, info


def _package() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "Files in the format of safetensors need the package of that name: "
            "pip install 'minigrad[safetensors]'. Any other name of the file avoids that."
        ) from None
    return safetensors.numpy


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_sum(name: str, content: bytes, entry: Mapping[str, Any]) -> None:
    if _sum(content) != entry["sha256"]:
        raise _NotOurs(f"is damaged: the checksum of {name} is wrong.")


def _as_described(name: str, array: Array, entry: Mapping[str, Any]) -> Array:
    if array.dtype.kind not in "biuf":
        raise _NotOurs(f"is damaged: {name} is not an array of numbers but of {array.dtype}.")
    if list(array.shape) != entry["shape"] or array.dtype.name != entry["dtype"]:
        raise _NotOurs(
            f"is damaged: {name} is {array.dtype.name}{list(array.shape)}, but its header says "
            f"{entry['dtype']}{entry['shape']}."
        )
    return array

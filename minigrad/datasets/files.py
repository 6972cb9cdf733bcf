"""Where the files of a data set are: in a folder, or downloaded with a checksum."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

__all__ = ["Folder", "folder_of", "obtain"]

Folder: TypeAlias = "str | os.PathLike[str] | None"


def folder_of(name: str, folder: Folder) -> Path:
    """Return the folder: the given one, or ``~/.cache/minigrad/<name>``."""
    return Path.home() / ".cache" / "minigrad" / name if folder is None else Path(folder)


def obtain(folder: Path, name: str, url: str, checksums: Mapping[str, str], download: bool) -> Path:
    """Return the path of a file, downloaded if it is missing and that is allowed.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file. If it ends in ``.gz``, the unpacked file without that ending will do.
    url : str
        What comes before the name on the network.
    checksums : mapping
        The SHA-256 of each file, checked after a download. Files that lie there already are not
        compared: they may be a part of the original.
    download : bool

    Raises
    ------
    FileNotFoundError
        If the file is missing and must not be downloaded.
    ImportError
        If pooch, which downloads, is not installed.
    ValueError
        If what was downloaded has another checksum; it is not kept.
    OSError
        If it cannot be downloaded, or not to its end.
    """
    for candidate in (folder / name, folder / name.removesuffix(".gz")):
        if candidate.is_file():
            return candidate
    if not download:
        raise FileNotFoundError(
            f"There is no {name} in {folder}. Download it with download=True, or by hand from "
            f"{url}{name}."
        )
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "Downloading needs pooch: pip install 'minigrad[download]'. Or get the file by hand "
            f"from {url}{name} and give its folder."
        ) from error
    try:
        return Path(pooch.retrieve(url + name, f"sha256:{checksums[name]}", name, folder))
    except OSError as error:
        raise OSError(
            f"{name} could not be downloaded. Get it by hand from {url}{name} and put it into "
            f"{folder}. {type(error).__name__}: {error}"
        ) from error

"""A disk cache for compiled kernels that can be neither stale, nor wrong, nor in the way.

numba's own cache knows neither the functions that a kernel calls from other files nor the compiler
flags, so it can return machine code for sources that no longer exist; two processes that compile
two signatures at the same time can swap their files; and where no directory is writable, importing
the library fails. This cache replaces it for our kernels only:

- the directory is named after a hash of every kernel source, the flags and the compiler's version;
- an entry is named after all that distinguishes it (function, signature, processor) and carries a
  checksum, so a torn or foreign file is a miss;
- any failure to read or write is a miss, never an error.

Environment: ``MINIGRAD_CACHE=0`` turns it off; ``MINIGRAD_CACHE_DIR``, else ``NUMBA_CACHE_DIR``,
else ``XDG_CACHE_HOME``, else ``~/.cache`` says where. A private directory in the system's temporary
directory is the last resort.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
import shutil
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite
import numba
from numba.core import compiler, serialize

if TYPE_CHECKING:
    _Cache = object
else:
    from numba.core.caching import _Cache

__all__ = ["DiskCache", "cache_directory", "source_stamp"]

KERNELS = Path(__file__).parent.parent
"""The directory whose sources decide about the stamp."""
MAX_AGE_DAYS = 30
"""Directories of other stamps that nobody has used for so long are removed."""
_STAMP_PATTERN = re.compile(r"[0-9a-f]{24}")
_rebuild: Any = compiler.CompileResult._rebuild
_dumps: Any = serialize.dumps
_SETTINGS = ("OPT", "BOUNDSCHECK", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")


def source_stamp(flags: str, root: Path = KERNELS) -> str:
    """Return a hash of everything that decides about the machine code but for the processor.

    Parameters
    ----------
    flags : str
        The compiler flags, written out.
    root : Path
        The directory with the sources.

    Returns
    -------
    str
        24 hexadecimal digits, or "" where the sources cannot be read (inside a zip file): without
        them nothing must be cached.
    """
    digest = hashlib.sha256(flags.encode())
    settings = [(name, getattr(numba.config, name, None)) for name in _SETTINGS]
    versions = (numba.__version__, llvmlite.__version__, sys.implementation.cache_tag)
    digest.update(repr((settings, versions)).encode())
    try:
        sources = sorted(root.rglob("*.py"))
        for source in sources:
            digest.update(source.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    except OSError:
        return ""
    return digest.hexdigest()[:24] if sources else ""


def cache_directory(stamp: str) -> Path | None:
    """Return the directory for this stamp, or None where caching is off or impossible."""
    if not stamp or os.environ.get("MINIGRAD_CACHE", "").lower() in {"0", "off", "false", "no"}:
        return None
    return _find_directory(stamp, tuple(_candidates()))


def _candidates() -> Iterator[Path]:
    """Yield the places to look for a writable directory, the best first."""
    environment = os.environ
    if environment.get("MINIGRAD_CACHE_DIR"):
        yield Path(environment["MINIGRAD_CACHE_DIR"])
    if environment.get("NUMBA_CACHE_DIR"):
        yield Path(environment["NUMBA_CACHE_DIR"]) / "minigrad"
    if environment.get("XDG_CACHE_HOME"):
        yield Path(environment["XDG_CACHE_HOME"]) / "minigrad"
    with contextlib.suppress(RuntimeError, OSError):  # no home directory
        yield Path.home() / ".cache" / "minigrad"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    with contextlib.suppress(OSError):  # no temporary directory
        yield Path(tempfile.gettempdir()) / f"minigrad-{user}"


@lru_cache(maxsize=16)
def _find_directory(stamp: str, candidates: tuple[Path, ...]) -> Path | None:
    """Return the first writable candidate's directory for this stamp, and tidy up beside it."""
    for base in candidates:
        directory = base / stamp
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not _is_ours(directory):
                continue
            tempfile.TemporaryFile(dir=directory).close()
            os.utime(directory)  # in use: not to be removed
        except OSError:
            continue
        _remove_old(base, keep=stamp)
        return directory
    return None


def _is_ours(directory: Path) -> bool:
    """Whether nobody else can write here: reading a cache entry runs what was written there."""
    if not hasattr(os, "getuid"):
        return True
    status = directory.stat()
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not shared


def _remove_old(base: Path, keep: str) -> None:
    """Remove the directories of stamps that have not been used for a long time, if possible."""
    oldest = time.time() - MAX_AGE_DAYS * 24 * 3600
    with contextlib.suppress(OSError):
        for entry in os.scandir(base):
            if entry.name == keep or not _STAMP_PATTERN.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError):
                old = entry.stat(follow_symlinks=False).st_mtime < oldest
                if old and entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)


class DiskCache(_Cache):
    """The cache of one compiled function, in the form that numba's dispatcher expects.

    Parameters
    ----------
    name : str
        The function's name, which nothing else in the same sources has.
    stamp : str
        From `source_stamp`.
    """

    def __init__(self, name: str, stamp: str) -> None:
        self._name = name
        self._stamp = stamp
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        """The directory, or None where there is none."""
        directory = cache_directory(self._stamp)
        return None if directory is None else str(directory)

    def enable(self) -> None:
        """Read and write from now on."""
        self._enabled = True

    def disable(self) -> None:
        """Neither read nor write from now on."""
        self._enabled = False

    def flush(self) -> None:
        """Do nothing: an entry never goes out of date."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function for a signature, or None."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        if path is None:
            return None
        try:
            content = path.read_bytes()
            checksum, payload = content[:32], content[32:]
            if hashlib.sha256(payload).digest() != checksum:
                return None
            return _rebuild(target_context, *pickle.loads(payload))
        except Exception:  # whatever is wrong with the file, compiling is the answer
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled function for a signature."""
        path = self._path(sig, data.codegen)
        if path is None or data.library.has_dynamic_globals:
            return
        temporary = path.with_suffix(f".{uuid.uuid4().hex[:16]}.tmp")
        try:
            payload = _dumps(data._reduce())
            temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
            temporary.replace(path)
        except Exception:  # a full disk, or an object that cannot be written: do without
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        """Return the file for a signature on this processor."""
        directory = cache_directory(self._stamp) if self._enabled else None
        if directory is None:
            return None
        key = hashlib.sha256(repr((self._name, sig, codegen.magic_tuple())).encode()).hexdigest()
        return directory / f"{self._name[-80:]}-{key[:24]}.nbc"

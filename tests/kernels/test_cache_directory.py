"""The directory of the compiled kernels: where it is, who may write there, when it goes."""

import os
import time

import pytest

from minigrad.kernels.cpu import cache


@pytest.mark.parametrize(("value", "on"), [("0", False), ("off", False), ("1", True), ("", True)])
def test_the_cache_can_be_turned_off(tmp_path, monkeypatch, value, on):
    monkeypatch.setenv("MINIGRAD_CACHE", value)
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path))
    assert (cache.cache_directory("a" * 24) is not None) is on
    assert (tmp_path / ("a" * 24)).exists() is on
    assert cache.cache_directory("") is None


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.delenv("MINIGRAD_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MINIGRAD_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    stamp = "b" * 24
    assert cache.cache_directory(stamp) == tmp_path / "home/.cache/minigrad" / stamp
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_directory(stamp) == tmp_path / "xdg/minigrad" / stamp
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert cache.cache_directory(stamp) == tmp_path / "numba/minigrad" / stamp
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "ours"))
    assert cache.cache_directory(stamp) == tmp_path / "ours" / stamp


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_directory_that_others_can_write_is_not_trusted(tmp_path, monkeypatch):
    shared = tmp_path / ("c" * 24)
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(cache, "_candidates", lambda: iter([tmp_path]))
    assert cache.cache_directory("c" * 24) is None


def test_old_directories_are_removed(tmp_path, monkeypatch):
    old, young, other = tmp_path / ("1" * 24), tmp_path / ("2" * 24), tmp_path / "somebody's"
    linked, link = tmp_path / "linked", tmp_path / ("3" * 24)
    for directory in (old, young, other, linked):
        directory.mkdir()
        (directory / "entry.nbc").touch()
    link.symlink_to(linked)
    past = time.time() - (cache.MAX_AGE_DAYS + 1) * 24 * 3600
    for directory in (old, other, linked):
        os.utime(directory, (past, past))
    os.utime(link, (past, past), follow_symlinks=False)
    monkeypatch.setattr(cache, "_candidates", lambda: iter([tmp_path]))
    assert cache.cache_directory("4" * 24) == tmp_path / ("4" * 24)
    assert not old.exists()
    assert (young / "entry.nbc").exists()
    assert (other / "entry.nbc").exists()
    assert (linked / "entry.nbc").exists()

"""Downloads with pooch, from a server on this machine: whole ones, and all that may go wrong."""

from __future__ import annotations

import gzip
import hashlib
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import datasets

MNIST = sys.modules["minigrad.datasets.mnist"]


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.astype(np.uint8).tobytes())


class Server(ThreadingHTTPServer):
    """Gives the files of a small MNIST; `cut` says after how many bytes it hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.cut: int | None = None
        self.files = {}
        for count, (images, labels) in zip((7, 3), MNIST.FILES, strict=True):
            self.files[images] = idx(np.full((count, 28, 28), count))
            self.files[labels] = idx(np.arange(count))


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/data/")
        self.server.asked.append(name)
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cut])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        sums = {name: hashlib.sha256(each).hexdigest() for name, each in made.files.items()}
        monkeypatch.setattr(MNIST, "MNIST_SHA256", sums)
        monkeypatch.setattr(MNIST, "MNIST_URL", f"http://127.0.0.1:{made.server_port}/data/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield made
        made.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_is_missing_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        (x, y), (x_test, y_test) = datasets.mnist(tmp_path / "new", download=True, dtype="uint8")
        assert (x == 7).all() and x.shape == (7, 28, 28, 1) and (x_test == 3).all()
        assert y.tolist() == list(range(7)) and y_test.tolist() == [0, 1, 2]
    assert sorted(server.asked) == sorted(server.files) == names(tmp_path / "new")
    (tmp_path / "new" / MNIST.FILES[1][1]).unlink()
    datasets.mnist(tmp_path / "new", download=True)
    assert server.asked[4:] == [MNIST.FILES[1][1]]


def test_a_wrong_checksum_leaves_no_file(server: Server, tmp_path: Path) -> None:
    second = MNIST.FILES[0][1]
    right, server.files[second] = server.files[second], idx(np.zeros(7))
    with pytest.raises(ValueError, match=rf"{second}.* does not match the known hash"):
        datasets.mnist(tmp_path, download=True)
    assert names(tmp_path) == [MNIST.FILES[0][0]]
    server.files[second] = right
    assert len(datasets.mnist(tmp_path, download=True)[0][0]) == 7


@pytest.mark.parametrize("cut", [0, 20])
def test_a_download_that_breaks_off_leaves_no_file(
    server: Server, tmp_path: Path, cut: int
) -> None:
    server.cut = cut
    with pytest.raises((OSError, ValueError), match=rf"{MNIST.FILES[0][0]}"):
        datasets.mnist(tmp_path, download=True)
    assert names(tmp_path) == []
    server.cut = None
    assert len(datasets.mnist(tmp_path, download=True)[0][0]) == 7


def test_no_such_file_and_no_network(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = MNIST.FILES[0][0]
    del server.files[name]
    by_hand = rf"{name} could not be downloaded. Get it by hand from http.*{name} and put it into"
    with pytest.raises(OSError, match=rf"{by_hand} .*404"):
        datasets.mnist(tmp_path, download=True)
    monkeypatch.setattr(MNIST, "MNIST_URL", "http://127.0.0.1:9/")  # where nobody listens
    with pytest.raises(OSError, match=by_hand):
        datasets.mnist(tmp_path, download=True)
    assert names(tmp_path) == []


def test_a_folder_that_is_a_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(OSError, match=r"could not be downloaded"):
        datasets.mnist(tmp_path / "file", download=True)
    assert (tmp_path / "file").read_text() == "here"

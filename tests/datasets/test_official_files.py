"""MNIST, Fashion-MNIST and CIFAR-10 from small files in the official formats; no network."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import datasets
from minigrad.datasets.idx import read_idx

RNG = np.random.default_rng(4)
MNIST = sys.modules["minigrad.datasets.mnist"]
CIFAR = sys.modules["minigrad.datasets.cifar10"]


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim])
    return header + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


COUNTS = {"train": 7, "t10k": 3}
IMAGES = {name: RNG.integers(0, 256, (n, 28, 28), np.uint8) for name, n in COUNTS.items()}
LABELS = {name: RNG.integers(0, 10, len(x), np.uint8) for name, x in IMAGES.items()}
RECORDS = [
    np.concatenate([RNG.integers(0, 10, (2, 1)), RNG.integers(0, 256, (2, 3072))], 1).astype("u1")
    for _ in range(6)
]
NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def mnist_files(folder: Path, packed: bool = True) -> None:
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", IMAGES[part]), ("labels-idx1", LABELS[part])):
            name = f"{part}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))


def cifar_archive(path: Path, inside: str = "cifar-10-batches-bin", **changed: bytes) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, records in zip(NAMES, RECORDS, strict=True):
            content = changed.get(name.removesuffix(".bin"), records.tobytes())
            entry = tarfile.TarInfo(f"{inside}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


# ------------------------------------------------------------------------- MNIST


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("load", [datasets.mnist, datasets.fashion_mnist])
def test_mnist_is_read(tmp_path: Path, packed: bool, load: Any) -> None:
    mnist_files(tmp_path, packed)
    (x, y), (x_test, y_test) = load(tmp_path)
    assert x.shape == (7, 28, 28, 1) and x_test.shape == (3, 28, 28, 1)
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert np.array_equal(x[..., 0], IMAGES["train"].astype(np.float32) / np.float32(255))
    assert y.tolist() == LABELS["train"].tolist() and y_test.tolist() == LABELS["t10k"].tolist()
    (x, _), _ = load(str(tmp_path), data_format="channels_first", dtype="uint8")
    assert x.dtype == np.uint8 and np.array_equal(x[:, 0], IMAGES["train"]) and x.flags.writeable


def test_idx_of_any_shape(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for shape in ((3,), (2, 0), (1, 2, 3, 4)):
        array = RNG.integers(0, 256, shape, np.uint8)
        path.write_bytes(idx(array))
        assert np.array_equal(read_idx(path), array) and read_idx(path).shape == shape


GOOD = idx(np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", r"is no idx file.*an empty file"),
        (b"\x89PNG....", r"is no idx file.* 89 50 4e 47"),
        (b"\0\0\x0d" + GOOD[3:], r"unsigned bytes, type 08\. Received: type 0d"),
        (b"\0\0\x08\0", r"is no idx file"),
        (GOOD[:9], r"is damaged: it ends within its header of 12 bytes"),
        (GOOD[:-1], r"is damaged: an array of shape \(2, 3\) takes 6 bytes\. Received: 5"),
        (GOOD + b"!", r"takes 6 bytes\. Received: 7"),
        (gzip.compress(GOOD)[:-9], r"is damaged: its compression cannot be undone"),
        (gzip.compress(GOOD)[:-8] + bytes(8), r"is damaged: its compression cannot be undone"),
        (gzip.compress(GOOD[:-2]), r"takes 6 bytes\. Received: 4"),
    ],
)
def test_damaged_idx(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text):
        read_idx(path)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    mnist_files(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx(np.zeros(8))))
    with pytest.raises(ValueError, match=r"7 images and 8 labels"):
        datasets.mnist(tmp_path)
    labels.write_bytes(gzip.compress(idx(np.array([0, 1, 2, 10, 4, 5, 6]))))
    with pytest.raises(ValueError, match=r"from 0 to 9\. Received: 10 as label 3"):
        datasets.mnist(tmp_path)
    labels.write_bytes(gzip.compress(idx(IMAGES["train"])))
    with pytest.raises(ValueError, match=r"array with 1 axes\. Received: shape \(7, 28, 28\)"):
        datasets.mnist(tmp_path)


def test_arguments(tmp_path: Path) -> None:
    for load in (datasets.mnist, datasets.fashion_mnist, datasets.cifar10):
        with pytest.raises(ValueError, match=r"dtype must be .* dtype='int8'"):
            load(tmp_path, dtype="int8")
        with pytest.raises(ValueError, match="data_format"):
            load(tmp_path, data_format="NHWC")
        with pytest.raises(FileNotFoundError, match=r"There is no .* download=True, or by hand"):
            load(tmp_path)


# ------------------------------------------------------------------------- CIFAR-10


def test_cifar_is_read_from_the_archive_or_from_its_files(tmp_path: Path) -> None:
    cifar_archive(tmp_path / "cifar-10-binary.tar.gz")
    found = [datasets.cifar10(tmp_path, dtype="uint8")]
    for folder in (tmp_path / "loose", tmp_path / "deep" / "cifar-10-batches-bin"):
        folder.mkdir(parents=True)
        for name, records in zip(NAMES, RECORDS, strict=True):
            (folder / name).write_bytes(records.tobytes())
    found += [datasets.cifar10(tmp_path / name, dtype="uint8") for name in ("loose", "deep")]
    for (x, y), (x_test, y_test) in found:
        assert x.shape == (10, 32, 32, 3) and x_test.shape == (2, 32, 32, 3)
        assert y.tolist() == np.concatenate(RECORDS[:5])[:, 0].tolist()
        assert y_test.tolist() == RECORDS[5][:, 0].tolist()
        # Red comes first, row by row.
        assert x[2, 0, :3, 0].tolist() == RECORDS[1][0, 1:4].tolist()
        assert x[2, 31, 31, 2] == RECORDS[1][0, -1] and x[2, 0, 0, 1] == RECORDS[1][0, 1025]
    (x, _), _ = datasets.cifar10(tmp_path, data_format="channels_first")
    assert x.shape == (10, 3, 32, 32) and x.dtype == np.float32
    assert np.array_equal(x[0].ravel(), RECORDS[0][0, 1:].astype(np.float32) / np.float32(255))


def test_damaged_cifar(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"

    def refused(text: str) -> None:
        with pytest.raises(ValueError, match=text):
            datasets.cifar10(tmp_path)

    cifar_archive(path, test_batch=bytes(3072))
    refused(r"test_batch\.bin of .* multiple of 3073 .* Received: 3072 bytes")
    cifar_archive(path, data_batch_3=b"")
    refused(r"data_batch_3\.bin .* Received: 0 bytes")
    cifar_archive(path, data_batch_3=b"\x0b" + bytes(3072))
    refused(r"from 0 to 9\. Received: 11 as label 4")
    cifar_archive(path, "cifar-10-batches-py")
    refused(r"is not the binary version of CIFAR-10")
    cifar_archive(path)
    path.write_bytes(path.read_bytes()[:2000])
    refused(r"is damaged: it cannot be unpacked")
    path.write_bytes(b"not an archive")
    refused(r"is damaged: it cannot be unpacked")


# ------------------------------------------------------------------------- without downloads


def test_without_pooch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'minigrad\[download\]'.* by hand"):
        datasets.cifar10(tmp_path, download=True)


def test_checksums_are_whole() -> None:
    for sums in (MNIST.MNIST_SHA256, MNIST.FASHION_SHA256, CIFAR.SHA256):
        assert all(len(each) == 64 and int(each, 16) for each in sums.values())
    assert {*MNIST.MNIST_SHA256} == {*MNIST.FASHION_SHA256} == {n for p in MNIST.FILES for n in p}


def test_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    folder = tmp_path / ".cache" / "minigrad" / "mnist"
    folder.mkdir(parents=True)
    mnist_files(folder)
    assert len(datasets.mnist()[0][0]) == 7

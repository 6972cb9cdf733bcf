"""The bundled digits: the right pixels, split the same way everywhere."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from minigrad import config, datasets
from minigrad.datasets.digits import _load

PER_CLASS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
INK = [56415, 57007, 55566, 56151, 56239, 55915, 56336, 54289, 57408, 56392]
FIRST_TEST_LABELS = [5, 3, 1, 4, 9, 1, 0, 3, 9, 8, 9, 2, 1, 0, 4, 0]
FIRST_TRAIN_LABELS = [5, 4, 2, 1, 9, 8, 0, 4, 1, 6, 3, 5, 6, 9, 4, 3]
PIXELS_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
TEST_SHA256 = "e2627f670e2821b6b8cd9a6dbf06aa539702a7516e5a83c8fcde77f2d961d258"
module = sys.modules["minigrad.datasets.digits"]


def test_the_pixels_are_those_of_the_source() -> None:
    images, labels = _load()
    assert images.shape == (1797, 8, 8) and labels.shape == (1797,)
    assert images.dtype == labels.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == PER_CLASS
    assert [int(images[labels == digit].sum()) for digit in range(10)] == INK
    assert labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert images[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == PIXELS_SHA256


def test_what_comes_back() -> None:
    (x_train, y_train), (x_test, y_test) = datasets.digits()
    assert x_train.shape == (1438, 8, 8, 1) and x_test.shape == (359, 8, 8, 1)
    assert y_train.shape == (1438,) and y_test.shape == (359,)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    both = np.concatenate([x_train, x_test])
    assert both.min() == 0.0 and both.max() == 1.0
    assert np.array_equal(both * 16, np.round(both * 16))
    x_train[:] = 7.0  # the caller's own
    assert datasets.digits()[0][0].max() == 1.0


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("seed", [0, 1, np.int64(12345)])
def test_split_is_stratified_disjoint_and_complete(fraction: float, seed: int) -> None:
    (x_train, y_train), (x_test, y_test) = datasets.digits(fraction, seed)
    counts = np.bincount(y_test, minlength=10)
    assert counts.tolist() == [round(fraction * count) for count in PER_CLASS]
    assert (np.bincount(y_train, minlength=10) + counts).tolist() == PER_CLASS

    def rows(x: np.ndarray, y: np.ndarray) -> list[bytes]:
        return [image.tobytes() + bytes([label]) for image, label in zip(x, y, strict=True)]

    images, labels = _load()
    source = (images / np.float32(16)).astype(np.float32)
    assert sorted(rows(x_train, y_train) + rows(x_test, y_test)) == sorted(rows(source, labels))
    assert len(set(rows(source, labels))) == 1797  # so equal rows would mean equal images
    assert not set(rows(x_train, y_train)) & set(rows(x_test, y_test))


def test_split_is_the_same_everywhere() -> None:
    """A fixed answer: it must hold on every machine, with every NumPy."""
    (_, y_train), (x_test, y_test) = datasets.digits()
    assert y_test[:16].tolist() == FIRST_TEST_LABELS
    assert y_train[:16].tolist() == FIRST_TRAIN_LABELS
    assert hashlib.sha256((x_test * 16).astype(np.uint8).tobytes()).hexdigest() == TEST_SHA256


def test_seeds_make_different_splits_and_equal_seeds_equal_ones() -> None:
    first, again, other = (datasets.digits(seed=seed)[1][0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_larger_test_sets_contain_smaller_ones() -> None:
    small = {image.tobytes() for image in datasets.digits(0.1)[1][0]}
    large = {image.tobytes() for image in datasets.digits(0.3)[1][0]}
    assert small < large


def test_order_is_mixed() -> None:
    """Any stretch of either set holds all classes: validation data may be cut off anywhere."""
    (_, y_train), (_, y_test) = datasets.digits()
    for labels in (*np.array_split(y_train, 10), *np.array_split(y_test, 3)):
        assert np.bincount(labels, minlength=10).min() >= 4


def test_data_format(monkeypatch: pytest.MonkeyPatch) -> None:
    last = datasets.digits(data_format="channels_last")[0][0]
    first = datasets.digits(data_format="CHANNELS_FIRST")[0][0]
    assert first.shape == (1438, 1, 8, 8)
    assert np.array_equal(np.moveaxis(first, 1, -1), last)
    assert first.flags.c_contiguous and last.flags.c_contiguous
    monkeypatch.setitem(config._values, "image_data_format", "channels_first")
    assert datasets.digits()[0][0].shape == (1438, 1, 8, 8)


@pytest.mark.parametrize("fraction", [1.0, 1, -0.1, float("nan"), True, "0.2", None, 20])
def test_bad_fraction(fraction: object) -> None:
    with pytest.raises(ValueError, match=r"test_fraction must be a number from 0 to below 1"):
        datasets.digits(fraction)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 1.0, True, None, "0"])
def test_bad_seed(seed: object) -> None:
    with pytest.raises(ValueError, match=r"seed must be an integer >= 0\. Received: seed="):
        datasets.digits(seed=seed)  # type: ignore[arg-type]


def test_bad_data_format() -> None:
    with pytest.raises(ValueError, match=r"'channels_last' or 'channels_first'"):
        datasets.digits(data_format="NHWC")


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray((resources.files("minigrad.datasets") / "digits.npz").read_bytes())
    content[1000] ^= 1
    (tmp_path / "digits.npz").write_bytes(content)
    monkeypatch.setattr(module.resources, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"digits\.npz is damaged: expected the SHA-256 checksum"):
        datasets.digits()


def test_file_is_small_plain_and_licensed() -> None:
    folder = resources.files("minigrad.datasets")
    assert len((folder / "digits.npz").read_bytes()) < 100_000
    with resources.as_file(folder / "digits.npz") as path, zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["images.npy", "labels.npy"]
    licence = (folder / "DIGITS_LICENSE.txt").read_text(encoding="utf-8")
    for part in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "What was changed"):
        assert part in licence


def test_loading_needs_no_other_package() -> None:
    code = "import sys, minigrad as mg; mg.datasets.digits(); assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

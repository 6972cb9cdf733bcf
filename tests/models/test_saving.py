"""Weight files: complete or not at all, in both directions."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import layers
from minigrad.models import Model, Sequential, archive, named_weights

Edit = Callable[[dict[str, Any], dict[str, bytes]], None]


def make(units: int = 3, seed: int = 0, dtype: str = "float32") -> Sequential:
    """A small built model with random weights, moving averages included."""
    model = Sequential(
        [
            layers.SeparableConv2D(2, 2, dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(units, dtype=dtype),
        ]
    )
    model.build((None, 3, 3, 1))
    rng = np.random.default_rng(seed)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    return model


def same(first: Model, second: Model) -> bool:
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs)


NAMES = [
    "layers.0.depthwise_kernel",
    "layers.0.pointwise_kernel",
    "layers.0.bias",
    "layers.1.gamma",
    "layers.1.beta",
    "layers.1.moving_mean",
    "layers.1.moving_variance",
    "layers.3.kernel",
    "layers.3.bias",
]


@pytest.mark.parametrize("kind", [str, Path])
def test_round_trip(tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    path = kind(tmp_path / "weights.npz")
    saved, loaded = make(seed=1), make(seed=2)
    assert saved.save_weights(path) is None
    assert loaded.load_weights(path) is None
    assert same(saved, loaded)
    assert os.listdir(tmp_path) == ["weights.npz"]


@pytest.mark.parametrize("name", ["weights", "weights.h5", "a.b.npz", "späte Gewichte"])
def test_the_file_has_exactly_the_name_it_was_given(tmp_path: Path, name: str) -> None:
    make().save_weights(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    make(seed=1).load_weights(tmp_path / name)


def test_numpy_and_unzip_can_read_it_without_pickle(tmp_path: Path) -> None:
    model = make()
    model.save_weights(tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in NAMES}
    for array, weight in zip(arrays.values(), model.weights, strict=True):
        assert np.array_equal(array, weight.data)
    with zipfile.ZipFile(tmp_path / "w.npz") as archive:
        header = json.loads(archive.read("minigrad.json"))
    assert header["format"] == "minigrad weights"
    assert header["format_version"] == 2
    assert list(header["weights"]) == NAMES
    entry = header["weights"]["layers.0.bias"]
    assert entry["shape"] == [2] and entry["dtype"] == "float32" and len(entry["sha256"]) == 64


def test_names_do_not_depend_on_how_many_layers_were_made_before() -> None:
    assert list(named_weights(make())) == list(named_weights(make())) == NAMES


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make().save_weights(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_special_values_and_shapes_survive(tmp_path: Path) -> None:
    arrays = {
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 3), np.float32),
        "odd": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "steps": np.array(7, np.int64),
    }
    archive.write_arrays(tmp_path / "a", arrays)
    found, _ = archive.read_arrays(tmp_path / "a")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].tobytes() == np.ascontiguousarray(array).tobytes()
        assert found[name].shape == array.shape and found[name].dtype == array.dtype


def test_values_take_the_dtype_of_the_model(tmp_path: Path) -> None:
    single, double = make(seed=1), make(seed=2, dtype="float64")
    double.save_weights(tmp_path / "w")
    single.load_weights(tmp_path / "w")
    for a, b in zip(single.get_weights(), double.get_weights(), strict=True):
        assert a.dtype == np.float32 and np.array_equal(a, b.astype(np.float32))


# ------------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("intact") / "w"
    make(seed=1).save_weights(path)
    return path.read_bytes()


def load_or_refuse(path: Path, target: Sequential, original: list[np.ndarray]) -> bool:
    """Whether the file loads (identically to seed 1); if not, the error is ours and clean."""
    before = target.get_weights()
    try:
        target.load_weights(path)
    except ValueError as error:
        assert str(path) in str(error)
        after = target.get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        return False
    for a, b in zip(target.get_weights(), original, strict=True):
        assert np.array_equal(a, b)
    return True


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)


@pytest.mark.usefixtures("no_pickle")
def test_no_truncated_file_loads(tmp_path: Path, intact: bytes) -> None:
    path, target, original = tmp_path / "w", make(seed=2), make(seed=1).get_weights()
    lengths = {*range(0, len(intact), 37), *range(len(intact) - 60, len(intact))}
    for length in sorted(lengths):
        path.write_bytes(intact[:length])
        assert not load_or_refuse(path, target, original), length


@pytest.mark.usefixtures("no_pickle")
def test_every_flipped_byte_is_harmless_or_found(tmp_path: Path, intact: bytes) -> None:
    """Some bytes mean nothing (dates); all others must be noticed."""
    path, target, original = tmp_path / "w", make(seed=2), make(seed=1).get_weights()
    refused = 0
    for place in range(0, len(intact), 3):
        content = bytearray(intact)
        content[place] ^= 1 << (place % 8)
        path.write_bytes(content)
        refused += not load_or_refuse(path, target, original)
    assert refused > 0.7 * len(intact) / 3


@pytest.mark.usefixtures("no_pickle")
def test_every_byte_of_the_directory_inverted(tmp_path: Path, intact: bytes) -> None:
    path, target, original = tmp_path / "w", make(seed=2), make(seed=1).get_weights()
    for place in range(intact.index(b"PK\x01\x02"), len(intact)):
        content = bytearray(intact)
        content[place] ^= 0xFF
        path.write_bytes(content)
        load_or_refuse(path, target, original)


def rewritten(intact: bytes, edit: Edit) -> bytes:
    """The archive with its header and members changed by `edit`, and valid as a zip file."""
    with zipfile.ZipFile(io.BytesIO(intact)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members.pop("minigrad.json"))
    edit(header, members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if header:
            archive.writestr("minigrad.json", json.dumps(header))
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def put(header: dict[str, Any], members: dict[str, bytes], name: str, array: np.ndarray) -> None:
    """Add an array with a correct entry in the header."""
    import hashlib

    members[f"{name}.npy"] = npy(array)
    header["weights"][name] = {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": hashlib.sha256(members[f"{name}.npy"]).hexdigest(),
    }


def drop(header: dict[str, Any], members: dict[str, bytes], name: str) -> None:
    del members[f"{name}.npy"], header["weights"][name]


BIAS = "layers.0.bias"
REFUSALS: list[tuple[str, Edit, str]] = [
    ("newer", lambda h, m: h.update(format_version=3), r"written by a newer minigrad .* version 3"),
    ("no version", lambda h, m: h.pop("format_version"), r"does not tell its format version"),
    (
        "bool version",
        lambda h, m: h.update(format_version=True),
        r"format version\. Received: True",
    ),
    ("other format", lambda h, m: h.update(format="cake"), r"not a file of minigrad's weights"),
    ("plain npz", lambda h, m: h.clear(), r"has no minigrad\.json. It holds: layers\.0"),
    ("no weights", lambda h, m: h.pop("weights"), r"is damaged, nothing was loaded: KeyError"),
    ("weights a list", lambda h, m: h.update(weights=[1]), r"is damaged"),
    ("member lost", lambda h, m: m.pop(f"{BIAS}.npy"), r"header and its content differ in layers"),
    ("entry lost", lambda h, m: h["weights"].pop(BIAS), r"differ in layers\.0\.bias"),
    ("stranger", lambda h, m: m.update({"x.npy": npy(np.ones(1))}), r"differ in x\."),
    ("not npy", lambda h, m: m.update({"x.txt": b"hello"}), r"differ in x\.txt"),
    (
        "checksum",
        lambda h, m: h["weights"][BIAS].update(sha256="0" * 64),
        r"the checksum of layers\.0\.bias is wrong",
    ),
    (
        "other content",
        lambda h, m: m.update({f"{BIAS}.npy": npy(np.ones(2, np.float32))}),
        r"the checksum of layers\.0\.bias is wrong",
    ),
    (
        "shape lies",
        lambda h, m: h["weights"][BIAS].update(shape=[1, 2]),
        r"layers\.0\.bias is float32\[2\], but its header says float32\[1, 2\]",
    ),
    ("dtype lies", lambda h, m: h["weights"][BIAS].update(dtype="float64"), r"says float64\[2\]"),
    ("missing", lambda h, m: drop(h, m, BIAS), r"layers\.0\.bias \(2,\) is not in the file"),
    ("extra", lambda h, m: put(h, m, "x", np.ones(3)), r"x \(3,\) is not in the model"),
    (
        "shape",
        lambda h, m: put(h, m, BIAS, np.ones(5, np.float32)),
        r"layers\.0\.bias has shape \(2,\) in the model and \(5,\) in the file",
    ),
    (
        "pickle",
        lambda h, m: put(h, m, BIAS, np.array([object, 1], dtype=object)),
        r"Object arrays cannot be loaded when allow_pickle=False",
    ),
    ("text", lambda h, m: put(h, m, BIAS, np.array(["a", "b"])), r"is not an array of numbers"),
    ("complex", lambda h, m: put(h, m, BIAS, np.ones(2, complex)), r"is not an array of numbers"),
]


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize("edit, text", [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusals(tmp_path: Path, intact: bytes, edit: Edit, text: str) -> None:
    path, target = tmp_path / "w", make(seed=2)
    path.write_bytes(rewritten(intact, edit))
    with pytest.raises(ValueError, match=text):
        target.load_weights(path)
    assert same(target, make(seed=2))


def test_rewriting_alone_is_no_damage(tmp_path: Path, intact: bytes) -> None:
    """So the refusals above are due to the edits."""
    path, target = tmp_path / "w", make(seed=2)
    path.write_bytes(rewritten(intact, lambda header, members: None))
    target.load_weights(path)
    assert same(target, make(seed=1))


def test_a_compressed_member_is_refused(tmp_path: Path, intact: bytes) -> None:
    """minigrad stores plainly; so a small file cannot claim gigabytes."""
    with zipfile.ZipFile(io.BytesIO(intact)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="is compressed, which minigrad never does"):
        make().load_weights(tmp_path / "w")


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1]), npy(np.ones(2))])
def test_not_a_weight_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a weight file, nothing was loaded"):
        make().load_weights(tmp_path / "w")


def test_file_of_another_model(tmp_path: Path) -> None:
    make(units=4).save_weights(tmp_path / "w")
    target = make(units=3)
    with pytest.raises(ValueError) as caught:
        target.load_weights(tmp_path / "w")
    text = str(caught.value)
    assert "do not fit this model, nothing was loaded" in text
    assert "layers.3.kernel has shape (8, 3) in the model and (8, 4) in the file" in text
    assert "layers.3.bias has shape (3,) in the model and (4,) in the file" in text
    assert same(target, make(units=3))


def test_long_lists_of_differences_are_cut(tmp_path: Path) -> None:
    make().save_weights(tmp_path / "w")
    model = Sequential([layers.Dense(2)], input_shape=(3,))
    with pytest.raises(ValueError, match=r"; and 3 more\.$"):
        model.load_weights(tmp_path / "w")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no weight file"):
        make().load_weights(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError, match=r"loaded from a file\. Received a folder"):
        make().load_weights(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"saved in a file\. Received a folder"):
        make().save_weights(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"The folder .* does not exist"):
        make().save_weights(tmp_path / "no" / "w")
    assert os.listdir(tmp_path) == []


def test_unbuilt_models_have_nothing_to_save_or_load(tmp_path: Path) -> None:
    model = Sequential([layers.Dense(2)])
    with pytest.raises(ValueError, match=r"is not built, so it has no weights to be saved"):
        model.save_weights(tmp_path / "w")
    assert os.listdir(tmp_path) == []
    make().save_weights(tmp_path / "w")
    with pytest.raises(ValueError, match=r"is not built, so it has no weights to be loaded"):
        model.load_weights(tmp_path / "w")


# ------------------------------------------------------------------------- atomic writing


class DiskFullError(OSError):
    pass


def failing(real: Callable[..., Any], after: int) -> Callable[..., Any]:
    """`open`, for files whose write method fails after some bytes."""

    def opened(*args: Any, **kwargs: Any) -> Any:
        file = real(*args, **kwargs)
        written = 0

        class Full(io.RawIOBase):
            def write(self, data: Any) -> int:
                nonlocal written
                written += len(data)
                if written > after:
                    raise DiskFullError("No space left on device")
                return int(file.write(data))

            def writable(self) -> bool:
                return True

            def flush(self) -> None:
                if not file.closed:
                    file.flush()

            def fileno(self) -> int:
                return int(file.fileno())

            def close(self) -> None:
                file.close()
                super().close()

        return Full()

    return opened


@pytest.mark.parametrize("after", [0, 1, 200, 1000, 3000])
@pytest.mark.parametrize("exists", [True, False])
def test_a_full_disk_destroys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, exists: bool
) -> None:
    path = tmp_path / "w"
    if exists:
        make(seed=1).save_weights(path)
    before = path.read_bytes() if exists else None
    with monkeypatch.context() as patch:
        patch.setattr(archive, "open", failing(open, after), raising=False)
        with pytest.raises(DiskFullError):
            make(seed=2).save_weights(path)
    assert os.listdir(tmp_path) == (["w"] if exists else [])
    assert (path.read_bytes() if exists else None) == before


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk on fire"), KeyboardInterrupt()])
def test_failure_at_the_last_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "w"
    make(seed=1).save_weights(path)
    before = path.read_bytes()

    def fail(*args: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(archive.os, step, fail)
        with pytest.raises(type(error)):
            make(seed=2).save_weights(path)
    assert os.listdir(tmp_path) == ["w"] and path.read_bytes() == before


def test_the_old_file_stands_until_the_new_one_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w"
    make(seed=1).save_weights(path)
    before, events = path.read_bytes(), []
    fsync, replace = os.fsync, os.replace

    def watch_fsync(descriptor: int) -> None:
        events.append("fsync")
        assert path.read_bytes() == before
        fsync(descriptor)

    def watch_replace(source: Path, target: Path) -> None:
        events.append("replace")
        assert Path(source).parent == Path(target).parent
        assert archive.read_arrays(source)
        replace(source, target)

    monkeypatch.setattr(archive.os, "fsync", watch_fsync)
    monkeypatch.setattr(archive.os, "replace", watch_replace)
    make(seed=2).save_weights(path)
    assert events == ["fsync", "replace"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "w", tmp_path / "link"
    make(seed=1).save_weights(path)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    make(seed=2).save_weights(link)
    assert link.is_symlink() and not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    target = make(seed=3)
    target.load_weights(path)
    assert same(target, make(seed=2))


# ------------------------------------------------------------------------- names of weights


def test_names_follow_attributes() -> None:
    class Net(Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [layers.Dense(2, name="x"), Sequential([layers.Dense(2)])]
            self.heads = {"left": layers.Dense(1), "right": layers.Dense(1)}
            self.again = self.blocks[0]  # the same layer: once
            self._hidden, self.hidden = layers.Dense(2), layers.Dense(2)  # one name without "_"

        def call(self, inputs: Any) -> Any:
            x = self.hidden(self._hidden(inputs))
            for block in self.blocks:
                x = block(x)
            return self.heads["left"](x) + self.heads["right"](x)

    net = Net()
    net.build((None, 2))
    names = named_weights(net)
    assert list(names) == [
        "blocks.0.kernel",
        "blocks.0.bias",
        "blocks.1.layers.0.kernel",
        "blocks.1.layers.0.bias",
        "heads.left.kernel",
        "heads.left.bias",
        "heads.right.kernel",
        "heads.right.bias",
        "hidden.kernel",
        "hidden.bias",
        "hidden.kernel_1",
        "hidden.bias_1",
    ]
    assert {id(w) for w in names.values()} == {id(w) for w in net.weights}

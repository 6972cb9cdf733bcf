"""The command line: what it prints, what it writes, and its exit codes."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import environment
from minigrad.cli import demo, main, training

ROOT = Path(__file__).parents[1]
PNG = b"\x89PNG\r\n\x1a\n"


def call(capsys, *arguments):
    """Return exit code, output and errors of a command."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    found = capsys.readouterr()
    return code, found.out, found.err


# ---------------------------------------------------------------------- demo and train


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """Run the demo as a user does, once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "minigrad", "demo", "--output", "there"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done, folder / "there"


def test_the_demo_learns_and_its_gradients_are_right(demonstration):
    done, _ = demonstration
    assert done.returncode == 0, done.stderr
    accuracy = float(re.search(r"Test accuracy: ([0-9.]+) %", done.stdout)[1])
    assert accuracy >= 97.0
    checked = re.findall(r"^  (\w+) +ok +(\d+) derivatives", done.stdout, re.MULTILINE)
    assert [name for name, _ in checked if name.startswith("separable")] == [
        "separable_1",
        "separable_2",
        "separable_3",
    ]
    assert len(checked) == 7 and all(int(count) > 100 for _, count in checked)
    assert "Epoch 15/15" in done.stdout


def test_the_demo_writes_what_it_says(demonstration):
    done, folder = demonstration
    names = {path.name for path in folder.iterdir()}
    pictures = {"loss.png", "depthwise_kernels.png", "misclassified.png", "overview.png"}
    assert names == {"weights.npz", "history.csv", *pictures}
    assert all(name in done.stdout for name in names)
    for name in pictures:
        content = (folder / name).read_bytes()
        assert content.startswith(PNG) and len(content) < 200_000
    rows = list(csv.DictReader((folder / "history.csv").read_text("utf-8").splitlines()))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 16)]
    assert set(rows[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert float(rows[-1]["loss"]) < 0.1 * float(rows[0]["loss"])


def test_the_weights_of_the_demo_work_again(demonstration):
    _, folder = demonstration
    model = training.network(training.Recipe())
    model.build((None, 8, 8, 1))
    model.load_weights(folder / "weights.npz")
    _, (images, labels) = mg.datasets.digits()
    assert (model.predict(images).argmax(axis=-1) == labels).mean() >= 0.97


def test_a_wrong_gradient_fails_the_demo(tmp_path, capsys, monkeypatch):
    wrong = mg.gradcheck(np.square, np.ones(3), gradient=lambda upstream, x: upstream)
    monkeypatch.setattr(demo, "check_gradients", lambda result: [wrong])
    code, out, _ = call(capsys, "demo", "--quiet", "--epochs", "1", "--output", str(tmp_path))
    assert code == 1
    assert "gradcheck of square: FAILED" in out


def test_train_takes_its_options_and_is_quiet(tmp_path, capsys):
    code, out, _ = call(
        capsys,
        *("train", "--filters", "4", "6", "--kernel-size", "2", "--depth-multiplier", "2"),
        *("--epochs", "2", "--batch-size", "100", "--learning-rate", "0.1", "--optimizer", "sgd"),
        *("--seed", "3", "--output", str(tmp_path), "--quiet"),
    )
    assert code == 0
    assert re.fullmatch(r"Test accuracy: [0-9.]+ % \(\d+ of 359 images wrong\)\n", out)
    with np.load(tmp_path / "weights.npz") as arrays:
        shapes = {np.shape(arrays[name]) for name in arrays.files}
    assert {(2, 2, 1, 8), (1, 1, 8, 4), (2, 2, 4, 2), (1, 1, 8, 6), (6, 10)} <= shapes
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 3


def test_the_seed_decides(tmp_path, capsys):
    options = ("--epochs", "1", "--filters", "4", "--quiet")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        call(capsys, "train", *options, "--output", str(tmp_path / name), "--seed", seed)
    a, b, c = ((tmp_path / name / "history.csv").read_text() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("command", ["demo", "train"])
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_done(
    command, tmp_path, capsys
):
    (tmp_path / "file").touch()
    output = str(tmp_path / "file" / "results")
    code, out, err = call(capsys, command, "--output", output)
    assert code == 2 and out == ""
    assert err == f"minigrad {command}: cannot write to the folder {output!r}: Not a directory\n"


# ---------------------------------------------------------------------- gradcheck

GOOD = """
import minigrad as mg
import numpy as np

def scaled(x, y):
    return mg.ops.tanh(x) * y

def average(x, w):
    return x @ w

def average_gradient(upstream, x, w):
    return upstream @ w.T, x.T @ upstream

def wrong(x):
    return np.sin(x)

def wrong_gradient(upstream, x):
    return upstream * np.cos(x) * 2

layer = mg.layers.Dense(3)
number = 7

def fails(x):
    raise RuntimeError("no such\\nluck")

def nothing():
    return 1.0
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD, encoding="utf-8")
    return str(path)


def test_gradcheck_of_a_function_in_a_file(file, capsys):
    code, out, _ = call(capsys, "gradcheck", f"{file}:scaled")
    assert code == 0
    assert "gradcheck of scaled: passed (24 elements compared)" in out
    code, out, _ = call(capsys, "gradcheck", f"{file}:scaled", "--second", "--fast")
    assert code == 0 and "the gradient of scaled: passed (12 random directions" in out


def test_gradcheck_of_numpy_functions_and_layers(file, capsys):
    code, out, _ = call(capsys, "gradcheck", f"{file}:average", "--shape", "2x3", "--shape", "3x4")
    assert code == 0 and "(3, 4)" in out
    code, out, _ = call(capsys, "gradcheck", f"{file}:layer", "--shape", "2x5")
    assert code == 0 and "kernel" in out


def test_gradcheck_of_a_wrong_gradient(file, capsys):
    code, out, _ = call(capsys, "gradcheck", f"{file}:wrong")
    assert code == 1 and "FAILED" in out


def test_gradcheck_as_json(file, capsys):
    code, out, _ = call(capsys, "gradcheck", f"{file}:wrong", "--json")
    report = mg.gradcheck.GradCheckReport.from_json(out)
    assert code == 1 and report.verdict == "fail"
    assert report["x"].diagnosis.name == "scaled by 2"
    code, out, _ = call(capsys, "gradcheck", f"{file}:layer", "--shape", "2x5", "--json")
    assert code == 0 and mg.gradcheck.GradCheckReport.from_json(out).passed


def test_gradcheck_of_the_library(capsys):
    code, out, _ = call(capsys, "gradcheck", "--fast")
    assert code == 0
    assert "All passed." in out and "layer SeparableConv2D" in out
    assert len(re.findall(r"\bok \d", out)) > 70


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{file}"], "expected FILE.py:NAME. Received: '{file}'"),
        (["{file}:"], "expected FILE.py:NAME. Received: '{file}:'"),
        (["absent.py:f"], "there is no file 'absent.py'"),
        (["{file}:absent"], "{file} defines no function or layer 'absent'"),
        (["{file}:number"], "{file} defines no function or layer 'number'"),
        (["{file}:nothing"], "nothing takes no inputs"),
        (["{file}:fails"], "fails failed: RuntimeError: no such luck"),
        (["{file}:scaled", "--shape", "3"], "scaled takes 2 inputs. Received: 1 times --shape"),
        (["{file}:scaled", "--shape", "3", "--shape", "4"], "scaled failed: ValueError: "),
        (["{file}:layer", "--second"], "--second needs a function of tensors"),
        (["--shape", "3"], "--shape, --second and --json need a FILE.py:NAME to check"),
        (["--json"], "--shape, --second and --json need a FILE.py:NAME to check"),
        (["README.md:f"], "'README.md' is not a Python file"),
    ],
)
def test_what_cannot_be_checked(arguments, text, file, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = [word.format(file=file) for word in arguments]
    code, out, err = call(capsys, "gradcheck", *arguments)
    assert code == 2 and out == ""
    assert err.startswith("minigrad gradcheck: " + text.format(file=file))
    assert err.count("\n") == 1


def test_a_file_with_an_error_in_it(tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_this_name\n", encoding="utf-8")
    code, _, err = call(capsys, "gradcheck", f"{path}:f")
    assert code == 2
    assert err == (
        f"minigrad gradcheck: {path} failed: "
        "ModuleNotFoundError: No module named 'nothing_of_this_name'\n"
    )


# ---------------------------------------------------------------------- bad usage, help


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["dance"], "invalid choice: 'dance'"),
        (["demo", "--epochs", "0"], "expected an integer >= 1, received '0'"),
        (["demo", "--epochs", "many"], "expected an integer >= 0, received 'many'"),
        (["demo", "--seed", "-1"], "expected an integer >= 0, received '-1'"),
        (["demo", "--what"], "unrecognized arguments: --what"),
        (["train", "--filters"], "expected at least one argument"),
        (["train", "--learning-rate", "0"], "expected a positive number, received '0'"),
        (["train", "--learning-rate", "nan"], "expected a positive number, received 'nan'"),
        (["train", "--optimizer", "magic"], "invalid choice: 'magic'"),
        (["gradcheck", "f.py:f", "--shape", "3,4"], "expected sizes like 2x8x8x3"),
    ],
)
def test_bad_usage_is_one_line_and_code_two(arguments, text, capsys):
    code, out, err = call(capsys, *arguments)
    assert code == 2 and out == ""
    assert text in err and err.count("\n") == 1
    assert err.startswith("minigrad") and "--help)" in err


def test_without_a_command_there_is_help(capsys):
    code, out, _ = call(capsys)
    assert code == 0
    for command in ("demo", "train", "gradcheck", "warmup", "doctor"):
        assert re.search(rf"^    {command}\b", out, re.MULTILINE)


def test_train_help_names_every_option(capsys):
    code, out, _ = call(capsys, "train", "--help")
    assert code == 0
    for option in ("filters", "kernel-size", "depth-multiplier", "epochs", "batch-size"):
        assert f"--{option}" in out
    for option in ("learning-rate", "optimizer", "seed", "output", "quiet"):
        assert f"--{option}" in out


def test_python_m_minigrad():
    done = subprocess.run(
        [sys.executable, "-m", "minigrad"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stdout.startswith("usage: minigrad")


def test_interrupting_is_no_traceback(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "doctor", interrupted)
    assert call(capsys, "doctor") == (130, "", "minigrad doctor: interrupted\n")


# ---------------------------------------------------------------------- warmup and doctor


def test_warmup(capsys):
    code, out, _ = call(capsys, "warmup")
    assert code == 0 and re.fullmatch(r"Kernels are ready \([0-9.]+ s\)\.\n", out)
    with pytest.raises(ValueError, match="float16"):
        mg.warmup(["float16"])


def test_after_warmup_a_training_step_compiles_nothing():
    """In a process of its own: what warmup() compiled is all that the demo's network needs."""
    code = """
import time
import numpy as np
import minigrad as mg
from minigrad.cli.training import Recipe, network
mg.warmup()
from minigrad.kernels.cpu import jit
compiled = []
original = jit.ParallelKernel._compile
jit.ParallelKernel._compile = lambda self, args: compiled.append(self) or original(self, args)
model = network(Recipe())
model.compile("adam", {"class_name": "SparseCategoricalCrossentropy",
                       "config": {"from_logits": True}})
model.fit(np.ones((32, 8, 8, 1), "f4"), np.zeros(32, int), verbose=0)
mg.check_layer(model.layers[0], np.ones((1, 8, 8, 1)), mode="fast")
assert not compiled, compiled
"""
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=300,
    )


def test_doctor_tells_about_everything_in_one_line_each(capsys):
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    lines = out.splitlines()
    subjects = [line.split()[0] for line in lines]
    assert subjects == [
        *("minigrad", "Python", "numpy", "numba", "llvmlite", "matplotlib", "tqdm"),
        *("processor", "threads", "cache", "settings"),
        *("driver", "toolkit", "numba-cuda", "cupy-cuda13x", "CUDA"),
    ]
    facts = dict(zip(subjects, lines, strict=True))
    assert mg.__version__ in facts["minigrad"]
    assert sys.executable in facts["Python"]
    assert np.__version__ in facts["numpy"]
    assert re.search(r"\d+-bit SIMD \(\d+ float32 lanes\)", facts["processor"])
    assert not any("unknown:" in line for line in lines)
    assert str(mg.doctor()) == repr(mg.doctor())


def test_doctor_says_how_to_get_a_cache(monkeypatch):
    from minigrad.kernels.cpu import cache

    def state():
        return next(finding for finding in mg.doctor().findings if finding.subject == "cache")

    monkeypatch.setattr(cache, "cache_directory", lambda stamp: None)
    assert "no writable directory" in state().state
    assert state().fix.startswith("export MINIGRAD_CACHE_DIR=")
    monkeypatch.setenv("MINIGRAD_CACHE", "0")
    assert state().fix == "unset MINIGRAD_CACHE"
    assert "(fix: unset MINIGRAD_CACHE)" in str(state())


def test_doctor_survives_what_is_broken(monkeypatch):
    def faints():
        raise OSError("the disk\nis gone")

    monkeypatch.setattr(environment, "_settings", faints)
    assert "settings     unknown: OSError: the disk is gone" in str(mg.doctor())


def test_doctor_names_the_settings_file(tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first"}')
    done = subprocess.run(
        [sys.executable, "-m", "minigrad", "doctor"],
        cwd=ROOT,
        env={**os.environ, "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"channels_first; from {tmp_path / 'keras.json'}" in done.stdout


def test_doctor_says_why_cuda_is_off():
    done = subprocess.run(
        [sys.executable, "-m", "minigrad", "doctor"],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_CUDA": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.search(r"^CUDA +off: \w+", done.stdout, re.MULTILINE), done.stdout

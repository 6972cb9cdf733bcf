"""`minigrad bench`: what it prints and writes, without any peer; and what it compares by."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad.benchmarks import cases, peers, report, rounds, table
from minigrad.benchmarks.applications import APPLICATIONS, Application
from minigrad.benchmarks.cases import LISTED, NETWORKS, Convolution, Network
from minigrad.benchmarks.peers import OURS, PEERS, Library
from minigrad.benchmarks.report import Ceilings, Report, Row
from minigrad.cli import bench, main
from minigrad.cli.problem import Problem
from minigrad.kernels.cuda import runtime

TINY = "2,6,5,3,4,3,2"


@pytest.fixture(scope="module", autouse=True)
def small_ceilings():
    """Measuring the machine takes a second: a fixed answer does for most tests."""
    with pytest.MonkeyPatch.context() as patch:
        ask = rounds.Worker.ask
        fixed = {"product": 1e11, "copy": 1e10}
        patch.setattr(
            rounds.Worker,
            "ask",
            lambda self, request: fixed if "ceilings" in request else ask(self, request),
        )
        patch.setattr(report, "TURN", 0.001)
        yield


# --- the command ------------------------------------------------------------------------------


def test_a_tiny_table(tmp_path, capsys):
    file = tmp_path / "figures.json"
    options = ["--given-only", "--shape", TINY, "--shape", "1,4,4,2,3,3,1,2,2", "--peers"]
    options += ["--repeats", "2", "--threads", "1"]
    assert main(["bench", *options, "--json", str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0] == "1 threads, 2 rounds."
    assert lines[1] == "Ceilings (NumPy): sgemm 100 GFLOP/s, copy 10 GB/s."
    heads = [lines.index(line) for line in lines if line.endswith("roof")]
    assert len(heads) == 2
    for head in heads:
        for line, name in zip(
            lines[head + 1 :], ("2,6,5,3->4,3,2", "1,4,4,2->3,3,1 d2 m2"), strict=False
        ):
            case, time, share, percent = line.rsplit(maxsplit=3)
            assert case == name
            assert float(time) > 0
            assert float(share) >= 0
            assert percent == "%"
            assert len(line) == len(lines[head])
    assert "Medians in milliseconds" in printed.out
    assert "geometric mean" not in printed.out

    figures = json.loads(file.read_text("utf-8"))
    assert figures["threads"] == 1
    assert figures["ceilings"] == {"product": 1e11, "copy": 1e10}
    assert [(row["kind"], row["case"]) for row in figures["rows"]] == [
        (kind, case)
        for kind in ("forward", "backward")
        for case in ("2,6,5,3->4,3,2", "1,4,4,2->3,3,1 d2 m2")
    ]
    for row in figures["rows"]:
        assert row["milliseconds"]["minigrad"] > 0
        assert row["ratio"] is None
    assert figures["geometric_means"] == {"forward": None, "backward": None}


def test_only_one_kind_and_no_peers_named(monkeypatch, capsys):
    monkeypatch.setattr(Library, "missing", lambda self: ["it"])
    options = ["--given-only", "--shape", TINY, "--only", "forward", "--repeats", "1"]
    assert main(["bench", *options]) == 0
    printed = capsys.readouterr()
    assert "backward" not in printed.out.split("Medians")[0]
    assert printed.err == (
        "Not installed, so not compared: torch-last, torch-first, tensorflow, onnxruntime.\n"
    )


def test_a_training_step(monkeypatch, capsys):
    monkeypatch.setattr("minigrad.cli.bench.NETWORKS", (Network(4, 1, (2, 3), 5),))
    monkeypatch.setattr("minigrad.cli.bench.APPLICATIONS", (Application("XceptionTiny", 8, 1, 5),))
    assert main(["bench", "--only", "training", "--peers", "--repeats", "1"]) == 0
    printed = capsys.readouterr().out
    assert "4x4x1 (2,3) batch 5" in printed
    assert "XceptionTiny 8x8 batch 5" in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--peers", "jax"], "there is no peer 'jax'; expected some of torch-last, torch-first, "),
        (["--shape", "1,2,3"], "expected N,H,W,C,F,k,s[,dilation[,multiplier]], received '1,2,3'"),
        (["--shape", "1,2,3,4,5,6,x"], "received '1,2,3,4,5,6,x'"),
        (["--shape", "1,2,3,4,5,6,0"], "expected numbers >= 1, received '1,2,3,4,5,6,0'"),
        (["--repeats", "0"], "expected an integer >= 1, received '0'"),
        (["--threads", "two"], "expected an integer >= 1, received 'two'"),
        (["--only", "sideways"], "invalid choice: 'sideways'"),
        (["--given-only"], "--given-only needs a --shape"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--device", "cuda"], "CUDA is not available: a test says so; do it.\n"),
        (["--json", "no/such/folder.json", "--peers"], "there is no folder 'no/such' to write to"),
        (
            ["--given-only", "--shape", TINY, "--only", "training", "--peers"],
            "--only training and --given-only leave nothing to measure",
        ),
    ],
)
def test_what_is_wrong_with_a_request_takes_one_line(options, words, capsys, monkeypatch):
    monkeypatch.setattr(runtime, "reason", lambda: "a test says so; do it")
    try:
        code = main(["bench", *options])
    except SystemExit as exit:
        code = exit.code
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.startswith("minigrad bench: ")
    assert printed.err.count("\n") == 1


def test_a_peer_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(Library, "missing", lambda self: ["onnx", "onnxruntime"])
    assert main(["bench", "--peers", "onnxruntime"]) == 2
    assert capsys.readouterr().err == (
        "minigrad bench: onnxruntime needs onnx and onnxruntime: pip install onnx onnxruntime\n"
    )


def test_what_a_gpu_is_asked_to_do():
    pytest.importorskip("torch", reason="the peer of a GPU is PyTorch")
    gpu = bench._cases((), None, False, "cuda")
    assert len(gpu) == len(set(gpu))
    for kind, case in bench._cases((), None, False):
        if isinstance(case, Application):  # Conv2D computes on the CPU
            continue
        for batch in (64, 256):
            assert (kind, dataclasses.replace(case, batch=batch)) in gpu
    assert {case.batch for _, case in gpu} == {64, 256}
    assert {peer.name for peer in bench._peers(["torch-last"], "cuda")} == {"torch-last"}
    with pytest.raises(Problem, match=r"compared on the CPU only; on cuda: torch-last, torch-firs"):
        bench._peers(["tensorflow"], "cuda")


# --- peers ------------------------------------------------------------------------------------


@pytest.fixture
def twin(monkeypatch):
    """A peer that is minigrad once more."""
    peer = Library("torch-last", "Twin", "peer_minigrad", "channels_last", ())
    monkeypatch.setitem(PEERS, "torch-last", peer)
    start = rounds._START.replace(
        "from minigrad.benchmarks.worker",
        f"""
from minigrad.benchmarks import peers
from minigrad.benchmarks.peers import Library
import sys; del sys.modules["minigrad"]; import minigrad
peers.PEERS["torch-last"] = {peer!r}
from minigrad.benchmarks.worker""",
    )
    monkeypatch.setattr(rounds, "_START", start)
    return peer


def test_a_peer_has_a_column_and_means(twin, capsys):
    options = ["--given-only", "--shape", TINY, "--repeats", "2", "--threads", "1"]
    assert main(["bench", *options, "--peers", "torch-last"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.startswith("2,6,5,3->4,3,2")]
    assert len(rows) == 2
    for row in rows:
        assert row[-1].endswith("x")
        assert float(row[-1][:-1]) == float(row[-2][:-1])  # the only peer is the fastest
        ratio = float(row[-3]) / float(row[1])
        assert math.isclose(float(row[-1][:-1]), ratio, abs_tol=0.2)
    assert sum(line.startswith("geometric mean, forward") for line in lines) == 2


def test_a_peer_with_other_results_is_not_timed(twin, monkeypatch, capsys):
    prepare = rounds.Worker.prepare

    def off(self, kind, case):
        results = prepare(self, kind, case)
        return [results[0] * (1.002 if self.library is twin else 1.0), *results[1:]]

    monkeypatch.setattr(rounds.Worker, "prepare", off)
    options = ["--given-only", "--shape", TINY, "--only", "forward", "--repeats", "1"]
    assert main(["bench", *options, "--peers", "torch-last"]) == 1
    printed = capsys.readouterr().out
    assert (
        "torch-last, forward 2,6,5,3->4,3,2: its result differs from minigrad's by 2.0e-03"
        in printed
    )


def test_peers_load_nothing_of_minigrads(tmp_path):
    """No numba, no tensors, and no setting of minigrad's in the environment of its libraries."""
    check = """
    import os, sys
    import minigrad.benchmarks.worker, minigrad.benchmarks.cases
    loaded = [m for m in ("numba", "minigrad.autograd", "minigrad.config") if m in sys.modules]
    assert not loaded, loaded
    assert not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ)
    """
    lines = [line.strip() for line in check.strip().splitlines()]
    program = rounds._START.split("from minigrad.benchmarks.worker")[0] + "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-c", program, "torch-last", "1", "cpu"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_worker_that_dies_says_why():
    absent = Library("torch-last", "PyTorch", "no_such_module", "channels_last", ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "_START", "raise SystemExit('out of luck')")
        with pytest.raises(rounds.LibraryFailed, match=r"^out of luck$"):
            rounds.Worker(absent, 1)
        patch.setattr(rounds, "_START", "import os; os._exit(3)")
        with pytest.raises(rounds.LibraryFailed, match=r"^it ended with exit code 3$"):
            rounds.Worker(absent, 1)


# --- the parts --------------------------------------------------------------------------------


def test_what_is_listed():
    assert len(LISTED) == 8
    assert len(NETWORKS) == 3
    for case in (*LISTED, *NETWORKS, *APPLICATIONS):
        assert len(str(case)) < 29  # the width of its column
        assert cases.case_of(case.key) == case


def test_the_work_of_a_convolution():
    case = Convolution.parse("2,8,8,4,16,3,2,1,3")
    operations, moved = case.work("forward")
    pixels = 2 * 4 * 4
    assert operations == 2 * pixels * (4 * 3) * (9 + 16)
    assert moved == 4 * (2 * 8 * 8 * 4 + pixels * 16)
    assert case.work("backward") == (3 * operations, 4 * (3 * 2 * 8 * 8 * 4 + 2 * pixels * 16))
    assert Ceilings(1e9, 1e9).shortest(operations, moved) == operations / 1e9
    assert Ceilings(1e15, 1e9).shortest(operations, moved) == moved / 1e9


def test_the_arrays_of_a_case_fit():
    case = Convolution.parse("2,7,6,4,16,3,2,1,3")
    arrays = case.arrays()
    assert arrays["depthwise"].shape == (3, 3, 4, 3)
    assert arrays["pointwise"].shape == (1, 1, 12, 16)
    assert arrays["dy"].shape == (2, 4, 3, 16)
    assert all(array.dtype == np.float32 for array in arrays.values())
    again = case.arrays()
    assert all((array == again[name]).all() for name, array in arrays.items())


@pytest.mark.parametrize("name", ["MobileNetTiny", "XceptionTiny"])
@pytest.mark.parametrize("size", [8, 32])
def test_the_steps_of_an_application_are_its_layers(name, size):
    case = Application(name, size, 3, 2)
    x, labels, weights = case.arrays()
    model = getattr(mg.applications, name)(x.shape[1:])
    layers = [layer for layer in model.layers if not isinstance(layer, mg.layers.InputLayer)]
    assert sorted(step.name for step in case.steps()) == sorted(layer.name for layer in layers)
    for layer in layers:
        found = [array.shape for array in weights.get(layer.name, [])]
        assert found == [weight.shape for weight in layer.get_weights()]
        strides = getattr(layer, "strides", (1, 1))
        step = next(step for step in case.steps() if step.name == layer.name)
        assert (step.stride, step.stride) == strides
    assert labels.shape == (2,)


def test_pytorch_pads_and_computes_an_application_as_we_do():
    torch = pytest.importorskip("torch", reason="the peer")
    from minigrad.benchmarks import peer_minigrad, peer_torch

    torch.set_num_threads(2)
    case = Application("XceptionTiny", 8, 3, 4)
    ours = peer_minigrad.Peer().training(case).results()
    for peer in (peer_torch.channels_last(), peer_torch.channels_first()):
        assert rounds.difference(ours, peer.training(case).results()) < 1e-4


def test_the_fastest_peer_decides():
    rows = [
        Row("forward", "a", {"minigrad": 2.0, "x": 4.0, "y": 8.0}),
        Row("forward", "b", {"minigrad": 1.0, "x": 8.0}),
        Row("backward", "a", {"minigrad": 1.0}),
    ]
    whole = Report(1, 1, 0.0, {}, Ceilings(1.0, 1.0), rows, {})
    assert [row.ratio for row in rows] == [2.0, 8.0, None]
    assert math.isclose(whole.mean("forward"), 4.0)
    assert math.isclose(whole.mean("forward", "y"), 4.0)
    assert whole.mean("backward") is None
    assert json.dumps(whole.as_json())


def test_differences():
    one = [np.array([1.0, -2.0])]
    assert rounds.difference(one, one) == 0.0
    assert rounds.difference([np.zeros(3)], [np.zeros(3)]) == 0.0
    assert rounds.difference(one, [np.array([1.0, np.nan])]) == math.inf
    assert rounds.difference(one, [np.array([1.0])]) == math.inf
    assert rounds.difference(one, []) == math.inf


def test_turns_alternate():
    order = []

    class Fake:
        def __init__(self, name):
            self.library = peers.Library(name, name, "", "", ())

        def turn(self, seconds):
            order.append(self.library.name)
            return [float(len(order))]

    medians = rounds.take_turns([Fake("a"), Fake("b"), Fake("c")], 3, 0.0)
    assert "".join(order) == "abccbaabc"
    assert medians == {"a": 6.0, "b": 5.0, "c": 4.0}


def test_a_busy_machine_and_absent_libraries_are_told():
    whole = Report(2, 3, 1.7, {"numpy": "2.0"}, Ceilings(2e11, 3e10), [], {"torch-last": "no"})
    assert list(table.Table([]).head(whole)) == [
        "2 threads, 3 rounds. numpy 2.0",
        "Ceilings (NumPy): sgemm 200 GFLOP/s, copy 30 GB/s.",
        "The machine is busy (load 1.7): the figures will be off.",
        "torch-last did not start: no",
    ]
    assert OURS.name == "minigrad"

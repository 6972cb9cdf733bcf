"""After a warm-up, a new process compiles nothing for the demo."""

import os
import subprocess
import sys
from pathlib import Path

import minigrad

ROOT = Path(minigrad.__file__).parents[1]
DEMO = """
import sys
from numba.core import event

from minigrad.cli import main


class Listener(event.Listener):
    def on_start(self, event):
        print("compiled", event.data["dispatcher"].py_func.__qualname__, event.data["args"])

    def on_end(self, event):
        pass


event.register("numba:compile", Listener())
sys.exit(main(["demo", "--epochs", "1", "--quiet", "--output", sys.argv[1]]))
"""


def run(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)


def test_the_demo_finds_everything_compiled(tmp_path):
    done = run("-m", "minigrad", "warmup")
    assert done.returncode == 0, done.stderr
    done = run("-c", DEMO, str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("compiled")] == []


def test_it_leaves_no_traces():
    """Layers made later have the names and weights that they would have had without it."""

    def weights():
        minigrad.set_random_seed(1)
        layer = minigrad.layers.Dense(3)
        layer.build((None, 2))
        return layer.name, layer.get_weights()[0]

    minigrad.layers.Dense(1)  # the first one has no number
    name, first = weights()
    minigrad.set_random_seed(1)
    minigrad.warmup(["float32"])
    layer = minigrad.layers.Dense(3)
    layer.build((None, 2))
    assert int(layer.name.rpartition("_")[2]) == int(name.rpartition("_")[2]) + 1
    assert (layer.get_weights()[0] == first).all()

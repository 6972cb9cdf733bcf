"""After a warm-up, a new process compiles nothing: neither for the demo nor to train any layer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad

ROOT = Path(minigrad.__file__).parents[1]
LISTEN = """
import sys
from numba.core import event


class Listener(event.Listener):
    def on_start(self, event):
        print("compiled", event.data["dispatcher"].py_func.__qualname__, event.data["args"])

    def on_end(self, event):
        pass


event.register("numba:compile", Listener())
"""
DEMO = """
from minigrad.cli import main

sys.exit(main(["demo", "--epochs", "1", "--quiet", "--output", sys.argv[1]]))
"""
LAYERS = """
import numpy as np
from minigrad import layers as L, losses, Sequential

same = {"padding": "same"}
bodies = {
    "separable": lambda: [L.SeparableConv2D(8, 3), L.SeparableConv2D(8, 3, activation="relu")],
    "strided": lambda: [L.SeparableConv2D(9, 3, strides=2, depth_multiplier=2, **same)],
    "dilated": lambda: [L.SeparableConv2D(16, 3, dilation_rate=2, use_bias=False, **same)],
    "depthwise": lambda: [L.DepthwiseConv2D(3, **same), L.DepthwiseConv2D(5, activation="relu")],
    "convolution": lambda: [L.Conv2D(16, 3), L.Conv2D(8, 3, strides=2, activation="relu")],
    "grouped": lambda: [L.Conv2D(16, 3), L.Conv2D(16, 3, groups=2, use_bias=False)],
    "pointwise": lambda: [L.Conv2D(16, 1), L.Conv2D(16, 1, activation="relu", use_bias=False)],
    "max": lambda: [L.Conv2D(8, 3, **same), L.MaxPooling2D(), L.MaxPooling2D(3, 1, **same)],
    "average": lambda: [L.Conv2D(8, 3, **same), L.AveragePooling2D(2)],
    "normalized": lambda: [
        L.Conv2D(16, 3, use_bias=False), L.BatchNormalization(), L.ReLU(),
        L.DepthwiseConv2D(3, use_bias=False), L.BatchNormalization(scale=False), L.ReLU(6.0),
    ],
    "residual": lambda: [L.PReLU(), L.LeakyReLU(), L.Dropout(0.5)],
    "resized": lambda: [L.ZeroPadding2D(), L.Conv2D(4, 3), L.UpSampling2D()],
}
for name, body in bodies.items():
    for batch, side, channels in ((2, 8, 1), (2, 8, 3), (16, 24, 16)):
        network = Sequential([*body(), L.GlobalAveragePooling2D(), L.Dense(10)])
        network.compile("adam", loss=losses.SparseCategoricalCrossentropy(from_logits=True))
        images = np.ones((batch, side, side, channels), np.float32)
        print("#", name, batch, side, channels)
        network.train_on_batch(images, np.zeros(batch, np.int64))
        network.predict(images, verbose=0)
"""


def run(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def warm():
    done = run("-m", "minigrad", "warmup")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", [DEMO, LAYERS], ids=["the demo", "training steps of the layers"])
def test_everything_is_found_compiled(warm, code, tmp_path):
    done = run("-c", LISTEN + code, str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert "compiled" not in done.stdout, done.stdout


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

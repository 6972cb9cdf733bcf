"""Kernels compile with less work than numba would do by itself, and the demo's stay few and short.

Seconds depend on the machine; functions and instructions do not.
"""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.registry import cpu_target

import minigrad
from minigrad.kernels.cpu import compiler, jit

MOST_FUNCTIONS = 110
"""Ours and numba's own, for one float32 step of the demo's network."""
MOST_INSTRUCTIONS = 80_000 if numba.__version__ < "0.62" else 44_000
"""Of LLVM, in all kernels that Python calls, after optimization; old versions unroll more."""
STEP = """
import gc
import minigrad as mg
from minigrad import layers as L
from minigrad.kernels.cpu import jit
from numba.core import event


class Listener(event.Listener):
    count = 0

    def on_start(self, event):
        self.count += 1

    def on_end(self, event):
        pass


listener = Listener()
event.register("numba:compile", listener)
model = mg.Sequential([
    L.SeparableConv2D(32, 3, padding="same", depth_multiplier=8, activation="relu"),
    L.BatchNormalization(momentum=0.9),
    L.SeparableConv2D(64, 3, padding="same", strides=2, activation="relu"),
    L.BatchNormalization(momentum=0.9),
    L.GlobalAveragePooling2D(),
    L.Dense(10, activation="softmax"),
])
model.compile(mg.optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
(x, y), _ = mg.datasets.digits()
model.train_on_batch(x[:32], y[:32])
model.evaluate(x[:32], y[:32], verbose=0)
instructions = 0
for kernel in [k for k in gc.get_objects() if isinstance(k, jit.ParallelKernel)]:
    for compiled in kernel._task.overloads.values():
        for function in compiled.library.get_defined_functions():
            instructions += sum(len(list(block.instructions)) for block in function.blocks)
print(listener.count, instructions)
"""


@jit.kernel(inner=True)
def _square(x):
    return x * x


@jit.kernel(inner=True)
def _norm(x, n):
    total = x[0] * 0
    for i in range(n):
        total += _square(x[i])
    return total


def _norms(task, x, y):
    y[task] = _norm(x[task], x.shape[1])


def test_a_step_of_the_demo_compiles_little():
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(minigrad.__file__).parents[1]),
        "MINIGRAD_CACHE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", STEP], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    functions, instructions = map(int, done.stdout.split())
    assert 10 < functions <= MOST_FUNCTIONS
    assert 1000 < instructions <= MOST_INSTRUCTIONS


def test_inner_kernels_have_no_machine_code():
    x, y = np.arange(6.0).reshape(2, 3), np.zeros(2)
    kernel = jit.kernel(parallel=True)(_norms)
    kernel(2, 1, x, y)
    assert y.tolist() == [5, 50]
    for inner in (_square, _norm):
        (compiled,) = inner.overloads.values()
        assert isinstance(compiled.library, compiler.InnerLibrary)
        assert compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name) == 0


def test_an_unknown_numba_compiles_as_always(monkeypatch):
    for version in ("0.60.0", "0.99.0", "1.0", "next"):
        monkeypatch.setattr(numba, "__version__", version)
        assert compiler.pipeline(inner=True) == compiler.pipeline(inner=False) == {}

    @jit.kernel(inner=True)
    def double(x):
        return x + x

    @jit.kernel(parallel=True)
    def doubles(task, x, y):
        y[task] = double(x[task])

    x, y = np.arange(3.0), np.zeros(3)
    doubles(3, 3, x, y)
    assert y.tolist() == [0, 2, 4]
    (compiled,) = double.overloads.values()
    assert not isinstance(compiled.library, compiler.InnerLibrary)


def test_types_of_calls_are_forgotten_after_a_compilation():
    @jit.kernel(inner=True)
    def wrong(x):
        return x.nothing

    @jit.kernel(parallel=True)
    def fails(task, x):
        x[task] = wrong(x[task]) + 1

    with pytest.raises(numba.TypingError, match="nothing"):
        fails(1, 1, np.zeros(1))
    assert "resolve_function_type" not in vars(cpu_target.typing_context)
    assert compiler._calls._depth == len(compiler._calls._found) == 0
    assert compiler._calls.flags is None

"""Whole networks under rough treatment: threads, fork, a user's own kernels, Ctrl-C at any moment.

Each program runs in a process of its own, with a time limit: what goes wrong here kills or hangs.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREPARE = """
    import os, random, signal, sys, threading, time
    import numpy as np
    import minigrad as mg

    rng = np.random.default_rng(0)
    X = rng.normal(size=(16, 16, 16, 3)).astype("float32")
    Y = rng.integers(0, 4, 16)

    def network():
        model = mg.Sequential([
            mg.layers.SeparableConv2D(32, 3, padding="same", use_bias=False),
            mg.layers.BatchNormalization(),
            mg.layers.ReLU(),
            mg.layers.SeparableConv2D(32, 3, padding="same"),
            mg.layers.ReLU(),
            mg.layers.GlobalAveragePooling2D(),
            mg.layers.Dense(4),
        ])
        model.build(X.shape)
        draw = np.random.default_rng(1)
        model.set_weights([draw.uniform(0.1, 0.3, w.shape) for w in model.weights])
        loss = mg.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(mg.optimizers.Adam(0.01), loss)
        return model

    def state(model):
        arrays = [*model.get_weights(), *model.optimizer.state_dict().values()]
        return b"".join(array.tobytes() for array in arrays)

    def trained(seed=None, steps=5):
        model = network()
        model.fit(X, Y, batch_size=16, epochs=steps, shuffle=False, verbose=0)
        return state(model)
"""


def run(program: str, seconds: int = 240, **environment: str) -> str:
    """Run a program after `PREPARE`; return the last line that it prints."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PREPARE) + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=seconds,
    )
    assert result.returncode == 0, (result.returncode, result.stderr)
    return result.stdout.strip().rpartition("\n")[2]


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_eight_threads_train_eight_networks(layer: str) -> None:
    program = """
        alone = trained()
        found = [None] * 8
        def work(i):
            found[i] = trained()
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print([each == alone for each in found].count(True))
    """
    try:
        assert run(program, NUMBA_THREADING_LAYER=layer) == "8"
    except AssertionError as error:
        if "No threading layer could be loaded" in str(error):
            pytest.skip(f"no {layer} here")
        raise


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_training_inside_and_beside_a_users_own_parallel_kernels(layer: str) -> None:
    """On "workqueue" numba aborts the process if two launches meet, so theirs take turns there."""
    program = """
        import numba
        alone = trained()
        def check():
            return float(trained() == alone)

        @numba.njit(parallel=True)
        def outer(times):
            total = 0.0
            for _ in numba.prange(times):
                with numba.objmode(same="float64"):
                    same = check()
                total += same
            return total

        @numba.njit(parallel=True, nogil=True)
        def busy(x):
            for i in numba.prange(x.size):
                x[i] = x[i] ** 1.5 + 1
            return x.sum()

        same = outer(4)
        stop, x = threading.Event(), np.ones(100_000)
        def keep_busy():
            while not stop.is_set(): busy(x)
        beside = threading.Thread(target=keep_busy)
        if numba.threading_layer() != "workqueue": beside.start()
        same += sum(check() for _ in range(4))
        stop.set()
        if beside.ident: beside.join()
        print(int(same), numba.threading_layer())
    """
    try:
        assert run(program, NUMBA_THREADING_LAYER=layer) == f"8 {layer}"
    except AssertionError as error:
        if "No threading layer could be loaded" in str(error):
            pytest.skip(f"no {layer} here")
        raise


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_train_on() -> None:
    """GNU OpenMP kills a child that launches threads after its parent did."""
    program = """
        import multiprocessing
        alone = trained()
        with multiprocessing.get_context("fork").Pool(4) as pool:
            found = pool.map(trained, range(8), chunksize=1)
        assert trained() == alone
        print(found.count(alone))
    """
    assert run(program) == "8"


def test_ctrl_c_at_any_moment_of_fit() -> None:
    """Every step is the same batch, so a whole number of steps has one state only."""
    program = """
        signal.signal(signal.SIGINT, signal.default_int_handler)
        model = network()
        states = [state(model)]
        times = []
        for _ in range(40):
            began = time.perf_counter()
            model.fit(X, Y, batch_size=16, epochs=1, shuffle=False, verbose=0)
            times.append(time.perf_counter() - began)
            states.append(state(model))
        draw = random.Random(0)
        model, caught, between = network(), 0, set()
        for attempt in range(150):
            if model.optimizer.iterations > 30: model = network()
            delay = draw.uniform(0, 6 * sorted(times)[20])
            timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
            try:
                timer.start()
                model.fit(X, Y, batch_size=16, epochs=1000, shuffle=False, verbose=0,
                          callbacks=[Stop()])
                timer.join()
                time.sleep(0.001)
            except KeyboardInterrupt:
                caught += 1
            done = model.optimizer.iterations
            between.add(done)
            assert state(model) == states[done], (attempt, done)
            assert mg.autograd.graph.recording.on
        model.fit(X, Y, verbose=0)
        print(caught, len(between) > 3)
    """
    stop = """
        class Stop(mg.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if self.model.optimizer.iterations >= 40: self.model.stop_training = True
    """
    assert run(textwrap.dedent(stop) + textwrap.dedent(program)) == "150 True"


def test_two_processes_fill_one_empty_cache(tmp_path: Path) -> None:
    """Neither is troubled by the other's files, and a third one finds all of them."""
    program = """
        import sys, numpy as np
        from minigrad.kernels.cpu import activations, cache, jit
        x = np.linspace(-1, 1, 1 << 19, dtype=np.float32)
        compiled = []
        from numba.core import event
        class Count(event.Listener):
            def on_start(self, event): compiled.append(1)
            def on_end(self, event): pass
        event.register("numba:compile", Count())
        assert (activations.relu(x) == np.maximum(x, 0)).all()
        print(len(compiled))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MINIGRAD_CACHE_DIR": str(tmp_path)}
    start = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **start) for _ in range(2)]  # type: ignore[call-overload]
    outputs = [process.communicate(timeout=240) for process in both]
    assert all(int(out) > 0 and not err for out, err in outputs), outputs
    third = subprocess.run(command, **start, timeout=240)  # type: ignore[call-overload]
    assert (third.stdout.strip(), third.stderr) == ("0", "")

"""The compiler's policy: one decorator, no stale machine code, and nothing that kills a process."""

import ast
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

import minigrad.kernels
from minigrad.kernels.cpu import cache, jit, layout

PACKAGE = Path(minigrad.kernels.__file__).parents[1]
DECORATORS = {
    "cfunc", "generated_jit", "guvectorize", "jit", "jit_module", "jitclass", "njit", "prange",
    "stencil", "vectorize",
}  # fmt: skip

SETUP = """
import os, sys, threading
import numpy as np
from minigrad import kernels
rng = np.random.default_rng(0)
x = rng.integers(-3, 4, (16, 16, 16, 8)).astype(np.float32)
k = rng.integers(-3, 4, (3, 3, 8, 1)).astype(np.float32)
q = rng.integers(-3, 4, (1, 1, 8, 16)).astype(np.float32)
b = rng.integers(-3, 4, 16).astype(np.float32)
geometry = kernels.conv_geometry((16, 16), (3, 3), padding="same")
def layer():  # large enough for threads
    return kernels.separable_forward(x, k, q, b, geometry)
"""


def run(program, *, path=PACKAGE.parent, timeout=240, **environment):
    """Run a program in a process of its own; return what it printed."""
    variables = {**os.environ, "PYTHONPATH": str(path), "NUMBA_NUM_THREADS": "2", **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", SETUP + textwrap.dedent(program)],
        cwd=path,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def checksum():
    """What `SETUP`'s layer gives, by the definition."""
    names: dict[str, object] = {}
    exec(SETUP, names)
    with minigrad.kernels.use_backend("reference"):
        return float(names["layer"]().sum())


# --- one decorator ----------------------------------------------------------------------------


def decorators_in(source):
    """Names of numba's decorators that a source uses, however it imported them."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            found |= {alias.name for alias in node.names} & DECORATORS
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = node.value.id
            if (module == "nb" or "numba" in module) and node.attr in DECORATORS:
                found.add(node.attr)
    return found


def test_the_search_finds_decorators():
    assert decorators_in("from numba import njit as compile") == {"njit"}
    assert decorators_in("import numba\n@numba.jit\ndef f(): pass") == {"jit"}
    assert decorators_in("import numba as nb\nf = nb.vectorize(g)") == {"vectorize"}
    assert decorators_in("import numba\nnumba.set_num_threads(1)") == set()
    assert decorators_in((PACKAGE / "kernels/cpu/jit.py").read_text("utf-8")) == {"njit", "prange"}


def test_numba_is_used_through_our_decorator_only():
    sources = [
        source
        for source in PACKAGE.rglob("*.py")
        if source != PACKAGE / "kernels/cpu/jit.py" and "cuda" not in source.parts
    ]
    assert len(sources) > 10
    found = {str(source): decorators_in(source.read_text("utf-8")) for source in sources}
    assert {source: names for source, names in found.items() if names} == {}


def test_fast_math_keeps_nan_and_infinity():
    assert not {"nnan", "ninf", "fast"} & set(jit.FASTMATH)


def test_the_users_own_numba_cache_is_left_alone():
    assert run("import numba; print(repr(numba.config.CACHE_DIR))", NUMBA_CACHE_DIR=None) == "''"


def test_kernels_are_compiled_once_per_dtype():
    """Read-only and writable inputs share one compilation; so do all geometries."""
    from minigrad.kernels.loops import depthwise

    kernel = np.ones((1, 1, 2, 1))
    for size in (1, 2, 3):
        for writable in (True, False):
            x = np.ones((1, size, size, 2))
            x.setflags(write=writable)
            geometry = minigrad.kernels.conv_geometry((size, size), (1, 1))
            with minigrad.kernels.use_backend("loops"):
                minigrad.kernels.depthwise_forward(x, kernel, geometry)
    doubles = [kinds for kinds in depthwise._forward_row._addresses if ("d", 4) in kinds]
    assert len(doubles) == 1


def test_the_compiler_keeps_a_kernel_from_writing_to_its_inputs():
    @jit.kernel(parallel=True)
    def vandal(task, x):
        x[task] = 0

    x = np.ones(3)
    with pytest.raises(numba.TypingError, match="Cannot modify readonly array"):
        vandal(3, 3, layout.read_only(x))
    assert (x == 1).all()


def test_a_kernel_refuses_what_it_was_not_compiled_for():
    @jit.kernel(parallel=True)
    def scale(task, x, factor):
        x[task] *= factor

    x = np.ones(4)
    scale(4, 4, x, 2)
    scale(4, 4, x, 2.5)  # another type in the same place: compiled anew, not misread
    scale(4, 4, x, np.int32(-1))
    assert x.tolist() == [-5, -5, -5, -5]
    single = np.ones(4, np.float32)
    scale(4, 4, single, 2)
    assert single.tolist() == [2, 2, 2, 2]
    for spread_from in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jit, "SPREAD_FROM", spread_from)
            with pytest.raises(numba.TypingError, match="C-contiguous"):
                scale(2, 2, x[::2], 2)


@pytest.mark.parametrize("spread_from", [0, 1 << 60])
def test_a_task_without_memory_is_reported(spread_from, monkeypatch):
    """On a worker thread, too, where numba itself drops exceptions."""

    @jit.kernel(parallel=True)
    def greedy(task, x, size):
        scratch = np.empty(size if task == 2 else 1)
        scratch[0] = task
        x[task] = scratch[0]

    monkeypatch.setattr(jit, "SPREAD_FROM", spread_from)
    x = np.zeros(4)
    greedy(4, 4, x, 1)
    assert x.tolist() == [0, 1, 2, 3]
    with pytest.raises(MemoryError, match="kernel greedy"):
        greedy(4, 4, x, 1 << 60)


def test_each_task_runs_once_whoever_takes_it(monkeypatch):
    """Threads take over tasks of those that are late: here, the first tasks are the longest."""

    @jit.kernel(parallel=True)
    def count(task, x, slow):
        total = 0
        for i in range(slow if task < 5 else 1):
            total += x.size % (i + 1)
        x[task] += 1 if total >= 0 else 2

    monkeypatch.setattr(jit, "SPREAD_FROM", 0)
    for shares in (2, 3, 7):
        monkeypatch.setattr(jit._threads, "acquire", lambda shares=shares: shares)
        for tasks in (2, 3, 17, 1000):
            x = np.zeros(tasks)
            count(tasks, 1, x, 100_000)
            assert x.tolist() == [1] * tasks


# --- the cache --------------------------------------------------------------------------------


def test_the_stamp_knows_every_source_and_the_flags(tmp_path):
    root = tmp_path / "kernels"
    shutil.copytree(PACKAGE / "kernels", root, ignore=shutil.ignore_patterns("__pycache__"))
    stamp = cache.source_stamp("flags", root)
    assert len(stamp) == 24
    assert stamp == cache.source_stamp("flags", root)
    assert stamp != cache.source_stamp("other flags", root)
    stamps = {stamp}
    for source in sorted(root.rglob("*.py")):
        source.write_text(source.read_text("utf-8") + "\n# edited\n", "utf-8")
        stamps.add(cache.source_stamp("flags", root))
    assert len(stamps) == 1 + len(list(root.rglob("*.py")))
    (root / "loops" / "pointwise.py").rename(root / "loops" / "renamed.py")
    assert cache.source_stamp("flags", root) not in stamps
    assert cache.source_stamp("flags", tmp_path / "missing") == ""


def test_an_edited_callee_in_another_file_is_compiled_anew(tmp_path):
    """The separable kernel is in one file, the product that it calls in another."""
    package = tmp_path / "minigrad"
    ignore = shutil.ignore_patterns("__pycache__", "cuda")
    shutil.copytree(PACKAGE / "kernels", package / "kernels", ignore=ignore)
    shutil.copy(PACKAGE / "_validate.py", package)
    shutil.copy(PACKAGE / "_brief.py", package)
    (package / "__init__.py").touch()

    def total():
        return run(
            """
            from minigrad.kernels.cpu import jit
            from minigrad.kernels.loops import separable
            jit.SPREAD_FROM = 1 << 60  # one launcher less to compile
            with kernels.use_backend("loops"):
                print(layer().sum())
            stats = separable._forward_row._task.stats
            print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
            """,
            path=tmp_path,
            MINIGRAD_CACHE_DIR=str(tmp_path / "cache"),
            MINIGRAD_CACHE=None,
        ).split("\n")

    first, statistics = total()
    assert float(first) == checksum()
    assert statistics == "0 1"
    assert total() == [first, "1 0"]

    source = package / "kernels" / "loops" / "pointwise.py"
    text = source.read_text("utf-8")
    assert text.count("y[p, f] = bias[f]") == 1
    source.write_text(text.replace("y[p, f] = bias[f]", "y[p, f] = bias[f] + 1"), "utf-8")
    second, statistics = total()
    assert float(second) == float(first) + 16 * 16 * 16 * 16
    assert statistics == "0 1"

    # Damaged entries are compiled anew: torn ones, and those that differ from their checksum.
    entries = list((tmp_path / "cache").rglob("*.nbc"))
    assert entries
    for entry in entries:
        content = bytearray(entry.read_bytes())
        content[0] ^= 1
        entry.write_bytes(content if "separable" in entry.name else content[1:-7])
    assert total() == [second, "0 1"]


def test_no_writable_directory(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(cache, "_candidates", lambda: iter([file / "a", file / "b"]))
    assert cache.cache_directory("0" * 24) is None
    monkeypatch.setattr(cache, "_candidates", lambda: iter([file / "a", tmp_path / "b"]))
    assert cache.cache_directory("0" * 24) == tmp_path / "b" / ("0" * 24)


def test_a_process_without_a_writable_directory(tmp_path):
    file = tmp_path / "file"
    file.touch()
    nowhere = str(file / "nowhere")
    program = """
        import pathlib, tempfile
        from minigrad.kernels.cpu import cache, jit
        tempfile.tempdir = "{nowhere}"
        assert cache.cache_directory(jit._STAMP) is None
        print(kernels.bias_grad(x, "channels_last").sum() == x.sum())
    """.replace("{nowhere}", nowhere)
    names = ("MINIGRAD_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
    assert run(program, **dict.fromkeys(names, nowhere)) == "True"


# --- threads and processes --------------------------------------------------------------------


@pytest.mark.parametrize("threading_layer", ["workqueue", "omp"])
def test_eight_threads_at_once(threading_layer):
    program = """
        import numba
        expected = layer()
        failures = []
        def work():
            try:
                for _ in range(30):
                    assert (layer() == expected).all()
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not failures, failures
        print(expected.sum(), numba.threading_layer())
    """
    try:
        output = run(program, NUMBA_THREADING_LAYER=threading_layer)
    except AssertionError as error:
        if "No threading layer could be loaded" in str(error):
            pytest.skip(f"no {threading_layer} here")
        raise
    assert output == f"{checksum()} {threading_layer}"


def test_a_missing_threading_layer_means_one_thread():
    program = """
        import numba
        from numba.np.ufunc import parallel
        def fail(): raise ValueError("No threading layer could be loaded.")
        numba.get_num_threads = fail
        print(layer().sum())
    """
    assert float(run(program)) == checksum()


def test_a_kernel_inside_a_parallel_region():
    """On "workqueue", a launch inside a launch would abort the process."""
    program = """
        import numba
        expected = layer()
        def check():
            return float((layer() == expected).all())
        @numba.njit(parallel=True)
        def outer():
            total = 0.0
            for _ in numba.prange(8):
                with numba.objmode(ok="float64"):
                    ok = check()
                total += ok
            return total
        print(outer())
    """
    assert run(program, NUMBA_THREADING_LAYER="workqueue") == "8.0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_after_fork():
    """GNU OpenMP kills a child that launches threads after its parent did."""
    program = """
        expected = layer()
        child = os.fork()
        if child == 0:
            os._exit(0 if (layer() == expected).all() else 3)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        assert (layer() == expected).all()
        print(expected.sum())
    """
    assert float(run(program)) == checksum()


def test_without_the_compiler():
    program = """
        x, k, q, b = x[:1, :5, :4, :2], k[:, :, :2], q[:, :, :2, :3], b[:3]
        for data_format in ("channels_last", "channels_first"):
            geometry = kernels.conv_geometry((5, 4), (3, 3), (2, 1), "same", (1, 2), data_format)
            X = x if data_format == "channels_last" else x.transpose(0, 3, 1, 2)
            def everything():
                y = kernels.separable_forward(X, k, q, b, geometry)
                pooled, argmax = kernels.max_pool_forward(X, geometry)
                return [y, *kernels.separable_backward(X, k, q, y, geometry, True), pooled,
                        kernels.max_pool_backward(pooled, argmax, geometry)]
            received = everything()
            with kernels.use_backend("reference"):
                expected = everything()
            for a, e in zip(received, expected, strict=True):
                assert a.dtype == e.dtype == np.float32
                np.testing.assert_array_equal(a, e)
        import minigrad as mg
        large = np.arange(2.0**15).reshape(2, 64, 64, 4)  # for such, compiled kernels would be used
        mg.layers.BatchNormalization()(mg.layers.AveragePooling2D()(large), training=True)
        from minigrad.kernels.loops import depthwise
        print(type(depthwise.depthwise_row).__name__)
    """
    assert run(program, NUMBA_DISABLE_JIT="1") == "function"


def test_importing_compiles_nothing():
    program = """
        from minigrad.kernels.cpu import depthwise, jit
        print(len(depthwise._forward_run._addresses), len(jit._run_in_order.signatures))
    """
    assert run(program) == "0 0"

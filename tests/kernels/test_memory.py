"""Large arrays use memory again, and never two of them at once."""

import copy
import gc
import itertools
import multiprocessing
import pickle
import random
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from minigrad.kernels.cpu import memory
from minigrad.kernels.cpu.memory import LARGE, LINE, MOST_IDLE, empty, zeroed

SIZE = LARGE // 4  # of float32 numbers


@pytest.fixture(autouse=True)
def nothing_idle():
    gc.collect()
    del memory._idle[:]
    yield
    del memory._idle[:]


def address(array):
    return array.__array_interface__["data"][0]


def fresh(value, size=SIZE):
    array = empty(size, np.float32)
    array.fill(value)
    return array


@pytest.mark.parametrize("shape", [0, 3, (), (2, 3), (0, 5), (LARGE,), (64, 3, LARGE // 64)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
def test_arrays_are_like_those_of_numpy(shape, dtype):
    array, like = empty(shape, dtype), np.empty(shape, dtype)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.strides) == (like.shape, like.dtype, like.strides)
    assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned
    assert (zeroed(shape, dtype) == np.zeros(shape, dtype)).all()


def test_large_arrays_start_at_a_cache_line():
    assert all(address(empty(SIZE + i, np.float32)) % LINE == 0 for i in range(20))


def test_memory_comes_back_when_an_array_dies():
    first = fresh(1)
    place = address(first)
    del first
    assert len(memory._idle) == 1
    second = empty((4, SIZE // 4), np.float32)
    assert address(second) == place
    assert not memory._idle
    assert not np.may_share_memory(second, fresh(2))


def test_zeros_are_zeros_in_memory_that_was_used():
    place = address(fresh(7))
    array = zeroed(SIZE, np.float32)
    assert address(array) == place
    assert not array.any()


def test_small_arrays_are_none_of_our_business():
    assert empty(10, np.float32).base is None
    assert not memory._idle


HOLDERS = {
    "slice": lambda a: a[5:9],
    "slice of a slice": lambda a: a[4:][1:][::2][3:],
    "reshape": lambda a: a.reshape(2, -1).T[1:],
    "ravel": lambda a: a.reshape(4, -1).ravel(),
    "another dtype": lambda a: a.view(np.uint8),
    "read-only": lambda a: read_only(a),
    "subclass": lambda a: a.view(np.recarray),
    "memoryview": lambda a: memoryview(a)[3:],
    "array of a memoryview": lambda a: np.asarray(memoryview(a)),
    "frombuffer": lambda a: np.frombuffer(a, np.int32),
    "base": lambda a: a.base,
    "array of the base": lambda a: np.asarray(a[3:].base),
    "strides": lambda a: np.lib.stride_tricks.as_strided(a, (3,), (4,)),
    "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a, 3),
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "field": lambda a: a.view([("x", np.float32)])["x"],
    "object array": lambda a: wrapped(a),
    "closure": lambda a: lambda: a,
    "generator": lambda a: started(a),
    "ctypes": lambda a: a.ctypes,
    "DLPack": lambda a: np.from_dlpack(a),
    "nditer": lambda a: np.nditer(a),
    "flat": lambda a: a.flat,
    "exception": lambda a: caught(a),
    "cycle": lambda a: cycle(a),
}


def read_only(a):
    view = a.view()
    view.setflags(write=False)
    return view


def wrapped(a):
    box = np.empty(1, object)
    box[0] = a
    return box


def started(a):
    def elements():
        yield from a

    generator = elements()
    next(generator)
    return generator


def caught(a):
    try:
        raise ValueError(a)
    except ValueError as error:
        return error


def cycle(a):
    box = [a]
    box.append(box)
    return box


@pytest.mark.parametrize("name", HOLDERS)
def test_whatever_holds_the_memory_keeps_it(name):
    array = fresh(1)
    place = address(array)
    holder = HOLDERS[name](array)
    del array
    gc.collect()
    assert not memory._idle
    others = [fresh(2) for _ in range(3)]
    assert place not in [address(other) for other in others]
    del holder, others
    gc.collect()
    assert place in [block_address(block) for block in memory._idle]


def block_address(block):
    return -(-block.memory.ctypes.data // LINE) * LINE


@pytest.mark.parametrize(
    "copied",
    [lambda a: pickle.loads(pickle.dumps(a, 5)), copy.copy, copy.deepcopy, np.array, np.copy],
)
def test_copies_have_memory_of_their_own(copied):
    array = fresh(1)
    other = copied(array)
    del array
    new = fresh(2)
    assert (other == 1).all() and not np.shares_memory(other, new)


def test_pickle_without_copying_keeps_the_memory():
    array, buffers = fresh(1), []
    data = pickle.dumps(array, 5, buffer_callback=buffers.append)
    del array
    other = fresh(2)
    again = pickle.loads(data, buffers=buffers)
    assert (again == 1).all() and not np.shares_memory(again, other)


def test_a_finalizer_that_allocates():
    class Last:
        pass

    last, found = Last(), []
    weakref.finalize(last, lambda: found.append(fresh(3)))
    array = fresh(1)
    last.array = array
    del last, array
    gc.collect()
    other = fresh(4)
    assert (found[0] == 3).all() and not np.shares_memory(found[0], other)


def test_sizes_that_differ_much_do_not_share_blocks():
    place = address(fresh(1, 4 * SIZE))
    assert address(empty(SIZE, np.float32)) != place
    assert address(empty(5 * SIZE, np.float32)) != place
    assert address(empty(4 * SIZE - 100, np.float32)) == place


def test_idle_memory_is_bounded():
    arrays = [empty(MOST_IDLE // 8, np.uint8) for _ in range(12)]
    del arrays
    assert sum(block.size for block in memory._idle) <= MOST_IDLE
    assert len(memory._idle) == 8


def test_random_lives():
    """Arrays and views of them come and go; each keeps the number that was written to it."""
    rng, alive = random.Random(0), []
    for number in range(300):
        array = fresh(number, rng.choice([SIZE, SIZE + 1, SIZE + SIZE // 10, 2 * SIZE]))
        alive.append((array if rng.random() < 0.5 else array[rng.randrange(100) :][::7], number))
        if len(alive) > 12:
            rng.shuffle(alive)
            for view, value in alive[6:]:
                assert view[0] == view[-1] == value
            del alive[6:], view
        del array
    assert all((view == value).all() for view, value in alive)
    for (a, _), (b, _) in itertools.combinations(alive, 2):
        assert not np.may_share_memory(a, b)


def test_threads():
    """Each thread's arrays keep what it wrote, while others take and give back."""
    wrong, interval = [], sys.getswitchinterval()

    def live(seed):
        rng, mine = random.Random(seed), []
        for step in range(100):
            value = seed * 1000 + step
            array = fresh(value, SIZE + rng.randrange(3))
            mine.append((array[rng.randrange(9) :], value))
            if len(mine) > 3:
                view, value = mine.pop(rng.randrange(4))
                if not (view == value).all():
                    wrong.append(value)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=live, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_blocks_come_back_while_another_one_is_looked_for():
    # Arrays in cycles are freed whenever the garbage collector runs, also in the middle of `empty`.
    def leave_a_cycle():
        cycle = [empty(SIZE, np.float32)]
        cycle.append(cycle)

    several = []
    for number in range(2000):
        leave_a_cycle()
        arrays = [empty(SIZE + 1024 * i, np.float32) for i in range(5)]
        several.append([(i, i) for i in range(2100 if number == 0 else 12)])
        if len(several) > 200:
            several.clear()
        for value, array in enumerate(arrays):
            array.fill(value)
        assert [array[-1] for array in arrays] == [0, 1, 2, 3, 4]


def in_child(queue, inherited):
    mine = [fresh(5) for _ in range(4)]
    queue.put(bool((inherited == 1).all() and all((a == 5).all() for a in mine)))


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork():
    inherited, spare = fresh(1), fresh(9)
    del spare
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue, inherited))
    child.start()
    assert queue.get(timeout=30)
    child.join()
    assert (inherited == 1).all() and (fresh(2) == 2).all()


def test_leases_outlive_the_module():
    code = (
        "import builtins, numpy as np\n"
        "from minigrad.kernels.cpu.memory import empty\n"
        "builtins.kept = [empty(1 << 20, np.float32) for _ in range(3)]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""

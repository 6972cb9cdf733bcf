"""Memory lent and borrowed by DLPack, without a copy."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg


def test_numpy_borrows_and_lends() -> None:
    array = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    x = mg.from_dlpack(array)
    assert np.shares_memory(x.data, array)
    assert array.flags.writeable
    assert not x.data.flags.writeable
    array[0, 0] = 7.0  # the owner's right, and at its own risk
    assert x.data[0, 0] == 7.0
    lent = np.from_dlpack(x)
    assert np.shares_memory(lent, array)
    with pytest.raises(ValueError, match="read-only"):
        lent[0, 0] = 1.0
    y = x.detach()
    y.requires_grad = True
    (y * y).sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), 2 * array)


def test_assigning_copies_what_is_borrowed() -> None:
    array = np.arange(3.0)
    x = mg.tensor([0.0, 0.0, 0.0], dtype="float64")
    x.assign(mg.from_dlpack(array))
    array[:] = 9.0
    assert x.tolist() == [0.0, 1.0, 2.0]


def test_torch_borrows_and_lends() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6.0).reshape(2, 3)
    ours = mg.from_dlpack(theirs)
    assert ours.data.ctypes.data == theirs.data_ptr()
    copied = mg.tensor(theirs)
    theirs[0, 0] = 5.0
    assert (ours.data[0, 0], copied.data[0, 0]) == (5.0, 0.0)
    assert (mg.tensor(theirs).numpy() == theirs.numpy()).all()

    y = mg.tensor([1.0, 2.0])
    lent = torch.from_dlpack(y)
    assert lent.data_ptr() == y.data.ctypes.data
    del y
    gc.collect()
    assert lent.tolist() == [1.0, 2.0]  # the memory lives as long as it is lent


def test_a_tensor_on_the_cpu_has_no_cuda_interface() -> None:
    x = mg.tensor([1.0])
    assert x.__dlpack_device__() == (1, 0)
    assert not hasattr(x, "__cuda_array_interface__")


class OnGpu:
    """What another library's array on a GPU looks like from afar."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("taken")


class Elsewhere(OnGpu):
    def __dlpack_device__(self) -> tuple[int, int]:
        return 10, 0  # ROCm


@pytest.mark.parametrize(
    ("lend", "kind", "text"),
    [
        (lambda: mg.from_dlpack([1.0]), TypeError, "by DLPack. Received: list"),
        (
            lambda: np.from_dlpack(mg.tensor([1.0], requires_grad=True)),
            BufferError,
            "Gradients do not follow to another library; lend x.detach() to it.",
        ),
        (lambda: mg.from_dlpack(Elsewhere()), BufferError, "on the CPU or on an NVIDIA GPU"),
        (lambda: mg.tensor(Elsewhere()), BufferError, "on the CPU or on an NVIDIA GPU"),
    ],
)
def test_wrong_use(lend: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        lend()


def test_the_simulator_neither_borrows_nor_lends(device: Callable[..., Any]) -> None:
    with pytest.raises(BufferError, match="The simulator cannot see the memory of a GPU"):
        mg.from_dlpack(OnGpu())
    with pytest.raises(BufferError, match="The simulator's memory cannot be lent"):
        np.from_dlpack(mg.tensor([1.0], device="cuda"))

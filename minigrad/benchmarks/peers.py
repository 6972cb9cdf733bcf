"""The libraries that are compared, and which of them are installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from minigrad.benchmarks.cases import KINDS, Kind

__all__ = ["OURS", "PEERS", "Library"]


@dataclass(frozen=True)
class Library:
    """A library, and how it keeps images in memory.

    Attributes
    ----------
    name : str
        For the command line.
    title : str
        For the head of the table.
    module : str
        Its ``peer_*`` module here, whose function `layout` makes the peer.
    layout : str
    packages : tuple of str
        What must be installed.
    kinds : tuple of str
        What it can do.
    devices : tuple of str
        Where it can do that.
    """

    name: str
    title: str
    module: str
    layout: str
    packages: tuple[str, ...]
    kinds: tuple[Kind, ...] = KINDS
    devices: tuple[str, ...] = ("cpu",)

    def missing(self) -> list[str]:
        """Return the packages that are not installed; nothing is imported to find out.

        Examples
        --------
        >>> OURS.missing()
        []
        """
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


_BOTH = ("cpu", "cuda")
OURS = Library("minigrad", "minigrad", "peer_minigrad", "channels_last", (), devices=_BOTH)
PEERS = {
    peer.name: peer
    for peer in (
        Library(
            "torch-last", "PyTorch last", "peer_torch", "channels_last", ("torch",), devices=_BOTH
        ),
        Library(
            "torch-first",
            "PyTorch first",
            "peer_torch",
            "channels_first",
            ("torch",),
            devices=_BOTH,
        ),
        Library(
            "tensorflow", "TensorFlow", "peer_tensorflow", "channels_last", ("tensorflow", "keras")
        ),
        Library(
            "onnxruntime",
            "ONNX Runtime",
            "peer_onnxruntime",
            "channels_first",
            ("onnxruntime", "onnx"),
            ("forward",),
        ),
    )
}

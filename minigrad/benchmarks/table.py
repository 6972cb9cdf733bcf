"""The comparison as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minigrad.benchmarks.cases import Kind
from minigrad.benchmarks.peers import OURS, Library
from minigrad.benchmarks.report import Report, Row

__all__ = ["Table"]

TITLES: dict[Kind, str] = {
    "forward": "forward: N,H,W,C->F,k,s",
    "backward": "forward + backward",
    "training": "training step",
}
_CASE, _OURS, _PEER, _RATIO = 29, 10, 18, 9


class Table:
    """Writes a report, row by row.

    Parameters
    ----------
    peers : sequence of Library
        The columns.
    device : "cpu" or "cuda"
        For a GPU there are columns with what minigrad came to.
    """

    def __init__(self, peers: Sequence[Library], device: str = "cpu") -> None:
        self._peers = peers
        self._gpu = device == "cuda"
        self._kind: Kind | None = None

    def head(self, report: Report) -> Iterator[str]:
        """Yield the lines above the rows."""
        versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        yield f"{report.threads} threads, {report.repeats} rounds. {versions}".rstrip()
        product, copy = report.ceilings.product / 1e9, report.ceilings.copy / 1e9
        by = "CuPy" if self._gpu else "NumPy"
        yield f"Ceilings ({by}): sgemm {product:.0f} GFLOP/s, copy {copy:.0f} GB/s."
        if report.load > 0.5:
            yield f"The machine is busy (load {report.load:.1f}): the figures will be off."
        for name, reason in report.absent.items():
            yield f"{name} did not start: {reason}"

    def row(self, row: Row) -> Iterator[str]:
        """Yield the line of a row, under a headline where a new kind begins."""
        if row.kind != self._kind:
            self._kind = row.kind
            yield ""
            titles = "".join(f"{peer.title:>{_PEER}}" for peer in self._peers)
            reached = f"{'GFLOP/s':>10}{'GB/s':>8}" if self._gpu else ""
            head = f"{TITLES[row.kind]:<{_CASE}}{OURS.title:>{_OURS}}{'roof':>7}{reached}{titles}"
            yield head + (f"{'ratio':>{_RATIO}}" if self._peers else "")
        roof = "" if row.roofline is None else f"{100 * row.roofline:.0f} %"
        cells = "".join(f"{self._cell(row, peer.name):>{_PEER}}" for peer in self._peers)
        reached = ""
        if self._gpu:
            speeds = [""] * 2 if row.speeds is None else [f"{s / 1e9:.0f}" for s in row.speeds]
            reached = f"{speeds[0]:>10}{speeds[1]:>8}"
        time = _time(row.milliseconds[OURS.name])
        line = f"{row.case:<{_CASE}}{time:>{_OURS}}{roof:>7}{reached}{cells}"
        yield (line + (_ratio(row.ratio) if self._peers else "")).rstrip()

    def foot(self, report: Report) -> Iterator[str]:
        """Yield the lines below the rows: means, what failed, and how to read the table."""
        kinds = dict.fromkeys(row.kind for row in report.rows)
        for number, kind in enumerate(kinds if self._peers else ()):
            if number == 0:
                yield ""
            means = [_ratio(report.mean(kind, peer.name), _PEER) for peer in self._peers]
            title = f"geometric mean, {TITLES[kind].partition(':')[0]}"
            yield f"{title:<{_CASE + _OURS + 7}}{''.join(means)}{_ratio(report.mean(kind))}"
        failures = [(row, *item) for row in report.rows for item in row.failures.items()]
        if failures:
            yield ""
        for row, name, reason in failures:
            yield f"{name}, {row.kind} {row.case}: {reason}"
        yield ""
        yield from _NOTES if self._peers else _NOTES[:3]
        if self._gpu:
            yield "On a GPU times are those between two events, and TF32 is off in every library."

    def _cell(self, row: Row, name: str) -> str:
        if name not in row.milliseconds:
            return "-"
        return f"{_time(row.milliseconds[name])} {row.ratios[name]:5.2f}x"


_NOTES = (
    "Medians in milliseconds, float32, padding 'same'. Forward: depthwise, pointwise, bias, no",
    "tape; backward adds the gradients of the input, both kernels and the bias. roof: the shortest",
    "time that sgemm and copy allow over minigrad's; above 100 % where arrays stay in the cache.",
    "Beside each peer's time: peer / minigrad, so above 1 minigrad is faster; ratio: the fastest",
    "peer's. Each library has a process of its own; they take turns. Results were compared first.",
    "PyTorch eager (channels last or first in memory; where 'same' is not symmetric it pads both",
    "sides alike); TensorFlow in tf.function; ONNX Runtime with all optimizations. Training: Adam,",
    "cross-entropy; train_on_batch of minigrad and Keras, a plain loop's body in PyTorch.",
)


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.{3 if milliseconds < 1 else 2 if milliseconds < 100 else 1}f}"


def _ratio(ratio: float | None, width: int = _RATIO) -> str:
    return f"{'-' if ratio is None else f'{ratio:.2f}x':>{width}}"

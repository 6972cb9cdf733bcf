"""What a pass over the data prints: seldom on a terminal, once an epoch elsewhere."""

from __future__ import annotations

import io
import textwrap
from typing import Any

import numpy as np
import pytest

from minigrad import layers
from minigrad.models import Sequential, progress
from minigrad.models.progress import Progress, verbosity


class Clock:
    """Time that passes only when it is told to."""

    now = 100.0

    def perf_counter(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def terminal_for(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Called in the test itself: pytest changes the streams between fixtures and tests."""
    made = Terminal()
    monkeypatch.setattr("sys.stderr", made)
    return made


def test_a_bar_is_drawn_five_times_a_second_at_most(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, asked = terminal_for(monkeypatch), []

    def logs() -> dict[str, float]:
        asked.append(clock.now)
        return {"loss": 0.5}

    with Progress("Epoch 1/1", 1000, 1) as bar:
        for _ in range(1000):  # a batch each 10 ms: 10 s
            clock.now += 0.01
            bar.step(logs)
        bar.finish({"loss": 0.25})
    assert 45 <= len(asked) <= 50  # the numbers are not even computed in between
    assert np.diff(asked).min() > 0.199
    drawn = terminal.getvalue().split("\r")
    assert len(drawn) <= 50 + 4
    assert "1000/1000" in drawn[-1] and "loss: 0.25" in drawn[-1]


def test_slow_batches_are_all_drawn(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    with Progress("Epoch 1/1", 4, 1) as bar:
        for _ in range(4):
            clock.now += 1.0
            bar.step(lambda: {"loss": 1.0})
        bar.finish({"loss": 1.0})
    assert all(f"{n}/4" in terminal.getvalue() for n in (1, 2, 3, 4))


def fit(epochs: int, verbose: int | str) -> None:
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((20, 3), np.float32)
    model.fit(x, x[:, :1], batch_size=2, epochs=epochs, verbose=verbose)


def test_one_line_an_epoch_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    fit(3, "auto")
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert all("loss: " in line and "\r" not in line for line in lines)
    assert captured.err == ""


def test_a_terminal_gets_bars_and_no_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_for(monkeypatch)
    fit(2, "auto")
    assert capsys.readouterr().out == ""
    assert terminal.getvalue().count("10/10") >= 2 and terminal.getvalue().endswith("\n")


CELLS = [
    """
    import time
    import numpy as np
    import minigrad as mg

    class Slow(mg.callbacks.Callback):
        def on_train_batch_end(self, batch, logs):
            time.sleep(0.03)

    model = mg.Sequential([mg.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((80, 3), np.float32)
    model.predict(x)  # compiled, if need be
    """,
    "_ = model.fit(x, x[:, :1], 4, epochs=2, callbacks=[Slow()])",
    "_ = model.fit(x, x[:, :1], epochs=2, verbose=2)",
]


def test_a_notebook_keeps_one_line_for_each_bar() -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    cells = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    updates = []

    class Client(client.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, message: Any, *args: Any) -> Any:
            updates.append(message["msg_type"])
            return super().process_message(message, *args)

    Client(notebook, kernel_name="python3", timeout=120).execute()
    bars = notebook.cells[1].outputs
    assert [part.output_type for part in bars] == ["display_data"] * 2
    for number, bar in enumerate(bars, 1):
        (line,) = bar.data["text/plain"].splitlines()
        assert line.startswith(f"Epoch {number}/2: 100%") and "20/20" in line and "loss: " in line
    assert 4 <= updates.count("update_display_data") <= 2 * (5 * 2 + 1)  # 0.6 s each, or slower
    lines = "".join(part.text for part in notebook.cells[2].outputs)
    assert [line.split(" - ")[0] for line in lines.splitlines()] == ["Epoch 1/2", "Epoch 2/2"]


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    fit(2, 0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("value", [3, -1, "always", None, 1.5])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"verbose must be 'auto', 0"):
        verbosity(value)

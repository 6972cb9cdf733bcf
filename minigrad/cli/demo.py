"""``minigrad demo``: the whole story in one command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.autograd import no_grad
from minigrad.cli.problem import Problem, one_line
from minigrad.cli.training import Recipe, Result, ready, train
from minigrad.environment import warmup
from minigrad.gradcheck import GradCheckReport, check_layer

CHECKED_IMAGES = 2  # two, so that a missing sum over the batch would show


def demo(output: str, epochs: int, seed: int, quiet: bool) -> int:
    """Train on the digits, check the gradients of what was trained, and draw.

    Returns
    -------
    int
        The exit code: 1 if a gradient is wrong.
    """
    began = time.perf_counter()
    folder = ready(output)

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    say("minigrad demo: SeparableConv2D layers learn handwritten digits (8×8 pixels).")
    say(f"Kernels ready in {warmup(verbose=not quiet):.1f} s (compiled once, then kept on disk).")
    result = train(Recipe(epochs=epochs, seed=seed), output, quiet=quiet)

    say("\nGradient check of the trained layers, against central differences in float64:")
    reports = check_gradients(result)
    for report in reports:
        print(verdict(report), flush=True)

    try:
        names = draw(result, folder)
    except OSError as error:
        raise Problem(f"cannot write to the folder {output!r}: {one_line(error)}") from None
    say(f"\nWrote {', '.join(names)} to {folder}")
    print(f"Done in {time.perf_counter() - began:.1f} s. Results: {folder.resolve()}")
    return 0 if all(reports) else 1


def check_gradients(result: Result) -> list[GradCheckReport]:
    """Check every layer with weights, fed with what it gets from the layers before it."""
    reports = []
    x: Any = result.images[:CHECKED_IMAGES]
    for layer in result.model.layers:
        if layer.trainable_weights:
            # As it is trained: batch normalization takes the statistics of the batch.
            reports.append(check_layer(layer, x, training=True))
        with no_grad():
            x = layer(x, training=False)
    return reports


def verdict(report: GradCheckReport) -> str:
    """Return a report in one line, or in full if something is wrong."""
    if not report:
        return str(report)
    count = sum(check.checks for check in report.inputs)
    worst = max(check.error for check in report.inputs)
    return f"  {report.function:<24} ok   {count:>5} derivatives, largest error {worst:.0e}"


def draw(result: Result, folder: Path) -> list[str]:
    """Write the pictures and return their names."""
    from matplotlib.figure import Figure

    from minigrad import visualization as show

    convolutions = [layer for layer in result.model.layers if hasattr(layer, "depthwise_kernel")]

    def curves(axes: Any) -> None:
        show.plot_history(result.history, axes[0])
        show.plot_history(result.history, axes[1], metric="accuracy")

    loss = Figure(figsize=(9.0, 3.4), layout="constrained")
    curves(loss.subplots(1, 2))

    kernels = Figure(figsize=(8.0, 5.2), layout="compressed")
    for layer, ax in zip(convolutions, kernels.subplots(len(convolutions), 1), strict=True):
        show.plot_depthwise_kernels(layer, ax)

    errors = Figure(figsize=(6.5, 3.6), layout="compressed")
    _draw_errors(result, errors.subplots())

    overview = Figure(figsize=(11.0, 6.4), layout="constrained")
    halves: Any = overview.subfigures(2, 1)
    curves(halves[0].subplots(1, 2))
    left, right = halves[1].subplots(1, 2)
    show.plot_depthwise_kernels(convolutions[-1], left)
    _draw_errors(result, right)

    pictures = {
        "loss.png": loss,
        "depthwise_kernels.png": kernels,
        "misclassified.png": errors,
        "overview.png": overview,
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=110)
    return list(pictures)


def _draw_errors(result: Result, ax: Any, most: int = 15) -> None:
    from minigrad.visualization import plot_images

    chosen = result.wrong[:most]
    title = f"Misclassified: {len(result.wrong)} of {len(result.labels)} test digits"
    if not len(chosen):  # nothing to be ashamed of: show some right answers
        chosen = np.arange(most)
        title = "No test digit was misclassified; some of them"
    plot_images(
        result.images[chosen],
        result.labels[chosen],
        result.predictions[chosen],
        ax,
        columns=5,
        title=title,
    )

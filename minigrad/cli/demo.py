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

COLUMNS = 16  # channels side by side in the picture of the kernels
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

    heights = [_height(layer) for layer in convolutions]
    kernels = Figure(figsize=(8.5, 0.45 * (len(heights) + sum(heights))), layout="constrained")
    axes = kernels.subplots(len(heights), 1, height_ratios=heights, squeeze=False)
    for layer, ax in zip(convolutions, axes[:, 0], strict=True):
        show.plot_depthwise_kernels(layer, ax, columns=COLUMNS)

    doubtful = Figure(figsize=(6.5, 3.4), layout="compressed")
    draw_doubtful(result, doubtful.subplots())

    overview = Figure(figsize=(11.0, 6.4), layout="constrained")
    halves: Any = overview.subfigures(2, 1)
    curves(halves[0].subplots(1, 2))
    left, right = halves[1].subplots(1, 2)
    show.plot_depthwise_kernels(convolutions[-1], left)
    draw_doubtful(result, right)

    pictures = {
        "loss.png": loss,
        "depthwise_kernels.png": kernels,
        "misclassified.png": doubtful,
        "overview.png": overview,
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=110)
    return list(pictures)


def draw_doubtful(result: Result, ax: Any, count: int = 10) -> None:
    """Draw the misclassified digits and, if they are few, the least certain of the others."""
    from minigrad.visualization import plot_images

    ranked = np.sort(result.logits, axis=-1)
    certainty = ranked[:, -1] - ranked[:, -2]
    certainty[result.wrong] -= certainty.max()  # wrong ones first
    chosen = np.argsort(certainty, kind="stable")[:count]
    plot_images(
        result.images[chosen],
        result.labels[chosen],
        result.predictions[chosen],
        ax,
        columns=5,
        title=f"{len(result.wrong)} of {len(result.labels)} test digits misclassified; "
        "the least certain",
    )


def _height(layer: Any) -> float:
    """Return how high the picture of a layer's depthwise kernel is, in rows of small tiles."""
    channels, multiplier = layer.depthwise_kernel.shape[2:]
    if channels == 1:
        channels, multiplier = multiplier, 1
    rows = multiplier * -(-channels // COLUMNS)
    return float(rows * COLUMNS / min(COLUMNS, channels))  # few tiles are drawn large

"""Training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.visualization.canvas import BLUE, GREY, ORANGE, axes, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_history(history: Any, ax: Axes | None = None, *, metric: str = "loss") -> Axes:
    """Plot a metric against the epochs, for training and (if there is one) validation.

    Parameters
    ----------
    history : History or mapping
        What ``fit`` returns, or a dict of lists with one number per epoch, such as
        ``{"loss": [...], "val_loss": [...]}``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when left out.
    metric : str
        Which entry to plot. Accuracies are shown in percent. A loss that falls by more than a
        factor of 20 gets a logarithmic axis.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the history has no such entry, or no epochs.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import minigrad as mg
    >>> ax = mg.visualization.plot_history({"loss": [2.0, 0.5], "val_loss": [1.5, 0.7]})
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'loss')
    """
    curves: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    if metric not in curves or not len(curves[metric]):
        raise ValueError(
            f"The history has no values for the metric. Expected one of {sorted(curves)}. "
            f"Received: metric={metric!r}"
        )
    ax = axes(ax, 5.0, 3.2)
    percent = "accuracy" in metric
    scale = 100.0 if percent else 1.0
    values = []
    for key, name, colour in ((metric, "training", BLUE), (f"val_{metric}", "validation", ORANGE)):
        if key not in curves or not len(curves[key]):
            continue
        y = scale * np.asarray(curves[key], float)
        epochs = np.arange(1, len(y) + 1)
        marker = "o" if len(y) <= 30 else None
        ax.plot(epochs, y, color=colour, label=name, linewidth=1.8, marker=marker, markersize=3.5)
        values.append(y)
    everything = np.concatenate(values)
    if not percent and everything.min() > 0 and everything.max() > 20 * everything.min():
        ax.set_yscale("log")
    ax.set_title(metric.replace("_", " ").capitalize())
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"{metric.replace('_', ' ')}{' (%)' if percent else ''}")
    whole_numbers(ax.xaxis)
    ax.grid(True, color=GREY, alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if len(values) > 1:
        ax.legend(frameon=False)
    return ax

"""``minigrad train``: a network of SeparableConv2D layers learns the handwritten digits."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import callbacks, datasets, layers, optimizers, random
from minigrad.cli.problem import Problem, one_line
from minigrad.models import Sequential

HELD_BACK = 0.1  # of the training images, to watch the training with


@dataclass(frozen=True)
class Recipe:
    """What to train, and how."""

    filters: tuple[int, ...] = (32, 64, 64)
    kernel_size: int = 3
    depth_multiplier: int = 1
    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 0.01
    optimizer: str = "adam"
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """A trained network and how well it does on images that it never saw."""

    model: Sequential
    history: callbacks.History
    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    logits: np.ndarray[Any, Any]

    @property
    def predictions(self) -> np.ndarray[Any, Any]:
        """The most likely class of each image."""
        classes: np.ndarray[Any, Any] = np.argmax(self.logits, axis=-1)
        return classes

    @property
    def wrong(self) -> np.ndarray[Any, Any]:
        """The positions of the images that the network takes for something else."""
        return np.flatnonzero(self.predictions != self.labels)

    @property
    def accuracy(self) -> float:
        """The fraction of right answers."""
        return 1.0 - len(self.wrong) / len(self.labels)


class LinearDecay(callbacks.Callback):
    """Lets the learning rate fall from epoch to epoch, along a line that ends at zero."""

    def __init__(self, start: float, epochs: int) -> None:
        self._start = start
        self._epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        """Set the rate of this epoch."""
        self.model.optimizer.learning_rate = self._start * (1.0 - epoch / self._epochs)


def network(recipe: Recipe) -> Sequential:
    """Return the untrained network: separable convolutions, an average over the image, a vote.

    The first layer sees a single channel, where one depthwise filter could not do much: it has 8.
    All layers but the first halve the image.
    """
    stack: list[layers.Layer] = []
    for number, filters in enumerate(recipe.filters, start=1):
        first = number == 1
        stack += [
            layers.SeparableConv2D(
                filters,
                recipe.kernel_size,
                strides=1 if first else 2,
                padding="same",
                data_format="channels_last",
                depth_multiplier=8 if first else recipe.depth_multiplier,
                depthwise_initializer="he_uniform",
                use_bias=False,
                name=f"separable_{number}",
            ),
            layers.BatchNormalization(momentum=0.9, name=f"normalize_{number}"),
            layers.ReLU(name=f"relu_{number}"),
        ]
    stack += [
        layers.GlobalAveragePooling2D(data_format="channels_last", name="average"),
        layers.Dense(10, name="vote"),
    ]
    return Sequential(stack, name="digits")


def train(recipe: Recipe, output: str, *, quiet: bool) -> Result:
    """Train, report, and write weights and history to a folder."""
    folder = ready(output)
    random.set_random_seed(recipe.seed)
    (x, y), (images, labels) = datasets.digits(data_format="channels_last")
    model = network(recipe)
    try:
        model.build((None, *x.shape[1:]))
        model.compile(
            optimizers.get(
                {
                    "class_name": recipe.optimizer,
                    "config": {"learning_rate": recipe.learning_rate},
                }
            ),
            loss={
                "class_name": "SparseCategoricalCrossentropy",
                "config": {"from_logits": True},
            },
            metrics=["accuracy"],
        )
    except ValueError as error:
        raise Problem(one_line(error)) from None
    if not quiet:
        print(f"{len(x)} images to learn from, {len(images)} to be tested with.\n")
        model.summary()
        print()
    history = model.fit(
        x,
        y,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        callbacks=[LinearDecay(recipe.learning_rate, recipe.epochs)],
        validation_split=HELD_BACK,
        verbose=0 if quiet else "auto",
        seed=recipe.seed,
    )
    logits = model.predict(images, batch_size=256)
    result = Result(model, history, images, labels, logits)
    print(
        f"Test accuracy: {100 * result.accuracy:.2f} % "
        f"({len(result.wrong)} of {len(labels)} images wrong)"
    )
    model.save_weights(folder / "weights.npz")
    write_history(folder / "history.csv", history)
    if not quiet:
        print(f"Wrote weights.npz and history.csv to {folder}")
    return result


def ready(output: str) -> Path:
    """Return a folder that can be written to, made if need be.

    Raises
    ------
    Problem
        If there can be none; better now than after the training.
    """
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise Problem(f"cannot write to the folder {output!r}: {reason}") from None
    return folder


def write_history(path: Path, history: callbacks.History) -> None:
    """Write one line per epoch."""
    names = list(history.history)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *names])
        columns = [history.history[name] for name in names]
        for epoch, row in enumerate(zip(*columns, strict=True), start=1):
            writer.writerow([epoch, *(f"{value:.6g}" for value in row)])

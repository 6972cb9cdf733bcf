"""Handwritten digits: 1,797 images of 8x8 pixels that come with the package."""

from __future__ import annotations

import hashlib
import io
from importlib import resources

import numpy as np

from minigrad import config
from minigrad._brief import brief
from minigrad._validate import integer
from minigrad.datasets._procedural import Examples

SHA256 = "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"
CLASSES = 10
LARGEST_PIXEL = 16.0


def digits(
    test_fraction: float = 0.2, seed: int = 0, *, data_format: str | None = None
) -> tuple[Examples, Examples]:
    """Return handwritten digits, split into a training and a test set.

    Every class is split in the given proportion (a stratified split), and both sets come in random
    order. The split depends on `test_fraction` and `seed` alone. It is the same on every platform
    and with every version of NumPy: the images are ordered by raw draws of the PCG64 bit generator,
    whose stream NumPy keeps fixed (NEP 19), and not by ``Generator.permutation``, which it may
    change.

    Parameters
    ----------
    test_fraction : float
        The part of each class that goes to the test set, from 0 (an empty test set) to below 1.
    seed : int
        Which of the possible splits to make, >= 0.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channel axis goes; ``config.image_data_format()`` if None.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images: float32, (n, 8, 8, 1) or (n, 1, 8, 8), from 0 (paper) to 1 (ink), exact multiples of
        1/16. Labels: int64, (n,), 0 to 9. The arrays are new; changing them changes nothing else.

    Raises
    ------
    ValueError
        If an argument is out of range, or the file that came with the package is damaged.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, https://doi.org/10.24432/C50P49 (its test set), CC BY 4.0; see
    ``DIGITS_LICENSE.txt`` beside this file.

    Examples
    --------
    >>> import minigrad as mg
    >>> (x_train, y_train), (x_test, y_test) = mg.datasets.digits()
    >>> x_train.shape, x_test.shape
    ((1438, 8, 8, 1), (359, 8, 8, 1))
    """
    fraction = _fraction(test_fraction)
    seed = integer(seed, "seed", 0)
    axis = -1 if config.resolve_data_format(data_format) == "channels_last" else 1
    pixels, labels = _load()
    x = np.expand_dims((pixels / np.float32(LARGEST_PIXEL)).astype(np.float32), axis)
    y = labels.astype(np.int64)

    # Two draws per image: one says which set it goes to, the other where it stands there. With one
    # for both, the classes that fill their part of the test set first would lead the training set.
    lots, places = np.random.PCG64(seed).random_raw(2 * len(y)).reshape(2, -1)
    by_lot = np.argsort(lots, kind="stable")
    is_test = np.zeros(len(y), dtype=bool)
    for digit in range(CLASSES):
        members = by_lot[y[by_lot] == digit]
        is_test[members[: round(fraction * len(members))]] = True
    order = np.argsort(places, kind="stable")
    train, test = order[~is_test[order]], order[is_test[order]]
    return (x[train], y[train]), (x[test], y[test])


def _fraction(value: object) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
        if 0.0 <= number < 1.0:
            return number
    raise ValueError(
        "test_fraction must be a number from 0 to below 1 (the part of the images that goes to the "
        f"test set). Received: test_fraction={brief(value)}"
    )


def _load() -> Examples:
    """Return the images (1797, 8, 8) and labels (1797,) as uint8, after checking the file."""
    file = resources.files("minigrad.datasets").joinpath("digits.npz")
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{file} is damaged: expected the SHA-256 checksum {SHA256}, found {found}. "
            "Install minigrad again."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return archive["images"], archive["labels"]

"""MNIST and Fashion-MNIST, from their official files."""

from __future__ import annotations

from pathlib import Path

from minigrad.datasets.files import Folder, folder_of, obtain
from minigrad.datasets.idx import read_idx
from minigrad.datasets.images import Examples, examples, layout_and_dtype

__all__ = ["fashion_mnist", "mnist"]

FILES = (
    ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)


def _by_name(*checksums: str) -> dict[str, str]:
    return dict(zip([name for pair in FILES for name in pair], checksums, strict=True))


# The original page has no checksums and hardly any service left; this is the mirror that
# TensorFlow Datasets and others read. Its SHA-256 sums are those of torchvision's MNIST.
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
MNIST_SHA256 = _by_name(
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)

# The authors publish MD5 sums of the same files (8d4fb7e6..., 25c81989..., bef4ecab...,
# bb300cfd...) in https://github.com/zalandoresearch/fashion-mnist; SHA-256 is safer.
FASHION_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
FASHION_SHA256 = _by_name(
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
)


def mnist(
    folder: Folder = None,
    *,
    download: bool = False,
    data_format: str | None = None,
    dtype: str = "float32",
) -> tuple[Examples, Examples]:
    """Return MNIST: 70,000 handwritten digits of 28x28 pixels.

    Parameters
    ----------
    folder : path, optional
        Where the four files are, ``train-images-idx3-ubyte.gz`` and so on, unpacked or not;
        ``~/.cache/minigrad/mnist`` when left out.
    download : bool
        Download files that are missing into the folder, and check their SHA-256. Needs pooch:
        ``pip install 'minigrad[download]'``.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channel axis goes; ``config.image_data_format()`` if None.
    dtype : {"float32", "uint8"}
        From 0 to 1, or the bytes of the files, a quarter as large.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images: (n, 28, 28, 1) or (n, 1, 28, 28). Labels: int64, (n,), 0 to 9. In the order of the
        files: 60,000 to train on and 10,000 to test.

    Raises
    ------
    FileNotFoundError
        If a file is missing and `download` is false.
    OSError
        If it cannot be downloaded.
    ValueError
        If a file is damaged, or an argument is none of its values.

    Notes
    -----
    Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.datasets.mnist("no/such/folder")
    Traceback (most recent call last):
    FileNotFoundError: There is no train-images-idx3-ubyte.gz in no/such/folder. Download it with
    download=True, or by hand from
    https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz.
    """
    how = layout_and_dtype(data_format, dtype)
    return _load(folder_of("mnist", folder), MNIST_URL, MNIST_SHA256, download, how)


def fashion_mnist(
    folder: Folder = None,
    *,
    download: bool = False,
    data_format: str | None = None,
    dtype: str = "float32",
) -> tuple[Examples, Examples]:
    """Return Fashion-MNIST: 70,000 pieces of clothing of 28x28 pixels, in files like MNIST's.

    Parameters
    ----------
    folder, download, data_format, dtype
        As for `mnist`; the folder is ``~/.cache/minigrad/fashion_mnist`` when left out.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        As for `mnist`. 0 T-shirt, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt,
        7 sneaker, 8 bag, 9 ankle boot.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        As for `mnist`.

    Notes
    -----
    H. Xiao, K. Rasul, R. Vollgraf, https://arxiv.org/abs/1708.07747, MIT licence.
    """
    how = layout_and_dtype(data_format, dtype)
    return _load(folder_of("fashion_mnist", folder), FASHION_URL, FASHION_SHA256, download, how)


def _load(
    folder: Path, url: str, checksums: dict[str, str], download: bool, how: tuple[str, str]
) -> tuple[Examples, Examples]:
    paths = [[obtain(folder, name, url, checksums, download) for name in pair] for pair in FILES]
    found = []
    for images, labels in paths:
        pixels, classes = read_idx(images), read_idx(labels)
        for path, array, axes in ((images, pixels, 3), (labels, classes, 1)):
            if array.ndim != axes:
                raise ValueError(
                    f"{path} must hold an array with {axes} axes. Received: shape {array.shape}"
                )
        found.append(examples(pixels[..., None], classes, how, images))
    return found[0], found[1]

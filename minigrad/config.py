"""Global defaults: float type, epsilon, image data format and threads.

The defaults are read once, at import, from ``$KERAS_HOME/keras.json`` or ``~/.keras/keras.json``,
the file that Keras uses (https://keras.io/api/utils/config_utils/). That file is never created or
changed here.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import _validate
from minigrad._brief import brief

FLOAT_TYPES = ("float32", "float64")

_values: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}


def floatx() -> str:
    """Return the default float type, ``'float32'`` or ``'float64'``.

    Examples
    --------
    >>> from minigrad import config
    >>> config.floatx()
    'float32'
    """
    return str(_values["floatx"])


def set_floatx(value: Any) -> None:
    """Set the float type of tensors made from Python numbers and of layers made from now on.

    Parameters
    ----------
    value : str or numpy dtype
        ``'float32'`` or ``'float64'``.

    Raises
    ------
    ValueError
        For any other type.
    """
    try:
        name = np.dtype(value).name
    except TypeError:
        name = ""
    if value is None or name not in FLOAT_TYPES:
        raise ValueError(f"floatx must be one of {FLOAT_TYPES}. Received: {brief(value)}")
    _values["floatx"] = name


def epsilon() -> float:
    """Return the small number that keeps divisions and logarithms finite (1e-7 unless set)."""
    return float(_values["epsilon"])


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisions and logarithms finite.

    Raises
    ------
    ValueError
        Unless ``value`` is a finite, positive number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ValueError(f"epsilon must be a positive number. Received: {brief(value)}")
    if not 0.0 < float(value) < float("inf"):
        raise ValueError(f"epsilon must be positive and finite. Received: {brief(value)}")
    _values["epsilon"] = float(value)


def image_data_format() -> str:
    """Return the default data format, ``'channels_last'`` or ``'channels_first'``."""
    return str(_values["image_data_format"])


def set_image_data_format(value: str) -> None:
    """Set the data format of layers made from now on; layers that exist keep theirs.

    Parameters
    ----------
    value : str
        ``'channels_last'`` or ``'channels_first'``, in any letter case.
    """
    _values["image_data_format"] = _validate.data_format(value)


def resolve_data_format(value: str | None) -> str:
    """Return ``value`` normalised, or the global default for None."""
    return image_data_format() if value is None else _validate.data_format(value)


def resolve_dtype(value: Any) -> np.dtype[Any]:
    """Return the dtype that ``value`` names, floatx for None; only float32 and float64 pass."""
    try:
        dtype = np.dtype(floatx() if value is None else value)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.name not in FLOAT_TYPES:
        raise ValueError(
            f"dtype must be one of {FLOAT_TYPES} (or None for floatx). "
            f"Received: dtype={brief(value)}"
        )
    return dtype


def set_num_threads(count: int) -> None:
    """Set how many threads the CPU kernels of the calling Python thread may use.

    Results do not depend on it: the same inputs give the same bits for any number of threads.

    Raises
    ------
    ValueError
        Unless 1 <= count <= the number of threads numba was started with (``NUMBA_NUM_THREADS``).
    """
    import numba

    limit = int(numba.config.NUMBA_NUM_THREADS)
    if not _validate.is_integer(count) or not 1 <= count <= limit:
        raise ValueError(
            f"The number of threads must be an integer from 1 to {limit}. Received: {brief(count)}"
        )
    numba.set_num_threads(int(count))


def num_threads() -> int:
    """Return how many threads the CPU kernels of the calling Python thread may use."""
    import numba

    return int(numba.get_num_threads())


def _settings_path() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "keras.json"


def _read_settings() -> None:
    """Take the defaults from keras.json; a bad file or value warns and changes nothing."""
    try:
        path = _settings_path()
        text = path.read_text(encoding="utf-8")
    except (OSError, RuntimeError, UnicodeDecodeError):  # RuntimeError: no home directory
        return
    try:
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise ValueError("not a JSON object")
    except ValueError as error:
        warnings.warn(f"{path} is not valid ({error}); using the defaults.", stacklevel=2)
        return
    setters = {
        "floatx": set_floatx,
        "epsilon": set_epsilon,
        "image_data_format": set_image_data_format,
    }
    for key, setter in setters.items():
        if key in settings:
            try:
                setter(settings[key])
            except (ValueError, TypeError) as error:
                warnings.warn(f"{path}: {key} is ignored. {error}", stacklevel=2)


_read_settings()

"""TensorFlow, Keras 2 (`tf_keras`) and Keras 3 (`keras`) on the CPU, quiet and repeatable."""

from __future__ import annotations

import os
import tempfile
from typing import Any

os.environ.update(
    TF_ENABLE_ONEDNN_OPTS="0",
    CUDA_VISIBLE_DEVICES="-1",
    TF_CPP_MIN_LOG_LEVEL="3",
    KERAS_BACKEND="tensorflow",
    KERAS_HOME=tempfile.mkdtemp(),  # leave the user's keras.json alone
)

import keras
import numpy as np
import tensorflow as tf
import tf_keras

__all__ = ["exact", "keras", "set_floatx", "tf", "tf_keras"]


def set_floatx(dtype: str) -> None:
    """Set the default dtype of both Keras versions, and of the layers they make from now on."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    tf_keras.backend.set_floatx(dtype)
    tf_keras.mixed_precision.set_global_policy(dtype)


def exact(thing: Any) -> Any:
    """Make an optimizer or layer keep its hyperparameters in full precision; return it.

    TensorFlow turns a Python float into a float32 tensor before it casts it to
    the float64 of a variable: 0.9 becomes 0.8999999762. NumPy's float64 stays.
    """
    for name, value in list(vars(thing).items()):
        if type(value) is float:
            setattr(thing, name, np.float64(value))
    return thing

"""Callbacks: code that `fit` calls at the start and end of training, epochs and batches.

Names and arguments are those of Keras (https://keras.io/api/callbacks/).

Examples
--------
>>> import minigrad as mg
>>> model = mg.Sequential([mg.layers.Dense(1)])
>>> model.compile("sgd", "mse")
>>> stop = mg.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=100.0)
>>> history = model.fit([[1.0]], [[2.0]], epochs=50, verbose=0, callbacks=[stop])
>>> len(history.epoch)
2
"""

from minigrad.callbacks.backup import BackupAndRestore
from minigrad.callbacks.base import Callback
from minigrad.callbacks.checkpoint import ModelCheckpoint
from minigrad.callbacks.csv_logger import CSVLogger
from minigrad.callbacks.history import History
from minigrad.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from minigrad.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

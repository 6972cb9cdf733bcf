"""Data to train on: `digits` comes with the package, nothing is downloaded."""

from minigrad.datasets.batches import Batches
from minigrad.datasets.digits import digits

__all__ = ["Batches", "digits"]

"""Data to train on: `digits` comes with the package, nothing is downloaded."""

from minigrad.datasets.digits import digits

__all__ = ["digits"]

"""The version of minigrad, in one place."""

__version__ = "0.1.0"

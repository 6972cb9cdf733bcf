"""Data to train on: `digits` comes with the package, others are drawn, read or downloaded."""

from minigrad.datasets.batches import Batches
from minigrad.datasets.cifar10 import cifar10
from minigrad.datasets.crossed import crossed_channels
from minigrad.datasets.digits import digits
from minigrad.datasets.mnist import fashion_mnist, mnist
from minigrad.datasets.shapes import SHAPES, shapes
from minigrad.datasets.textures import colour_textures, oriented_textures

__all__ = [
    "SHAPES",
    "Batches",
    "cifar10",
    "colour_textures",
    "crossed_channels",
    "digits",
    "fashion_mnist",
    "mnist",
    "oriented_textures",
    "shapes",
]

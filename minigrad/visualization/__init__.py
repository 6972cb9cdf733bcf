"""Pictures of weights, activations, images and training.

Every function takes ``ax``, an Axes to draw into (a new figure is made when it is left out),
returns the Axes it drew into, and never calls ``show``. matplotlib is imported by the first call.
"""

from minigrad.visualization.features import plot_feature_maps
from minigrad.visualization.history import plot_history
from minigrad.visualization.images import plot_images
from minigrad.visualization.kernels import plot_depthwise_kernels, plot_pointwise_kernel

__all__ = [
    "plot_depthwise_kernels",
    "plot_feature_maps",
    "plot_history",
    "plot_images",
    "plot_pointwise_kernel",
]

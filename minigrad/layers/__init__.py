"""Layers: functions with weights, made from Keras' words (https://keras.io/api/layers/).

Examples
--------
>>> import numpy as np
>>> from minigrad import layers
>>> layer = layers.SeparableConv2D(4, 3, activation="relu", padding="same")
>>> layer(np.zeros((1, 8, 8, 3))).shape
(1, 8, 8, 4)
"""

from minigrad.layers.activation import Activation
from minigrad.layers.base import Layer
from minigrad.layers.batch_normalization import BatchNormalization
from minigrad.layers.dense import Dense
from minigrad.layers.depthwise_conv2d import DepthwiseConv2D, DepthwiseConvolution2D
from minigrad.layers.dropout import Dropout
from minigrad.layers.flatten import Flatten
from minigrad.layers.global_average_pooling2d import GlobalAveragePooling2D, GlobalAvgPool2D
from minigrad.layers.input_layer import Input, InputLayer
from minigrad.layers.max_pooling2d import MaxPool2D, MaxPooling2D
from minigrad.layers.naming import reset_names
from minigrad.layers.parameter import Parameter
from minigrad.layers.registry import deserialize, get, register, serialize
from minigrad.layers.relu import ReLU
from minigrad.layers.separable_conv2d import SeparableConv2D, SeparableConvolution2D
from minigrad.layers.shapes import InputSpec
from minigrad.layers.symbolic import Symbol

__all__ = [
    "Activation",
    "BatchNormalization",
    "Dense",
    "DepthwiseConv2D",
    "DepthwiseConvolution2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "Input",
    "InputLayer",
    "InputSpec",
    "Layer",
    "MaxPool2D",
    "MaxPooling2D",
    "Parameter",
    "ReLU",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Symbol",
    "deserialize",
    "get",
    "register",
    "reset_names",
    "serialize",
]

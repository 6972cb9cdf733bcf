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
from minigrad.layers.advanced_activations import ELU, LeakyReLU, Softmax
from minigrad.layers.base import Layer
from minigrad.layers.batch_normalization import BatchNormalization
from minigrad.layers.conv2d import Conv2D, Convolution2D
from minigrad.layers.dense import Dense
from minigrad.layers.depthwise_conv2d import DepthwiseConv2D, DepthwiseConvolution2D
from minigrad.layers.dropout import Dropout, SpatialDropout2D
from minigrad.layers.flatten import Flatten
from minigrad.layers.gaussian_noise import GaussianNoise
from minigrad.layers.global_pooling2d import (
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
)
from minigrad.layers.input_layer import Input, InputLayer
from minigrad.layers.merging import Add, Concatenate, Multiply
from minigrad.layers.naming import reset_names
from minigrad.layers.parameter import Parameter
from minigrad.layers.pooling2d import AveragePooling2D, AvgPool2D, MaxPool2D, MaxPooling2D
from minigrad.layers.prelu import PReLU
from minigrad.layers.random_flip import RandomFlip
from minigrad.layers.random_rotation import RandomRotation
from minigrad.layers.random_translation import RandomTranslation
from minigrad.layers.registry import deserialize, get, register, serialize
from minigrad.layers.relu import ReLU
from minigrad.layers.rescaling import Rescaling
from minigrad.layers.reshape import Reshape
from minigrad.layers.separable_conv2d import SeparableConv2D, SeparableConvolution2D
from minigrad.layers.shapes import InputSpec
from minigrad.layers.symbolic import Symbol
from minigrad.layers.upsampling2d import UpSampling2D
from minigrad.layers.zero_padding2d import ZeroPadding2D

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Convolution2D",
    "Dense",
    "DepthwiseConv2D",
    "DepthwiseConvolution2D",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "InputSpec",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "Multiply",
    "PReLU",
    "Parameter",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Softmax",
    "SpatialDropout2D",
    "Symbol",
    "UpSampling2D",
    "ZeroPadding2D",
    "deserialize",
    "get",
    "register",
    "reset_names",
    "serialize",
]

"""Differentiable operations."""
from minigrad.ops import operators as operators
from minigrad.ops.arithmetic import *

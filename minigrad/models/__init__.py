"""Models: stacks and networks of layers that are trained, summarized and saved.

Examples
--------
>>> import minigrad as mg
>>> model = mg.Sequential([mg.layers.Dense(3)])
>>> model.predict([[1.0, 2.0]]).shape
(1, 3)
"""

from minigrad.models.functional import Functional
from minigrad.models.model import Model
from minigrad.models.parts import named_weights
from minigrad.models.saving import clone_model, load_model
from minigrad.models.sequential import Sequential
from minigrad.models.summary import LayerSummary, ModelSummary, summarize

__all__ = [
    "Functional",
    "LayerSummary",
    "Model",
    "ModelSummary",
    "Sequential",
    "clone_model",
    "load_model",
    "named_weights",
    "summarize",
]

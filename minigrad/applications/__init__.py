"""Small networks for small images, ready to be trained: functions that return models.

Examples
--------
>>> import minigrad as mg
>>> model = mg.applications.XceptionTiny(input_shape=(8, 8, 1), classes=10)
>>> model.output_shape
(None, 10)
"""

from __future__ import annotations

from minigrad.applications.mobilenet import MobileNetTiny
from minigrad.applications.xception import XceptionTiny

__all__ = ["MobileNetTiny", "XceptionTiny"]

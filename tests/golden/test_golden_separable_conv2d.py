"""The golden data itself, recomputed by plain loops over the definition (NumPy only)."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
INDEX = json.loads((HERE / "separable_conv2d.json").read_text(encoding="utf-8"))
SMALL = [case for case in INDEX["cases"] if np.prod(case["output_shape"]) <= 200]


@pytest.fixture(scope="module")
def golden() -> Any:
    with np.load(HERE / "separable_conv2d.npz", allow_pickle=False) as archive:
        yield {name: archive[name] for name in archive.files}


def loops(case: dict[str, Any], a: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Forward and backward, one multiplication at a time, channels last."""
    x, kernel, point, g = a["x"], a["depthwise_kernel"], a["pointwise_kernel"][0, 0], a["g"]
    if case["data_format"] == "channels_first":
        x, g = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    (top, _), (left, _) = case["pads"]
    (sh, sw), (dh, dw) = case["strides"], case["dilation_rate"]
    _, height, width, channels = x.shape
    kh, kw, _, multiplier = kernel.shape
    deep = np.zeros((*g.shape[:3], channels * multiplier))
    d_deep = np.einsum("nijf,qf->nijq", g, point)
    dx, dk = np.zeros_like(x), np.zeros_like(kernel)
    for i, j, p, q in product(range(g.shape[1]), range(g.shape[2]), range(kh), range(kw)):
        row, column = i * sh + p * dh - top, j * sw + q * dw - left
        if 0 <= row < height and 0 <= column < width:
            for c, m in product(range(channels), range(multiplier)):
                o = c * multiplier + m
                deep[:, i, j, o] += x[:, row, column, c] * kernel[p, q, c, m]
                dx[:, row, column, c] += d_deep[:, i, j, o] * kernel[p, q, c, m]
                dk[p, q, c, m] += (d_deep[:, i, j, o] * x[:, row, column, c]).sum()
    y = np.einsum("nijq,qf->nijf", deep, point) + a.get("bias", 0.0)
    if case["data_format"] == "channels_first":
        y, dx = np.moveaxis(y, -1, 1), np.moveaxis(dx, -1, 1)
    results = {
        "y": y,
        "dx": dx,
        "d_depthwise": dk,
        "d_pointwise": np.einsum("nijq,nijf->qf", deep, g)[None, None],
    }
    if "bias" in a:
        results["d_bias"] = g.sum(axis=(0, 1, 2))
    return results


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case["id"])
def test_loops_give_the_golden_arrays(case: dict[str, Any], golden: dict[str, np.ndarray]) -> None:
    prefix = case["id"] + "/"
    arrays = {
        key.removeprefix(prefix): value for key, value in golden.items() if key.startswith(prefix)
    }
    for name, value in loops(case, arrays).items():
        if case["exact"]:
            np.testing.assert_array_equal(value, arrays[name], err_msg=name)
        else:
            np.testing.assert_allclose(value, arrays[name], rtol=1e-11, atol=1e-11, err_msg=name)


def test_index_and_archive_name_the_same_arrays(golden: dict[str, np.ndarray]) -> None:
    words = INDEX["arrays"].replace("[", "").replace("]", "").split()
    expected = {
        f"{case['id']}/{word}"
        for case in INDEX["cases"]
        for word in words
        if case["use_bias"] or word not in ("bias", "d_bias")
    }
    assert expected == set(golden)

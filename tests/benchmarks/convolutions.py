"""Time the separable convolution against PyTorch: python tests/benchmarks/convolutions.py

Both run in turns in one process, so that whatever else the machine does hits them alike. Columns:
milliseconds (medians) here, in PyTorch channels_last, in PyTorch channels_first, and how many times
faster than the faster of these; first of the forward pass, then of forward + backward.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch.nn import functional

from minigrad.kernels import conv_geometry, separable_backward, separable_forward

SHAPES = {  # batch, height, width, channels, filters, kernel, stride, dilation, multiplier
    "toy28": (64, 28, 28, 16, 32, 3, 1, 1, 1),
    "cifar32": (64, 32, 32, 32, 64, 3, 1, 1, 1),
    "mb56": (4, 56, 56, 128, 128, 3, 1, 1, 1),
    "mb14": (8, 14, 14, 512, 512, 3, 1, 1, 1),
    "xc19": (4, 19, 19, 728, 728, 3, 1, 1, 1),
    "mb112s2": (4, 112, 112, 64, 128, 3, 2, 1, 1),
    "k5": (8, 28, 28, 192, 96, 5, 1, 1, 1),
    "toy8": (32, 8, 8, 8, 16, 3, 1, 1, 1),
    "c1": (64, 28, 28, 1, 32, 3, 1, 1, 1),
    "c3": (64, 32, 32, 3, 32, 3, 1, 1, 1),
    "c3s2": (8, 224, 224, 3, 32, 3, 2, 1, 1),
    "c1m16": (32, 28, 28, 1, 32, 3, 1, 1, 16),
    "c24": (16, 28, 28, 24, 40, 3, 1, 1, 1),
    "h4": (32, 4, 4, 256, 256, 3, 1, 1, 1),
    "h7": (8, 7, 7, 1024, 1024, 3, 1, 1, 1),
    "h224": (1, 224, 224, 32, 32, 3, 1, 1, 1),
    "k7": (8, 28, 28, 64, 64, 7, 1, 1, 1),
    "k5s2": (16, 28, 28, 64, 64, 5, 2, 1, 1),
    "s2": (16, 56, 56, 32, 64, 3, 2, 1, 1),
    "d2": (8, 28, 28, 64, 64, 3, 1, 2, 1),
    "m2": (8, 28, 28, 64, 64, 3, 1, 1, 2),
    "n1": (1, 14, 14, 512, 512, 3, 1, 1, 1),
}

Pass = Callable[[], object]


def passes(shape: tuple[int, ...]) -> list[tuple[Pass, Pass]]:
    """Return (forward, forward and backward) here, in channels_last and in channels_first."""
    n, h, w, c, f, k, s, d, m = shape
    pad = (k - 1) * d // 2
    geometry = conv_geometry((h, w), (k, k), (s, s), ((pad, pad), (pad, pad)), (d, d))
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    x, dk, pk, b = normal(n, h, w, c), normal(k, k, c, m), normal(1, 1, c * m, f), normal(f)
    dy = normal(n, *geometry.output_size, f)

    def here() -> object:
        return separable_forward(x, dk, pk, b, geometry)

    def here_and_back() -> object:
        return here(), separable_backward(x, dk, pk, dy, geometry, True)

    def in_torch(memory_format: torch.memory_format) -> tuple[Pass, Pass]:
        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).contiguous(memory_format=memory_format)

        depthwise = tensor(dk.transpose(2, 3, 0, 1).reshape(c * m, 1, k, k)).requires_grad_()
        pointwise = tensor(pk.transpose(3, 2, 0, 1).copy()).requires_grad_()
        images, gradient = tensor(x.transpose(0, 3, 1, 2)), tensor(dy.transpose(0, 3, 1, 2))
        bias = torch.from_numpy(b).requires_grad_()
        inputs = (images.requires_grad_(), depthwise, pointwise, bias)

        def both() -> torch.Tensor:
            features = functional.conv2d(
                images, depthwise, stride=s, padding=pad, dilation=d, groups=c
            )
            return functional.conv2d(features, pointwise, bias)

        def forward() -> object:
            with torch.no_grad():
                return both()

        return forward, lambda: torch.autograd.grad(both(), inputs, gradient)

    formats = (torch.channels_last, torch.contiguous_format)
    return [(here, here_and_back), *map(in_torch, formats)]


def medians(functions: list[Pass], seconds: float) -> list[float]:
    """Return median times in milliseconds; the functions run in turns."""
    for function in functions * 2:
        function()
    times: list[list[float]] = [[] for _ in functions]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for function, measured in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            measured.append(time.perf_counter() - start)
    return [1e3 * statistics.median(measured) for measured in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shapes", nargs="*", default=list(SHAPES), help=" ".join(SHAPES))
    parser.add_argument("--threads", type=int, default=numba.config.NUMBA_NUM_THREADS)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each shape and pass")
    options = parser.parse_args()
    numba.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    ratios: list[list[float]] = [[], []]
    for name in options.shapes:
        line = f"{name:8}"
        for number, functions in enumerate(zip(*passes(SHAPES[name]), strict=True)):
            ours, *theirs = medians(list(functions), options.seconds)
            ratios[number].append(min(theirs) / ours)
            line += f" | {ours:8.3f} {theirs[0]:8.3f} {theirs[1]:8.3f}  x{ratios[number][-1]:.2f}"
        print(line, flush=True)
    means = [statistics.geometric_mean(ratio) for ratio in ratios]
    print(f"geometric means: forward x{means[0]:.2f}, forward + backward x{means[1]:.2f}")


if __name__ == "__main__":
    main()

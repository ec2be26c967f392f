"""Errors of outputs and gradients against float64, ours beside torch's own.

An error is |a - b| / |b|, Euclidean norms over the whole tensor, b torch's direct convolution in float64 of the same
rounded inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.fftconv.layers import DTYPES
from benchmarks.fftconv.timing import Convolution, Shape, no_native, tensors
from benchmarks.record import Job, Row
from windowconv.fftconv import fft_conv2d

IMAGES = 2  # float64 has no fast direct convolution
SIZES = ((64, 56), (64, 32), (128, 28), (192, 28), (128, 16), (256, 14), (256, 8), (512, 8), (512, 7))
QUICK = ((128, 28), (512, 7))
KERNELS = (3, 5, 7, 9, 11)
TENSORS = ("output", "gradient of the input", "gradient of the weight")


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    for dtype, (channels, pixels), kernel in product(DTYPES, QUICK if quick else SIZES, (7,) if quick else KERNELS):
        shape = Shape(IMAGES, channels, pixels, kernel)
        yield Job(f"errors/{dtype}/{shape.key}", partial(measure, shape, dtype))


def measure(shape: Shape, dtype: str) -> Row:
    """The errors of one shape."""
    x, w, gy = tensors(shape, DTYPES[dtype], torch.channels_last)
    exact = _results(F.conv2d, shape, x.double(), w.double(), gy.double())

    def errors(convolution: Convolution) -> dict[str, float]:
        found = _results(convolution, shape, x, w, gy)
        return {name: _error(a, b) for name, a, b in zip(TENSORS, found, exact, strict=True)}

    row: Row = {"shape": vars(shape), "dtype": dtype, "fft": errors(fft_conv2d), "direct": errors(F.conv2d)}
    if dtype == "float32":
        with no_native():
            row["pure"] = errors(fft_conv2d)
    return row


def _results(convolution: Convolution, shape: Shape, x: Tensor, w: Tensor, gy: Tensor) -> list[Tensor]:
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    output = convolution(x, w, padding=shape.kernel // 2)
    return [output, *torch.autograd.grad(output, (x, w), gy)]


def _error(found: Tensor, exact: Tensor) -> float:
    return ((found.double() - exact).norm() / exact.norm()).item()

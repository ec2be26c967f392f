"""One convolution in the ways that are compared: as steps that can be timed, and timed in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.pairs import rounds, seconds
from windowconv.fftconv import fft_conv2d
from windowconv.fftconv.native import library

Step = Callable[[], object]
Convolution = Callable[..., Tensor]

LAYOUTS = {"": torch.channels_last, " contiguous": torch.contiguous_format}  # suffixes of a variant's name
SLOWER = 1.1  # a layout that takes this much longer than the other is timed no more
SLOW = 2.0  # seconds: of a step that takes longer, the slower layout always is dropped
FEW, MOST = 3, 15  # rounds


@dataclass(frozen=True)
class Shape:
    """A layer: as many output channels as input channels, square pictures, square kernel, padding that keeps the size.

    >>> print(Shape(32, 256, 14, 7))
    32x256, 14 px, k=7
    """

    batch: int
    channels: int
    pixels: int
    kernel: int
    groups: int = 1

    def __str__(self) -> str:
        return f"{self.batch}x{self.channels}, {self.pixels} px, k={self.kernel}"

    @property
    def key(self) -> str:
        """For a record."""
        return f"{self.batch}x{self.channels}x{self.pixels}/k{self.kernel}"

    @property
    def operations(self) -> int:
        """Multiplications and additions of a direct training step."""
        taps = self.kernel**2 * self.channels // self.groups
        return 6 * self.batch * self.channels * self.pixels**2 * taps


@lru_cache(maxsize=4)  # the variants of one row share them
def tensors(shape: Shape, dtype: torch.dtype, layout: torch.memory_format) -> tuple[Tensor, Tensor, Tensor]:
    """Input, weight and a dense output gradient, the same numbers in every layout."""
    generator = torch.Generator().manual_seed(0)
    c, n, k = shape.channels, shape.pixels, shape.kernel
    sizes = ((shape.batch, c, n, n), (c, c // shape.groups, k, k), (shape.batch, c, n, n))
    x, w, gy = (torch.randn(size, generator=generator) for size in sizes)
    w /= (k * k * c / shape.groups) ** 0.5
    x, w, gy = (tensor.to(dtype).contiguous(memory_format=layout) for tensor in (x, w, gy))
    return x.requires_grad_(), w.requires_grad_(), gy


def step(
    convolution: Convolution, shape: Shape, dtype: torch.dtype, layout: torch.memory_format, training: bool
) -> Step:
    """Forward and the gradients of input and weight, or forward alone without a graph."""
    x, w, gy = tensors(shape, dtype, layout)
    call = partial(convolution, x, w, padding=shape.kernel // 2, groups=shape.groups)

    def train() -> object:
        return torch.autograd.grad(call(), (x, w), gy)

    def infer() -> object:
        with torch.no_grad():
            return call()

    return train if training else infer


def direct_steps(name: str, shape: Shape, dtype: torch.dtype, training: bool) -> dict[str, Step]:
    """Torch's own in both layouts."""
    return {name + suffix: step(F.conv2d, shape, dtype, layout, training) for suffix, layout in LAYOUTS.items()}


def fft_steps(shape: Shape, dtype: torch.dtype, training: bool) -> dict[str, Step]:
    """Ours in both layouts."""
    return {f"fft{suffix}": step(fft_conv2d, shape, dtype, layout, training) for suffix, layout in LAYOUTS.items()}


def in_pure_pytorch(function: Step) -> Step:
    """The function without the native operator."""

    def call() -> object:
        with no_native():
            return function()

    return call


@contextmanager
def no_native() -> Iterator[None]:
    """What WINDOWCONV_NATIVE=0 does to a whole process."""
    with patch.object(library, "library", lambda: None):
        yield


def timed(steps: Mapping[str, Step], budget: float, least: int = FEW, settle: Collection[str] = ()) -> dict[str, Any]:
    """Seconds of each step, in turn, after warming up; about `budget` seconds of rounds (`settle`: as in `rounds`).

    Of a variant in two layouts the slower is dropped if it is clearly slower.

    Returns:
        `samples`: a list for each step, all of one length; `dropped`: the seconds of a warm-up call.
    """
    first = {name: seconds(function) for name, function in steps.items()}
    # the smaller, so that a disturbance of one call does not drop the better layout
    once = {name: min(took, seconds(steps[name])) if took < SLOW else took for name, took in first.items()}
    kept = {name: function for name, function in steps.items() if not _clearly_slower(name, once)}
    count = int(budget / sum(once[name] for name in kept))
    samples = rounds(kept, min(max(count, least), MOST), settle)
    return {"samples": samples, "dropped": {name: took for name, took in once.items() if name not in kept}}


def _clearly_slower(name: str, once: Mapping[str, float]) -> bool:
    base = name.removesuffix(" contiguous")
    if base == "fft":  # both are of interest
        return False
    other = base if name != base else f"{name} contiguous"
    return other in once and once[name] > once[other] * (SLOWER if once[other] < SLOW else 1)

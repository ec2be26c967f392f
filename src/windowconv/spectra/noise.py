"""Leakage of random kernels, as the baseline for trained or windowed ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from windowconv.spectra.curve import RADII, leakage_curve
from windowconv.spectra.filters import dilated

KERNELS = 1024


def noise_curve(size: Sequence[int], grid: int, dilation: Sequence[int] | None = None) -> tuple[float, ...]:
    """The mean leakage curve of single kernels of independent normal numbers.

    A spectrum of noise has chance peaks, the narrower the larger the kernel, so larger random kernels leak more at
    the same radius: compare a kernel with noise of its own size.

    Args:
        size: taps per axis, 1 to 3 axes.
        grid: frequencies per axis, as in the curves to compare with.
        dilation: of the layer, one per axis; None is none.

    Returns:
        L at `RADII`, the mean over 1,024 kernels with a fixed seed; its standard error is below 0.005.

    >>> [round(noise_curve((k, k), 64)[RADII.index(1 / 4)], 2) for k in (3, 7)]
    [0.44, 0.58]
    """
    return _curve(tuple(size), grid, tuple(dilation or [1] * len(size)))


@lru_cache(maxsize=64)
def _curve(size: tuple[int, ...], grid: int, dilation: tuple[int, ...]) -> tuple[float, ...]:
    count = KERNELS if len(size) < 3 else KERNELS // 8
    kernels = torch.randn(count, 1, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return tuple(leakage_curve(dilated(kernels, dilation), RADII, grid).mean().tolist())

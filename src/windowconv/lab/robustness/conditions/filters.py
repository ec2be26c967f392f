"""Noise within a band of frequencies, and images without their low or their high ones."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.robustness.conditions.bands import frequency_radius


def band_noise(
    shape: tuple[int, int, int, int], low: float, high: float, std: float, seed: int = 0, first: int = 0
) -> Tensor:
    """Noise whose frequencies lie within a band, of one size in each channel of each image.

        n = std sqrt(H W) m / |m|_2,  m = IDFT(1[low <= r(k) < high] DFT(g)),  g white and Gaussian

    with r the distance from zero frequency, which is left out, so that the mean stays. All bands have the same energy
    for the same `std`; in a wide band it is spread over more frequencies.

    Args:
        shape: (N, C, H, W).
        low, high: ends of the band in cycles/pixel; the first belongs to it, the second does not.
        std: root mean square of each channel; its L2 norm is std sqrt(H W).
        seed: which noise, 0 or more.
        first: the first image's number; each image's noise depends on the seed and its number alone.

    Returns:
        float32 (N, C, H, W), not clipped.

    Raises:
        InputError: a band without a frequency of this size of image; a negative seed; `std` negative or not finite.

    Not for clipped images of black and white: clipping takes half of the noise away there, and what is left has other
    frequencies than the band's.
    """
    count, _, height, width = shape
    if not 0 <= std < math.inf:
        raise InputError(f"std={std}; allowed: 0 or a positive number")
    if seed < 0 or first < 0:
        raise InputError(f"seed={seed}, first={first}; allowed: 0 or more")
    radius = frequency_radius(height, width)
    inside = (radius >= low) & (radius < high) & (radius > 0)
    if not inside.any():
        raise InputError(f"low={low:g}, high={high:g}: images of {width}x{height} have no frequency in this band")
    drawn = [np.random.default_rng((seed, i)).standard_normal(shape[1:]) for i in range(first, first + count)]
    white = torch.from_numpy(np.array(drawn).reshape(shape))
    kept = torch.fft.ifft2(torch.fft.fft2(white) * inside).real
    size = torch.linalg.vector_norm(kept, dim=(2, 3), keepdim=True)
    return (std * math.sqrt(height * width) * kept / size).float()


def low_pass(images: Tensor, cutoff: float) -> Tensor:
    """Images without the frequencies of `cutoff` and above.

        y = clip(IDFT(1[r(k) < cutoff] DFT(x)), 0, 1)

    where x is the image continued by its mirror images, so that opposite borders do not meet and no edge arises that
    the image does not have. The filter is an ideal one: its output rings beside edges.

    Args:
        images: floats (N, C, H, W) in [0, 1].
        cutoff: in cycles/pixel, above 0.

    Returns:
        float32, of the same shape.

    Raises:
        InputError: images of another type, shape or range; a cutoff of 0 or below.
    """
    radius = _mirrored_radius(images, cutoff)
    return _passed(images, radius < cutoff)


def high_pass(images: Tensor, cutoff: float) -> Tensor:
    """Images without the frequencies below `cutoff`, but with their mean.

        y = clip(IDFT(1[r(k) >= cutoff or k = 0] DFT(x)), 0, 1)

    with x as in `low_pass`. Each channel keeps its mean, on which the rest then stands: without it half of the values
    would be negative and clipped.

    Args, Returns, Raises: as `low_pass`.
    """
    radius = _mirrored_radius(images, cutoff)
    return _passed(images, (radius >= cutoff) | (radius == 0))


def check_floats(images: Tensor) -> None:
    """An `InputError` unless images are floats (N, C, H, W) in [0, 1]."""
    if not images.is_floating_point() or images.ndim != 4 or images.numel() == 0:
        raise InputError(f"images: {tuple(images.shape)} of {images.dtype}; allowed: floats (N, C, H, W)")
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):  # NaN too
        raise InputError(f"images reach from {low:g} to {high:g}; allowed: 0 to 1")


def _mirrored_radius(images: Tensor, cutoff: float) -> Tensor:
    check_floats(images)
    if not cutoff > 0:
        raise InputError(f"cutoff={cutoff}; allowed: above 0, in cycles/pixel")
    height, width = images.shape[2:]
    return frequency_radius(2 * height, 2 * width).to(images.device)


def _passed(images: Tensor, mask: Tensor) -> Tensor:
    height, width = images.shape[2:]
    mirrored = images.double()
    for axis in (2, 3):
        mirrored = torch.cat([mirrored, mirrored.flip(axis)], axis)
    passed = torch.fft.ifft2(torch.fft.fft2(mirrored) * mask).real
    return passed[:, :, :height, :width].clamp(0, 1).float()

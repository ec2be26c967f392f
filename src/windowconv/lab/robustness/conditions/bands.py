"""Bands of spatial frequency, and the share of a perturbation's energy in each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from windowconv.errors import InputError

Band = Literal["low", "mid", "high"]

BANDS: dict[Band, tuple[float, float]] = {"low": (0.0, 1 / 8), "mid": (1 / 8, 1 / 4), "high": (1 / 4, math.inf)}
"""Each band's distances from zero frequency in cycles/pixel, the first included and the last not: the radii at which
leakage is reported. Half the way along an axis is 1/2, the corners of the plane lie at 0.71."""


def frequency_radius(height: int, width: int) -> Tensor:
    """The distance from zero frequency of each point of an image's discrete Fourier transform.

    Returns:
        float64 (height, width), in cycles/pixel, zero frequency first, as `torch.fft.fft2` has it.

    >>> frequency_radius(1, 4).tolist()
    [[0.0, 0.25, 0.5, 0.25]]
    """
    rows = torch.fft.fftfreq(height, dtype=torch.float64)
    columns = torch.fft.fftfreq(width, dtype=torch.float64)
    return torch.hypot(rows[:, None], columns[None, :])


@dataclass(frozen=True)
class Spectrum:
    """Where the energy of perturbations lies.

    Attributes:
        rms: root mean square of the change of a value in [0, 1].
        shares: of the energy, by band; zero frequency, a change of the mean, belongs to the low one.
        median: the distance from zero frequency, in cycles/pixel, within which half of the energy lies; None where
            nothing was changed.
    """

    rms: float
    shares: dict[Band, float]
    median: float | None

    def band(self) -> Band | None:
        """The band of the median."""
        if self.median is None:
            return None
        return next(band for band, (low, high) in BANDS.items() if low <= self.median < high)

    def values(self) -> dict[str, Any]:
        """For records, JSON-able."""
        return {"rms": self.rms, "shares": self.shares, "median": self.median}


def energy(perturbations: Tensor) -> Tensor:
    """The energy of perturbations at each frequency, summed over images and channels.

        E(k) = sum over n, c of |DFT(d[n, c])(k)|^2 / (height * width)

    so that its sum is that of the squares (Parseval).

    Args:
        perturbations: floats (N, C, H, W): images with, less images without.

    Returns:
        float64 (H, W), zero frequency first.
    """
    return torch.fft.fft2(perturbations.double(), norm="ortho").abs().square().sum((0, 1))


def spectrum(energies: Tensor, values: int) -> Spectrum:
    """The spectrum of perturbations, summarised by band.

    Args:
        energies: float64 (H, W), sums of `energy` over all batches.
        values: the number of perturbed values, N C H W.

    Raises:
        InputError: no values.

    Not for few images: one picture's spectrum has as many peaks as the picture has edges.

    >>> up = torch.full((1, 1, 4, 4), 0.5)
    >>> spectrum(energy(up), up.numel())
    Spectrum(rms=0.5, shares={'low': 1.0, 'mid': 0.0, 'high': 0.0}, median=0.0)
    """
    if values < 1:
        raise InputError(f"values={values}; allowed: 1 or more")
    total = energies.sum().item()
    if total == 0:
        return Spectrum(0.0, dict.fromkeys(BANDS, 0.0), None)
    radius = frequency_radius(*energies.shape)
    shares: dict[Band, float] = {
        band: energies[(radius >= low) & (radius < high)].sum().item() / total for band, (low, high) in BANDS.items()
    }
    order = radius.flatten().argsort(stable=True)
    within = energies.flatten()[order].cumsum(0)
    place = int(torch.searchsorted(within, total / 2))
    return Spectrum(math.sqrt(total / values), shares, radius.flatten()[order][place].item())

"""The conditions under which networks are tested: corruptions, noise within bands, filtered images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.robustness.conditions.bands import BANDS, Band
from windowconv.lab.robustness.conditions.corruptions import CORRUPTIONS, SEVERITIES, SMALLEST, corrupt
from windowconv.lab.robustness.conditions.filters import band_noise, check_floats, high_pass, low_pass

Family = Literal["clean", "corruption", "band noise", "low pass", "high pass"]

NOISE_LEVELS = (0.05, 0.1, 0.2)
"""Root mean squares of band noise, for values in [0, 1]."""
CUTOFFS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8)
"""Of filters, in cycles/pixel."""


@dataclass(frozen=True)
class Condition:
    """A change of test images, the same for every network.

    Attributes:
        name: unique; in records.
        title: in tables.
        family: the kind of change.
        series: of the conditions that differ only in the parameter: a corruption's name, a band's noise, a filter.
        parameter: the severity, the noise's standard deviation, or the cutoff in cycles/pixel.
        band: of the change's energy; None for filters, whose parameter says it, and for clean images.
    """

    name: str
    title: str
    family: Family
    series: str
    parameter: float
    band: Band | None = None

    def apply(self, images: Tensor, first: int = 0, seed: int = 0) -> Tensor:
        """The images under this condition.

        Args:
            images: uint8, or floats in [0, 1] (for a corruption they are rounded to 8 bits), (N, C, H, W).
            first: the first image's position in the sample; random numbers depend on an image's position and the seed.
            seed: of random numbers.

        Returns:
            float32 (N, C, H, W) in [0, 1], on the CPU.

        Raises:
            InputError: another type, shape or range, or images too small.
        """
        clean = as_floats(images)
        if self.family == "corruption":
            return as_floats(corrupt(as_bytes(images), self.series, int(self.parameter), seed, first))
        if self.family == "band noise":
            assert self.band is not None
            shape = (clean.shape[0], clean.shape[1], clean.shape[2], clean.shape[3])
            return (clean + band_noise(shape, *BANDS[self.band], self.parameter, seed, first)).clamp(0, 1)
        if self.family == "low pass":
            return low_pass(clean, self.parameter)
        if self.family == "high pass":
            return high_pass(clean, self.parameter)
        return clean

    def record(self) -> dict[str, Any]:
        """For records, besides the name; where any of it differs, it is another condition."""
        return {
            "title": self.title,
            "family": self.family,
            "series": self.series,
            "parameter": self.parameter,
            "band": self.band,
            "zoom": CORRUPTIONS[self.series].zoom if self.family == "corruption" else None,
        }


CLEAN = Condition("clean", "clean", "clean", "clean", 0.0)


def conditions(image_size: tuple[int, int], channels: int = 3) -> tuple[Condition, ...]:
    """The conditions of the standard suite: 15 corruptions at 5 severities, noise in 3 bands, low and high passes.

    Args:
        image_size: height and width in pixels; cutoffs and bands that such images cannot have are left out.
        channels: 1 or 3.

    Raises:
        InputError: images below 8 pixels, or of another number of channels.

    >>> from collections import Counter
    >>> Counter(condition.family for condition in conditions((32, 32)))
    Counter({'corruption': 75, 'band noise': 9, 'low pass': 6, 'high pass': 6})
    """
    if channels not in (1, 3):
        raise InputError(f"channels={channels}; corruptions are for images of 1 or 3")
    if min(image_size) < SMALLEST:
        raise InputError(f"image_size={tuple(image_size)}; images to corrupt have {SMALLEST} pixels a side at least")
    # an image continued by its mirror images has no frequency between 0 and this one
    lowest = 0.5 / min(image_size)
    cutoffs = [cutoff for cutoff in CUTOFFS if cutoff > lowest]
    bands: list[Band] = [band for band, (_, high) in BANDS.items() if high > 1 / max(image_size)]
    return (*_corruptions(), *_noise(bands), *_filters("low pass", cutoffs), *_filters("high pass", cutoffs))


def _corruptions() -> list[Condition]:
    return [
        Condition(f"{name}-{severity}", f"{entry.title} {severity}", "corruption", name, float(severity), entry.band)
        for name, entry in CORRUPTIONS.items()
        for severity in SEVERITIES
    ]


def _noise(bands: Sequence[Band]) -> list[Condition]:
    return [
        Condition(f"noise-{band}-{std:g}", f"{band} noise {std:g}", "band noise", f"{band} noise", std, band)
        for band in bands
        for std in NOISE_LEVELS
    ]


def _filters(family: Literal["low pass", "high pass"], cutoffs: Sequence[float]) -> list[Condition]:
    short = family.replace(" ", "-")
    return [
        Condition(f"{short}-{cutoff:g}", f"{family} {fraction(cutoff)}", family, family, cutoff) for cutoff in cutoffs
    ]


def fraction(value: float) -> str:
    """A cutoff as a fraction.

    >>> fraction(3 / 16), fraction(0.1)
    ('3/16', '0.1')
    """
    for denominator in (1, 2, 4, 8, 16, 32, 64):
        if (value * denominator).is_integer():
            return f"{int(value * denominator)}/{denominator}" if denominator > 1 else f"{int(value)}"
    return f"{value:g}"


def as_floats(images: Tensor) -> Tensor:
    """Images as float32 in [0, 1] on the CPU; an `InputError` where they are neither bytes nor that."""
    if images.dtype == torch.uint8 and images.ndim == 4:
        return images.cpu().float() / 255
    check_floats(images)
    return images.detach().cpu().float()


def as_bytes(images: Tensor) -> Tensor:
    """Images as uint8 on the CPU, rounded."""
    return images.cpu() if images.dtype == torch.uint8 else (255 * as_floats(images)).round().to(torch.uint8)

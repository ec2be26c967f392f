"""The corruptions of Hendrycks & Dietterich, made while they are needed, for pictures of any size.

The library's severities are those of photographs of 224 pixels: a blur of ten pixels, which there makes a dog hard to
see, leaves nothing of a picture of 32. So each corruption is carried out on a larger picture, in which every pixel is
repeated `zoom` times along both axes, and the result is averaged back; without a corruption that changes nothing. How
much larger is each corruption's own: a blur that shall be as large relative to the picture as on ImageNet needs 224
pixels; noise, whose grains are pixels, less; a change of brightness, none. Fog, contrast and impulse noise, which leave
networks for small pictures with nothing at any size, are carried out in part: `share`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError, require, unknown
from windowconv.lab.data.seeding import seeded_numpy
from windowconv.lab.robustness.conditions.bands import Band
from windowconv.lab.robustness.sample import seeded

Group = Literal["noise", "blur", "weather", "digital"]
GROUPS: tuple[Group, ...] = ("noise", "blur", "weather", "digital")
SEVERITIES = (1, 2, 3, 4, 5)

LIBRARY_SIZE = 224  # pixels of the pictures that the library's severities are for
SMALL_SIZE = 32
SMALLEST = 8
SEEDED = {"impulse_noise", "glass_blur"}  # draw from generators of their own


@dataclass(frozen=True)
class Corruption:
    """A corruption, and how it is brought to small pictures.

    Attributes:
        name: as the library has it.
        title: in words.
        group: Hendrycks & Dietterich's.
        band: where the median of the energy of its change lies (`bands.Spectrum.band`), over all severities, in two at
            least of three kinds of small pictures: CIFAR-10's, Fashion-MNIST's, and fields whose amplitude falls as
            1/frequency. Measured, and the tests measure it again.
        zoom: how often a pixel of a picture of 32 pixels is repeated along each axis.
        share: how much of the change is made in a picture of 32 pixels: the result is clean + share (changed - clean).
    """

    name: str
    title: str
    group: Group
    band: Band
    zoom: int = 1
    share: float = 1.0

    def zoom_at(self, size: int) -> int:
        """How often a pixel is repeated in pictures whose shorter side has `size` pixels.

        The odd number nearest to zoom^p, p = log(224 / size) / log(224 / 32): `zoom` at 32 pixels and below, 1 at 224
        and above, and a power of the size between. Odd, so that a pixel's middle is one in the larger picture too.

        >>> [CORRUPTIONS["defocus_blur"].zoom_at(size) for size in (28, 32, 64, 224, 256)]
        [5, 5, 3, 1, 1]
        """
        return 2 * math.floor(self.zoom ** _smallness(size) / 2 - 1e-9) + 1

    def share_at(self, size: int) -> float:
        """How much of the change is made in pictures of `size` pixels: share^p, with p as in `zoom_at`."""
        return self.share ** _smallness(size)


def _smallness(size: int) -> float:
    """0 for pictures of the library's size and above, 1 for those of 32 pixels and below."""
    return min(max(math.log(LIBRARY_SIZE / size) / math.log(LIBRARY_SIZE / SMALL_SIZE), 0.0), 1.0)


CORRUPTIONS = {
    entry.name: entry
    for entry in (
        Corruption("gaussian_noise", "Gaussian noise", "noise", "high", 3),
        Corruption("shot_noise", "shot noise", "noise", "high", 3),
        Corruption("impulse_noise", "impulse noise", "noise", "high", share=0.5),
        Corruption("defocus_blur", "defocus blur", "blur", "high", 5),
        Corruption("glass_blur", "glass blur", "blur", "high", 5),
        Corruption("motion_blur", "motion blur", "blur", "mid", 5),
        Corruption("zoom_blur", "zoom blur", "blur", "mid", 3),
        Corruption("snow", "snow", "weather", "low", 3),
        Corruption("frost", "frost", "weather", "low", 7),
        Corruption("fog", "fog", "weather", "low", share=0.6),
        Corruption("brightness", "brightness", "weather", "low"),
        Corruption("contrast", "contrast", "digital", "low", share=0.7),
        Corruption("elastic_transform", "elastic transform", "digital", "high", 3),
        Corruption("pixelate", "pixelate", "digital", "high", 3),
        Corruption("jpeg_compression", "JPEG compression", "digital", "high"),
    )
}
"""All fifteen, in the paper's order."""


def corrupt(images: Tensor, name: str, severity: int, seed: int = 0, first: int = 0) -> Tensor:
    """Pictures under one corruption.

    Each picture's random numbers depend on the seed, the corruption, the severity and its number alone, so that any
    batch has the same ones. Grey pictures stay grey: they are corrupted as coloured ones, of which the green channel is
    kept (as near to brightness as one channel is, with noise at its full strength).

    The caller's global random state of numpy is as before at the end; numba's own, from which glass blur draws, is not.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3, sides of 8 pixels or more.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: which random numbers.
        first: the first picture's number.

    Returns:
        uint8, of the same shape, on the CPU.

    Raises:
        InputError: another type, shape, severity or name (the nearest is suggested); the library is not installed.

    Not to be compared with published figures for CIFAR-10-C: that set has smaller severities of its own making. Here a
    severity is the library's, at the size where `zoom` says.

    Source: Hendrycks & Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations",
    ICLR 2019; the package imagecorruptions-imaug.
    """
    entry = checked(images, name, severity)
    function = require("imagecorruptions", "attacks").corruption_dict[name]
    size = min(images.shape[2:])
    pixels = images.cpu().permute(0, 2, 3, 1).numpy()
    made = np.empty_like(pixels)
    for i, picture in enumerate(pixels):
        draw = int(2**32 * seeded_numpy("corruption", seed, name, severity, first + i).random())
        options = {"seed": draw} if name in SEEDED else {}
        with seeded(draw):
            made[i] = _corrupted(picture, partial(function, severity=severity, **options), entry, size)
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


def checked(images: Tensor, name: str, severity: int) -> Corruption:
    """The corruption of this name, unless it cannot be carried out: then an `InputError`."""
    if name not in CORRUPTIONS:
        raise unknown("corruption", name, CORRUPTIONS)
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise InputError(f"severity={severity!r}; allowed: 1, 2, 3, 4 or 5")
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise InputError(
            f"images: {tuple(images.shape)} of {images.dtype}; allowed: uint8 (N, 1, H, W) or (N, 3, H, W), N 1 or more"
        )
    if min(images.shape[2:]) < SMALLEST:
        height, width = images.shape[2:]
        raise InputError(f"images of {width}x{height} pixels are too small to corrupt; allowed: {SMALLEST} and more")
    return CORRUPTIONS[name]


def _corrupted(picture: np.ndarray, change: Callable[..., Any], entry: Corruption, size: int) -> np.ndarray:
    """One picture (H, W, C), uint8, enlarged, changed, averaged back, and mixed with what it was."""
    height, width, channels = picture.shape
    zoom, share = entry.zoom_at(size), entry.share_at(size)
    coloured = np.broadcast_to(picture, (height, width, 3))
    large = require("PIL.Image", "lab").fromarray(coloured.repeat(zoom, axis=0).repeat(zoom, axis=1))
    changed = np.asarray(change(large), dtype=np.float64)
    back = changed.reshape(height, zoom, width, zoom, 3).mean(axis=(1, 3))
    whole = np.rint(coloured + share * (back - coloured)).clip(0, 255).astype(np.uint8)
    return whole if channels == 3 else whole[:, :, 1:2]

"""Random flips and crops: drawn for a whole epoch at once, applied to a batch at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from windowconv.lab.data.seeding import seeded_generator

AUGMENTS = ("none", "flip-crop", "flip-shift")
SHIFT = 2  # pixels


class FlipCrop(NamedTuple):
    """For each image: whether it is mirrored, and where the crop begins in the zero-padded image.

    Args:
        flip: bool (N,).
        top, left: int64 (N,), each in [0, 2 * padding].
        padding: on each side, in pixels.
        reflect: padding with the image's own pixels, mirrored at its edge, instead of zeros.
    """

    flip: Tensor
    top: Tensor
    left: Tensor
    padding: int
    reflect: bool = False

    def at(self, indices: Tensor) -> FlipCrop:
        """The rows for the images `indices`, int64 (B,)."""
        return self._replace(flip=self.flip[indices], top=self.top[indices], left=self.left[indices])

    def to(self, device: torch.device) -> FlipCrop:
        """The same numbers on `device`."""
        return self._replace(flip=self.flip.to(device), top=self.top.to(device), left=self.left.to(device))


def draw_flip_crop(n: int, padding: int, seed: int, epoch: int) -> FlipCrop:
    """What happens to each of `n` images in an epoch: a function of the arguments alone, drawn on the CPU."""
    generator = seeded_generator("flip-crop", seed, epoch)
    flip = torch.rand(n, generator=generator) < 0.5
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator)
    return FlipCrop(flip, top, left, padding)


def draw_flip_shift(n: int, seed: int, epoch: int) -> FlipCrop:
    """Shifts by up to 2 pixels, and mirroring that alternates: a random half in even epochs, the other half in odd
    ones. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024."""
    half = torch.rand(n, generator=seeded_generator("alternating-flip", seed)) < 0.5
    top, left = torch.randint(2 * SHIFT + 1, (2, n), generator=seeded_generator("shift", seed, epoch))
    return FlipCrop(half ^ bool(epoch % 2), top, left, SHIFT, reflect=True)


def flip_crop(images: Tensor, how: FlipCrop) -> Tensor:
    """Pad each image, cut its own crop of the original size out, and mirror that where `how.flip`.

    Args:
        images: (B, C, H, W), any dtype.
        how: a row for each image, on the same device.

    Returns:
        A new tensor of the same shape and dtype.
    """
    height, width = images.shape[2:]
    rows = how.top[:, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    columns = how.left[:, None] + torch.where(how.flip[:, None], width - 1 - columns, columns)
    if how.reflect:
        rows, columns = _reflected(rows - how.padding, height), _reflected(columns - how.padding, width)
    else:
        images, width = pad(images, [how.padding] * 4), width + 2 * how.padding
    # One gather over flattened pixels moves the whole batch, with the same places in every channel.
    places = rows[:, :, None] * width + columns[:, None, :]
    shape = (*images.shape[:2], *places.shape[1:])
    places = places.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, places).view(shape)


def _reflected(places: Tensor, length: int) -> Tensor:
    """Places outside [0, length), mirrored at its ends; none may lie farther outside than that."""
    return (length - 1 - (length - 1 - places.abs()).abs()).abs()

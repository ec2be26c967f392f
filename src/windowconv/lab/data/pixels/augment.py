"""Random flips and crops: drawn for a whole epoch at once, applied to a batch at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from windowconv.lab.data.seeding import seeded_generator

AUGMENTS = ("none", "flip-crop")


class FlipCrop(NamedTuple):
    """For each image: whether it is mirrored, and where the crop begins in the zero-padded image.

    Args:
        flip: bool (N,).
        top, left: int64 (N,), each in [0, 2 * padding].
        padding: zeros on each side, in pixels.
    """

    flip: Tensor
    top: Tensor
    left: Tensor
    padding: int

    def at(self, indices: Tensor) -> FlipCrop:
        """The rows for the images `indices`, int64 (B,)."""
        return FlipCrop(self.flip[indices], self.top[indices], self.left[indices], self.padding)

    def to(self, device: torch.device) -> FlipCrop:
        """The same numbers on `device`."""
        return FlipCrop(self.flip.to(device), self.top.to(device), self.left.to(device), self.padding)


def draw_flip_crop(n: int, padding: int, seed: int, epoch: int) -> FlipCrop:
    """What happens to each of `n` images in an epoch: a function of the arguments alone, drawn on the CPU."""
    generator = seeded_generator("flip-crop", seed, epoch)
    flip = torch.rand(n, generator=generator) < 0.5
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator)
    return FlipCrop(flip, top, left, padding)


def flip_crop(images: Tensor, how: FlipCrop) -> Tensor:
    """Pad each image with zeros, cut its own crop of the original size out, and mirror that where `how.flip`.

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
    padded = pad(images, [how.padding] * 4)
    # One gather over flattened pixels moves the whole batch, with the same places in every channel.
    places = rows[:, :, None] * (width + 2 * how.padding) + columns[:, None, :]
    places = places.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return padded.flatten(2).gather(2, places).unflatten(2, (height, width))

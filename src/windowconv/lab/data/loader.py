"""Batches from images that live on the device as bytes, and are augmented there."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from windowconv.errors import InputError, unknown
from windowconv.lab.data.batches import Batch, Loader
from windowconv.lab.data.pixels.augment import AUGMENTS, FlipCrop, draw_flip_crop, draw_flip_shift, flip_crop
from windowconv.lab.data.sets import ImageSet


class DeviceLoader(Loader):
    """Batches of an image set, in an order and with an augmentation that can be had again at any step.

    Both are functions of the seed, the epoch and the image's place in the set: neither batch size, device,
    number of processes nor what was drawn before has an influence, so that two arms see the same images and a
    run that is resumed goes on as if it had not stopped.

    Args:
        image_set: the images; copied to the device once, as uint8.
        batch_size: images in a batch, over all processes; the last one may be smaller.
        seed: of the order and the augmentation.
        device: where the images live.
        augment: "none", "flip-crop" for random mirroring and a random crop after zero padding, or "flip-shift" for
            mirroring in every other epoch and a random shift with reflected edges.
        padding: zeros on each side before the crop, in pixels.
        drop_last: leave a last, smaller batch out.
        ordered: the set's own order in every epoch instead of a random one: for evaluation, where every image
            comes once.
        rank, world: this process's number among how many; see `Loader`.

    Raises:
        InputError: an argument is out of range, or the device does not take the images.
    """

    def __init__(
        self,
        image_set: ImageSet,
        batch_size: int,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        augment: str = "none",
        padding: int = 4,
        drop_last: bool = False,
        ordered: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(image_set, batch_size, seed=seed, drop_last=drop_last, ordered=ordered, rank=rank, world=world)
        if augment not in AUGMENTS:
            raise unknown("augment", augment, AUGMENTS)
        if padding < 0:
            raise InputError(f"padding={padding}; allowed: 0 or more pixels")
        self.image_set = image_set
        self.augment = augment
        self.padding = padding
        self.device, self._images, self._labels = _put(image_set, device)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        # Drawn on the CPU, so that every device gets the same, and moved once for the epoch.
        order = self.order(epoch).to(self.device)
        how: FlipCrop | None = None
        if self.augment == "flip-crop":
            how = draw_flip_crop(len(self.image_set), self.padding, self.seed, epoch).to(self.device)
        elif self.augment == "flip-shift":
            how = draw_flip_shift(len(self.image_set), self.seed, epoch).to(self.device)
        for positions, total, weight in self._rank_slices(start):
            indices = order[positions]
            images = self._images[indices]
            if how is not None:
                images = flip_crop(images, how.at(indices))
            yield Batch(images.to(torch.float32).div_(255), self._labels[indices], indices, total, weight)


def _put(image_set: ImageSet, device: torch.device | str) -> tuple[torch.device, Tensor, Tensor]:
    try:
        where = torch.device(device)
        return where, image_set.images.to(where), image_set.labels.to(where)
    except (RuntimeError, AssertionError) as error:  # unknown, not there, or out of memory
        reason = str(error).strip().splitlines()[0]
        size = image_set.images.numel() / 2**20
        raise InputError(
            f"device={str(device)!r}: can't take {size:.0f} MiB of images ({reason}): try device='cpu'"
        ) from error

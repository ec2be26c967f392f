"""Batches from images on disk, read and decoded by worker processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError, unknown
from windowconv.lab.data.batches import Batch, Loader
from windowconv.lab.data.pixels.crops import check_area_crop
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.data.streaming.encoded import EncodedSet
from windowconv.lab.data.streaming.workers import Reader, Workers

AUGMENTS = ("none", "area-crop")
SHARDS_TOGETHER = 8
"""Shards whose samples are mixed: more would mix better, and jump about in more files."""


class StreamLoader(Loader):
    """Batches of a set on disk, in an order and with an augmentation that can be had again at any step.

    As with `DeviceLoader`, both are functions of the seed, the epoch and the image's place in the set: neither
    batch size, device, number of processes or workers nor what was drawn before has an influence. A run is
    resumed within an epoch at no cost: what is passed over is not read.

    Images that are single files come in a random order. Those in shards do so within groups of
    `SHARDS_TOGETHER` shards, which are random too, so that a file is read from one end to the other in a
    while, and not once for every image.

    Args:
        image_set: the images.
        batch_size: images in a batch, over all processes; the last one may be smaller.
        seed: of the order and the augmentation.
        device: where batches go.
        augment: "none" for the centre (`evaluation_crop`), or "area-crop" for a random area of a random shape,
            mirrored or not (`draw_area_crop`).
        area: bounds of the crop's area over the image's.
        aspect: bounds of the crop's width over its height.
        ordered: the set's own order in every epoch instead of a random one: for evaluation, where every image
            comes once.
        workers: processes that read ahead, two batches each; 0 reads in this process. They are kept from one
            epoch to the next.
        rank, world: this process's number among how many; see `Loader`.

    Raises:
        InputError: an argument is out of range, the device is not there, or, while batches are read, an image is
            broken: the message names it.
    """

    def __init__(
        self,
        image_set: EncodedSet,
        batch_size: int,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        augment: str = "none",
        area: tuple[float, float] = (0.1, 1.0),
        aspect: tuple[float, float] = (0.8, 1.25),
        ordered: bool = False,
        workers: int = 2,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(image_set, batch_size, seed=seed, ordered=ordered, rank=rank, world=world)
        if augment not in AUGMENTS:
            raise unknown("augment", augment, AUGMENTS)
        check_area_crop(area, aspect)
        if workers < 0:
            raise InputError(f"workers={workers}; allowed: 0 or more")
        self.image_set = image_set
        self.workers = workers
        self.device, self._labels = _put(image_set.labels, device)
        self._reader = Reader(image_set, seed, *((area, aspect) if augment == "area-crop" else (None, None)))
        self._spare: Workers | None = None

    def _random_order(self, epoch: int) -> Tensor:
        shards = self.image_set.shards
        return super()._random_order(epoch) if shards is None else order_by_shards(shards, self.seed, epoch)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        order = self.order(epoch)
        positions = order.to(self.device)
        shares = list(self._rank_slices(start))
        tasks = [(epoch, order[share.positions]) for share in shares]
        # Workers that an earlier epoch has left are used again. They do one epoch at a time, so an epoch that
        # is begun while another goes on gets new ones.
        workers = self._spare or Workers(self._reader, self.workers, pin=self.device.type == "cuda")
        self._spare = None
        for share, images in zip(shares, workers.do(tasks), strict=True):
            indices = positions[share.positions]
            pixels = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
            yield Batch(pixels.to(torch.float32).div_(255), self._labels[indices], indices, share.total, share.weight)
        self._spare = workers


def order_by_shards(shards: np.ndarray, seed: int, epoch: int) -> Tensor:
    """The random order of an epoch for images in shards: int64 (N,), positions in the set.

    The shards are put into a random order and cut into groups of `SHARDS_TOGETHER`; the samples of a group come
    in a random order, and group after group.

    Args:
        shards: the number of each image's shard, int64 (N,).
        seed, epoch: all else that the order depends on.
    """
    generator = seeded_generator("shard-order", seed, epoch)
    _, numbered = np.unique(shards, return_inverse=True)  # a subset may lack some
    of_image = torch.from_numpy(numbered)
    group = torch.randperm(int(of_image.max()) + 1, generator=generator) // SHARDS_TOGETHER
    shuffled = torch.randperm(len(of_image), generator=generator)
    return shuffled[torch.argsort(group[of_image[shuffled]], stable=True)]


def _put(labels: Tensor, device: torch.device | str) -> tuple[torch.device, Tensor]:
    try:
        where = torch.device(device)
        return where, labels.to(where)
    except (RuntimeError, AssertionError) as error:  # unknown or not there
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"device={str(device)!r}: can't be used ({reason}): try device='cpu'") from error

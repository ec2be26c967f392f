"""What every loader has in common: which images a batch has, and which of them are this process's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.data.sets import Images


class Batch(NamedTuple):
    """What a step trains on: one process's share of a batch, all on the loader's device.

    Args:
        images: float32 (B, C, H, W) in [0, 1].
        labels: int64 (B,).
        indices: int64 (B,), each image's place in the set.
        total: images in the whole batch, over all processes.
        weight: 1.0; 0.0 if no image of a small last batch was left for this process, which then gets the
            batch's first one, so that it can take the step with the others, and must not count it.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    total: int
    weight: float = 1.0


class RankSlice(NamedTuple):
    """Where one process's part of a batch lies in an epoch's order; the rest as in `Batch`."""

    positions: slice
    total: int
    weight: float


def rank_slice(begin: int, end: int, rank: int, world: int) -> RankSlice:
    """Process `rank`'s part of the batch at positions [begin, end): as `torch.tensor_split` cuts it.

    >>> [rank_slice(10, 15, rank, 3).positions for rank in range(3)]
    [slice(10, 12, None), slice(12, 14, None), slice(14, 15, None)]
    >>> rank_slice(10, 11, 2, 3)
    RankSlice(positions=slice(10, 11, None), total=1, weight=0.0)
    """
    each, more = divmod(end - begin, world)
    first = begin + rank * each + min(rank, more)
    last = first + each + (rank < more)
    if first == last:
        return RankSlice(slice(begin, begin + 1), end - begin, 0.0)
    return RankSlice(slice(first, last), end - begin, 1.0)


class Loader(ABC):
    """Batches of a set of images, in an order that can be had again at any step.

    Args:
        image_set: the images.
        batch_size: images in a batch, over all processes; the last one may be smaller.
        seed: of the order and the augmentation.
        drop_last: leave a last, smaller batch out.
        ordered: the set's own order in every epoch instead of a random one.
        rank, world: this process's number among how many. Each gets a contiguous part of every batch, the
            first ones an image more where it can't be cut evenly.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        image_set: Images,
        batch_size: int,
        *,
        seed: int,
        drop_last: bool = False,
        ordered: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size}; allowed: 1 or more")
        if drop_last and batch_size > len(image_set):
            raise InputError(
                f"batch_size={batch_size}; allowed with drop_last: at most {len(image_set)}, the number of images"
            )
        if world < 1:
            raise InputError(f"world={world}; allowed: the number of processes, 1 or more")
        if not 0 <= rank < world:
            raise InputError(f"rank={rank}; allowed with world={world}: 0 to {world - 1}")
        self.n = len(image_set)
        self.batch_size = batch_size
        self.seed = seed
        self.drop_last = drop_last
        self.ordered = ordered
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.n, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch: int) -> Tensor:
        """The order of an epoch, the same for all processes: int64 (N,) on the CPU, positions in the set."""
        return torch.arange(self.n) if self.ordered else self._random_order(epoch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on.

        Args:
            epoch: which, from 0.
            start: how many batches to pass over, at no cost: a run stopped after `start` batches goes on
                there.

        Raises:
            InputError: an argument is out of range.
        """
        if epoch < 0:
            raise InputError(f"epoch={epoch}; allowed: 0 or more")
        if not 0 <= start <= len(self):
            raise InputError(f"start={start}; allowed: 0 to {len(self)}, the batches of an epoch")
        return self._batches(epoch, start)

    def _random_order(self, epoch: int) -> Tensor:
        return torch.randperm(self.n, generator=seeded_generator("order", self.seed, epoch))

    def _rank_slices(self, start: int) -> Iterator[RankSlice]:
        """This process's share of each batch from `start` on."""
        for batch in range(start, len(self)):
            begin = batch * self.batch_size
            yield rank_slice(begin, min(begin + self.batch_size, self.n), self.rank, self.world)

    @abstractmethod
    def _batches(self, epoch: int, start: int) -> Iterator[Batch]: ...

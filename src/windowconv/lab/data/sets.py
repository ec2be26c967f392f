"""Images and labels in memory: a set, and the pair of sets that an experiment uses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.streams import stream


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images, checked when they are put together.

    Args:
        images: uint8 of shape (N, C, H, W), at least one image.
        labels: int64 of shape (N,), each in [0, len(classes)).
        classes: the name of each class, in the order of the labels.

    Raises:
        InputError: a type, a shape or a count is wrong, or a label names no class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8:
            raise InputError(f"images are {images.dtype}: give torch.uint8 in [0, 255]")
        if images.ndim != 4 or 0 in images.shape:
            raise InputError(f"images have shape {tuple(images.shape)}: give (N, C, H, W), none of them 0")
        if labels.dtype != torch.int64:
            raise InputError(f"labels are {labels.dtype}: give torch.int64")
        if labels.shape != images.shape[:1]:
            raise InputError(f"labels have shape {tuple(labels.shape)}: give ({len(images)},), one for each image")
        wrong = torch.nonzero((labels < 0) | (labels >= len(self.classes)))
        if len(wrong):
            first = int(wrong[0])
            raise InputError(
                f"labels[{first}]={int(labels[first])}: with {len(self.classes)} classes a label must lie "
                f"in [0, {len(self.classes)})"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, of the shape, the images and the labels (the class names don't count)."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        # Little-endian whatever the machine: the hash is compared between machines.
        digest.update(self.labels.cpu().contiguous().numpy().astype("<i8").data)
        return digest.hexdigest()

    def take(self, n: int | None, seed: int = 0) -> ImageSet:
        """A random subset of `n` images in the set's own order, its classes as equal in number as can be.

        A smaller subset lies within a larger one of the same seed.

        Args:
            n: how many; None for the whole set.
            seed: which subset.

        Raises:
            InputError: `n` is below 1 or above the size of the set.
        """
        if n is None:
            return self
        if not 1 <= n <= len(self):
            raise InputError(f"n={n}: a subset of {len(self)} images has 1 to {len(self)}, or None for all")
        generator = stream("take", seed)
        shuffled = torch.randperm(len(self), generator=generator)
        labels = self.labels.cpu()[shuffled]
        by_class = torch.argsort(labels, stable=True)
        counts = torch.bincount(labels, minlength=len(self.classes))
        first = torch.cumsum(counts, 0) - counts
        # Each image's turn within its class: all first turns are taken before any second one. Within a turn
        # the classes go in random order, or the last classes would always be the short ones.
        turn = torch.empty_like(labels)
        turn[by_class] = torch.arange(len(self)) - first[labels[by_class]]
        rank = torch.randperm(len(self.classes), generator=generator)[labels]
        chosen = shuffled[torch.argsort(turn * len(self.classes) + rank)[:n]].sort().values
        chosen = chosen.to(self.images.device)
        return ImageSet(self.images[chosen], self.labels[chosen.to(self.labels.device)], self.classes)


@dataclass(frozen=True, eq=False)
class ImageData:
    """What an experiment trains on and what it is tested on.

    Args:
        name: what the data are called; never a path.
        train, test: sets with the same classes and the same image shape.

    Raises:
        InputError: the two sets differ in classes or shape.
    """

    name: str
    train: ImageSet
    test: ImageSet

    def __post_init__(self) -> None:
        ours, theirs = tuple(self.train.images.shape[1:]), tuple(self.test.images.shape[1:])
        if ours != theirs:
            raise InputError(f"data {self.name!r}: train images are {ours}, test images {theirs}: make them equal")
        if self.train.classes != self.test.classes:
            ours, theirs = len(self.train.classes), len(self.test.classes)
            raise InputError(
                f"data {self.name!r}: train has {ours} classes, test {theirs}: "
                "give both the same class names in the same order"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class, in the order of the labels."""
        return self.train.classes

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return self.train.images.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train.images.shape[2], self.train.images.shape[3]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, over the two sets' own hashes."""
        return hashlib.sha256(f"{self.train.content_hash} {self.test.content_hash}".encode()).hexdigest()

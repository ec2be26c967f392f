"""Sets of labelled images: what every kind has, the kind in memory, and the pair that an experiment uses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.subsets import divide, stratified


class Images(Protocol):
    """Labelled images, in memory (`ImageSet`) or on disk (`EncodedSet`)."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,), each in [0, len(classes))."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class, in the order of the labels."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what a network gets."""
        ...

    @property
    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, of what the set holds."""
        ...

    def __len__(self) -> int: ...

    def take(self, n: int | None, seed: int = 0) -> Images:
        """A random subset, see `ImageSet.take`."""
        ...

    def split(self, fraction: float, seed: int = 0) -> tuple[Images, Images]:
        """The rest and a random part, see `ImageSet.split`."""
        ...


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
            raise InputError(f"images.dtype={images.dtype}; allowed: torch.uint8, values in [0, 255]")
        if images.ndim != 4 or 0 in images.shape:
            raise InputError(f"images.shape={tuple(images.shape)}; allowed: (N, C, H, W), none of them 0")
        check_labels(labels, len(images), len(self.classes))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.images.shape[1], self.images.shape[2], self.images.shape[3]

    @property
    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, of the shape, the images and the labels (the class names don't count)."""
        return self._content_hash

    @cached_property  # pyright takes no cached property for the protocol's property
    def _content_hash(self) -> str:
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
        return self if n is None else self._at(stratified(self.labels, len(self.classes), n, seed))

    def split(self, fraction: float, seed: int = 0) -> tuple[ImageSet, ImageSet]:
        """The rest, and a random part that is held out, each in the set's own order.

        Args:
            fraction: of the images that are held out, rounded to a whole number of one at least; every class
                gives its share.
            seed: which images.

        Raises:
            InputError: `fraction` lies outside (0, 1) or leaves no rest.
        """
        rest, held_out = divide(self.labels, len(self.classes), fraction, seed)
        return self._at(rest), self._at(held_out)

    def _at(self, chosen: Tensor) -> ImageSet:
        images = self.images[chosen.to(self.images.device)]
        return ImageSet(images, self.labels[chosen.to(self.labels.device)], self.classes)


def check_labels(labels: Tensor, n: int, classes: int) -> None:
    """An `InputError` unless labels are int64 of shape (n,), each in [0, classes)."""
    if labels.dtype != torch.int64:
        raise InputError(f"labels.dtype={labels.dtype}; allowed: torch.int64")
    if labels.shape != (n,):
        raise InputError(f"labels.shape={tuple(labels.shape)}; allowed: ({n},), one for each image")
    wrong = torch.nonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        first = int(wrong[0])
        raise InputError(
            f"labels[{first}]={int(labels[first])}: with {classes} classes a label must lie in [0, {classes})"
        )


def in_memory(images: Images) -> ImageSet:
    """The same set, if it is one in memory.

    Raises:
        InputError: it is streamed from disk.
    """
    if not isinstance(images, ImageSet):
        raise InputError("the images are streamed from disk: this needs them in memory, so leave --stream out")
    return images


@dataclass(frozen=True, eq=False)
class ImageData:
    """What an experiment trains on and what it is tested on.

    Args:
        name: what the data are called; never a path.
        train, test: sets with the same classes and the same image shape.
        left_out: names of images that could not be decoded, below the data's folder.

    Raises:
        InputError: the two sets differ in classes or shape.
    """

    name: str
    train: Images
    test: Images
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ours, theirs = self.train.shape, self.test.shape
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
        return self.train.shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train.shape[1:]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, over the two sets' own hashes."""
        return hashlib.sha256(f"{self.train.content_hash} {self.test.content_hash}".encode()).hexdigest()

"""Labelled images that stay on disk, encoded, for sets too large for memory."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.formats import folder as folders
from windowconv.lab.data.pixels.broken import find_broken, warn_left_out
from windowconv.lab.data.pixels.decode import check_image_size
from windowconv.lab.data.sets import ImageData, check_labels
from windowconv.lab.data.shards import shards
from windowconv.lab.data.shards.stores import FileStore, Store
from windowconv.lab.data.subsets import divide, stratified


@dataclass(frozen=True, eq=False)
class EncodedSet:
    """Labelled images on disk, read and decoded when they are asked for.

    Args:
        store: where the images are.
        positions: each image's number in the store, int64 (N,), at least one.
        labels: int64 (N,), each in [0, len(classes)).
        classes: the name of each class, in the order of the labels.
        crop_size: pixels of the square, in RGB, that a network gets of each image.

    Raises:
        InputError: there is no image, a label names no class, or the size is below 1.
    """

    store: Store
    positions: np.ndarray
    labels: Tensor
    classes: tuple[str, ...]
    crop_size: int

    def __post_init__(self) -> None:
        if not len(self.positions):
            raise InputError("the set has no image; allowed: at least one")
        check_labels(self.labels, len(self.positions), len(self.classes))
        check_image_size(self.crop_size)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what a network gets."""
        return 3, self.crop_size, self.crop_size

    @property
    def shards(self) -> np.ndarray | None:
        """The number of the shard that each image lies in, int64 (N,), or None if each has a file of its own."""
        return None if self.store.shards is None else self.store.shards[self.positions]

    def read(self, index: int) -> bytes:
        """Image `index`, as it is encoded.

        Raises:
            InputError: the file can't be read; it is named.
        """
        return self.store.read(int(self.positions[index]))

    def name(self, index: int) -> str:
        """Where image `index` is, for a message."""
        return self.store.name(int(self.positions[index]))

    @property
    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, of all images' names below the set's folder, sizes in bytes, and labels.

        Not of the images themselves, which would all have to be read: an image that is replaced by another of
        the same size goes unnoticed. Neither the set's order nor the crop's size nor the class names count.
        """
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        positions, labels = self.positions.tolist(), self.labels.tolist()
        facts = [
            f"{self.store.key(place)}\0{self.store.size(place)}\0{label}\n"
            for place, label in zip(positions, labels, strict=True)
        ]
        return hashlib.sha256("".join(sorted(facts)).encode(errors="surrogateescape")).hexdigest()

    def take(self, n: int | None, seed: int = 0) -> EncodedSet:
        """A random subset, chosen as `ImageSet.take` does.

        Raises:
            InputError: `n` is below 1 or above the size of the set.
        """
        return self if n is None else self._at(stratified(self.labels, len(self.classes), n, seed))

    def split(self, fraction: float, seed: int = 0) -> tuple[EncodedSet, EncodedSet]:
        """The rest and a random part, chosen as `ImageSet.split` does.

        Raises:
            InputError: `fraction` lies outside (0, 1) or leaves no rest.
        """
        rest, held_out = divide(self.labels, len(self.classes), fraction, seed)
        return self._at(rest), self._at(held_out)

    def _at(self, chosen: Tensor) -> EncodedSet:
        return EncodedSet(self.store, self.positions[chosen.numpy()], self.labels[chosen], self.classes, self.crop_size)


def open_encoded(folder: Path, name: str, image_size: int, *, skip_broken: bool = False) -> ImageData | None:
    """The shards in `folder`, or else the image files in its class folders, or None if it has neither.

    Args:
        folder: see `shards.find` and `folder.find`.
        name: what the data are to be called.
        image_size: pixels of the square that a network gets of each image.
        skip_broken: decode each image once, which takes minutes for a million, and leave out those that cannot be
            decoded; a `WindowWarning` names them. Otherwise images are not looked into.

    Raises:
        InputError: something is missing or damaged.
    """
    check_image_size(image_size)
    found = shards.find(folder)
    if found is None:
        files = folders.find(folder)
        if files is None:
            return None
        parts = [(FileStore(split.root, split.paths), split.labels) for split in (files.train, files.test)]
        classes = files.classes
    else:
        parts, classes = [found.train, found.test], found.classes
    sets, left_out = [], []
    for store, labels in parts:
        broken = find_broken(store.read, len(store), store.name) if skip_broken else []
        left_out += [os.path.relpath(store.name(index), folder).replace(os.sep, "/") for index in broken]
        kept = np.setdiff1d(np.arange(len(store)), broken)
        sets.append(EncodedSet(store, kept, labels[torch.from_numpy(kept)], classes, image_size))
    warn_left_out(left_out, sum(len(store) for store, _ in parts))
    train, test = sets
    return ImageData(name, train, test, tuple(left_out))

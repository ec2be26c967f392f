"""WebDataset shards: tar files with an image and its class, `.cls`, for each sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.shards.index_cache import index_shards
from windowconv.lab.data.shards.packed import PackedNames
from windowconv.lab.data.shards.shard_index import ShardIndex
from windowconv.lab.data.shards.stores import read_part

TEST_NAMES = ("val", "validation", "test")
CLASSES = "classes.txt"


class ShardStore:
    """Images within shards, found by a place in a file.

    Args:
        paths: of the shards.
        indices: what is in each of them.
    """

    def __init__(self, paths: Sequence[Path], indices: Sequence[ShardIndex]) -> None:
        self._paths = tuple(map(str, paths))
        self._keys = PackedNames(key for index in indices for key in index.keys)
        self._offsets = np.concatenate([index.offsets for index in indices])
        self._sizes = np.concatenate([index.sizes for index in indices])
        self.shards = np.repeat(np.arange(len(paths)), [len(index.keys) for index in indices])

    def __len__(self) -> int:
        return len(self._keys)

    def read(self, index: int) -> bytes:
        size = self.size(index)
        encoded = read_part(self._paths[self.shards[index]], int(self._offsets[index]), size)
        if len(encoded) < size:
            raise InputError(f"{self.name(index)}: the shard is shorter than it was: leave it as it is during a run")
        return encoded

    def name(self, index: int) -> str:
        return f"{self._paths[self.shards[index]]} sample {self._keys[index]}"

    def key(self, index: int) -> str:
        return f"{Path(self._paths[self.shards[index]]).name}/{self._keys[index]}"

    def size(self, index: int) -> int:
        return int(self._sizes[index])


class Found(NamedTuple):
    """Both splits, each with its labels, int64, and the names of the classes."""

    train: tuple[ShardStore, Tensor]
    test: tuple[ShardStore, Tensor]
    classes: tuple[str, ...]


def find(folder: Path) -> Found | None:
    """The shards in `folder`, with every sample's place in them, or None if no shard is there.

    Every header is read, and every `.cls`, but no image; at a later start not even these (see `index_shards`).

    Args:
        folder: holds `train-000000.tar` and so on, and `val-000000.tar`, `validation-000000.tar` or `test-000000.tar`
            and so on, perhaps with one prefix before (`imagenet-train-000000.tar`);
            `classes.txt` beside them may name the classes, one a line. A sample is what has one name up to its
            first dot: an image (.jpg, .jpeg, .png or .webp) and a `.cls` that holds its class's number.

    Raises:
        InputError: a split or a shard is missing, a shard is damaged, or a sample lacks its image or its class.
    """
    if packed := sorted(path.name for form in ("*.tar.gz", "*.tgz") for path in folder.glob(form)):
        raise InputError(
            f"{folder}: {packed[0]} is compressed as a whole, so that images within cannot be reached: "
            "unpack the shards with gunzip; images are compressed already"
        )
    test = next((split for split in TEST_NAMES if _shards(folder, split)), TEST_NAMES[0])
    paths = [_shards(folder, split) for split in ("train", test)]
    if not any(paths):
        return None
    for split, there in zip(("train", test), paths, strict=True):
        if not there:
            raise InputError(f"{folder}: has shards but no {split}-000000.tar: add the {split} shards")
    indices = [index_shards(there) for there in paths]
    labels = [torch.from_numpy(np.concatenate([index.labels for index in split])) for split in indices]
    classes = _classes(folder / CLASSES)
    if classes is None:  # known by number only
        classes = tuple(str(label) for label in range(int(max(split.max() for split in labels)) + 1))
    stores = [ShardStore(there, split) for there, split in zip(paths, indices, strict=True)]
    for store, split in zip(stores, labels, strict=True):
        _check_labels(store, split, len(classes))
    return Found((stores[0], labels[0]), (stores[1], labels[1]), classes)


def _shards(folder: Path, split: str) -> list[Path]:
    """The shards of a split in order, without gaps."""
    matches = [re.fullmatch(rf"(.*[-_])?{split}[-_](\d+)\.tar", path.name) for path in folder.glob("*.tar")]
    prefixes = sorted({match[1] or "" for match in matches if match})
    if len(prefixes) > 1:
        raise InputError(
            f"{folder}: the {split} shards are of several sets ({', '.join(prefixes)}...): a folder holds one"
        )
    shards = sorted((int(match[2]), folder / match[0]) for match in matches if match)
    for expected, (number, path) in enumerate(shards):
        if number != expected:
            what = "missing" if number > expected else "there twice"
            raise InputError(
                f"{folder}: the {split} shards are not complete (number {min(number, expected)} is {what}, see "
                f"{path.name}): add the missing or remove the others"
            )
    return [path for _, path in shards]


def _classes(path: Path) -> tuple[str, ...] | None:
    if not path.exists():
        return None
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as text in UTF-8 ({error}): write one class name a line") from error
    if not all(names) or not names:
        raise InputError(f"{path}: has an empty line: write one class name a line")
    return names


def _check_labels(store: ShardStore, labels: Tensor, classes: int) -> None:
    wrong = torch.nonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        first = int(wrong[0])
        raise InputError(
            f"{store.name(first)}: has label {int(labels[first])} where there are {classes} classes: correct its .cls"
        )

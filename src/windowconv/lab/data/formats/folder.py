"""Folders of images: `train/` and `val/` (or `test/`), with one subfolder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.formats.image_files import image_files, is_hidden
from windowconv.lab.data.pixels.broken import find_broken, warn_left_out
from windowconv.lab.data.pixels.decode import decode
from windowconv.lab.data.sets import ImageData, ImageSet

TEST_NAMES = ("val", "test")


class Files(NamedTuple):
    """The images of one split.

    Args:
        root: the folder with a subfolder for each class.
        paths: of the images, each below `root`, class by class and sorted.
        labels: int64, one for each image.
    """

    root: Path
    paths: list[str]
    labels: Tensor

    def without(self, broken: Sequence[int]) -> Files:
        """The rest of the images; an `InputError` if none is left."""
        if len(broken) == len(self.paths):
            raise InputError(f"{self.root}: none of its images can be decoded: replace them")
        kept = sorted(set(range(len(self.paths))) - set(broken))
        return Files(self.root, [self.paths[index] for index in kept], self.labels[kept])


class Found(NamedTuple):
    """The images of both splits, the names of the classes, sorted, and those of images that are left out."""

    train: Files
    test: Files
    classes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def read(folder: Path, name: str, image_size: int | None = None, *, skip_broken: bool = False) -> ImageData | None:
    """Decode the images below `folder`, or None if it has neither `train/` nor `val/` nor `test/`.

    Args:
        folder: see `find`.
        name: what the data are to be called.
        image_size: see `windowconv.lab.data.load`.
        skip_broken: see `find_whole`.

    Raises:
        InputError: a folder is missing or empty, the classes differ, or an image is broken or has another
            size.
    """
    found = find_whole(folder) if skip_broken else find(folder)
    if found is None:
        return None
    train, test, classes, left_out = found
    paths = [*train.paths, *test.paths]
    images = decode(paths, lambda index: paths[index], image_size)
    n = len(train.paths)
    sets = ImageSet(images[:n], train.labels, classes), ImageSet(images[n:], test.labels, classes)
    return ImageData(name, *sets, left_out)


def find(folder: Path) -> Found | None:
    """The image files below `folder`, none of them opened, or None if it has neither `train/` nor `val/` nor `test/`.

    Args:
        folder: holds `train/CLASS/` and `val/CLASS/` or `test/CLASS/`; `val/` goes before `test/`, which in
            ImageNet has no labels.

    Raises:
        InputError: a folder is missing or empty, or the classes differ.
    """
    if not any((folder / split).is_dir() for split in ("train", *TEST_NAMES)):
        return None
    train = folder / "train"
    test = next((folder / split for split in TEST_NAMES if (folder / split).is_dir()), None)
    if not train.is_dir():
        raise InputError(f"{folder}: has no train/: put the training images into {train}/CLASS/")
    if test is None:
        raise InputError(f"{folder}: has neither val/ nor test/: put the test images into {folder / 'val'}/CLASS/")
    classes = _classes(train)
    if _classes(test) != classes:
        odd = sorted(set(classes) ^ set(_classes(test)))
        where = "train" if odd[0] in classes else test.name
        raise InputError(
            f"{folder}: train/ and {test.name}/ have different classes ({odd[0]!r} is only in {where}/): "
            "make them equal"
        )
    return Found(_files(train, classes), _files(test, classes), classes)


def find_whole(folder: Path) -> Found | None:
    """As `find`, without the images that cannot be decoded, each of which is tried; a `WindowWarning` names them."""
    found = find(folder)
    if found is None:
        return None
    kept, left_out = [], []
    for files in (found.train, found.test):
        broken = find_broken(files.paths.__getitem__, len(files.paths), files.paths.__getitem__)
        kept.append(files.without(broken))
        left_out += [os.path.relpath(files.paths[index], folder).replace(os.sep, "/") for index in broken]
    warn_left_out(left_out, len(found.train.paths) + len(found.test.paths))
    train, test = kept
    return Found(train, test, found.classes, tuple(left_out))


def _classes(split: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in split.iterdir() if entry.is_dir() and not is_hidden(entry.name))
    if not names:
        raise InputError(f"{split}: has no class folders: put each class's images into a folder of its own there")
    return tuple(names)


def _files(split: Path, classes: tuple[str, ...]) -> Files:
    by_class = [image_files(split / class_name) for class_name in classes]
    counts = torch.tensor([len(paths) for paths in by_class])
    labels = torch.repeat_interleave(torch.arange(len(classes)), counts)
    return Files(split, [path for paths in by_class for path in paths], labels)

"""Folders of images: `train/` and `val/` (or `test/`), with one subfolder for each class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.pixels.decode import decode
from windowconv.lab.data.sets import ImageData, ImageSet

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")
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


class Found(NamedTuple):
    """The images of both splits, and the names of the classes, sorted."""

    train: Files
    test: Files
    classes: tuple[str, ...]


def read(folder: Path, name: str, image_size: int | None = None) -> ImageData | None:
    """Decode the images below `folder`, or None if it has neither `train/` nor `val/` nor `test/`.

    Args:
        folder: see `find`.
        name: what the data are to be called.
        image_size: see `windowconv.lab.data.load`.

    Raises:
        InputError: a folder is missing or empty, the classes differ, or an image is broken or has another
            size.
    """
    found = find(folder)
    if found is None:
        return None
    train, test, classes = found
    paths = [*train.paths, *test.paths]
    images = decode(paths, lambda index: paths[index], image_size)
    n = len(train.paths)
    return ImageData(name, ImageSet(images[:n], train.labels, classes), ImageSet(images[n:], test.labels, classes))


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


def _classes(split: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in split.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise InputError(f"{split}: has no class folders: put each class's images into a folder of its own there")
    return tuple(names)


def _files(split: Path, classes: tuple[str, ...]) -> Files:
    by_class = [_images(split / class_name) for class_name in classes]
    counts = torch.tensor([len(paths) for paths in by_class])
    labels = torch.repeat_interleave(torch.arange(len(classes)), counts)
    return Files(split, [path for paths in by_class for path in paths], labels)


def _images(folder: Path) -> list[str]:
    """The images in a class folder and below, sorted; other files (lists, notes) are passed over."""
    found = [
        os.path.join(place, file)
        for place, _, files in sorted(os.walk(folder, followlinks=True))
        for file in sorted(files)
        if file.lower().endswith(SUFFIXES)
    ]
    if not found:
        raise InputError(f"{folder}: holds no image ({', '.join(SUFFIXES)}): add some or remove the folder")
    return found

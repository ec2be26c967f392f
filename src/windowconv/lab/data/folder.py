"""Folders of images: `train/` and `val/` (or `test/`), with one subfolder for each class."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from windowconv.errors import InputError
from windowconv.lab.data.decode import decode
from windowconv.lab.data.sets import ImageData, ImageSet

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")
TEST_NAMES = ("val", "test")


def read(folder: Path, name: str, image_size: int | None = None) -> ImageData | None:
    """The images below `folder`, or None if it has neither `train/` nor `val/` nor `test/`.

    Args:
        folder: holds `train/CLASS/` and `val/CLASS/` or `test/CLASS/`; `val/` goes before `test/`, which in
            ImageNet has no labels.
        name: what the data are to be called.
        image_size: see `windowconv.lab.data.load`.

    Raises:
        InputError: a folder is missing or empty, the classes differ, or an image is broken or has another
            size.
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
    labelled = [
        [(path, label) for label, class_name in enumerate(classes) for path in _images(split / class_name)]
        for split in (train, test)
    ]
    paths, labels = zip(*labelled[0], *labelled[1], strict=True)
    n = len(labelled[0])
    images = decode(paths, lambda index: str(paths[index]), image_size)
    targets = torch.tensor(labels, dtype=torch.int64)
    return ImageData(name, ImageSet(images[:n], targets[:n], classes), ImageSet(images[n:], targets[n:], classes))


def _classes(split: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in split.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise InputError(f"{split}: has no class folders: put each class's images into a folder of its own there")
    return tuple(names)


def _images(folder: Path) -> list[Path]:
    """The images in a class folder and below, sorted; other files (lists, notes) are passed over."""
    found = [
        Path(place) / file
        for place, _, files in sorted(os.walk(folder, followlinks=True))
        for file in sorted(files)
        if file.lower().endswith(SUFFIXES)
    ]
    if not found:
        raise InputError(f"{folder}: holds no image ({', '.join(SUFFIXES)}): add some or remove the folder")
    return found

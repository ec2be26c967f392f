"""CIFAR-10 and CIFAR-100: from torchvision's folders, or from the Hub's parquet files."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch

from windowconv.errors import InputError, require
from windowconv.lab.data.formats import parquet
from windowconv.lab.data.pixels.decode import resize
from windowconv.lab.data.sets import ImageData, ImageSet

ENDS = {"cifar10": ("airplane", "truck", 10), "cifar100": ("apple", "worm", 100)}
"""First and last class name and the number of classes, to tell CIFAR from other data in the same layout."""


def torchvision_class(name: str) -> Any:
    """torchvision's class for `cifar10` or `cifar100`: it knows folders, files and checksums."""
    return getattr(require("torchvision.datasets", "lab"), name.upper())


def read(folder: Path, name: str, image_size: int | None = None) -> ImageData | None:
    """CIFAR in `folder`, or None if it isn't there.

    Args:
        folder: holds torchvision's folder (`cifar-10-batches-py`, `cifar-100-python`) or parquet files.
        name: `cifar10` or `cifar100`.
        image_size: see `windowconv.lab.data.load`.

    Raises:
        InputError: a file is missing, damaged or changed, or the parquet files hold other data.
    """
    if (folder / torchvision_class(name).base_folder).is_dir():
        return _read_pickles(folder, name, image_size)
    data = parquet.read(folder, name, image_size)
    if data is not None:
        _check_is_cifar(folder, data, image_size)
    return data


def _read_pickles(folder: Path, name: str, image_size: int | None) -> ImageData:
    cifar = torchvision_class(name)
    # torchvision compares the checksums too, before it unpickles anything; this one names the file.
    meta = (cifar.meta["filename"], cifar.meta["md5"])
    for file, md5 in (*cifar.train_list, *cifar.test_list, meta):
        _check_md5(folder / cifar.base_folder / file, md5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy finds the files' pickles, of 2009, old-fashioned
        parts = [cifar(folder, train=train) for train in (True, False)]
    train, test = (
        ImageSet(
            resize(torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), image_size),
            torch.tensor(part.targets, dtype=torch.int64),
            tuple(part.classes),
        )
        for part in parts
    )
    return ImageData(name, train, test)


def _check_md5(path: Path, md5: str) -> None:
    if not path.is_file():
        raise InputError(f"{path}: is missing beside the other files: unpack the official archive again")
    actual = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if actual != md5:
        raise InputError(f"{path}: has MD5 {actual}, expected {md5}: unpack the official archive again")


def _check_is_cifar(folder: Path, data: ImageData, image_size: int | None) -> None:
    """Parquet files say little about themselves: refuse those whose images or classes are not CIFAR's."""
    first, last, count = ENDS[data.name]
    numbered = data.classes == tuple(str(label) for label in range(count))
    named = len(data.classes) == count and (data.classes[0], data.classes[-1]) == (first, last)
    size = (image_size, image_size) if image_size else (32, 32)
    if data.channels != 3 or data.image_size != size or not (numbered or named):
        raise InputError(
            f"{folder}: its parquet files are not {data.name} ({len(data.classes)} classes, "
            f"{data.classes[0]!r} to {data.classes[-1]!r}): "
            "give the folder's path as the data's name to load what it holds"
        )

"""`load`: data by name or by path."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from windowconv.errors import InputError, require, unknown
from windowconv.lab.data import cifar, fashion, folder, parquet
from windowconv.lab.data.decode import check_image_size
from windowconv.lab.data.gratings import gratings
from windowconv.lab.data.places import Source, download, find, not_found, roots
from windowconv.lab.data.sets import ImageData


def _cifar(name: str, title: str, base: str, archive: str) -> Source:
    return Source(
        title=title,
        read=lambda place, image_size: cifar.read(place, name, image_size),
        fetch=lambda place: cifar.torchvision_class(name)(place, download=True),
        keep=base,
        by_hand=f"unpack the official {archive} into {{root}} (it makes {base})",
    )


SOURCES = {
    "fashion-mnist": Source(
        title="Fashion-MNIST",
        read=fashion.read,
        fetch=lambda place: require("torchvision.datasets", "lab").FashionMNIST(place, download=True),
        keep=f"{fashion.RAW}/*.gz",
        by_hand=f"put the four official .gz files into {{root}}/{fashion.RAW}",
    ),
    "cifar10": _cifar("cifar10", "CIFAR-10", "cifar-10-batches-py", "cifar-10-python.tar.gz"),
    "cifar100": _cifar("cifar100", "CIFAR-100", "cifar-100-python", "cifar-100-python.tar.gz"),
}

NAMES = (*SOURCES, "gratings")
"""The data that `load` knows by name."""


def load(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    image_size: int | None = None,
    download: bool = True,
) -> ImageData:
    """Load data into memory.

    Args:
        name: `fashion-mnist`, `cifar10`, `cifar100`, `gratings` (generated, see `gratings`), or the path of a
            folder of images (`train/CLASS/`, `val/CLASS/` or `test/CLASS/`) or of parquet files in the Hub's
            layout; a relative path may also lie below a data folder.
        root: the data folder; if None, $WINDOWCONV_DATA if that is set, then ./data. In it a data set may
            have a folder of its own name.
        image_size: pixels; each image is resized until its short side is that long (bilinear, antialiased)
            and its centre square is cut out. None keeps the images as they are; they must then have one size.
        download: fetch a public data set that is not there, into the first data folder that can be written
            to.

    Raises:
        InputError: the name is unknown, or the data are missing, damaged, or too large for memory.
    """
    check_image_size(image_size)
    name = os.fspath(name)
    places = roots(root)
    if name == "gratings":
        return gratings(image_size=image_size)
    if name in SOURCES:
        return _public(name, places, image_size, download)
    for candidate in (Path(name).expanduser(), *(place / name for place in places)):
        if candidate.is_dir():
            return _folder(candidate, image_size)
    if Path(name).expanduser().exists():
        raise InputError(f"data={name!r} is a file: give the folder that holds the images or the parquet files")
    if name.startswith((".", "~")) or Path(name).name != name:
        raise InputError(f"data={name!r}: there is no such folder: give an existing one, or one of {', '.join(NAMES)}")
    raise InputError(f"{unknown('data', name, NAMES)}, or the path of a folder of images or parquet files")


def _public(name: str, places: list[Path], image_size: int | None, may_download: bool) -> ImageData:
    source = SOURCES[name]
    look = partial(find, name, source, places, image_size)
    data = look()
    if data is None:
        if not may_download:
            raise not_found(source, places, "and download=False")
        download(source, places)
        data = look()
    if data is None:
        raise not_found(source, places, "even after its download")
    return data


def _folder(place: Path, image_size: int | None) -> ImageData:
    name = place.resolve().name  # never the whole path: it goes into run folders, which name no machine's folders
    for read in (parquet.read, folder.read):
        data = read(place, name, image_size)
        if data is not None:
            return data
    raise InputError(
        f"{place}: holds neither train/ and val/ (or test/) with class folders nor train.parquet and "
        "test.parquet: give the folder that holds them"
    )

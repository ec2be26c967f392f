"""`load`: data by name or by path."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Literal

from windowconv.errors import InputError, require, unknown
from windowconv.lab.data.formats import cifar, fashion, folder, parquet
from windowconv.lab.data.formats.gratings import gratings
from windowconv.lab.data.locations import DataNotFound, Source, download, find, not_found, roots
from windowconv.lab.data.pixels.decode import check_image_size
from windowconv.lab.data.sets import ImageData
from windowconv.lab.data.streaming.encoded import open_encoded
from windowconv.phases import phase


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

IMAGENET = "imagenet"
NAMES = (*SOURCES, "gratings", IMAGENET)
"""The data that `load` knows by name."""


def load(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    image_size: int | None = None,
    download: bool = True,
    stream: bool = False,
    bad_images: Literal["fail", "skip"] = "fail",
) -> ImageData:
    """Load data into memory, or open them to be streamed from disk.

    Args:
        name: `fashion-mnist`, `cifar10`, `cifar100`, `gratings` (generated, see `gratings`), `imagenet` (the
            folder of that name in a data folder), or the path of a folder of images (`train/CLASS/`,
            `val/CLASS/` or `test/CLASS/`) or of parquet files in the Hub's layout; a relative path may also lie
            below a data folder.
        root: the data folder; if None, $WINDOWCONV_DATA if that is set, then ./data. In it a data set may
            have a folder of its own name.
        image_size: pixels; each image is resized until its short side is that long (bilinear, antialiased)
            and its centre square is cut out. None keeps the images as they are; they must then have one size.
        download: fetch a public data set that is not there, into the first data folder that can be written
            to.
        stream: leave the images of a folder on disk (see `EncodedSet`) for a `StreamLoader`, which crops each
            to `image_size`. The folder holds images or WebDataset shards (`train-000000.tar` and so on).
        bad_images: what is done about images of a folder that cannot be decoded: "fail" refuses the first; "skip"
            leaves them out with a `WindowWarning` that names them, for which each is decoded once more at the start.

    Raises:
        InputError: the name is unknown, the data are missing, damaged, or too large for memory, or they can't
            be streamed.
    """
    check_image_size(image_size)
    if bad_images not in ("fail", "skip"):
        raise unknown("bad_images", bad_images, ("fail", "skip"))
    name = os.fspath(name)
    with phase(f"reading {name}"):
        return _load(name, root, image_size, download, stream, bad_images)


def _load(
    name: str,
    root: str | os.PathLike[str] | None,
    image_size: int | None,
    download: bool,
    stream: bool,
    bad_images: Literal["fail", "skip"],
) -> ImageData:
    """As `load`."""
    places = roots(root)
    crop_size = _crop_size(name, image_size) if stream else None
    if name == "gratings":
        return gratings(image_size=image_size)
    if name in SOURCES:
        return _public(name, places, image_size, download)
    own = [] if name == IMAGENET else [Path(name).expanduser()]
    for candidate in (*own, *(place / name for place in places)):
        if candidate.is_dir():
            # Never the whole path: the name goes into run folders, which name no machine's folders.
            called = IMAGENET if name == IMAGENET else candidate.resolve().name
            if crop_size is not None:
                return _streamed(candidate, called, crop_size, bad_images == "skip")
            return _folder(candidate, called, image_size, bad_images == "skip")
    if name == IMAGENET:
        raise DataNotFound(
            f"ImageNet was not found in {', '.join(map(str, places))}: put its train/WNID/ and val/WNID/, or its "
            f"shards, into {places[0] / IMAGENET}, or name any folder that holds them with --data FOLDER"
        )
    if Path(name).expanduser().exists():
        raise InputError(f"data={name!r} is a file; allowed: the folder that holds the images or the parquet files")
    if "{" in name and name.endswith(".tar"):
        raise InputError(f"data={name!r} names shards; allowed: the folder that holds them: {Path(name).parent}")
    if name.startswith((".", "~")) or Path(name).name != name:
        raise InputError(
            f"data={name!r}: there is no such folder; allowed: an existing one, or one of {', '.join(NAMES)}"
        )
    raise unknown("data", name, NAMES, also="the path of a folder of images or parquet files")


def _public(name: str, places: list[Path], image_size: int | None, may_download: bool) -> ImageData:
    source = SOURCES[name]
    search = partial(find, name, source, places, image_size)
    data = search()
    if data is None:
        if not may_download:
            raise not_found(source, places, "and download=False")
        download(source, places)
        data = search()
    if data is None:
        raise not_found(source, places, "even after its download")
    return data


def _crop_size(name: str, image_size: int | None) -> int:
    if name in NAMES and name != IMAGENET:
        raise InputError(f"stream=True; allowed: False for {name}, which is held in memory; leave --stream out")
    if image_size is None:
        raise InputError("stream=True needs --image-size, to which each image is cropped")
    return image_size


def _streamed(place: Path, name: str, crop_size: int, skip_broken: bool) -> ImageData:
    data = open_encoded(place, name, crop_size, skip_broken=skip_broken)
    if data is None:
        raise InputError(
            f"{place}: holds neither train/ and val/ (or test/) with class folders nor shards train-000000.tar and "
            "val-000000.tar; name the folder that holds them; for parquet files leave --stream out"
        )
    return data


def _folder(place: Path, name: str, image_size: int | None, skip_broken: bool) -> ImageData:
    for read in (parquet.read, folder.read):
        data = read(place, name, image_size, skip_broken=skip_broken)
        if data is not None:
            return data
    raise InputError(
        f"{place}: holds neither train/ and val/ (or test/) with class folders nor train.parquet and "
        "test.parquet; name the folder that holds them; WebDataset shards need --stream"
    )


def data_name(data: str) -> str:
    """A data set's name as records have it: for a folder, its own name without the path."""
    return data if data in NAMES else (Path(data).resolve().name or "images")

"""Fashion-MNIST from its four official files, read where they lie: the folder may be read-only."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError, require
from windowconv.lab.data.pixels.decode import resize
from windowconv.lab.data.sets import ImageData, ImageSet

RAW = Path("FashionMNIST/raw")
"""Where torchvision keeps the files, below the data folder."""


def read(folder: Path, image_size: int | None = None) -> ImageData | None:
    """Fashion-MNIST below `folder`, or None if none of its files is there.

    Args:
        folder: holds `FashionMNIST/raw` with the official .gz files, whose MD5 is checked, or, for a file
            whose .gz is absent, its unpacked form.
        image_size: see `windowconv.lab.data.load`.

    Raises:
        InputError: a file is missing, damaged or has been changed.
    """
    fashion = require("torchvision.datasets", "lab").FashionMNIST
    raw = folder / RAW
    if not any((raw / name).exists() or _unpacked(raw / name).exists() for name, _ in fashion.resources):
        return None
    arrays = [_read_idx(raw / name, md5) for name, md5 in fashion.resources]
    for (name, _), array, ndim in zip(fashion.resources, arrays, (3, 1, 3, 1), strict=True):
        if array.ndim != ndim:
            raise InputError(f"{raw / name}: holds {array.ndim} dimensions, not {ndim}: replace the official file")
    classes = tuple(fashion.classes)
    try:
        train, test = (
            ImageSet(resize(images[:, None], image_size), labels.to(torch.int64), classes)
            for images, labels in (arrays[:2], arrays[2:])
        )
    except InputError as error:  # only unpacked files, whose checksum nobody publishes, get as far as here
        raise InputError(f"{raw}: {error}: get the official files again") from error
    return ImageData("fashion-mnist", train, test)


def _read_idx(path: Path, md5: str) -> Tensor:
    """The array in an official .gz file, or in its unpacked form beside where the .gz would be."""
    if path.exists():
        packed = path.read_bytes()
        actual = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        if actual != md5:
            raise InputError(f"{path}: has MD5 {actual}, expected {md5}: delete it and get the official file again")
        try:
            return _parse_idx(gzip.decompress(packed), path)
        except (OSError, EOFError, zlib.error) as error:  # only if the checksum is not the official one
            raise InputError(f"{path}: can't be unpacked ({error}): get the official file again") from error
    if _unpacked(path).exists():
        return _parse_idx(_unpacked(path).read_bytes(), _unpacked(path))
    raise InputError(f"{path}: is missing beside the other files: put the official file there")


def _unpacked(path: Path) -> Path:
    return path.with_suffix("")


def _parse_idx(data: bytes, path: Path) -> Tensor:
    """An idx file: bytes 0, 0, 8 (for uint8), the number of dimensions, each of them as big-endian uint32."""
    ndim = data[3] if len(data) > 3 else 0
    head = 4 + 4 * ndim
    if data[:3] != b"\0\0\x08" or not ndim or len(data) < head:
        raise InputError(f"{path}: is no idx file of bytes: replace it by the official file")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", ndim, 4))
    if len(data) - head != math.prod(shape):
        raise InputError(f"{path}: holds {len(data) - head} bytes where {shape} needs {math.prod(shape)}: "
                         "replace it by the official file")  # fmt: skip
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=head).reshape(shape).copy())

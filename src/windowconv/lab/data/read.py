"""Pictures from files and folders, in the size and the channels that a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data import NAMES, in_memory, load
from windowconv.lab.data.pixels.decode import decode

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def read_images(text: str, channels: int, size: int | None, count: int) -> Tensor | None:
    """Test images of a data set by name, or of a folder: (n, channels, size, size) in [0, 1], evenly chosen.

    None if `text` is neither.

    Raises:
        InputError: a folder without images, or images that cannot be read or have several sizes and no `size`.
    """
    folder = Path(text)
    if text in NAMES:
        pixels = in_memory(load(text, image_size=size).test).take(count).images
    elif folder.is_dir():
        pixels = _of_folder(folder, size, count)
    else:
        return None
    return _in_channels(pixels.float() / 255, channels)


def _of_folder(folder: Path, size: int | None, count: int) -> Tensor:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if files:
        step = max(1, len(files) // count)
        some = files[::step][:count]
        return decode(some, lambda i: str(some[i]), size)
    if any(folder.rglob("*.parquet")):
        return in_memory(load(folder, image_size=size).test).take(count).images
    raise InputError(f"images={str(folder)!r} holds no images ({', '.join(sorted(ENDINGS))}) and no parquet files")


def read_pictures(paths: Sequence[Path], channels: int, size: tuple[int, int]) -> Tensor:
    """Image files as one batch, uint8 (n, channels, height, width).

    Args:
        paths: the files.
        channels: 1 (grey) or 3 (RGB).
        size: height and width; where they are equal, pictures are brought to it, otherwise they must have it.

    Raises:
        InputError: a file that cannot be read, or a picture of another size.
    """
    height, width = size
    square = height if height == width else None
    each = [decode([path], lambda _, path=path: str(path), square) for path in paths]
    for path, image in zip(paths, each, strict=True):
        if tuple(image.shape[2:]) != size:
            raise InputError(
                f"image={str(path)!r} has another size than the run's images; bring it to {width}x{height}"
            )
    return torch.cat([_in_channels(image, channels) for image in each])


def _in_channels(images: Tensor, channels: int) -> Tensor:
    """Images (n, 1 or 3, h, w), bytes or floats, as grey or RGB ones of the same dtype."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1).contiguous()
    if channels == 1:
        luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # ITU-R 601, as PIL's mode L
        grey = (images * luma).sum(1, keepdim=True)
        return grey if images.is_floating_point() else grey.round().to(images.dtype)
    raise InputError(f"the network takes {channels} channels, but images have 1 or 3: --images cannot be used with it")

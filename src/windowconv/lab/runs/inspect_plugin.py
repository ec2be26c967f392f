"""What the laboratory gives to `windowconv inspect`: run folders as networks, and images by name or folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.inspection.subject import Subject
from windowconv.lab.data import NAMES, in_memory, load
from windowconv.lab.data.pixels.decode import decode
from windowconv.lab.runs.folder import Run

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def run_folder(text: str) -> Subject | None:
    """The network of a run folder; None if `text` is none."""
    folder = Path(text)
    if not (folder / "run.json").is_file():
        return None
    run = Run.open(folder)
    known = run.record["data"]
    facts = {"run": run.folder.name, "arm": run.config.arm, "data": str(known["source"])}
    with suppress(InputError):  # a run that was cut: its weights may be there all the same
        facts["test accuracy"] = f"{run.final()['test_accuracy']:.2%}"
    return Subject(
        run.folder.resolve().name,
        run.model(),
        known["channels"],
        known["image_size"][0],
        weights="the run's last",
        trained=True,
        data=run.config.data,
        facts=facts,
    )


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


def _in_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1).contiguous()
    if channels == 1:
        luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # ITU-R 601, as PIL's mode L
        return (images * luma).sum(1, keepdim=True)
    raise InputError(f"the network takes {channels} channels, but images have 1 or 3: --images cannot be used with it")

"""Which loader feeds a network: from the device's memory, or from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import NAMES, DeviceLoader, ImageData, ImageSet, load
from windowconv.lab.data.batches import Loader
from windowconv.lab.data.sets import Images
from windowconv.lab.data.streaming.encoded import EncodedSet
from windowconv.lab.data.streaming.stream import StreamLoader
from windowconv.lab.runs.folder import Run

SPLIT_SEED = 0
"""The validation images are the same in all runs."""


def training_loader(
    images: Images,
    config: RunConfig,
    device: torch.device,
    execution: Execution | None = None,
    rank: int = 0,
    world: int = 1,
) -> Loader:
    """The batches that a run trains on: `config.batch_size` images over all ranks, this rank's slice of them."""
    where = {"device": device, "rank": rank, "world": world}
    if isinstance(images, EncodedSet):
        workers = (execution or Execution()).workers
        crops = {"augment": config.augment, "area": config.crop_area, "aspect": config.crop_aspect}
        return StreamLoader(images, config.batch_size, seed=config.seed, workers=workers, **crops, **where)
    assert isinstance(images, ImageSet)
    return DeviceLoader(images, config.batch_size, seed=config.seed, augment=config.augment, **where)


def ordered_loader(
    images: Images, batch: int, device: torch.device | str, workers: int = 2, rank: int = 0, world: int = 1
) -> Loader:
    """Every image once, over all ranks together, in the set's own order."""
    where = {"device": device, "rank": rank, "world": world}
    if isinstance(images, EncodedSet):
        return StreamLoader(images, batch, ordered=True, workers=workers, **where)
    assert isinstance(images, ImageSet)
    return DeviceLoader(images, batch, ordered=True, **where)


def limit_images(data: ImageData, training: Training) -> ImageData:
    """The data with the numbers of images that the settings ask for; the same ones for every arm and seed."""
    for name, images in (("train", data.train), ("test", data.test)):
        wanted = getattr(training, f"{name}_images")
        if wanted is not None and wanted > len(images):
            raise InputError(f"{name}-images={wanted}; allowed: 1 to {len(images)}, what {data.name} has")
    return replace(data, train=data.train.take(training.train_images), test=data.test.take(training.test_images))


def split_validation(images: Images, training: Training) -> tuple[Images, Images | None]:
    """What is trained on, and the validation images, if the settings ask for some."""
    if not training.val_fraction:
        return images, None
    return images.split(training.val_fraction, seed=SPLIT_SEED)


def read_data(data: str, root: Path | None, training: Training) -> ImageData:
    """The images that settings are for, all of them."""
    return load(data, root, image_size=training.image_size, stream=training.stream, bad_images=training.bad_images)


def example_images(images: Images, count: int) -> Tensor:
    """So many images of a set, or all, evenly over its classes: float32 (n, C, H, W) in [0, 1]."""
    some = images.take(min(count, len(images)))
    return torch.cat([batch.images for batch in ordered_loader(some, count, "cpu", workers=0).epoch(0)])


def data_of(run: Run, data: str | None) -> str:
    """The images to read for a run: `data`, or the run's own if None.

    Raises:
        InputError: the run's own are a folder of images, whose whereabouts no run records.
    """
    if data is None and run.config.data not in NAMES:
        raise InputError(
            f"{run.folder.name} was trained on the folder {run.config.data!r}; say where it is with --data"
        )
    return data or run.config.data

"""Loading as torchvision's reference scripts do: PIL images, transforms image by image, torch's DataLoader."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from windowconv.lab.config import RunConfig
from windowconv.lab.data import EncodedSet, ImageData, ImageSet
from windowconv.lab.data.shards.stores import FileStore

WORKERS = (0, 2)
AHEAD = 4  # batches that torch's loader has its workers prepare: two for each of two
PHOTOGRAPH = (500, 375)  # pixels of the usual photograph in ImageNet
PHOTOGRAPHS = 64


class InMemory(Dataset[Any]):
    """As torchvision's CIFAR10: an array in memory, of which each image becomes a PIL image.

    Args:
        images: what to load.
        length: of the set; images come again after the last one.
    """

    def __init__(self, images: ImageSet, length: int) -> None:
        self.pixels = np.ascontiguousarray(images.images.permute(0, 2, 3, 1).numpy())
        self.labels = images.labels.tolist()
        self.length = length
        crop = transforms.RandomCrop(images.shape[1], padding=4)
        self.transform = transforms.Compose([crop, transforms.RandomHorizontalFlip(), transforms.ToTensor()])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Any, int]:
        index %= len(self.labels)
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


class Files(Dataset[Any]):
    """As torchvision's ImageFolder, with the crops of the recipe."""

    def __init__(self, folder: Path, config: RunConfig, pixels: int, classes: int, length: int) -> None:
        self.paths = sorted(folder.iterdir())
        self.classes = classes
        self.length = length
        crop = transforms.RandomResizedCrop(pixels, scale=config.crop_area, ratio=config.crop_aspect)
        self.transform = transforms.Compose([crop, transforms.RandomHorizontalFlip(), transforms.ToTensor()])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with self.paths[index % len(self.paths)].open("rb") as file:
            return self.transform(Image.open(file).convert("RGB")), index % self.classes


def make_loader(images: Dataset[Any], batch: int, workers: int, device: torch.device) -> DataLoader[Any]:
    """Torch's loader, whose workers stay from epoch to epoch."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)  # on a machine of one core
        return DataLoader(
            images,
            batch,
            shuffle=True,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
        )


def on_device(loader: DataLoader[Any], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """An epoch's batches."""
    for images, labels in loader:
        yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


def write_photographs(folder: Path, count: int = PHOTOGRAPHS, size: tuple[int, int] = PHOTOGRAPH) -> None:
    """JPEG files of about a photograph's size, in pixels and in bytes: coarse noise under fine noise."""
    generator = np.random.default_rng(0)
    for i in range(count):
        coarse = generator.integers(0, 256, (size[1] // 16 + 1, size[0] // 16 + 1, 3), dtype=np.uint8)
        fine = generator.normal(0, 12, (size[1], size[0], 3))
        image = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)) + fine
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{i:03}.jpg", quality=90)


def encoded(folder: Path, pixels: int, classes: int, length: int) -> ImageData:
    """The same files as windowconv streams them; images come again after the last one."""
    paths = [str(path) for path in sorted(folder.iterdir())]
    store = FileStore(folder, paths)
    names = tuple(f"class {i}" for i in range(classes))
    train, test = (
        EncodedSet(store, np.arange(n) % len(paths), torch.arange(n) % classes, names, pixels) for n in (length, 1)
    )
    return ImageData("photographs", train, test)

"""The loader alone: images a second with random mirroring and crops, against torchvision's way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.record import Job, Row
from benchmarks.training.loops import Clock, LoaderAlone
from benchmarks.training.timing import Effort, Runner, measure
from benchmarks.training.torchvision_loading import WORKERS, InMemory, make_loader
from benchmarks.training.workloads import noise, wait
from windowconv.lab.data import DeviceLoader, ImageSet, in_memory

GROUP = "loader"
PIXELS = 32
BATCHES = (64, 256)
IMAGES, QUICK_IMAGES = 50_000, 1_000
EXPECTED = 10_000  # images a second of torchvision's, about, so that a round takes its time


class Epoch:
    """An epoch of `DeviceLoader`."""

    def __init__(self, images: ImageSet, batch: int, device: torch.device) -> None:
        self.loader = DeviceLoader(images, batch, device=device, augment="flip-crop")
        self.images, self.device, self.epochs = len(images), device, 0

    def __call__(self) -> float:
        """Load, each time in another order."""
        start = time.perf_counter()
        for _ in self.loader.epoch(self.epochs):
            pass
        wait(self.device)
        self.epochs += 1
        return (time.perf_counter() - start) / self.images


def jobs(device: torch.device, effort: Effort, quick: bool, compiled: bool) -> Iterator[Job]:
    """Every row."""
    for batch in BATCHES[:1] if quick else BATCHES:
        yield Job(f"{GROUP}/{PIXELS}/{batch}", partial(row, batch, device, effort, QUICK_IMAGES if quick else IMAGES))


def row(batch: int, device: torch.device, effort: Effort, images: int = IMAGES) -> Row:
    """Both loaders in turn."""
    data = in_memory(noise(images, 1, PIXELS, 10).train)
    steps = max(1, round(effort.seconds * EXPECTED / batch))
    clock = Clock(steps, batch, device)
    pictures = InMemory(data, clock.length)
    runners: dict[str, Runner] = {"ours": Epoch(data, batch, device)}
    for workers in WORKERS:
        runners[f"torchvision {workers}"] = LoaderAlone(make_loader(pictures, batch, workers, device), clock)
    return {"batch": batch, "images": images, **measure(runners, effort.rounds)}

"""The loops that are compared. Each is called to train some steps, times itself, and returns seconds an image."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks.training.torchvision_loading import AHEAD, on_device
from benchmarks.training.workloads import Setup, wait
from windowconv.lab.config import Execution
from windowconv.lab.data import ImageData, Loader
from windowconv.lab.progress import LineProgress
from windowconv.lab.runs.writer import RunWriter
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.loop import Loop
from windowconv.lab.training.signals import StopRequest

Item = TypeVar("Item")
NEVER = 1e6  # minutes
KEPT = 4  # batches that the bare loop takes in turn


class Clock:
    """Times the middle of an epoch, in which a loader with workers is as it is in a long one.

    The first batches fill its queue and are not timed. Since its workers prepare batches ahead, it has some more than
    are timed; the last ones are dropped, so that nothing is left to do when others are timed.

    Args:
        steps: batches that are timed.
        batch: images in each.
        device: to wait for.
    """

    def __init__(self, steps: int, batch: int, device: torch.device) -> None:
        self.steps, self.batch, self.device = steps, batch, device
        self.lead = max(1, steps // 5)
        self.seconds = 0.0  # an image

    @property
    def length(self) -> int:
        """Images that an epoch must have."""
        return (1 + self.lead + self.steps + AHEAD) * self.batch

    def over(self, batches: Iterator[Item]) -> Iterator[Item]:
        """The batches to train on."""
        batch = next(batches)
        start = 0.0
        for i in range(self.lead + self.steps):
            if i == self.lead:
                start = self._now()
            yield batch
            batch = next(batches)
        self.seconds = (self._now() - start) / (self.steps * self.batch)
        for _ in batches:
            pass

    def _now(self) -> float:
        wait(self.device)
        return time.perf_counter()


class Clocked:
    """One of windowconv's loaders under a clock, for the loop to take batches from."""

    def __init__(self, loader: Loader, clock: Clock) -> None:
        self.loader, self.clock = loader, clock

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """An epoch's batches, but for the last ones."""
        return self.clock.over(self.loader.epoch(epoch, start))


class Plain:
    """The least that trains: the same network, cross-entropy, torch's SGD."""

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        self.setup, self.device = setup, setup.device
        self.model = setup.network().train()
        self.precision = setup.autocast() if config.precision == "bf16" else nullcontext()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            config.lr,
            config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.nesterov,
        )

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step, on images in the network's memory format."""
        self.optimizer.zero_grad()
        with self.precision:
            loss = F.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()


class Bare:
    """The bare loop: a few batches, on the device as numbers, in turn."""

    def __init__(self, plain: Plain, steps: int) -> None:
        size, batch = plain.setup.case.size, plain.setup.config.batch_size
        self.plain, self.steps, self.batch = plain, steps, batch
        self.batches = []
        for _ in range(min(steps, KEPT)):
            images = torch.rand(batch, 3, size.pixels, size.pixels, device=plain.device)
            labels = torch.randint(size.classes, (batch,), device=plain.device)
            self.batches.append((images.contiguous(memory_format=plain.setup.layout), labels))

    def __call__(self) -> float:
        """Train."""
        start = time.perf_counter()
        for i in range(self.steps):
            self.plain.step(*self.batches[i % len(self.batches)])
        wait(self.plain.device)
        return (time.perf_counter() - start) / (self.steps * self.batch)


class Torchvision:
    """The bare loop on batches from torch's loader."""

    def __init__(self, plain: Plain, loader: DataLoader[Any], clock: Clock) -> None:
        self.plain, self.loader, self.clock = plain, loader, clock

    def __call__(self) -> float:
        """Train."""
        for images, labels in self.clock.over(on_device(self.loader, self.plain.device)):
            self.plain.step(images.contiguous(memory_format=self.plain.setup.layout), labels)
        return self.clock.seconds


class LoaderAlone:
    """Torch's loader without a training."""

    def __init__(self, loader: DataLoader[Any], clock: Clock) -> None:
        self.loader, self.clock = loader, clock

    def __call__(self) -> float:
        """Load."""
        for _ in self.clock.over(on_device(self.loader, self.clock.device)):
            pass
        return self.clock.seconds


class Ours:
    """An epoch of windowconv's own loop, as it is in a run: with its loader, schedule, checks, log and progress.

    Args:
        setup: what to train.
        data: the images.
        folder: for the log.
        clock: if not the whole epoch is to be timed.
    """

    def __init__(self, setup: Setup, data: ImageData, folder: Path, clock: Clock | None = None) -> None:
        config = setup.config if clock is None else replace(setup.config, **_streamed(setup))
        execution = Execution(device=str(setup.device), checkpoint_minutes=NEVER)
        progress = LineProgress(stream=io.StringIO())
        self.loop = Loop(
            [config],
            [setup.network()],
            data,
            [RunWriter(folder, {})],
            progress,
            Ranks(execution, config.precision),
            execution,
        )
        self.clock, self.images, self.device = clock, len(data.train), setup.device
        if clock is not None:
            self.loop.loaders[0] = cast(Loader, Clocked(self.loop.loaders[0], clock))
        self.loop.started = self.loop.saved = time.perf_counter()
        progress.start_run("noise", self.images)

    def __call__(self) -> float:
        """Train an epoch."""
        start = time.perf_counter()
        self.loop._train_epoch(StopRequest())
        wait(self.device)
        seconds = (time.perf_counter() - start) / self.images
        self.loop.epoch, self.loop.batch = self.loop.epoch + 1, 0
        return seconds if self.clock is None else self.clock.seconds


def _streamed(setup: Setup) -> dict[str, Any]:
    return {"stream": True, "augment": "area-crop", "image_size": setup.case.size.pixels}

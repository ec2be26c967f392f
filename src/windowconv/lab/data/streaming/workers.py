"""Processes that read and decode batches ahead of the training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from windowconv.errors import InputError
from windowconv.lab.data.pixels.crops import draw_area_crop, read_area_crop, read_centre
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.data.streaming.encoded import EncodedSet

Bounds = tuple[float, float]
Task = tuple[int, Tensor]
"""What a worker is asked for: an epoch, and images as positions in the set, int64 (B,) on the CPU."""


class Reader(Dataset[Any]):
    """From a task to its pixels; every worker has a copy of this.

    Args:
        image_set: the images.
        seed: of the crops.
        area, aspect: see `draw_area_crop`; None for the images' centres.
    """

    def __init__(self, image_set: EncodedSet, seed: int, area: Bounds | None, aspect: Bounds | None) -> None:
        self.image_set = image_set
        self.seed = seed
        self.area = area
        self.aspect = aspect

    def __getitem__(self, task: tuple[int, Sequence[int]]) -> Tensor | InputError:
        """uint8 (B, H, W, 3); what is wrong with an image is returned, since torch would wrap what is raised."""
        epoch, indices = task
        try:
            return torch.from_numpy(np.stack([self.read(epoch, index) for index in indices]))
        except InputError as error:
            return error

    def read(self, epoch: int, index: int) -> np.ndarray:
        """The crop of one image in an epoch, uint8 (H, W, 3): a function of the arguments and the seed alone."""
        images, area, aspect = self.image_set, self.area, self.aspect
        encoded, where, size = images.read(index), images.name(index), images.crop_size
        if area is None or aspect is None:
            return read_centre(encoded, where, size)
        return read_area_crop(
            encoded, where, size, lambda shape: draw_area_crop(self.seed, epoch, index, shape, area, aspect)
        )


class Workers:
    """Processes that do tasks, and wait for more when these are done.

    Args:
        reader: does a task.
        processes: how many; with 0 this process does the tasks, when their results are asked for.
        pin: put results into memory that a GPU copies from by itself.
    """

    def __init__(self, reader: Reader, processes: int, pin: bool) -> None:
        self._plan = _Plan()
        self._processes = processes
        with warnings.catch_warnings():
            # More processes than cores are the caller's choice, and help where a disk is slow.
            warnings.filterwarnings("ignore", "This DataLoader will create")
            self._loader: DataLoader[Any] = DataLoader(
                reader,
                batch_size=None,
                sampler=self._plan,
                num_workers=processes,
                collate_fn=_as_it_is,
                pin_memory=pin,
                persistent_workers=processes > 0,
                # Seeds of workers, which use none: without this they'd be drawn from the stream of everybody.
                generator=seeded_generator("workers"),
            )

    def do(self, tasks: Sequence[Task]) -> Iterator[Tensor]:
        """The results of tasks in their order, uint8 (B, H, W, 3); one call at a time.

        Raises:
            InputError: an image is broken, or a process has died.
        """
        self._plan.tasks = tasks
        with self._alive():
            results = iter(self._loader)
        for _ in tasks:
            with self._alive():
                result = next(results)
            if isinstance(result, InputError):
                raise result
            yield result

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, EOFError, ConnectionError, FileNotFoundError) as error:
            lost = str(error).startswith("DataLoader worker") or not isinstance(error, RuntimeError)
            if not lost or not self._processes or str(error).startswith("Caught "):  # a mistake of ours
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(". ")
            raise InputError(
                f"workers={self._processes}: one has died, perhaps for want of memory ({reason}): "
                "give fewer workers or smaller batches, or more shared memory"
            ) from error


class _Plan:
    """The tasks to do, as torch's loader asks for them."""

    def __init__(self) -> None:
        self.tasks: Sequence[Task] = ()

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        for epoch, indices in self.tasks:
            yield epoch, indices.tolist()


def _as_it_is(result: Any) -> Any:
    return result

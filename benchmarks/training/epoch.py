"""One epoch whole, with evaluation, leakage record and a checkpoint: how much of it is steps, and what the rest is."""

from __future__ import annotations

import io
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import Job, Row
from benchmarks.training.loops import NEVER
from benchmarks.training.timing import Effort
from benchmarks.training.workloads import LR, noise, wait
from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.models.algorithm_choice import choose_algorithms, restore_algorithms
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import network_spec
from windowconv.lab.progress import LineProgress
from windowconv.lab.recipes import ARMS, find_recipe
from windowconv.lab.runs.writer import RunWriter
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.loop import Loop

GROUP = "epoch"
RECIPE = "fashion-mnist-small"
PIXELS, CHANNELS, CLASSES = 28, 1, 10
IMAGES, QUICK_IMAGES = (60_000, 10_000), (640, 100)
REPEATS = 4  # rounds of other rows for one of these
PARTS = ("steps", "loader and log", "evaluation", "leakage", "checkpoint", "rest")


def jobs(device: torch.device, effort: Effort, quick: bool, compiled: bool) -> Iterator[Job]:
    """Every row."""
    images = QUICK_IMAGES if quick else IMAGES
    for arm in ARMS:
        yield Job(f"{GROUP}/{arm}", partial(row, arm, device, max(1, effort.rounds // REPEATS), images))


def row(arm: str, device: torch.device, repeats: int, images: tuple[int, int] = IMAGES) -> Row:
    """Seconds of each part of an epoch, some times."""
    data = noise(*images, PIXELS, CLASSES, CHANNELS)
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            loop = make_loop(arm, device, data, Path(folder))
            for part, seconds in parts(loop, device).items():
                found[part].append(seconds)
    return {"images": list(images), "seconds": dict(found)}


def make_loop(arm: str, device: torch.device, data: ImageData, folder: Path) -> Loop:
    """A run of one epoch, as `windowconv.lab.training.train` begins it."""
    given = {**asdict(find_recipe(RECIPE).training), "epochs": 1, "lr": LR}
    config = RunConfig(**given, data="noise", arm=arm)
    spec = network_spec(config, arm, 0, CLASSES, (CHANNELS, PIXELS, PIXELS))
    # the checkpoint is asked for: by the clock, an epoch may have none
    execution = Execution(device=str(device), checkpoint_minutes=NEVER)
    torch.manual_seed(0)
    layout: Any = {"memory_format": torch.channels_last}
    network = build(spec.builder, spec.arguments).to(device).to(**layout)
    restore_algorithms(network, choose_algorithms(spec, config, data, execution))
    progress, writer = LineProgress(stream=io.StringIO()), RunWriter(folder, {})
    return Loop([config], [network], data, [writer], progress, Ranks(execution, config.precision), execution)


def parts(loop: Loop, device: torch.device) -> dict[str, float]:
    """Run the loop to its end, save a checkpoint, and say what took how long."""
    spent: dict[str, float] = defaultdict(float)
    for name, owner, method in (
        ("steps", loop.stepper, "update"),
        ("epoch", loop, "_train_epoch"),
        ("evaluation", loop, "_evaluate"),
        ("leakage", loop, "_log_leakage"),
        ("checkpoint", loop, "_save"),
    ):
        _watch(owner, method, spent, name, device)
    start = time.perf_counter()
    loop.run()
    loop._save()
    whole = time.perf_counter() - start
    spent["loader and log"] = spent["epoch"] - spent["steps"]
    spent["rest"] = whole - sum(spent[name] for name in ("epoch", "evaluation", "leakage", "checkpoint"))
    return {"whole": whole, **{name: spent[name] for name in PARTS}}


def _watch(owner: object, method: str, spent: dict[str, float], name: str, device: torch.device) -> None:
    """Add the time of a method's calls up, of what they have the device do too."""
    inner = getattr(owner, method)

    def call(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return inner(*arguments)
        finally:
            wait(device)
            spent[name] += time.perf_counter() - start

    setattr(owner, method, call)
